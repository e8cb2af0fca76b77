package enroll

import (
	"context"
	"encoding/json"
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
	State      string     `json:"state"` // active, waiting, retrying, paused, lost, coming, never, or the exit reason
	Node       string     `json:"node"`
	WaitingFor *Waiting   `json:"waiting_for"`
	Arrived    time.Time  `json:"arrived,omitzero"`  // at the action; of who was refused, when
	Enrolled   time.Time  `json:"enrolled,omitzero"` // when it entered the workflow
	Closed     time.Time  `json:"closed,omitzero"`   // when it left
	Cause      string     `json:"cause"`             // what enrolled it
	Switch     string     `json:"switch"`            // how the workflow's switch stands, as plan.SwitchOn
	Revision   int        `json:"revision"`
	LastError  string     `json:"last_error"`
	Next       string     `json:"next"`   // what would let it move
	Reason     string     `json:"reason"` // why it is as it is
	Obstacles  []Obstacle `json:"obstacles,omitempty"`
}

// Obstacle is a test of a filter that stands between a record and a workflow, and what it says of the record now.
type Obstacle struct {
	Rule   string `json:"rule"`   // if, when, again, goal or suppress
	Test   string `json:"test"`   // its source as JSON
	Answer string `json:"answer"` // yes, no or unknown
}

// Why explains an enrollment from our books and, while it is open, from Temporal.
func (c *Client) Why(ctx context.Context, workflow string, record crm.Ref) (Why, error) {
	row, found, err := c.Store.LastEnrollment(ctx, workflow, record.String())
	if err != nil {
		return Why{}, err
	}
	stands, err := c.Store.Switch(ctx, workflow)
	if err != nil {
		return Why{}, err
	}
	mode := stands.At(c.now())
	if !found || row.Exit != "" {
		why, err := c.outside(ctx, workflow, record, row)
		why.Switch = mode
		return why, err
	}
	why := Why{
		State: "active", Node: row.Standing.Node, Arrived: row.Standing.Arrived, Enrolled: row.Started, Cause: row.Trigger, Switch: mode,
		Revision: row.Revision, LastError: row.Standing.LastError, Reason: fmt.Sprintf("at %q", row.Standing.Node), Next: "the action is running",
	}
	if row.Standing.Node == "" {
		why.Reason, why.Next = "on its way to the first action", "a worker takes it there"
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
	switch mode {
	case plan.SwitchOff:
		why.Next += "; the workflow is off: its actions are skipped, delays and branches go on"
	case plan.SwitchStop:
		why.Next = "the workflow is stopped: it is taken out before its next action"
	}
	return c.ask(ctx, row, why)
}

// outside explains a record that is not in a workflow; last is its last enrollment, with an empty id when there is none.
func (c *Client) outside(ctx context.Context, workflow string, record crm.Ref, last plan.Enrollment) (Why, error) {
	enroll := fmt.Sprintf("millrace enroll %s %s", workflow, record)
	why := Why{State: "never", Reason: fmt.Sprintf("%s was never enrolled in %s", record, workflow), Next: enroll}
	if last.ID != "" {
		why = Why{
			State: last.Exit, Node: last.ExitNode, Enrolled: last.Started, Closed: last.Closed, Cause: last.Trigger, Revision: last.Revision,
			LastError: last.Standing.LastError, Reason: last.Detail, Next: enroll,
		}
	}
	newest, err := c.Store.Enrollments(ctx, store.EnrollmentFilter{Workflow: workflow, Record: record.String(), Limit: 1})
	if err != nil {
		return why, err
	}
	if len(newest) > 0 && newest[0].Number == 0 {
		refused := newest[0]
		if last.ID == "" {
			why = Why{State: refused.Exit, Arrived: refused.Started, Cause: refused.Trigger, Reason: refused.Detail, Next: enroll + ", once that is mended"}
		} else {
			why.Reason = strings.TrimPrefix(why.Reason+"; ", "; ") + fmt.Sprintf("refused at %s: %s", refused.Started.UTC().Format(time.RFC3339), refused.Detail)
		}
	}
	coming, found, err := c.Store.Coming(ctx, workflow, record.String())
	if err != nil {
		return why, err
	}
	if found {
		why.State, why.Cause, why.Arrived, why.LastError = "coming", coming.Trigger, coming.At, coming.Error
		why.Reason, why.Next = "it is decided that it enters", "a worker enrolls it"
		return why, nil
	}
	return c.obstacles(ctx, why, workflow, record)
}

// obstacles adds what keeps a record that is outside from entering now.
func (c *Client) obstacles(ctx context.Context, why Why, workflow string, record crm.Ref) (Why, error) {
	revision, found, err := c.Store.LatestRevision(ctx, workflow)
	if err != nil || !found {
		return why, err
	}
	rules := revision.Plan.Rules
	if why.State != "never" && why.State != plan.ExitRefused && rules.AgainNever() {
		why.Next = "nothing: it was in this workflow, and `again` is `never`"
	}
	stands, err := c.Store.Switch(ctx, workflow)
	if err != nil {
		return why, err
	}
	if closed := stands.Refuses(c.now()); closed != "" {
		why.Next = closed + ": `millrace workflows on " + workflow + "`"
	}
	switch _, err := c.Store.Get(ctx, record); {
	case missing(err):
		why.Next = fmt.Sprintf("there is no record %s", record)
		return why, nil
	case err != nil:
		return why, err
	}
	if rules == nil {
		return why, nil
	}
	triggers, err := rules.Triggers()
	if err != nil {
		return why, err
	}
	again, err := rules.AgainFilters()
	if err != nil {
		return why, err
	}
	asked := []asking{{"if", triggers.If, crm.Yes}, {"when", triggers.When, crm.Yes}, {"goal", rules.Goal, crm.No}, {"suppress", rules.Suppress, crm.No}}
	for _, filter := range again {
		asked = append(asked, asking{"again", filter, crm.Yes})
	}
	return why, c.Store.View(ctx, func(view *store.View) error {
		why.Obstacles = nil
		catalog, err := view.Catalog(ctx)
		if err != nil {
			return err
		}
		zone, err := view.Zone(ctx, rules)
		if err != nil {
			return err
		}
		env := crm.FilterEnv{Records: view, Ref: record, Now: c.now(), Zone: zone, Catalog: catalog}
		for _, one := range asked {
			found, err := one.obstacles(ctx, env)
			if err != nil {
				return fmt.Errorf("%s of %s, revision %d: %w", one.rule, workflow, revision.Number, err)
			}
			why.Obstacles = append(why.Obstacles, found...)
		}
		return nil
	})
}

// asking is a filter of a workflow with the answer that lets a record in.
type asking struct {
	rule   string
	source json.RawMessage
	wanted crm.Truth
}

// obstacles are the tests of the filter, when its answer keeps the record out.
func (a asking) obstacles(ctx context.Context, env crm.FilterEnv) (found []Obstacle, err error) {
	filter, err := crm.ReadFilter(a.source)
	if err != nil || filter == nil {
		return nil, err
	}
	truth, err := filter.Match(ctx, env)
	if err != nil || (truth == crm.Yes) == (a.wanted == crm.Yes) {
		return nil, err
	}
	findings, err := filter.Explain(ctx, env)
	for _, finding := range findings {
		found = append(found, Obstacle{a.rule, finding.Test, finding.Truth.String()})
	}
	return found, err
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
		why.State, why.Reason = "paused", "an operator holds it before its next action"
		why.Next = fmt.Sprintf("millrace resume %s %s", row.Workflow, row.Record)
	}
	return why, nil
}
