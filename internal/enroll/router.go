package enroll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

const (
	decidedAtOnce = 500                   // changes, and filters whose time has come, in one decision
	carriedAtOnce = 200                   // intents between two decisions
	abreast       = 16                    // of these at the same time
	pollEvery     = 25 * time.Millisecond // other programs write too
	slowest       = 5 * time.Minute       // between two tries of an intent
)

// Router decides what follows from changes of records, and carries it out: it enrolls, wakes and takes out. A change is
// decided about once, in the transaction that takes it out of the queue; what is decided is done at least once, and what
// is done twice has no effect the second time. So each change has its effect once, whatever crashes.
type Router struct {
	Client
	Log *slog.Logger

	index *index
}

// Run routes until ctx ends. Of several routers on one database one works and the others stand by.
func (r *Router) Run(ctx context.Context) { lead(ctx, r.Store, "router", r.Log, r.route) }

func (r *Router) route(ctx context.Context) {
	if err := r.reconcile(ctx); err != nil {
		r.trouble(ctx, err)
	}
	for ctx.Err() == nil {
		busy, err := r.Round(ctx)
		switch {
		case err != nil:
			r.trouble(ctx, err)
		case !busy:
			rest(ctx, r.Store.Changed(), pollEvery)
		}
	}
}

// trouble tells of an error and waits a moment.
func (r *Router) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.Log.Error("deciding what follows from changes; it is tried again", "error", err)
	rest(ctx, nil, time.Second)
}

// rest waits until something happens or the time is over.
func rest(ctx context.Context, until <-chan struct{}, longest time.Duration) {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-until:
	case <-timer.C:
	}
}

// Round decides about the changes that there are, up to a number, and does what is due. busy means that there may be more.
func (r *Router) Round(ctx context.Context) (busy bool, err error) {
	decided, err := r.Decide(ctx)
	if err != nil {
		return false, err
	}
	done, err := r.carryOut(ctx)
	return decided > 0 || done > 0, err
}

// Decide writes down what follows from the first changes and from filters whose time has come, and returns of how many.
func (r *Router) Decide(ctx context.Context) (count int, err error) {
	now := r.now()
	changes, err := r.Store.Changes(ctx, 1)
	if err != nil {
		return 0, err
	}
	due, err := r.Store.Due(ctx, now, 1)
	if err != nil || len(changes)+len(due) == 0 {
		return 0, err
	}
	var decision store.Decision
	err = r.Store.View(ctx, func(view *store.View) error {
		changes, err := view.Changes(ctx, decidedAtOnce)
		if err != nil {
			return err
		}
		due, err := view.Due(ctx, now, decidedAtOnce)
		if err != nil {
			return err
		}
		count = len(changes) + len(due)
		if r.index, err = r.index.refresh(ctx, view); err != nil {
			return err
		}
		decision, err = decide(ctx, view, r.index, changes, due, now)
		return err
	})
	if err != nil {
		return 0, err
	}
	_, err = r.Store.Decide(ctx, decision)
	return count, err
}

// carryOut does the first things that are due, some at once.
func (r *Router) carryOut(ctx context.Context) (count int, err error) {
	now := r.now()
	intents, err := r.Store.Intents(ctx, now, carriedAtOnce)
	if err != nil || len(intents) == 0 {
		return 0, err
	}
	done := make([]store.Done, len(intents))
	group := errgroup.Group{}
	group.SetLimit(abreast)
	for i, intent := range intents {
		done[i].Intent = intent
		group.Go(func() error {
			if err := r.do(ctx, intent, now); err != nil {
				done[i].Error, done[i].Again = err, again(intent, now)
			}
			return nil
		})
	}
	_ = group.Wait() // errors are kept with their intents
	if ctx.Err() != nil {
		done = slices.DeleteFunc(done, func(one store.Done) bool { return one.Error != nil })
	}
	for _, one := range done {
		if one.Error != nil && one.Intent.Tries == 0 {
			r.Log.Warn("carrying out what was decided failed; it is tried again", "act", one.Intent.Act, "workflow", one.Intent.Workflow,
				"record", one.Intent.Record, "error", one.Error)
		}
	}
	return len(done), r.Store.Finish(context.WithoutCancel(ctx), done, now)
}

// again is when an intent is tried again that fails now.
func again(intent plan.Intent, now time.Time) time.Time {
	return now.Add(min(slowest, time.Second<<min(intent.Tries, 10)))
}

// do does one thing. Done again, it has no effect.
func (c *Client) do(ctx context.Context, intent plan.Intent, now time.Time) error {
	id := plan.WorkflowID(intent.Workflow, intent.Record)
	var err error
	switch intent.Act {
	case plan.ActEnroll:
		_, err := c.carryIn(ctx, intent)
		return ignore(err, ErrInside) // by this, or by what makes this one superfluous (semantics §2.3)
	case plan.ActUnenroll:
		enrollment, unknown := c.Store.Enrollment(ctx, intent.Enrollment)
		if unknown != nil || enrollment.Exit != "" { // another one may have begun under the same id
			return ignore(unknown, crm.ErrNotFound)
		}
		err = c.Temporal.SignalWorkflow(ctx, id, "", plan.SignalUnenroll, plan.Unenroll{Reason: intent.Reason, Detail: intent.Detail})
	case plan.ActSchedule:
		return c.Reschedule(ctx, intent.Workflow, now)
	case plan.ActEvent:
		err = c.Temporal.SignalWorkflow(ctx, id, "", plan.SignalEvent, intent.Event)
	case plan.ActChanged:
		err = c.Temporal.SignalWorkflow(ctx, id, "", plan.SignalChanged, nil)
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("telling %s: %w", id, err)
	}
	return nil
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// carryIn starts the enrollment of an intent, unless that was done before: then it is still open, or in our books. Errors: ErrInside.
func (c *Client) carryIn(ctx context.Context, intent plan.Intent) (request Request, err error) {
	ref, err := crm.ParseRef(intent.Record)
	if err != nil {
		return request, err
	}
	request = Request{Workflow: intent.Workflow, Record: ref, Trigger: intent.Trigger, Event: intent.Event}
	known, err := c.Store.Enrollments(ctx, store.EnrollmentFilter{Workflow: intent.Workflow, Record: intent.Record})
	if err != nil || slices.ContainsFunc(known, func(one plan.Enrollment) bool { return one.Trigger == intent.Trigger }) {
		return request, err
	}
	_, err = c.Start(ctx, request)
	return request, err
}
