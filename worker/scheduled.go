package worker

import (
	"context"
	"time"
)

// lookAtScheduled is how often changes that were scheduled are looked at.
const lookAtScheduled = 3 * time.Second

// makeScheduled makes the changes of records whose time has come.
func makeScheduled(ctx context.Context, options Options) {
	if _, err := options.Store.TakeEffect(ctx, time.Now()); err != nil && ctx.Err() == nil {
		options.Log.Warn("making changes that were scheduled; it is tried again", "error", err)
	}
}

// keepScheduled does so until ctx ends. Several workers may do it at once: each change is made once.
func keepScheduled(ctx context.Context, options Options) {
	for wait(ctx, lookAtScheduled) == nil {
		makeScheduled(ctx, options)
	}
}
