package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxShared is how many writes share a transaction at most.
const maxShared = 500

// sharedTime is the longest that a shared transaction may take.
const sharedTime = 30 * time.Second

// Group makes transactions that several callers share: what is asked for while one is committed goes into the next. A
// commit waits for the disk, so many small writes cost little more than one; it outlasts a loss of power.
type Group struct {
	store *Store

	mu      sync.Mutex
	queue   []*share
	working bool
}

// share is one caller's part of a transaction.
type share struct {
	ctx   context.Context
	write func(tx *Tx) error
	done  chan error
}

// NewGroup returns a group.
func (s *Store) NewGroup() *Group { return &Group{store: s} }

// Do runs write in a transaction that others may share and returns when it is committed, or when write has failed, which
// undoes what this write did and no other. Like what is given to Tx, write has to begin anew whenever it is called. Once
// its transaction has begun, the end of ctx does not stop it.
func (g *Group) Do(ctx context.Context, write func(tx *Tx) error) error {
	mine := &share{ctx: ctx, write: write, done: make(chan error, 1)}
	g.mu.Lock()
	g.queue = append(g.queue, mine)
	if !g.working {
		g.working = true
		go g.work()
	}
	g.mu.Unlock()
	return <-mine.done
}

// work makes transactions until nobody asks for one.
func (g *Group) work() {
	for {
		g.mu.Lock()
		taken := g.queue[:min(len(g.queue), maxShared)]
		g.queue = g.queue[len(taken):]
		if len(taken) == 0 {
			g.queue, g.working = nil, false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.together(taken)
	}
}

// together makes one transaction for all. When it fails, each gets one of its own, so that a bad write harms nobody else.
func (g *Group) together(shares []*share) {
	var present []*share
	for _, one := range shares {
		if err := one.ctx.Err(); err != nil {
			one.done <- err
			continue
		}
		present = append(present, one)
	}
	err := g.commit(present)
	if err != nil && len(present) > 1 && !errors.Is(err, errUnsure) {
		for _, one := range present {
			one.done <- g.commit([]*share{one})
		}
		return
	}
	for _, one := range present {
		one.done <- err
	}
}

func (g *Group) commit(shares []*share) error {
	if len(shares) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(shares[0].ctx), sharedTime)
	defer cancel()
	return g.store.transact(ctx, g.store.write.beginLasting, func(tx *Tx) error {
		for _, one := range shares {
			if err := one.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// Try runs do and undoes what it wrote when it fails, while the transaction goes on.
func (tx *Tx) Try(ctx context.Context, do func() error) error {
	if _, err := tx.exec(ctx, `SAVEPOINT attempt`); err != nil {
		return err
	}
	noted := len(tx.noted)
	failed := do()
	if failed != nil {
		tx.noted = tx.noted[:noted]
		if _, err := tx.exec(ctx, `ROLLBACK TO SAVEPOINT attempt`); err != nil {
			return err
		}
	}
	if _, err := tx.exec(ctx, `RELEASE SAVEPOINT attempt`); err != nil {
		return err
	}
	return failed
}
