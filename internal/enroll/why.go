package enroll

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/api/enums/v1"
)

// Waiting is what an enrollment waits for.
type Waiting struct {
	Kind  string    `json:"kind"`  // kind of the action it stands at
	Event string    `json:"event"` // event type that would wake it
	Until time.Time `json:"until,omitzero"`
	Hold  string    `json:"hold,omitempty"`  // what keeps it from its action: pause, window or rate
	Ahead int       `json:"ahead,omitempty"` // with rate: how many wait before it
}

// Why answers where a record stands in a workflow, and what would let it move (language §3).
type Why struct {
	State      string    `json:"state"` // active, waiting, retrying, paused, lost, or the exit reason
	Node       string    `json:"node"`
	WaitingFor *Waiting  `json:"waiting_for"`
	Arrived    time.Time `json:"arrived,omitzero"`
	Revision   int       `json:"revision"`
	LastError  string    `json:"last_error"`
	Next       string    `json:"next"`   // what would let it move
	Reason     string    `json:"reason"` // why it is as it is
}

// Why explains an enrollment from our books and, while it is open, from Temporal.
func (c *Client) Why(ctx context.Context, workflow string, record crm.Ref) (Why, error) {
	row, found, err := c.Store.LastEnrollment(ctx, workflow, record.String())
	if err != nil {
		return Why{}, err
	}
	if !found {
		refused, err := c.Store.Enrollments(ctx, store.EnrollmentFilter{Workflow: workflow, Record: record.String(), Limit: 1})
		if err != nil {
			return Why{}, err
		}
		if len(refused) > 0 {
			return Why{State: refused[0].Exit, Reason: refused[0].Detail, Next: fmt.Sprintf("millrace enroll %s %s, once that is mended", workflow, record)}, nil
		}
		return Why{State: "never", Reason: fmt.Sprintf("%s was never enrolled in %s", record, workflow), Next: fmt.Sprintf("millrace enroll %s %s", workflow, record)}, nil
	}
	why := Why{
		State: "active", Node: row.Standing.Node, Arrived: row.Standing.Arrived, Revision: row.Revision, LastError: row.Standing.LastError,
		Reason: fmt.Sprintf("at %q", row.Standing.Node), Next: "the action is running",
	}
	if row.Exit != "" {
		why.State, why.Node, why.Reason, why.Next = row.Exit, row.ExitNode, row.Detail, ""
		return why, nil
	}
	if standing := row.Standing; standing.Awaits != "" || !standing.Until.IsZero() || standing.Hold != "" {
		why.State = "waiting"
		why.WaitingFor = &Waiting{Kind: standing.Kind, Event: standing.Awaits, Until: standing.Until, Hold: standing.Hold}
		if standing.Hold == plan.HoldRate {
			place, ahead, found, err := c.Store.Place(ctx, row.ID)
			if err != nil {
				return Why{}, err
			}
			if found {
				why.WaitingFor.Ahead = ahead
				why.WaitingFor.Until = later(place.Due, standing.Until)
			}
		}
		why.Reason, why.Next = waiting(*why.WaitingFor)
	}
	return c.ask(ctx, row, why)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func waiting(w Waiting) (reason, next string) {
	until := w.Until.UTC().Format(time.RFC3339)
	switch w.Hold {
	case plan.HoldPause:
		if w.Until.IsZero() {
			return "the workflow is paused", "`millrace workflows on`, or another way out of the pause"
		}
		return "the workflow is paused", "its switch turns at " + until
	case plan.HoldWindow:
		return "no action runs at this time", "its action runs at " + until + "; `millrace skip-wait` runs it now"
	case plan.HoldRate:
		return fmt.Sprintf("waits for its turn to enter, %d before it", w.Ahead), "its turn is expected at " + until + "; `millrace skip-wait` lets it enter now"
	}
	property, follows := strings.CutPrefix(w.Event, plan.ChangeOf(""))
	switch {
	case w.Event == "":
		return "waits for a point in time", "it goes on at " + until
	case follows && w.Until.IsZero():
		return "waits for a change of " + property, "a change of " + property + ", as long as it takes"
	case follows:
		return "waits for a point in time and follows " + property, "it goes on at " + until + ", unless a change of " + property + " says otherwise"
	case w.Until.IsZero():
		return "waits for the event " + w.Event, "the event " + w.Event + ", as long as it takes"
	default:
		return "waits for the event " + w.Event, "the event " + w.Event + ", or at " + until + " without it"
	}
}

// ask adds what only Temporal knows: whether the execution still runs, and calls that are being retried.
func (c *Client) ask(ctx context.Context, row plan.Enrollment, why Why) (Why, error) {
	described, err := c.Temporal.DescribeWorkflowExecution(ctx, row.WorkflowID, "")
	if gone(err) || err == nil && described.WorkflowExecutionInfo.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		why.State = "lost"
		why.Reason = "our books call it open, but its Temporal workflow was ended from outside"
		why.Next = fmt.Sprintf("millrace enroll %s %s", row.Workflow, row.Record)
		return why, nil
	}
	if err != nil {
		return why, fmt.Errorf("asking Temporal about %s: %w", row.WorkflowID, err)
	}
	for _, call := range described.GetPendingActivities() {
		if call.GetLastFailure() == nil {
			continue
		}
		why.State = "retrying"
		why.Reason = fmt.Sprintf("%s failed %d times", call.GetActivityType().GetName(), call.GetAttempt()-1)
		why.LastError = call.GetLastFailure().GetMessage()
		if next := call.GetNextAttemptScheduleTime(); next != nil {
			why.Next = "it is tried again at " + next.AsTime().UTC().Format(time.RFC3339)
		}
	}
	state, err := c.Temporal.QueryWorkflow(ctx, row.WorkflowID, "", plan.QueryStatus)
	if err != nil {
		why.Next += " (no worker answered when asked: is `millrace worker` running?)"
		return why, nil
	}
	var standing plan.State
	if err := state.Get(&standing); err != nil {
		return why, fmt.Errorf("reading the status of %s: %w", row.WorkflowID, err)
	}
	why.Node, why.Arrived, why.Revision = standing.Node, standing.Arrived, standing.Revision
	if standing.Paused {
		why.State, why.Next = "paused", "an operator resumes it"
	}
	return why, nil
}
