package workflows

import (
	"time"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	prunesPerRun = 200 // after which a run is continued as new
	pruneTime    = 2 * time.Minute
)

// Pruning removes what is kept no longer, some pages a call. A call that was cut is made again, and finds less to remove.
func Pruning(ctx workflow.Context, state plan.Pruning) (plan.Pruning, error) {
	if state.At.IsZero() {
		state.At = workflow.GetInfo(ctx).WorkflowStartTime
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: pruneTime, RetryPolicy: &temporal.RetryPolicy{InitialInterval: retryFirst, MaximumInterval: retryMost},
	})
	for range prunesPerRun {
		if err := workflow.ExecuteActivity(ctx, plan.ActivityPrune, state).Get(ctx, &state); err != nil || state.Done {
			return state, err
		}
	}
	return state, workflow.NewContinueAsNewError(ctx, plan.PruningType, state)
}
