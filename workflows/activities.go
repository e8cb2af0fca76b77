package workflows

import (
	"cmp"
	"errors"
	"math"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	localAttempt   = 5 * time.Second
	localAttempts  = 3
	heartbeatLimit = 8 * time.Second // a worker that is silent for longer is taken for dead
	retryFirst     = time.Second     // after a crash; what a kind reports brings its own delay
	retryMost      = 10 * time.Second
	anyAttempts    = math.MaxInt32 // the wrapper gives up, by time; the test environment takes 0 for ten
)

// ours runs one of our own activities, which touch only our store and are repeated until it answers, whatever
// happens meanwhile: without them our books would not know what the enrollment does.
func (e *enrollment) ours(ctx workflow.Context, name string, input, result any) error {
	node := plan.Node{Kind: name, Label: name, Local: true, Attempt: time.Minute}
	if done, err := e.local(ctx, node, input, result); done {
		return err
	}
	return e.normal(ctx, node, input).Get(ctx, result)
}

// call runs an action. When the record is taken out meanwhile, a call in back-off ends at once; a running one
// finishes and is not repeated (design §5, "Guard").
func (e *enrollment) call(ctx workflow.Context, node plan.Node, input, result any) error {
	if done, err := e.local(ctx, node, input, result); done {
		return err
	}
	cancellable, cancel := workflow.WithCancel(ctx)
	future := e.normal(cancellable, node, input)
	done, selector := false, e.people(ctx)
	selector.AddFuture(future, func(workflow.Future) { done = true })
	for !done && e.left == nil {
		selector.Select(ctx)
	}
	cancel()
	return future.Get(ctx, result)
}

// local runs an activity that touches only our store inside the workflow task: 1 history event instead of 6. It is
// not done when the store does not answer; then the same call goes to the normal activity of the same name, whose
// retries are durable. A permanent failure is not repeated.
func (e *enrollment) local(ctx workflow.Context, node plan.Node, input, result any) (done bool, err error) {
	if !node.Local {
		return false, nil
	}
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: localAttempt, Summary: cmp.Or(node.Label, e.Node),
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: localAttempts},
	})
	err = workflow.ExecuteLocalActivity(ctx, node.Kind, input).Get(ctx, result)
	var failure *temporal.ApplicationError
	return err == nil || errors.As(err, &failure) && failure.NonRetryable(), err
}

// normal runs an activity whose retries are durable. Temporal does not bound them: a bound would cost a timer of three
// days for each call at the server, and the wrapper knows when the first attempt began (decision 0026).
func (e *enrollment) normal(ctx workflow.Context, node plan.Node, input any) workflow.Future {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: node.Queue, Summary: cmp.Or(node.Label, e.Node),
		StartToCloseTimeout: cmp.Or(node.Attempt, plan.Attempt), HeartbeatTimeout: heartbeatLimit,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: retryFirst, MaximumInterval: retryMost, MaximumAttempts: anyAttempts},
	}), node.Kind, input)
}

// explain tells why a call failed for good: a typed reason and a sentence.
func explain(err error) (reason, message string) {
	var failure *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &failure) && failure.NonRetryable():
		return failure.Type(), failure.Message()
	case errors.As(err, &failure):
		return "gave-up", failure.Message()
	case errors.As(err, &timeout):
		return "timeout", timeout.Message()
	default:
		return "failed", err.Error()
	}
}

// close ends the enrollment in our books. Only an end that says something is written where people search.
func (e *enrollment) close(ctx workflow.Context, exit plan.Exit) error {
	if exit.Reason != plan.ExitCompleted {
		if err := workflow.UpsertTypedSearchAttributes(ctx, outcomeKey.ValueSet(exit.Reason)); err != nil {
			return err
		}
	}
	workflow.SetCurrentDetails(ctx, e.story(exit.Reason))
	if exit.Reason == plan.ExitRefused {
		return nil // admit has written it down
	}
	info := workflow.GetInfo(ctx)
	return e.ours(ctx, plan.ActivityClose, plan.CloseRequest{
		Enrollment: e.Enrollment, WorkflowID: info.WorkflowExecution.ID, FirstRun: info.FirstRunID,
		Workflow: e.Workflow, Record: e.Record, Exit: exit, Steps: e.Steps, Now: workflow.Now(ctx), Notes: e.Notes,
	}, nil)
}
