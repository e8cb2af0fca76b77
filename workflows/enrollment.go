// Package workflows is the deterministic side: the interpreter that takes one record through a plan.
// It knows no kind of action. It reads no zone, no filter, no expression and does no I/O; all that is
// asked of activities and so stands in the history.
package workflows

import (
	"cmp"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/workflow"
)

const maxVisitsPerRun = 500 // node visits, after which a run is continued as new

// enrollment is one run of the interpreter. What must outlive the run is in State.
type enrollment struct {
	plan.State
	plan   *plan.Plan
	visits int // in this run

	events, changed, unenroll workflow.ReceiveChannel
	cancelled                 workflow.ReceiveChannel // by somebody in Temporal
	operator                  workflow.Channel        // wakes the interpreter after an operator's update
	left                      *plan.Unenroll          // somebody took the record out
	move                      string                  // an operator sends it to this node
	skip                      bool                    // an operator ends the present wait
	waiting                   bool
}

// Enrollment takes a record through a workflow: admit, then visit node after node until the path ends, the
// record leaves, or the history is long enough to be continued in a new run (design §5).
func Enrollment(ctx workflow.Context, state plan.State) (plan.Exit, error) {
	e := &enrollment{State: state}
	e.cancelled = ctx.Done()
	ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancellation is answered like any other way out
	if err := e.listen(ctx); err != nil {
		return plan.Exit{}, err
	}
	exit, err := e.enter(ctx)
	for exit == nil && err == nil {
		if e.long(ctx) && e.settled(ctx) {
			return plan.Exit{}, workflow.NewContinueAsNewError(ctx, plan.WorkflowType, e.State)
		}
		exit, err = e.visit(ctx)
	}
	if err != nil {
		return plan.Exit{}, err
	}
	return *exit, e.close(ctx, *exit)
}

// enter admits the record, or takes up an enrollment that an earlier run began.
func (e *enrollment) enter(ctx workflow.Context) (*plan.Exit, error) {
	info := workflow.GetInfo(ctx)
	if info.ContinuedExecutionRunID != "" {
		_, err := e.load(ctx)
		return e.exit(), err
	}
	// What else somebody wrote into the input is not believed: admission is for everybody.
	e.State = plan.State{Workflow: e.Workflow, Record: e.Record, Trigger: e.Trigger, Event: e.Event}
	var admission plan.Admission
	err := e.ours(ctx, plan.ActivityAdmit, plan.AdmitRequest{
		WorkflowID: info.WorkflowExecution.ID, FirstRun: cmp.Or(info.FirstRunID, info.WorkflowExecution.RunID),
		Workflow: e.Workflow, Record: e.Record, Trigger: e.Trigger, Event: e.Event, Now: workflow.Now(ctx),
	}, &admission)
	if err != nil {
		return nil, err
	}
	if admission.Refused == "" {
		e.Enrollment, e.Event = admission.Enrollment, nil
		e.follow(admission.Plan, admission.Version)
	}
	if err := e.describeAtStart(ctx); err != nil {
		return nil, err
	}
	if admission.Refused != "" {
		return &plan.Exit{Reason: plan.ExitRefused, Detail: admission.Refused + ": " + admission.Detail}, nil
	}
	return e.take(ctx, e.plan.Start), nil
}

// visit asks the present node which way and when, waits as it says, and goes on. It returns where the
// enrollment left, or nil.
func (e *enrollment) visit(ctx workflow.Context) (*plan.Exit, error) {
	var why plan.Call // only Event, Due and Force: what the node is asked with
	for {
		e.hold(ctx)
		if e.move != "" || e.left != nil {
			return e.redirect(ctx), nil
		}
		if e.Paused { // and the history is long
			return nil, nil
		}
		if e.told() { // while it was held
			edited := e.Edited
			if moved, err := e.load(ctx); err != nil || moved {
				return e.exit(), err
			}
			why.Due = why.Due && e.Edited.Equal(edited)
		}
		outcome, err := e.ask(ctx, why)
		if err != nil || e.left != nil {
			return e.exit(), err
		}
		if outcome.End != "" {
			return &plan.Exit{Reason: outcome.End, Node: e.Node}, nil
		}
		if !outcome.Waits() {
			if why.Event != nil || e.told() {
				if moved, err := e.load(ctx); err != nil || moved {
					return e.exit(), err
				}
			}
			return e.leave(ctx, outcome), nil
		}
		event, due := e.wait(ctx, outcome)
		switch {
		case e.move != "" || e.left != nil:
			return e.redirect(ctx), nil
		case e.skip:
			e.skip = false
			if !outcome.Again {
				e.note(ctx, plan.JournalDelayEnded, cmp.Or(outcome.Port, plan.PortNext), "skipped by an operator")
				return e.leave(ctx, outcome), nil
			}
			why = plan.Call{Force: true}
		case event != nil:
			why = plan.Call{Event: event}
		default: // due, the plan changed, or the history is long
			if !due && e.long(ctx) {
				return nil, nil
			}
			edited := e.Edited
			if moved, err := e.load(ctx); err != nil || moved {
				return e.exit(), err
			}
			if due && outcome.Event == "" && !outcome.Again && e.Edited.Equal(edited) {
				e.note(ctx, plan.JournalDelayEnded, cmp.Or(outcome.Port, plan.PortNext), "")
				return e.leave(ctx, outcome), nil
			}
			e.drain(ctx)
			if why = (plan.Call{Event: e.awaited(outcome)}); why.Event == nil { // an event wins over its timeout
				why.Due = due && e.Edited.Equal(edited)
			}
		}
	}
}

// ask calls the present node's activity. An action that failed for good answers with the port `failed`.
func (e *enrollment) ask(ctx workflow.Context, why plan.Call) (plan.Outcome, error) {
	node := e.plan.Nodes[e.Node]
	call := plan.Call{
		Enrollment: e.Enrollment, Plan: e.Plan, Node: e.Node, Visit: e.Visits[e.Node],
		Arrived: e.Arrived, Edited: e.Edited, Now: workflow.Now(ctx),
		Event: why.Event, Due: why.Due, Force: why.Force,
		Awaits: e.Awaits, Listening: e.Listening, Took: e.Took, Notes: e.Notes,
	}
	e.Notes, e.Asked = nil, node.Hash
	for _, id := range node.Reads {
		if output, kept := e.Outputs[id]; kept {
			call.Outputs = set(call.Outputs, id, output)
		}
		call.Visits = set(call.Visits, id, e.Visits[id])
	}
	e.describe(ctx)
	var outcome plan.Outcome
	err := e.call(ctx, node, call, &outcome)
	if err == nil || e.left != nil {
		if outcome.Took != "" {
			e.Took = bounded(append(e.Took, outcome.Took), maxTook)
		}
		return outcome, nil
	}
	failure := plan.Failure{Call: call, Kind: node.Kind, Now: workflow.Now(ctx)}
	failure.Reason, failure.Message = explain(err)
	return plan.Outcome{Port: plan.PortFailed}, e.ours(ctx, plan.ActivityFailed, failure, nil)
}

// wait parks the enrollment until an awaited event, the deadline, a new plan or a person's word. The order of the
// cases is fixed for ever: it decides what wins when several are there at once.
func (e *enrollment) wait(ctx workflow.Context, outcome plan.Outcome) (event *plan.Event, due bool) {
	if e.Awaits != "" && e.Awaits != outcome.Event {
		e.Listening = e.Edited
	}
	e.Until, e.Awaits, e.waiting = outcome.Until, outcome.Event, true
	defer func() { e.Until, e.waiting = time.Time{}, false }()
	e.describe(ctx)
	e.drain(ctx)
	if event := e.awaited(outcome); event != nil {
		return event, false
	}
	changed, selector := false, e.people(ctx)
	selector.AddReceive(e.events, func(workflow.ReceiveChannel, bool) { e.received(ctx) })
	selector.AddReceive(e.changed, func(channel workflow.ReceiveChannel, _ bool) {
		channel.Receive(ctx, nil)
		changed = true
	})
	if !outcome.Until.IsZero() {
		timing, cancel := workflow.WithCancel(ctx)
		defer cancel()
		timer := workflow.NewTimerWithOptions(timing, outcome.Until.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: e.title()})
		selector.AddFuture(timer, func(workflow.Future) { due = true })
	}
	for event == nil && !due && !changed && !e.long(ctx) {
		if selector.Select(ctx); e.skip || e.move != "" || e.left != nil {
			break // a person's word comes first; an event stays for a later wait
		}
		event = e.awaited(outcome)
	}
	return event, due
}

// awaited takes the next pending event that the wait is about.
func (e *enrollment) awaited(outcome plan.Outcome) *plan.Event {
	i := slices.IndexFunc(e.Pending, func(event plan.Event) bool {
		return outcome.Event != "" && event.Type == outcome.Event && !event.At.Before(outcome.Since) &&
			(event.ID == "" || !slices.Contains(e.Took, event.ID))
	})
	if i < 0 {
		return nil
	}
	event := e.Pending[i]
	e.Pending = slices.Delete(e.Pending, i, i+1)
	return &event
}

// load asks for the plan to follow. moved means that the present node is gone, or emptied, and the enrollment stands
// elsewhere.
func (e *enrollment) load(ctx workflow.Context) (moved bool, err error) {
	var loaded plan.Loaded
	request := plan.LoadRequest{
		Enrollment: e.Enrollment, Workflow: e.Workflow, Plan: e.Plan, Revision: e.Revision, Known: e.plan != nil, Now: workflow.Now(ctx),
	}
	if err := e.ours(ctx, plan.ActivityLoad, request, &loaded); err != nil || loaded.Plan == nil {
		return false, err
	}
	e.follow(loaded.Plan, loaded.Version)
	after, there := e.plan.Nodes[e.Node]
	to, sent := e.plan.Moved[e.Node]
	if there && !sent {
		if e.Asked != "" && after.Hash != e.Asked {
			e.Edited = workflow.Now(ctx)
		}
		return false, nil
	}
	e.note(ctx, plan.JournalMoved, "", onward(there, to))
	e.arrive(ctx, to)
	return true, nil
}

func (e *enrollment) follow(published *plan.Plan, version int) {
	e.plan, e.Plan, e.Revision = published, published.Hash, published.Revision
	e.Version = max(e.Version, version)
}

// leave follows the port of an outcome.
func (e *enrollment) leave(ctx workflow.Context, outcome plan.Outcome) *plan.Exit {
	node, port := e.plan.Nodes[e.Node], cmp.Or(outcome.Port, plan.PortNext)
	if node.Keep {
		e.Outputs = set(e.Outputs, e.Node, outcome.Output)
	}
	e.Path = bounded(append(e.Path, plan.Visited{Node: e.Node, Port: port, At: e.Arrived}), maxPath)
	return e.take(ctx, node.Edge(port))
}

// take goes where an edge leads: to a node, or out.
func (e *enrollment) take(ctx workflow.Context, edge plan.Edge) *plan.Exit {
	for edge.MaxVisits > 0 && e.Visits[edge.To] >= edge.MaxVisits {
		e.note(ctx, plan.JournalGoTo, "", "the visits of "+edge.To+" are spent: falls through")
		edge = *cmp.Or(edge.Else, &plan.Edge{})
	}
	if edge.GoTo {
		e.note(ctx, plan.JournalGoTo, "", "to "+edge.To)
	}
	if edge.End {
		return &plan.Exit{Reason: plan.ExitEnded, Node: e.Node}
	}
	if edge.To == "" {
		return &plan.Exit{Reason: plan.ExitCompleted, Node: e.Node}
	}
	e.arrive(ctx, edge.To)
	return nil
}

func (e *enrollment) arrive(ctx workflow.Context, node string) {
	e.Node, e.Arrived, e.Edited = node, workflow.Now(ctx), time.Time{}
	e.Awaits, e.Listening, e.Asked = "", time.Time{}, ""
	if node != "" {
		e.Visits = set(e.Visits, node, e.Visits[node]+1)
		e.Steps++
		e.visits++
	}
}

// redirect obeys a person: out, or to another node.
func (e *enrollment) redirect(ctx workflow.Context) *plan.Exit {
	if e.left == nil {
		e.note(ctx, plan.JournalMoved, "", "by an operator, to "+e.move)
		e.arrive(ctx, e.move)
		e.move = ""
	}
	return e.exit()
}

// exit is where the enrollment left, nil while it is inside.
func (e *enrollment) exit() *plan.Exit {
	switch {
	case e.left != nil:
		return &plan.Exit{Reason: cmp.Or(e.left.Reason, plan.ExitUnenrolled), Node: e.Node, Detail: e.left.Detail}
	case e.Node == "" && e.plan != nil: // its node was deleted, and nothing came after
		return &plan.Exit{Reason: plan.ExitCompleted}
	default:
		return nil
	}
}
