package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func (s *server) enrollmentRoutes(api huma.API) {
	const one = "/v1/enrollments/{workflow}/{object}/{id}"
	register(s, api, crm.RoleEnroll, huma.Operation{
		OperationID: "enroll", Method: http.MethodPost, Path: "/v1/enrollments", Summary: "Enroll records in a workflow", Tags: []string{"enrollments"},
		Description: `Starts an enrollment for each record. Whether it is admitted is decided by a worker, and its history tells. A record that is inside is rejected as
inside. When some are rejected the answer is 207 and tells of each; when all are, it is a problem.`,
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, s.enroll)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "list-enrollments", Method: http.MethodGet, Path: "/v1/enrollments", Summary: "Enrollments, the newest first", Tags: []string{"enrollments"},
	}, s.listEnrollments)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "why", Method: http.MethodGet, Path: one, Summary: "Where a record stands in a workflow, and what would let it move", Tags: []string{"enrollments"},
	}, s.why)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "history", Method: http.MethodGet, Path: one + "/history", Summary: "What happened to a record in a workflow", Tags: []string{"enrollments"},
	}, s.history)
	for _, operation := range []struct{ path, summary, update, deed string }{
		{"pause", "Hold an enrollment before its next action", plan.UpdatePause, store.DeedPause},
		{"resume", "Let a paused enrollment go on", plan.UpdateResume, store.DeedResume},
		{"skip-wait", "End the wait in which an enrollment is", plan.UpdateSkipWait, store.DeedSkipWait},
		{"move", "Send an enrollment to another action", plan.UpdateMove, store.DeedMove},
		{"unenroll", "Take a record out of a workflow", plan.UpdateUnenroll, store.DeedUnenroll},
	} {
		register(s, api, crm.RoleEnroll, huma.Operation{
			OperationID: operation.path, Method: http.MethodPost, Path: one + "/" + operation.path, Summary: operation.summary, Tags: []string{"enrollments"},
			DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusNotFound, http.StatusConflict},
		}, func(ctx context.Context, input *operateInput) (*struct{}, error) {
			return nil, s.operate(ctx, input, operation.update, operation.deed)
		})
	}
}

type enrollInput struct {
	Body struct {
		Workflow string   `json:"workflow" doc:"Id of the workflow." example:"trial-nurture"`
		Records  []string `json:"records" minItems:"1" maxItems:"500" doc:"Records, as in contact/51."`
	}
}

type enrollOutput struct {
	Status int
	Body   enrollAnswer
}

type enrollAnswer struct {
	Results []enrollResult `json:"results" doc:"One for each record, in their order."`
}

type enrollResult struct {
	Record     string   `json:"record"`
	Status     string   `json:"status" enum:"started,rejected"`
	WorkflowID string   `json:"workflow_id,omitempty" doc:"Of the Temporal workflow."`
	RunID      string   `json:"run_id,omitempty"`
	Problem    *refused `json:"problem,omitempty" doc:"Why it was rejected."`
}

func (s *server) enroll(ctx context.Context, input *enrollInput) (*enrollOutput, error) {
	caller, records := callerOf(ctx), input.Body.Records
	if err := s.limits.spend(caller.key, len(records)-1); err != nil {
		return nil, err
	}
	newest, err := s.published(ctx, input.Body.Workflow)
	if err != nil {
		return nil, err
	}
	stands, err := s.books.Switch(ctx, newest.Workflow)
	if err != nil {
		return nil, err
	}
	if why := stands.Refuses(s.Now()); why != "" {
		return nil, huma.Error409Conflict(fmt.Sprintf("%s admits nobody: %s", newest.Workflow, why))
	}
	answer := enrollAnswer{Results: make([]enrollResult, len(records))}
	var problems []*refused
	for i, record := range records {
		started, why, err := s.enrollOne(ctx, caller, newest, record)
		if err != nil {
			return nil, err // who was started before is inside when the request comes again
		}
		answer.Results[i] = enrollResult{Record: record, Status: "started", WorkflowID: started.WorkflowID, RunID: started.RunID}
		if why != nil {
			why.Location = fmt.Sprintf("body.records[%d]", i)
			answer.Results[i] = enrollResult{Record: record, Status: "rejected", Problem: why}
			problems = append(problems, why)
		}
	}
	if len(problems) == len(records) {
		status := http.StatusUnprocessableEntity
		if problems[0].Code == "inside" {
			status = http.StatusConflict
		}
		return nil, noneTaken(status, problems)
	}
	return &enrollOutput{Status: severalStatus(len(problems)), Body: answer}, nil
}

// enrollOne starts one enrollment, or says why the record cannot be enrolled.
func (s *server) enrollOne(ctx context.Context, caller caller, newest plan.Revision, record string) (started enroll.Started, why *refused, err error) {
	ref, err := crm.ParseRef(record)
	if err != nil {
		return started, &refused{Code: "wrong-record", Detail: err.Error()}, nil
	}
	if ref.Object != newest.Plan.Object {
		return started, &refused{Code: "wrong-object", Detail: fmt.Sprintf("the workflow %s is about a %s, not a %s", newest.Workflow, newest.Plan.Object, ref.Object)}, nil
	}
	switch _, err := s.books.Get(ctx, ref); {
	case errors.Is(err, crm.ErrNotFound):
		return started, &refused{Code: "unknown-record", Detail: fmt.Sprintf("there is no record %s", ref)}, nil
	case errors.Is(err, crm.ErrDeleted):
		return started, &refused{Code: "deleted-record", Detail: fmt.Sprintf("the record %s is deleted", ref)}, nil
	case err != nil:
		return started, nil, err
	}
	err = s.audited(ctx, s.deed(caller, store.DeedEnroll, newest.Workflow+"/"+ref.String()), func() (err error) {
		started, err = s.People.Start(ctx, enroll.Request{Workflow: newest.Workflow, Record: ref})
		return err
	})
	if errors.Is(err, enroll.ErrInside) {
		return started, &refused{Code: "inside", Detail: err.Error()}, nil
	}
	return started, nil, err
}

// published returns the newest revision of a workflow. Errors: a problem.
func (s *server) published(ctx context.Context, workflow string) (plan.Revision, error) {
	newest, found, err := s.books.LatestRevision(ctx, workflow)
	if err == nil && !found {
		err = huma.Error404NotFound(fmt.Sprintf("no workflow %.100q was published", workflow))
	}
	return newest, err
}

// deed is a line of the audit log about what a caller does now.
func (s *server) deed(caller caller, action, subject string) store.Deed {
	return store.Deed{At: s.Now(), Actor: caller.Name, Via: "api", Action: action, Subject: subject}
}

// audited writes a line of the audit log and does what it is about. What fails is noted there.
func (s *server) audited(ctx context.Context, deed store.Deed, do func() error) error {
	numbers, err := s.books.Audit(ctx, deed)
	if err != nil {
		return err
	}
	failed := do()
	if failed == nil {
		return nil
	}
	return errors.Join(failed, s.books.AuditFailed(context.WithoutCancel(ctx), numbers[0], failed.Error()))
}

type listEnrollmentsInput struct {
	Workflow string `query:"workflow"`
	Record   string `query:"record" doc:"As in contact/51."`
	Action   string `query:"at" doc:"Only those that stand at this action."`
	Open     bool   `query:"open" doc:"Only those inside."`
	After    string `query:"after" doc:"Id of the last enrollment of the page before."`
	Limit    int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type listEnrollmentsOutput struct {
	Body struct {
		Enrollments []shownEnrollment `json:"enrollments"`
		Next        string            `json:"next,omitempty" doc:"What to give as after for the next page; missing on the last one."`
	}
}

type shownEnrollment struct {
	ID       string    `json:"id" example:"welcome/contact/51/3"`
	Workflow string    `json:"workflow"`
	Record   string    `json:"record"`
	Trigger  string    `json:"trigger,omitempty"`
	Revision int       `json:"revision"`
	Started  time.Time `json:"started"`
	Closed   time.Time `json:"closed,omitzero"`
	Exit     string    `json:"exit,omitempty" doc:"Why it ended; missing while it is open."`
	Detail   string    `json:"detail,omitempty"`
	Action   string    `json:"action,omitempty" doc:"Where it stands, or stood last."`
	Arrived  time.Time `json:"arrived,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Awaits   string    `json:"awaits,omitempty" doc:"Type of the event that it waits for."`
}

func (s *server) listEnrollments(ctx context.Context, input *listEnrollmentsInput) (*listEnrollmentsOutput, error) {
	found, err := s.books.Enrollments(ctx, store.EnrollmentFilter{
		Workflow: input.Workflow, Record: input.Record, Node: input.Action, OpenOnly: input.Open, After: input.After, Limit: input.Limit,
	})
	if err != nil {
		return nil, err
	}
	output := &listEnrollmentsOutput{}
	output.Body.Enrollments = []shownEnrollment{}
	mayOpen, err := s.MayOpen(ctx, callerOf(ctx).Actor)
	if err != nil {
		return nil, err
	}
	screens := map[string]enroll.Screen{}
	for _, one := range found {
		screen, known := screens[one.Workflow]
		if !known {
			if screen, err = enroll.NewScreen(ctx, s.books, one.Workflow, mayOpen); err != nil {
				return nil, err
			}
			screens[one.Workflow] = screen
		}
		one = screen.Enrollment(one)
		output.Body.Enrollments = append(output.Body.Enrollments, shownEnrollment{
			ID: one.ID, Workflow: one.Workflow, Record: one.Record, Trigger: one.Trigger, Revision: one.Revision, Started: one.Started, Closed: one.Closed,
			Exit: one.Exit, Detail: one.Detail, Action: one.Standing.Node, Arrived: one.Standing.Arrived, Until: one.Standing.Until, Awaits: one.Standing.Awaits,
		})
	}
	if len(found) == input.Limit {
		output.Body.Next = found[len(found)-1].ID
	}
	return output, nil
}

// EnrollmentInput names a record in a workflow in a path.
type EnrollmentInput struct {
	Workflow string `path:"workflow" example:"trial-nurture"`
	Object   string `path:"object" example:"contact"`
	ID       string `path:"id" example:"51"`
}

func (i EnrollmentInput) ref() (crm.Ref, error) { return parseRef("path", i.Object+"/"+i.ID) }

type whyOutput struct{ Body enroll.Why }

func (s *server) why(ctx context.Context, input *EnrollmentInput) (*whyOutput, error) {
	ref, err := input.ref()
	if err != nil {
		return nil, err
	}
	why, err := s.People.Why(ctx, input.Workflow, ref)
	if err != nil {
		return nil, err
	}
	screen, err := s.screen(ctx, input.Workflow)
	return &whyOutput{screen.Why(why)}, err
}

type historyOutput struct {
	Body struct {
		Entries  []plan.Entry `json:"entries" doc:"In the order of writing."`
		NotShown string       `json:"not_shown,omitempty" doc:"Why ports and details are (not shown): the workflow uses a property that the key's user may not see."`
	}
}

func (s *server) history(ctx context.Context, input *EnrollmentInput) (*historyOutput, error) {
	ref, err := input.ref()
	if err != nil {
		return nil, err
	}
	entries, err := s.books.JournalOf(ctx, input.Workflow, ref.String())
	if err != nil {
		return nil, err
	}
	screen, err := s.screen(ctx, input.Workflow)
	output := &historyOutput{}
	output.Body.Entries, output.Body.NotShown = screen.Entries(entries), screen.Because
	return output, err
}

type operateInput struct {
	EnrollmentInput
	Body *struct {
		To     string `json:"to,omitempty" doc:"Of a move: the action to go on with."`
		Reason string `json:"reason,omitempty" doc:"Of taking out: why, for its history." maxLength:"1000"`
	} `required:"false"`
}

func (s *server) operate(ctx context.Context, input *operateInput, update, deed string) error {
	ref, err := input.ref()
	if err != nil {
		return err
	}
	newest, err := s.published(ctx, input.Workflow)
	if err != nil {
		return err
	}
	to, reason := "", ""
	if input.Body != nil {
		to, reason = input.Body.To, input.Body.Reason
	}
	if _, there := newest.Plan.Nodes[to]; update == plan.UpdateMove && !there {
		return huma.Error422UnprocessableEntity(fmt.Sprintf("the workflow %s has no action %.100q", newest.Workflow, to), &huma.ErrorDetail{Message: "unknown action", Location: "body.to", Value: to})
	}
	return s.audited(ctx, s.deed(callerOf(ctx), deed, newest.Workflow+"/"+ref.String()), func() error {
		switch update {
		case plan.UpdateUnenroll:
			return s.People.Unenroll(ctx, newest.Workflow, ref, plan.Unenroll{Detail: reason})
		case plan.UpdateMove:
			return s.People.Update(ctx, newest.Workflow, ref, update, plan.Move{Node: to})
		}
		return s.People.Update(ctx, newest.Workflow, ref, update)
	})
}
