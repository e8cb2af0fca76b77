package worker

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/enroll"
)

const (
	lookAtSwitches = 3 * time.Second // how often
	betweenPages   = time.Second     // of people who are told
)

// carryOutSwitches tells people what the switches of their workflows mean for them, until ctx ends. Several workers may
// do it at once: who is told twice notices nothing.
func carryOutSwitches(ctx context.Context, options Options) {
	people := &enroll.Client{Temporal: options.Temporal, Store: options.Store, Queue: options.Queue}
	for wait(ctx, lookAtSwitches) == nil {
		err := people.Switches(ctx, time.Now(), func(ctx context.Context) error { return wait(ctx, betweenPages) })
		if err != nil && ctx.Err() == nil {
			options.Log.Warn("carrying out the switches of workflows; it is tried again", "error", err)
		}
	}
}

// wait lets a time pass, but not beyond the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
