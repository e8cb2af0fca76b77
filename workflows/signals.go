package workflows

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// listen opens the ways in: signals for machines, updates for operators, queries for the curious.
func (e *enrollment) listen(ctx workflow.Context) error {
	e.events = workflow.GetSignalChannelWithOptions(ctx, plan.SignalEvent, workflow.SignalChannelOptions{Description: "Something happened to the record"})
	e.changed = workflow.GetSignalChannelWithOptions(ctx, plan.SignalChanged, workflow.SignalChannelOptions{Description: "A new revision was published, or the record changed"})
	e.unenroll = workflow.GetSignalChannelWithOptions(ctx, plan.SignalUnenroll, workflow.SignalChannelOptions{Description: "Leave the workflow"})
	e.operator = workflow.NewBufferedChannel(ctx, 1)

	queries := map[string]any{
		plan.QueryStatus: func() (plan.State, error) { return e.State, nil },
		plan.QueryPath:   func() ([]plan.Visited, error) { return e.Path, nil },
	}
	descriptions := map[string]string{
		plan.QueryStatus: "Where the enrollment stands and what it waits for",
		plan.QueryPath:   "The nodes it visited",
	}
	for _, name := range workflow.DeterministicKeys(queries) {
		if err := workflow.SetQueryHandlerWithOptions(ctx, name, queries[name], workflow.QueryHandlerOptions{Description: descriptions[name]}); err != nil {
			return err
		}
	}
	wake := func() error { e.operator.SendAsync(struct{}{}); return nil }
	updates := []struct {
		name, description string
		handle, validate  any
	}{
		{plan.UpdatePause, "Hold before the next action",
			func(workflow.Context) error { e.Paused = true; return wake() }, func(workflow.Context) error { return nil }},
		{plan.UpdateResume, "Go on",
			func(workflow.Context) error { e.Paused = false; return wake() }, func(workflow.Context) error { return nil }},
		{plan.UpdateUnenroll, "Leave the workflow",
			func(_ workflow.Context, leave plan.Unenroll) error { e.left = &leave; return wake() },
			func(_ workflow.Context, leave plan.Unenroll) error { return allowed(leave.Reason) }},
		{plan.UpdateSkipWait, "End the present wait now",
			func(workflow.Context) error { e.skip = true; return wake() }, func(workflow.Context) error { return e.resting() }},
		{plan.UpdateMove, "Go to another action now",
			func(_ workflow.Context, move plan.Move) error { e.move = move.Node; return wake() },
			func(_ workflow.Context, move plan.Move) error { return e.reachable(move.Node) }},
	}
	for _, update := range updates {
		options := workflow.UpdateHandlerOptions{Validator: update.validate, Description: update.description}
		if err := workflow.SetUpdateHandlerWithOptions(ctx, update.name, update.handle, options); err != nil {
			return err
		}
	}
	return nil
}

func (e *enrollment) resting() error {
	if !e.waiting {
		return fmt.Errorf("the enrollment does not wait: it is at %q", e.Node)
	}
	return nil
}

func allowed(reason string) error {
	if reason != "" && !slices.Contains(waysOut, reason) {
		return fmt.Errorf("%q is no reason to take a record out: give one of %v", reason, waysOut)
	}
	return nil
}

func (e *enrollment) reachable(node string) error {
	if e.plan == nil || e.plan.Nodes[node].Kind == "" {
		return fmt.Errorf("there is no action %q in the revision that this enrollment follows", node)
	}
	if !e.waiting && !e.Paused {
		return fmt.Errorf("the enrollment is in the middle of %q: try again when it waits", e.Node)
	}
	return nil
}

// hold keeps a paused enrollment where it is until it is resumed, moved or taken out, or has to be continued as new.
func (e *enrollment) hold(ctx workflow.Context) {
	if e.Paused {
		e.describe(ctx)
	}
	selector := e.people(ctx)
	selector.AddReceive(e.events, func(workflow.ReceiveChannel, bool) { e.received(ctx) })
	for e.left == nil && e.move == "" && (selector.HasPending() || e.Paused && !e.long(ctx)) {
		selector.Select(ctx)
	}
}

// people listens to those who may take the record out or elsewhere, the first cases of every wait.
func (e *enrollment) people(ctx workflow.Context) workflow.Selector {
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(e.unenroll, func(workflow.ReceiveChannel, bool) { e.unenrolled() })
	selector.AddReceive(e.cancelled, func(workflow.ReceiveChannel, bool) { e.left = &plan.Unenroll{Detail: "cancelled in Temporal"} })
	selector.AddReceive(e.operator, func(channel workflow.ReceiveChannel, _ bool) { channel.Receive(ctx, nil) })
	return selector
}

// read takes the next signal from a channel. Signals are sent by hand too, so one that does not read is told and
// skipped; received into its own type it would hold the interpreter until a readable one came.
func read[T any](channel workflow.ReceiveChannel, into *T) (received bool, err error) {
	var raw converter.RawValue
	if !channel.ReceiveAsync(&raw) {
		return false, nil
	}
	if err := converter.GetDefaultDataConverter().FromPayload(raw.Payload(), into); err != nil {
		return true, fmt.Errorf("the signal %s does not read: %w", channel.Name(), err)
	}
	return true, nil
}

// unenrolled takes every signal to leave. The first one counts; one that does not read counts too, since
// somebody wants the record out.
func (e *enrollment) unenrolled() {
	for {
		var leave plan.Unenroll
		received, err := read(e.unenroll, &leave)
		if !received {
			return
		}
		if err != nil {
			leave.Detail = err.Error()
		}
		if !slices.Contains(waysOut, leave.Reason) {
			leave.Reason = plan.ExitUnenrolled
		}
		if e.left == nil {
			e.left = &leave
		}
	}
}

// waysOut are the reasons for which somebody else may take a record out.
var waysOut = []string{plan.ExitUnenrolled, plan.ExitRemoved, plan.ExitSuppressed, plan.ExitGoalMet, plan.ExitDeleted, plan.ExitMerged, plan.ExitWaiting}

// received takes every event that has arrived.
func (e *enrollment) received(ctx workflow.Context) {
	for {
		var event plan.Event
		received, err := read(e.events, &event)
		switch {
		case !received:
			return
		case err != nil:
			e.note(ctx, plan.JournalWarning, "", err.Error())
		default:
			e.keep(ctx, event)
		}
	}
}

// keep puts an event among those that a wait may take, unless it was there before.
func (e *enrollment) keep(ctx workflow.Context, event plan.Event) {
	if event.ID != "" {
		if slices.Contains(e.Seen, event.ID) {
			return
		}
		e.Seen = bounded(append(e.Seen, event.ID), maxSeen)
	}
	if now := workflow.Now(ctx); event.At.IsZero() || event.At.After(now) { // a clock ahead of ours: it happened now
		event.At = now
	}
	e.Pending = bounded(append(e.Pending, event), maxPending)
}

// told takes the signals that came while nobody waited for them: something changed, and may be a new revision.
func (e *enrollment) told() (changed bool) {
	for e.Version >= versionTold && e.changed.ReceiveAsync(nil) {
		changed = true
	}
	return changed
}

// drain moves every signal that has arrived into the state.
func (e *enrollment) drain(ctx workflow.Context) {
	e.received(ctx)
	e.unenrolled()
}

// long tells whether the history should be continued in a new run.
func (e *enrollment) long(ctx workflow.Context) bool {
	return e.visits >= maxVisitsPerRun || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// settled makes ready to continue as new: everything received is in the state. Draining is the last thing it
// does, so that a signal that arrives later makes the server run this task again. It is false when somebody
// takes the record out or elsewhere, which comes first.
func (e *enrollment) settled(ctx workflow.Context) bool {
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }) // fails only on cancellation, which visit meets too
	e.drain(ctx)
	e.lighten(ctx)
	return e.left == nil && e.move == ""
}
