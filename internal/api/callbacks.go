package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
)

// Completion is what the other side of an asynchronous action says when it is done. The names are HubSpot's.
type Completion struct {
	OutputFields      map[string]any `json:"outputFields" doc:"Outputs of the action; hs_execution_state among them says SUCCESS or FAIL_CONTINUE."`
	TypedOutputs      map[string]any `json:"typedOutputs,omitempty"`
	FailureReasonType string         `json:"failureReasonType,omitempty"`
	RequestContext    map[string]any `json:"requestContext,omitempty"`
}

type completeInput struct {
	CallbackID string `path:"callbackId" doc:"The callbackId of the call of the action."`
	Body       Completion
}

type completeManyInput struct {
	Body struct {
		Inputs []struct {
			CallbackID string `json:"callbackId"`
			Completion
		} `json:"inputs" minItems:"1" maxItems:"100"`
	}
}

func (s *server) callbackRoutes(api huma.API) {
	for _, version := range []struct{ id, path string }{{"", "/automation/v4/actions/callbacks"}, {"-2026-03", "/automation/actions/callbacks/2026-03"}} {
		register(s, api, crm.RoleEnroll, huma.Operation{
			OperationID: "complete-callback" + version.id, Method: http.MethodPost, Path: version.path + "/{callbackId}/complete", Tags: []string{"callbacks"},
			Summary: "Complete an asynchronous action", DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusNotFound},
			Description: "Completes the action that was called with this callbackId, and wakes its enrollment. A repetition does nothing: the first completion counts.",
		}, func(ctx context.Context, input *completeInput) (*struct{}, error) {
			return nil, s.complete(ctx, []string{input.CallbackID}, []Completion{input.Body})
		})
		register(s, api, crm.RoleEnroll, huma.Operation{
			OperationID: "complete-callbacks" + version.id, Method: http.MethodPost, Path: version.path + "/complete", Tags: []string{"callbacks"},
			Summary: "Complete several asynchronous actions", DefaultStatus: http.StatusNoContent, Errors: []int{http.StatusNotFound},
			Description: "Completes all of the actions, or none when a callbackId is not known.",
		}, func(ctx context.Context, input *completeManyInput) (*struct{}, error) {
			var ids []string
			var completions []Completion
			for _, one := range input.Body.Inputs {
				ids, completions = append(ids, one.CallbackID), append(completions, one.Completion)
			}
			return nil, s.complete(ctx, ids, completions)
		})
	}
}

// complete stores completions as events whose source is the step that waits.
func (s *server) complete(ctx context.Context, ids []string, completions []Completion) error {
	items := make([]ingest.Item, len(ids))
	for i, id := range ids {
		key, found := plan.CallbackStep(id)
		if !found {
			return unknownCallback(id)
		}
		enrollment, err := s.books.Enrollment(ctx, plan.EnrollmentOf(key))
		if err != nil {
			return fmt.Errorf("callback %s: %w", id, err)
		}
		done := completions[i]
		items[i].Event = plan.Event{
			ID: plan.EventCallback + "/" + key, Type: plan.EventCallback, Record: enrollment.Record, Source: key, By: callerOf(ctx).Name,
			Properties: map[string]any{
				"outputs": done.OutputFields, "typed_outputs": done.TypedOutputs, "failure_reason": done.FailureReasonType, "context": done.RequestContext,
			},
		}
	}
	results, err := s.Door.Accept(ctx, items)
	if err != nil {
		return err
	}
	for i, result := range results {
		if result.Problem != nil {
			return huma.Error422UnprocessableEntity(fmt.Sprintf("callback %s: %s", ids[i], result.Problem.Detail))
		}
	}
	return nil
}

func unknownCallback(id string) error {
	return huma.Error404NotFound(fmt.Sprintf("no action was called with the callbackId %.100q", id))
}
