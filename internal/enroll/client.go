package enroll

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// ErrInside means that the record is in the workflow already: at most one enrollment of a record in a workflow
// is open.
var ErrInside = errors.New("is already in the workflow")

// ErrNotInside means that the record has no open enrollment in the workflow.
var ErrNotInside = errors.New("is not in the workflow")

// ErrRefuses means that the enrollment does not do what an operator wants; the error that wraps it says why.
var ErrRefuses = errors.New("refuses")

// answerTime is how long a worker may take to answer for an enrollment.
const answerTime = 10 * time.Second

// Client starts enrollments, takes records out, moves them as operators want, and delivers events.
type Client struct {
	Temporal client.Client
	Store    *store.Store
	Queue    string           // "" = plan.TaskQueue
	Now      func() time.Time // nil = time.Now
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Request asks for one enrollment.
type Request struct {
	Workflow string
	Record   crm.Ref
	Trigger  string // "" = manual
	Event    *plan.Event
}

// Started is an enrollment on its way; whether the record is admitted is decided inside.
type Started struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
}

// Start starts the Temporal workflow of an enrollment. Errors: ErrInside; an unknown workflow; a Temporal
// server that cannot be reached.
func (c *Client) Start(ctx context.Context, request Request) (Started, error) {
	revision, found, err := c.Store.LatestRevision(ctx, request.Workflow)
	if err != nil {
		return Started{}, err
	}
	if !found {
		return Started{}, fmt.Errorf("no workflow %q was published: run `millrace push` first", request.Workflow)
	}
	trigger := cmp.Or(request.Trigger, "manual")
	options := client.StartWorkflowOptions{
		ID:                                       plan.WorkflowID(request.Workflow, request.Record.String()),
		TaskQueue:                                cmp.Or(c.Queue, plan.TaskQueue),
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		EnableEagerStart:                         true, // a worker in this process takes the first task without being asked for
		StaticSummary:                            fmt.Sprintf("%s, revision %d: %s", cmp.Or(name(revision), request.Workflow), revision.Number, request.Record),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeWorkflow).ValueSet(request.Workflow),
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeRecord).ValueSet(request.Record.String()),
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeObject).ValueSet(request.Record.Object),
			temporal.NewSearchAttributeKeyInt64(plan.AttributeRevision).ValueSet(int64(revision.Number)),
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeTrigger).ValueSet(keyword(trigger)),
		),
	}
	state := plan.State{Workflow: request.Workflow, Record: request.Record.String(), Trigger: trigger, Event: request.Event}
	run, err := c.Temporal.ExecuteWorkflow(ctx, options, plan.WorkflowType, state)
	var inside *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &inside) {
		return Started{}, fmt.Errorf("%s %w %s", request.Record, ErrInside, request.Workflow)
	}
	if err != nil {
		return Started{}, fmt.Errorf("starting the enrollment of %s in %s: %w", request.Record, request.Workflow, err)
	}
	return Started{WorkflowID: run.GetID(), RunID: run.GetRunID()}, nil
}

// maxKeyword is how many bytes of a search attribute every visibility store takes.
const maxKeyword = 255

// keyword is a text that fits into a search attribute: a long one ends with a digest of itself.
func keyword(text string) string {
	if len(text) <= maxKeyword {
		return text
	}
	digest := fmt.Sprintf("#%x", sha256.Sum256([]byte(text)))
	return strings.ToValidUTF8(text[:maxKeyword-len(digest)], "") + digest
}

func name(revision plan.Revision) string {
	if revision.Plan.Rules == nil {
		return ""
	}
	return revision.Plan.Rules.Name
}

// Unenroll takes a record out of a workflow. It waits for nothing: an action in flight finishes first
// (semantics §2.6). Errors: ErrNotInside.
func (c *Client) Unenroll(ctx context.Context, workflow string, record crm.Ref, leave plan.Unenroll) error {
	err := c.Temporal.SignalWorkflow(ctx, plan.WorkflowID(workflow, record.String()), "", plan.SignalUnenroll, leave)
	if gone(err) {
		return fmt.Errorf("%s %w %s", record, ErrNotInside, workflow)
	}
	if err != nil {
		return fmt.Errorf("taking %s out of %s: %w", record, workflow, err)
	}
	return nil
}

// Update asks the open enrollment of a record for what an operator wants, one of plan.UpdatePause and its like, and
// returns when it has answered. Errors: ErrNotInside; the reason for which it refuses; nobody answers.
func (c *Client) Update(ctx context.Context, workflow string, record crm.Ref, update string, arguments ...any) error {
	return c.update(ctx, updating{workflow: workflow, record: record}, update, arguments...)
}

// updating is whom an update is for.
type updating struct {
	workflow string
	record   crm.Ref
	firstRun string // of the one enrollment that is meant; "" = the open one
	id       string // under which the update is done once; "" = every time
}

// refusedUpdate is an update that the enrollment refuses.
type refusedUpdate struct {
	updating
	reason string
}

func (r *refusedUpdate) Error() string {
	return fmt.Sprintf("%s in %s: %s", r.record, r.workflow, r.reason)
}

// Is makes it an ErrRefuses.
func (r *refusedUpdate) Is(target error) bool { return target == ErrRefuses }

func (c *Client) update(ctx context.Context, whom updating, update string, arguments ...any) error {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	workflow, record := whom.workflow, whom.record
	handle, err := c.Temporal.UpdateWorkflow(limited, client.UpdateWorkflowOptions{
		WorkflowID: plan.WorkflowID(workflow, record.String()), FirstExecutionRunID: whom.firstRun,
		UpdateID: whom.id, UpdateName: update, Args: arguments, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(limited, nil)
	}
	var refused *temporal.ApplicationError
	switch {
	case err == nil:
		return nil
	case gone(err):
		return fmt.Errorf("%s %w %s", record, ErrNotInside, workflow)
	case errors.As(err, &refused):
		return &refusedUpdate{whom, refused.Message()}
	case limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("%s in %s did not answer within %s: is `millrace worker` running?", record, workflow, answerTime)
	}
	return fmt.Errorf("asking %s in %s for the update %s: %w", record, workflow, update, err)
}

// Delivered says what became of an event.
type Delivered struct {
	ID        string   `json:"id"`
	Duplicate bool     `json:"duplicate"`
	Woke      []string `json:"woke"` // Temporal workflow ids of those who wait for it: the router wakes them
}

// Deliver stores an event. What follows from it, enrolling and waking, is the router's, once it is committed.
func (c *Client) Deliver(ctx context.Context, event plan.Event, now time.Time) (delivered Delivered, err error) {
	err = c.Store.Tx(ctx, func(tx *store.Tx) (err error) { delivered, err = Deliver(ctx, tx, event, now); return err })
	return delivered, err
}

// Deliver is Client.Deliver in a transaction of the caller's.
func Deliver(ctx context.Context, tx *store.Tx, event plan.Event, now time.Time) (Delivered, error) {
	if event.At.IsZero() {
		event.At = now
	}
	stored, added, err := tx.AddEvent(ctx, event)
	if err != nil {
		return Delivered{}, err
	}
	woke, err := tx.Waiting(ctx)
	return Delivered{ID: stored.ID, Duplicate: !added, Woke: append([]string{}, woke...)}, err
}

// Wake makes enrollments ask their present action again: what it waits for may have come about. Those that have
// ended are passed over.
func (c *Client) Wake(ctx context.Context, workflowIDs []string) (err error) {
	for _, id := range workflowIDs {
		if told := c.Temporal.SignalWorkflow(ctx, id, "", plan.SignalChanged, nil); told != nil && !gone(told) {
			err = errors.Join(err, fmt.Errorf("telling %s: %w", id, told))
		}
	}
	return err
}

func gone(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}

// Published tells everybody inside a workflow that there is a new revision. step is called after each of all.
func (c *Client) Published(ctx context.Context, workflow string, step func(done, all int)) (told int, err error) {
	open, err := c.Store.Enrollments(ctx, store.EnrollmentFilter{Workflow: workflow, OpenOnly: true})
	if err != nil {
		return 0, err
	}
	for i, enrollment := range open {
		switch err := c.Temporal.SignalWorkflow(ctx, enrollment.WorkflowID, "", plan.SignalChanged, nil); {
		case err == nil:
			told++
		case !gone(err):
			return told, fmt.Errorf("telling %s of the new revision: %w", enrollment.WorkflowID, err)
		}
		step(i+1, len(open))
	}
	return told, nil
}
