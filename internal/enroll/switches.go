package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// switchPage is how many people Switches tells before it asks to go on.
const switchPage = 100

// Switches carries out what the switches of all workflows mean for those inside: who is in one that is stopped is taken
// out, and who was held by a pause that is over is told. Whoever is reached late is let through or taken out by the guard
// at the next action, so nothing depends on when this runs, and it may be ended at any time and run again. pace is called
// between pages of people; its error ends it.
func (c *Client) Switches(ctx context.Context, now time.Time, pace func(ctx context.Context) error) (err error) {
	workflows, err := c.Store.Workflows(ctx)
	if err != nil {
		return err
	}
	for _, one := range workflows {
		filter := store.EnrollmentFilter{Workflow: one.Workflow, OpenOnly: true, Limit: switchPage}
		tell := func(inside plan.Enrollment) error { return c.Wake(ctx, []string{inside.WorkflowID}) }
		switch one.At(now) {
		case plan.SwitchPause:
			continue
		case plan.SwitchStop:
			tell = func(inside plan.Enrollment) error {
				leave := plan.Unenroll{Reason: plan.ExitUnenrolled, Detail: "the workflow was stopped"}
				told := c.Temporal.SignalWorkflow(ctx, inside.WorkflowID, "", plan.SignalUnenroll, leave)
				if told == nil || gone(told) {
					return nil
				}
				return fmt.Errorf("taking %s out of %s: %w", inside.Record, inside.Workflow, told)
			}
		default:
			filter.Hold = plan.HoldPause
		}
		err = errors.Join(err, c.tellPages(ctx, filter, tell, pace))
	}
	return err
}

// tellPages tells the people that a filter finds, page by page.
func (c *Client) tellPages(ctx context.Context, filter store.EnrollmentFilter, tell func(plan.Enrollment) error, pace func(context.Context) error) error {
	for {
		page, err := c.Store.Enrollments(ctx, filter)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, inside := range page {
			if err := tell(inside); err != nil {
				return err
			}
		}
		if len(page) < filter.Limit {
			return nil
		}
		filter.After = page[len(page)-1].ID
		if err := pace(ctx); err != nil {
			return err
		}
	}
}
