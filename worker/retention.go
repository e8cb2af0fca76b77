package worker

import "context"

// keepHouse sees to it that what is kept no longer is removed every night.
func keepHouse(ctx context.Context, options Options) {
	for {
		err := people(options).SchedulePruning(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		options.Log.Warn("nothing is removed that is kept no longer; it is tried again", "error", err)
		if wait(ctx, lookEvery) != nil {
			return
		}
	}
}
