package enroll

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/millrace/millrace/internal/store"
)

const (
	leaseFor   = 15 * time.Second
	renewEvery = 5 * time.Second
)

// lead runs do while nobody else does under the same name, again whenever it is its turn, until ctx ends. Of several programs
// on one database one works and the others stand by; one that was killed is followed when its lease has run out. The context
// of do ends when the lease cannot be renewed.
func lead(ctx context.Context, books *store.Store, name string, log *slog.Logger, do func(ctx context.Context)) {
	holder := uuid.NewString()
	for ctx.Err() == nil {
		held, err := renew(ctx, books, name, holder)
		if err != nil && ctx.Err() == nil {
			log.Error("taking the turn; it is tried again", "of", name, "error", err)
		}
		if !held {
			rest(ctx, nil, renewEvery)
			continue
		}
		leading, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			do(leading)
		}()
		for lease := time.Now().Add(leaseFor); leading.Err() == nil; {
			rest(ctx, done, renewEvery)
			held, err := renew(ctx, books, name, holder)
			switch {
			case held:
				lease = time.Now().Add(leaseFor)
			case err == nil, !time.Now().Before(lease): // somebody else has it, or may have it
				stop()
			}
		}
		stop()
		<-done
	}
	_ = books.Release(context.WithoutCancel(ctx), name, holder) // it runs out by itself
}

func renew(ctx context.Context, books *store.Store, name, holder string) (held bool, err error) {
	now := time.Now()
	return books.Lease(ctx, name, holder, now, now.Add(leaseFor))
}
