package workflows

import (
	"time"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const pagesPerRun = 500 // after which a run is continued as new

// BulkEnrollment hands the records that match on to be enrolled, page by page. A page that was cut is made again, and
// enrolls nobody twice.
func BulkEnrollment(ctx workflow.Context, state plan.Bulk) (plan.Bulk, error) {
	if state.At.IsZero() {
		state.At = workflow.GetInfo(ctx).WorkflowStartTime
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: retryFirst, MaximumInterval: retryMost},
	})
	for range pagesPerRun {
		if err := workflow.ExecuteActivity(ctx, plan.ActivityPage, state).Get(ctx, &state); err != nil || state.Done {
			return state, err
		}
	}
	return state, workflow.NewContinueAsNewError(ctx, plan.BulkType, state)
}
