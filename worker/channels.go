package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/sdk/worker"
)

// lookEvery is how often a worker looks whether the limits of channels were changed.
const lookEvery = 10 * time.Second

// channels work on the task queues of channels with a limit, each by a worker of its own. The server deals out what
// such a queue holds at the pace that those who poll it name, whatever their number.
type channels struct {
	options Options
	tuned   worker.Options
	running map[string]*channel // by task queue
}

type channel struct {
	worker.Worker
	perSecond float64 // 0 = without a limit
}

// Queues are the task queues of channels that need somebody who works on them, with the calls per second that their
// quotas allow. One that a quota no longer names is there without a limit (0), for calls that wait under earlier plans.
func Queues(ctx context.Context, books *store.Store) (map[string]float64, error) {
	settings, err := books.Account(ctx)
	if err != nil {
		return nil, err
	}
	var account Account
	if err := json.Unmarshal(settings, &account); err != nil {
		return nil, fmt.Errorf("reading the account's settings: %w", err)
	}
	named, err := books.Queues(ctx)
	if err != nil {
		return nil, err
	}
	queues := make(map[string]float64, len(named))
	for _, queue := range named {
		queues[queue] = 0
	}
	for name, quota := range account.Quotas {
		queues[plan.ChannelQueue(name)] = quota.PerSecond()
	}
	return queues, nil
}

// follow works on the queues that there are, at the pace that is published. A queue never ceases to be worked on.
func (c *channels) follow(ctx context.Context) error {
	queues, err := Queues(ctx, c.options.Store)
	if err != nil {
		return err
	}
	for _, queue := range slices.Sorted(maps.Keys(queues)) {
		perSecond := queues[queue]
		before := c.running[queue]
		if before != nil && before.perSecond == perSecond {
			continue
		}
		if before != nil {
			before.Stop()
			delete(c.running, queue)
		}
		if err := c.start(queue, perSecond); err != nil {
			return fmt.Errorf("starting the worker on task queue %s: %w", queue, err)
		}
		c.options.Log.Info("worker has a channel", "queue", queue, "per_second", perSecond)
	}
	return nil
}

func (c *channels) start(queue string, perSecond float64) error {
	tuned := c.tuned
	tuned.DisableWorkflowWorker, tuned.TaskQueueActivitiesPerSecond = true, perSecond
	one := &channel{worker.New(c.options.Temporal, queue, tuned), perSecond}
	Runtime(c.options).Register(one, c.options.Kinds)
	if err := one.Start(); err != nil {
		return err
	}
	if c.running == nil {
		c.running = map[string]*channel{}
	}
	c.running[queue] = one
	return nil
}

// stop drains all of them at once.
func (c *channels) stop() {
	var stopping sync.WaitGroup
	for _, one := range c.running {
		stopping.Go(one.Stop)
	}
	stopping.Wait()
}
