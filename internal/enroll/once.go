package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/sdk/converter"
)

// Refused is why a record was not admitted.
type Refused struct{ Reason, Detail string }

func (r *Refused) Error() string { return r.Reason + ": " + r.Detail }

// byStep begins the trigger of what a step enrolls.
const byStep = "workflow "

// Step is a step of an enrollment that enrolls its record in another workflow.
type Step struct {
	Workflow string // the other
	Record   crm.Ref
	Key      string // idempotency key of the step
	Force    bool   // also who was there before, though the workflow admits nobody twice
	Now      time.Time
}

// Prepare returns the request for what a step enrolls. What lets in somebody who would be refused stands in our books
// then, since admission believes nothing else.
func (c *Client) Prepare(ctx context.Context, step Step) (Request, error) {
	request := Request{Workflow: step.Workflow, Record: step.Record, Trigger: byStep + step.Key}
	if !step.Force {
		return request, nil
	}
	return request, c.Store.Tx(ctx, func(tx *store.Tx) error {
		return tx.Vouch(ctx, plan.Intent{
			Act: plan.ActEnroll, Workflow: step.Workflow, Record: step.Record.String(), Trigger: request.Trigger, Way: plan.WayForce, At: step.Now,
		})
	})
}

// Once enrolls a record for a step and returns the enrollment's id. The step's idempotency key becomes the trigger of
// the enrollment, so a repeated call finds what an earlier one did, wherever that was cut: admitted or refused in our
// books, or started and not yet admitted in Temporal. Errors: *Refused.
func (c *Client) Once(ctx context.Context, step Step) (enrollment string, err error) {
	request, err := c.Prepare(ctx, step)
	if err != nil {
		return "", err
	}
	known, err := c.Store.Enrollments(ctx, store.EnrollmentFilter{Workflow: request.Workflow, Record: request.Record.String()})
	if err != nil {
		return "", err
	}
	for _, one := range known {
		if one.Trigger == request.Trigger {
			return c.admitted(ctx, request, Started{one.WorkflowID, one.FirstRun}, step.Now)
		}
	}
	if _, found, err := c.Store.LatestRevision(ctx, request.Workflow); err != nil {
		return "", err
	} else if !found {
		return "", &Refused{"no-workflow", fmt.Sprintf("no workflow %q was published", request.Workflow)}
	}
	started, err := c.Start(ctx, request)
	if errors.Is(err, ErrInside) {
		started, err = c.startedBy(ctx, request)
	}
	if err != nil {
		return "", err
	}
	return c.admitted(ctx, request, started, step.Now)
}

// admitted asks how a started enrollment was admitted, which is decided by whoever asks first: its own first
// activity, or this.
func (c *Client) admitted(ctx context.Context, request Request, started Started, now time.Time) (enrollment string, err error) {
	admission, err := (&Activities{Store: c.Store}).Admit(ctx, plan.AdmitRequest{
		WorkflowID: started.WorkflowID, FirstRun: started.RunID, Workflow: request.Workflow, Record: request.Record.String(),
		Trigger: request.Trigger, Now: now,
	})
	if err == nil && admission.Refused != "" {
		err = &Refused{admission.Refused, admission.Detail}
	}
	return admission.Enrollment, err
}

// startedBy returns the enrollment that stands in the way of a request if the request itself started it.
func (c *Client) startedBy(ctx context.Context, request Request) (Started, error) {
	id := plan.WorkflowID(request.Workflow, request.Record.String())
	described, err := c.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return Started{}, fmt.Errorf("asking who started %s: %w", id, err)
	}
	info := described.GetWorkflowExecutionInfo()
	var trigger string
	if payload := info.GetSearchAttributes().GetIndexedFields()[plan.AttributeTrigger]; payload != nil {
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &trigger); err != nil {
			return Started{}, fmt.Errorf("reading who started %s: %w", id, err)
		}
	}
	if trigger != keyword(request.Trigger) {
		return Started{}, &Refused{"already-enrolled", fmt.Sprintf("%s %v %s", request.Record, ErrInside, request.Workflow)}
	}
	return Started{WorkflowID: id, RunID: info.GetFirstRunId()}, nil
}
