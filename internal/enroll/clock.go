package enroll

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// manySkips bounds the jumps of one advance; the server's own bound of 200 stops skipping without a word.
const manySkips = 100_000

// Clock moves the time of one enrollment, on a Temporal server that allows time skipping per workflow (the
// embedded one does). The server calls it experimental, so it stands in this file alone.
type Clock struct {
	Temporal   client.Client
	Namespace  string
	WorkflowID string
}

// AdvanceTo lets the enrollment do all that it does up to an instant of its own time, skipping what it only
// waits, and returns when it has come there.
func (c Clock) AdvanceTo(ctx context.Context, instant time.Time) error {
	now, err := c.Now(ctx)
	if err != nil {
		return err
	}
	if !instant.After(now) {
		return nil
	}
	stop := &common.FastForwardConfig{Id: uuid.NewString(), Duration: durationpb.New(instant.Sub(now))}
	if err := c.configure(ctx, &common.TimeSkippingConfig{Enabled: true, FastForwardConfig: stop, MaxSessionSkipCount: manySkips}); err != nil {
		return err
	}
	for {
		polled, err := c.Temporal.WorkflowService().PollWorkflowExecutionTimeSkipping(ctx, &workflowservice.PollWorkflowExecutionTimeSkippingRequest{
			Namespace: c.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: c.WorkflowID}, FastForwardId: stop.Id,
		})
		if gone(err) {
			return nil // it has ended before the instant
		}
		if err != nil {
			return fmt.Errorf("advancing %s to %s: %w", c.WorkflowID, instant.UTC().Format(time.RFC3339), err)
		}
		switch polled.GetFastForwardPollingResult() {
		case enums.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_COMPLETED:
			return nil
		case enums.FAST_FORWARD_POLLING_RESULT_POLL_TIMEOUT: // asked again
		default:
			running, err := c.running(ctx)
			if err == nil && !running {
				return nil
			}
			return fmt.Errorf("advancing %s to %s: %s", c.WorkflowID, instant.UTC().Format(time.RFC3339), polled.GetFailedReason())
		}
	}
}

// RunOn skips all the time that the enrollment still waits.
func (c Clock) RunOn(ctx context.Context) error {
	return c.configure(ctx, &common.TimeSkippingConfig{Enabled: true, MaxSessionSkipCount: manySkips})
}

// Now is the enrollment's time.
func (c Clock) Now(ctx context.Context) (time.Time, error) {
	described, err := c.Temporal.DescribeWorkflowExecution(ctx, c.WorkflowID, "")
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time of %s: %w", c.WorkflowID, err)
	}
	if skipping := described.GetWorkflowExtendedInfo().GetTimeSkippingInfo(); skipping != nil {
		return skipping.GetCurrentTime().AsTime(), nil
	}
	return time.Now(), nil
}

func (c Clock) running(ctx context.Context) (bool, error) {
	described, err := c.Temporal.DescribeWorkflowExecution(ctx, c.WorkflowID, "")
	return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, err
}

// configure replaces the time skipping configuration, which is only ever written as a whole.
func (c Clock) configure(ctx context.Context, config *common.TimeSkippingConfig) error {
	_, err := c.Temporal.WorkflowService().UpdateWorkflowExecutionOptions(ctx, &workflowservice.UpdateWorkflowExecutionOptionsRequest{
		Namespace: c.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: c.WorkflowID},
		WorkflowExecutionOptions: &workflow.WorkflowExecutionOptions{TimeSkippingConfig: config},
		UpdateMask:               &fieldmaskpb.FieldMask{Paths: []string{"time_skipping_config"}},
	})
	if err != nil && !gone(err) {
		return fmt.Errorf("setting the clock of %s: %w", c.WorkflowID, err)
	}
	return nil
}
