package workflows

import (
	"cmp"
	"errors"
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
	retryMost      = time.Minute
	manyAttempts   = 1000
)

// ours runs one of our own activities, which touch only our store and are repeated until it answers.
func (e *enrollment) ours(ctx workflow.Context, name string, input, result any) error {
	node := plan.Node{Kind: name, Label: name, Local: true, Attempt: time.Minute}
	return e.run(ctx, node, input, result)
}

// run runs an activity. One that touches only our store runs inside the workflow task (1 history event
// instead of 6); when the store does not answer, the same call goes to the normal activity of the same name,
// whose retries are durable. A permanent failure is not repeated.
func (e *enrollment) run(ctx workflow.Context, node plan.Node, input, result any) error {
	summary := cmp.Or(node.Label, e.Node)
	if node.Local {
		local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
			StartToCloseTimeout: localAttempt, Summary: summary,
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: localAttempts},
		})
		err := workflow.ExecuteLocalActivity(local, node.Kind, input).Get(ctx, result)
		var failure *temporal.ApplicationError
		if err == nil || errors.As(err, &failure) && failure.NonRetryable() {
			return err
		}
	}
	normal, cancel := workflow.WithCancel(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: node.Queue, Summary: summary,
		StartToCloseTimeout: node.Attempt, ScheduleToCloseTimeout: node.GiveUp, HeartbeatTimeout: heartbeatLimit,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: retryFirst, MaximumInterval: retryMost, MaximumAttempts: manyAttempts},
	}))
	future := workflow.ExecuteActivity(normal, node.Kind, input)
	done, selector := false, e.people(ctx)
	selector.AddFuture(future, func(workflow.Future) { done = true })
	for !done && e.left == nil {
		selector.Select(ctx)
	}
	cancel() // a call in back-off ends at once; a running one finishes and is not repeated
	return future.Get(ctx, result)
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
