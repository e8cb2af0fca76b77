package ingest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	wokenAtOnce = 16
	wakeAgain   = time.Second // after an attempt that failed
)

// bell tells enrollments that what they wait for may have come, beside whoever stores it. An enrollment is told once,
// however much came for it meanwhile, so what is kept here is bounded by how many wait.
type bell struct {
	wake func(ctx context.Context, workflowIDs []string) error
	log  *slog.Logger
	rung chan struct{}

	mu      sync.Mutex
	waiting map[string]bool // Temporal workflow ids
}

// ring remembers whom to tell.
func (b *bell) ring(workflowIDs []string) {
	b.mu.Lock()
	for _, id := range workflowIDs {
		b.waiting[id] = true
	}
	b.mu.Unlock()
	select {
	case b.rung <- struct{}{}:
	default: // it is awake
	}
}

// run tells until ctx ends. Who cannot be told now is told later.
func (b *bell) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.rung:
		}
		b.mu.Lock()
		told := slices.Sorted(maps.Keys(b.waiting))
		clear(b.waiting)
		b.mu.Unlock()
		if missed := b.tell(ctx, told); len(missed) > 0 && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(wakeAgain):
			}
			b.ring(missed)
		}
	}
}

// tell tells enrollments, some at once, and returns those that could not be told.
func (b *bell) tell(ctx context.Context, workflowIDs []string) (missed []string) {
	var group errgroup.Group
	group.SetLimit(wokenAtOnce)
	var mu sync.Mutex
	var failed error
	for _, id := range workflowIDs {
		group.Go(func() error {
			if err := b.wake(ctx, []string{id}); err != nil {
				mu.Lock()
				defer mu.Unlock()
				missed, failed = append(missed, id), err
			}
			return nil
		})
	}
	_ = group.Wait() // what fails is in missed
	if failed != nil && ctx.Err() == nil {
		b.log.Warn("enrollments that wait for an event cannot be told; it is tried again", "how_many", len(missed), "error", failed)
	}
	return missed
}
