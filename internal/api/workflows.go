package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func (s *server) workflowRoutes(api huma.API) {
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "list-workflows", Method: http.MethodGet, Path: "/v1/workflows", Summary: "The published workflows", Tags: []string{"workflows"},
	}, s.listWorkflows)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "get-workflow", Method: http.MethodGet, Path: "/v1/workflows/{workflow}", Summary: "A workflow with the source of its newest revision", Tags: []string{"workflows"},
		Errors: []int{http.StatusNotFound},
	}, s.getWorkflow)
	register(s, api, crm.RolePublish, huma.Operation{
		OperationID: "switch-workflow", Method: http.MethodPut, Path: "/v1/workflows/{workflow}/switch", Summary: "Turn the switch of a workflow, at once or at an instant", Tags: []string{"workflows"},
		DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.switchWorkflow)
	register(s, api, crm.RoleAdmin, huma.Operation{
		OperationID: "audit", Method: http.MethodGet, Path: "/v1/audit", Summary: "The audit log, the newest line first", Tags: []string{"operation"},
	}, s.audit)
}

type listWorkflowsOutput struct {
	Body struct {
		Workflows []ListedWorkflow `json:"workflows"`
	}
}

// ListedWorkflow is a workflow at a glance.
type ListedWorkflow struct {
	Workflow  string    `json:"workflow"`
	Switch    string    `json:"switch" enum:"on,off,pause,drain,stop"`
	Revision  int       `json:"revision" doc:"The newest."`
	Published time.Time `json:"published"`
	Inside    int       `json:"inside" doc:"How many enrollments are open."`
}

func (s *server) listWorkflows(ctx context.Context, _ *struct{}) (*listWorkflowsOutput, error) {
	overviews, err := s.books.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	output := &listWorkflowsOutput{}
	output.Body.Workflows = []ListedWorkflow{}
	for _, one := range overviews {
		inside, err := s.inside(ctx, one.Workflow)
		if err != nil {
			return nil, err
		}
		output.Body.Workflows = append(output.Body.Workflows, ListedWorkflow{one.Workflow, one.Switch, one.Revision, one.Published, inside})
	}
	return output, nil
}

func (s *server) inside(ctx context.Context, workflow string) (people int, err error) {
	places, err := s.books.Inside(ctx, workflow)
	for _, place := range places {
		people += place.People
	}
	return people, err
}

// WorkflowInput names a workflow in a path.
type WorkflowInput struct {
	Workflow string `path:"workflow" example:"trial-nurture"`
}

type workflowOutput struct {
	Body struct {
		ListedWorkflow
		Object string `json:"object" doc:"Type of the records."`
		Source string `json:"source" doc:"The definition, as it was published."`
	}
}

func (s *server) getWorkflow(ctx context.Context, input *WorkflowInput) (*workflowOutput, error) {
	newest, err := s.published(ctx, input.Workflow)
	if err != nil {
		return nil, err
	}
	mayOpen, err := s.MayOpen(ctx, callerOf(ctx).Actor)
	if err != nil {
		return nil, err
	}
	if err := mayOpen(newest); err != nil {
		return nil, err
	}
	stands, err := s.books.Switch(ctx, input.Workflow)
	if err != nil {
		return nil, err
	}
	inside, err := s.inside(ctx, input.Workflow)
	if err != nil {
		return nil, err
	}
	output := &workflowOutput{}
	output.Body.ListedWorkflow = ListedWorkflow{newest.Workflow, stands.At(s.Now()), newest.Number, newest.Published, inside}
	output.Body.Object, output.Body.Source = newest.Plan.Object, newest.Source
	return output, nil
}

type switchInput struct {
	WorkflowInput
	Body struct {
		Switch string    `json:"switch" enum:"on,off,pause,drain,stop"`
		At     time.Time `json:"at,omitzero" required:"false" doc:"When to turn it; without it, now."`
	}
}

func (s *server) switchWorkflow(ctx context.Context, input *switchInput) (*struct{}, error) {
	newest, err := s.published(ctx, input.Workflow)
	if err != nil {
		return nil, err
	}
	if input.Body.Switch == plan.SwitchOn {
		if err := s.Complete(newest); err != nil {
			return nil, huma.Error409Conflict(err.Error())
		}
	}
	now, at := s.Now(), input.Body.At
	if !at.IsZero() && !at.After(now) {
		return nil, huma.Error422UnprocessableEntity("at is past", &huma.ErrorDetail{Message: "it is past", Location: "body.at", Value: at})
	}
	return nil, s.books.Tx(ctx, func(tx *store.Tx) error {
		before, err := tx.Switch(ctx, newest.Workflow)
		if err != nil {
			return err
		}
		if at.IsZero() {
			err = tx.SetSwitch(ctx, newest.Workflow, input.Body.Switch, now)
		} else {
			err = tx.TurnSwitch(ctx, newest.Workflow, input.Body.Switch, at, now)
		}
		if err != nil {
			return err
		}
		after, err := tx.Switch(ctx, newest.Workflow)
		if err != nil {
			return err
		}
		deed := s.deed(callerOf(ctx), store.DeedSwitch, newest.Workflow)
		if deed.Before, err = json.Marshal(before); err != nil {
			return err
		}
		if deed.After, err = json.Marshal(after); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, deed)
		return err
	})
}

type auditInput struct {
	Actor   string `query:"actor"`
	Action  string `query:"action" example:"record.set"`
	Subject string `query:"subject" example:"contact/51"`
	Before  int64  `query:"before" doc:"Number of the last line of the page before."`
	Limit   int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type auditOutput struct {
	Body struct {
		Deeds []store.Deed `json:"deeds"`
	}
}

func (s *server) audit(ctx context.Context, input *auditInput) (*auditOutput, error) {
	deeds, err := s.books.Deeds(ctx, store.DeedFilter{Actor: input.Actor, Action: input.Action, Subject: input.Subject, Before: input.Before, Limit: input.Limit})
	output := &auditOutput{}
	output.Body.Deeds = append([]store.Deed{}, deeds...)
	return output, err
}
