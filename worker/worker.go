// Package worker assembles what runs: the interpreter, the kinds and the store on one task queue.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/workflows"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// drainTime is how long a worker that was asked to stop waits for what it is doing. It is longer than one
// attempt of any kind's activity needs in health.
const drainTime = 30 * time.Second

// Options say what a worker works with.
type Options struct {
	Temporal  client.Client
	Namespace string // of Temporal; "" = default
	Store     *store.Store
	Kinds     []action.Kind
	Provide   func(account Account) (action.Providers, error) // nil = Configured
	Queue     string                                          // "" = plan.TaskQueue
	Scripts   action.Scripts                                  // nil = in this process, which a hostile one can block
	Look      time.Duration                                   // how often the limits of channels are looked at; 0 = every ten seconds
	Log       *slog.Logger
	Simulated *action.Simulated // nil in production
}

// Register puts the interpreter, its own activities and the kinds into a worker or a test environment.
func Register(registry Registry, options Options) {
	registry.RegisterWorkflowWithOptions(workflows.Enrollment, workflow.RegisterOptions{Name: plan.WorkflowType})
	registry.RegisterWorkflowWithOptions(workflows.BulkEnrollment, workflow.RegisterOptions{Name: plan.BulkType})
	registry.RegisterWorkflowWithOptions(workflows.Pruning, workflow.RegisterOptions{Name: plan.PruningType})
	own := enroll.Activities{Store: options.Store}
	for name, function := range own.Functions() {
		registry.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
	Runtime(options).Register(registry, options.Kinds)
}

// Registry is a Temporal worker or a test environment.
type Registry interface {
	action.Registry
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Runtime is what the kinds run in.
func Runtime(options Options) *action.Runtime {
	provide := options.Provide
	if provide == nil {
		provide = Configured(options.Store)
	}
	runtime := &action.Runtime{Store: books{options.Store}, Provide: provide, Log: options.Log, Scripts: options.Scripts, Simulated: options.Simulated}
	switch {
	case options.Temporal != nil:
		people := people(options)
		runtime.Wake, runtime.Enroll = people.Wake, enrolling(people)
	case options.Simulated != nil:
		runtime.Enroll = options.Simulated.Enroll
	}
	return runtime
}

// people are the enrollments at the worker's Temporal server.
func people(options Options) *enroll.Client {
	return &enroll.Client{Temporal: options.Temporal, Store: options.Store, Queue: options.Queue}
}

// books gives the kinds the store: a transaction of theirs is one of the store's.
type books struct{ *store.Store }

func (b books) Transact(ctx context.Context, step func(action.Transaction) error) error {
	return b.Tx(ctx, func(tx *store.Tx) error { return step(tx) })
}

// Run checks that the server is ready for enrollments and works until ctx ends; then it finishes what it
// is doing. Errors say what to do next.
func Run(ctx context.Context, options Options) error {
	if err := Check(ctx, options.Temporal, cmp.Or(options.Namespace, client.DefaultNamespace), options.Store); err != nil {
		return err
	}
	tuning, err := Tuned(os.LookupEnv)
	if err != nil {
		return err
	}
	options.Log.Info("worker is tuned", "cache", tuning.Cache, "workflows", tuning.Workflows, "actions", tuning.Actions, "local", tuning.Local, "pollers", tuning.Pollers)
	worker.SetStickyWorkflowCacheSize(tuning.Cache)
	queue := cmp.Or(options.Queue, plan.TaskQueue)
	fatal := make(chan error, 1)
	tuned := tuning.Options()
	tuned.WorkerStopTimeout, tuned.DeadlockDetectionTimeout = drainTime, 5*time.Second
	tuned.DefaultHeartbeatThrottleInterval, tuned.MaxHeartbeatThrottleInterval = 2*time.Second, 2*time.Second // or a pause of a moment looks like a death
	tuned.OnFatalError = func(err error) {
		select {
		case fatal <- err:
		default: // one is enough
		}
	}
	w := worker.New(options.Temporal, queue, tuned)
	Register(w, options)
	makeScheduled(ctx, options) // nobody is to see what is overdue
	if err := w.Start(); err != nil {
		return fmt.Errorf("starting the worker on task queue %s: %w", queue, err)
	}
	go carryOutSwitches(ctx, options)
	go keepHouse(ctx, options)
	go keepScheduled(ctx, options)
	limited := &channels{options: options, tuned: tuned}
	defer func() { // all drain at once
		var draining sync.WaitGroup
		draining.Go(w.Stop)
		draining.Go(limited.stop)
		draining.Wait()
	}()
	if err := limited.follow(ctx); err != nil && ctx.Err() == nil { // a stop is no failure
		return err
	}
	router := enroll.Router{Client: *people(options), Log: options.Log}
	defer beside(ctx, router.Run)()
	defer beside(ctx, enroll.NewBulk(*people(options), options.Log).Run)()
	look := time.NewTicker(cmp.Or(options.Look, lookEvery))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			options.Log.Info("worker stops: it finishes what it is doing", "at_most", drainTime)
			return nil
		case err := <-fatal:
			return errors.Join(errors.New("the worker lost its Temporal server"), err)
		case <-look.C:
			if err := limited.follow(ctx); err != nil && ctx.Err() == nil {
				options.Log.Error("looking at the limits of channels; they stay as they were", "error", err)
			}
		}
	}
}

// beside runs something until ctx ends, or the function that it returns is called, which waits until it has ended.
func beside(ctx context.Context, run func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}
