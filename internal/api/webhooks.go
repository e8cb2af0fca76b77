package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
)

type webhookInput struct {
	WorkflowInput
	ContentType    string `header:"Content-Type"`
	IdempotencyKey string `header:"Idempotency-Key" doc:"What makes a repetition of the call known as one; without it there is none."`
	WebhookID      string `header:"Webhook-Id" doc:"The same, as senders by Standard Webhooks name it."`
	RawBody        []byte `contentType:"application/json"`
}

type webhookOutput struct {
	Body struct {
		Record string   `json:"record" doc:"Whom the call is about." example:"contact/51"`
		ID     string   `json:"id" doc:"Id under which it is stored as an event of the record."`
		Status string   `json:"status" enum:"stored,duplicate"`
		Notes  []string `json:"notes,omitempty" enum:"differs" doc:"differs: the call of this id that is stored says something else."`
	}
}

func (s *server) webhookRoutes(api huma.API) {
	const path = "/v1/webhooks/{workflow}"
	register(s, api, crm.RoleEnroll, huma.Operation{
		OperationID: "call-webhook", Method: http.MethodPost, Path: path, Summary: "Enroll the record that a call is about", Tags: []string{"events"},
		Description: `For workflows with enroll: {webhook: {match: PROPERTY}}. The field of that name finds the one record whose property has its value; all fields are
properties of the event that enrolls it, for if and for tokens (event.amount). The answer comes when the call is stored; whether the record is admitted is
decided by a worker, and its history tells. A call that finds no record, or several, is refused and leaves nothing, and so is one while the
workflow admits nobody. A repetition is answered as duplicate and does nothing.`,
		SkipValidateBody: true, // it is any object
		Errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusUnprocessableEntity},
	}, s.callWebhook)
	api.OpenAPI().Paths[path].Post.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, Description: fmt.Sprintf("Whatever there is to say, at most %d KiB.", ingest.MaxEvent>>10),
	}}}
}

func (s *server) callWebhook(ctx context.Context, input *webhookInput) (*webhookOutput, error) {
	newest, err := s.published(ctx, input.Workflow)
	if err != nil {
		return nil, err
	}
	if err := s.mayMatch(ctx, newest); err != nil {
		return nil, err
	}
	stands, err := s.books.Switch(ctx, newest.Workflow)
	if err != nil {
		return nil, err
	}
	if why := stands.Refuses(s.Now()); why != "" {
		return nil, huma.Error409Conflict(fmt.Sprintf("%s admits nobody: %s", newest.Workflow, why))
	}
	said, rejected := ingest.DecodeCall(input.ContentType, input.RawBody)
	if rejected != nil {
		return nil, noneTaken(rejectionStatus(rejected.Code), []*refused{eventRefused("body", rejected)})
	}
	event, err := s.People.Webhook(ctx, newest.Workflow, cmp.Or(input.IdempotencyKey, input.WebhookID), said, s.Now())
	switch {
	case errors.Is(err, enroll.ErrNobody):
		return nil, noneTaken(http.StatusUnprocessableEntity, []*refused{{"unknown-record", "body", err.Error()}})
	case errors.Is(err, enroll.ErrSeveral):
		return nil, noneTaken(http.StatusUnprocessableEntity, []*refused{{"several-records", "body", err.Error()}})
	case err != nil:
		return nil, err
	}
	event.By = callerOf(ctx).Name
	results, err := s.Door.Accept(ctx, []ingest.Item{{Event: event}})
	if err != nil {
		return nil, err
	}
	if problem := results[0].Problem; problem != nil {
		return nil, noneTaken(rejectionStatus(problem.Code), []*refused{eventRefused("header", problem)})
	}
	output := &webhookOutput{}
	output.Body.Record, output.Body.ID, output.Body.Status, output.Body.Notes = event.Record, results[0].ID, results[0].Status, results[0].Notes
	return output, nil
}

// mayMatch fails when the caller may not see the property that finds records: whether one is found tells of its value.
func (s *server) mayMatch(ctx context.Context, newest plan.Revision) error {
	triggers, err := newest.Plan.Rules.Triggers()
	if err != nil {
		return err
	}
	if triggers.Webhook == nil {
		return fmt.Errorf("workflow %s %w", newest.Workflow, enroll.ErrNoWebhook)
	}
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return err
	}
	property, declared := catalog.Property(newest.Plan.Object, triggers.Webhook.Match)
	if !declared {
		return nil
	}
	return callerOf(ctx).MustAccess(newest.Plan.Object, property, crm.AccessView)
}
