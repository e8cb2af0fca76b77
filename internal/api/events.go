package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/store"
)

type eventsInput struct {
	RawBody []byte `contentType:"application/json"`

	header func(name string) string
}

// Resolve keeps the header, in which a CloudEvent may stand.
func (i *eventsInput) Resolve(ctx huma.Context) []error {
	i.header = ctx.Header
	return nil
}

type eventsOutput struct {
	Status int
	Body   eventsAnswer
}

type eventsAnswer struct {
	Stored     int           `json:"stored" doc:"How many are new."`
	Duplicates int           `json:"duplicates" doc:"How many were there already."`
	Rejected   int           `json:"rejected"`
	Results    []eventResult `json:"results" doc:"One for each event, in their order."`
}

type eventResult struct {
	ID      string   `json:"id,omitempty" doc:"Id under which the event is stored."`
	Status  string   `json:"status" enum:"stored,duplicate,rejected"`
	Notes   []string `json:"notes,omitempty" enum:"late,clock-ahead,unknown-record,deleted-record,differs" doc:"late: it happened more than 5 minutes ago. clock-ahead: its time was up to 5 minutes in the future, and the time of receipt is stored. unknown-record, deleted-record: it is stored all the same. differs: the stored event of this id says something else."`
	Problem *refused `json:"problem,omitempty" doc:"Why it was rejected."`
}

// rejectionStatus is the status for an event that came alone, or for a message as a whole.
func rejectionStatus(code string) int {
	switch code {
	case "malformed":
		return http.StatusBadRequest
	case "too-large", "too-many":
		return http.StatusRequestEntityTooLarge
	case "wrong-content-type":
		return http.StatusUnsupportedMediaType
	}
	return http.StatusUnprocessableEntity
}

func (s *server) eventRoutes(api huma.API) {
	register(s, api, crm.RoleEnroll, huma.Operation{
		OperationID: "send-events", Method: http.MethodPost, Path: "/v1/events", Summary: "Tell that something happened to records", Tags: []string{"events"},
		Description: `Takes one event or up to 1000 in the plain form, a CloudEvent 1.0 in structured or binary mode, or a batch of them. An event of an id
that its record has already is a duplicate and does nothing, so a request may be repeated until it is answered. Events of one record count in the order of their
times, whenever they come: one that is late is stored with its time and counts where somebody still looks back so far. When some of several are rejected the answer
is 207 and tells of each; when all are, it is a problem.`,
		SkipValidateBody: true, // the door looks at each event
		Errors:           []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity},
		Responses: map[string]*huma.Response{"207": {
			Description: "Some events were rejected.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[eventsAnswer](), true, "EventsAnswer")}},
		}},
	}, s.sendEvents)
	schema := func(of reflect.Type) *huma.Schema { return api.OpenAPI().Components.Schemas.Schema(of, true, "") }
	plain, cloud := schema(reflect.TypeFor[ingest.Plain]()), schema(reflect.TypeFor[ingest.CloudEvent]())
	several := func(of *huma.Schema) *huma.Schema {
		most := ingest.MaxEvents
		return &huma.Schema{Type: huma.TypeArray, Items: of, MaxItems: &most}
	}
	api.OpenAPI().Paths["/v1/events"].Post.RequestBody.Content = map[string]*huma.MediaType{
		"application/json":     {Schema: &huma.Schema{OneOf: []*huma.Schema{plain, several(plain), cloud, several(cloud)}}},
		ingest.TypeCloudEvent:  {Schema: cloud},
		ingest.TypeCloudEvents: {Schema: several(cloud)},
	}
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/v1/events", Summary: "Events of a record, the newest first", Tags: []string{"events"},
	}, s.listEvents)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "list-rejected-events", Method: http.MethodGet, Path: "/v1/rejected-events", Summary: "What streams brought and could not be an event, the newest first",
		Tags: []string{"events"},
	}, s.listRejected)
	register(s, api, crm.RoleEnroll, huma.Operation{
		OperationID: "send-again", Method: http.MethodPost, Path: "/v1/rejected-events/{number}/send-again", Summary: "Send a rejected event again", Tags: []string{"events"},
		Description: `Takes it as it came, once the reason for which it was rejected is gone. What was taken is not taken a second time: then the answer is 409. What is still
rejected stays, with its new reason.`,
		Errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity},
	}, s.sendAgain)
}

func (s *server) sendEvents(ctx context.Context, input *eventsInput) (*eventsOutput, error) {
	items, several, rejected := ingest.Decode(ingest.Message{
		ContentType: input.header("Content-Type"), Body: input.RawBody,
		Attribute: func(name string) string { return input.header("ce-" + name) },
	})
	if rejected != nil {
		return nil, noneTaken(rejectionStatus(rejected.Code), []*refused{eventRefused("body", rejected)})
	}
	if len(items) > 1 {
		if err := s.limits.spend(callerOf(ctx).key, len(items)-1); err != nil {
			return nil, err
		}
	}
	for i := range items {
		items[i].Event.By = callerOf(ctx).Name
	}
	results, err := s.Door.Accept(ctx, items)
	if err != nil {
		return nil, err
	}
	answer := eventsAnswer{Results: make([]eventResult, len(results))}
	var problems []*refused
	for i, result := range results {
		answer.Results[i] = eventResult{ID: result.ID, Status: result.Status, Notes: result.Notes}
		switch result.Status {
		case ingest.Stored:
			answer.Stored++
		case ingest.Duplicate:
			answer.Duplicates++
		default:
			place := "body"
			if several {
				place = fmt.Sprintf("body[%d]", i)
			}
			answer.Rejected++
			answer.Results[i].Problem = eventRefused(place, result.Problem)
			problems = append(problems, answer.Results[i].Problem)
		}
	}
	if len(problems) > 0 && len(problems) == len(results) {
		return nil, noneTaken(rejectionStatus(problems[0].Code), problems)
	}
	return &eventsOutput{Status: severalStatus(len(problems)), Body: answer}, nil
}

func eventRefused(place string, why *ingest.Rejection) *refused {
	return &refused{Code: why.Code, Location: strings.TrimSuffix(place+"."+why.Location, "."), Detail: why.Detail}
}

type listEventsInput struct {
	Record string `query:"record" required:"true" doc:"The record, as in contact/51."`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type listEventsOutput struct {
	Body struct {
		Events []shownEvent `json:"events"`
	}
}

type shownEvent struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	At         time.Time       `json:"at"`
	Record     string          `json:"record"`
	Source     string          `json:"source,omitempty" doc:"Key of the step that it answers."`
	By         string          `json:"by,omitempty" doc:"Who told it: a key, a user, or a place in a stream; missing = Millrace itself."`
	Properties json.RawMessage `json:"properties,omitempty"`
}

func (s *server) listEvents(ctx context.Context, input *listEventsInput) (*listEventsOutput, error) {
	ref, err := parseRef("query.record", input.Record)
	if err != nil {
		return nil, err
	}
	events, err := s.books.EventsOf(ctx, ref, input.Limit)
	if err != nil {
		return nil, err
	}
	output := &listEventsOutput{}
	output.Body.Events = []shownEvent{}
	for _, event := range events {
		properties, err := json.Marshal(event.Properties)
		if err != nil {
			return nil, err
		}
		output.Body.Events = append(output.Body.Events, shownEvent{event.ID, event.Type, event.At, event.Record.String(), event.Source, event.By, properties})
	}
	return output, nil
}

// parseRef reads a record that stands at a place of a request.
func parseRef(location, text string) (crm.Ref, error) {
	ref, err := crm.ParseRef(text)
	if err != nil {
		return crm.Ref{}, huma.Error422UnprocessableEntity("a record is written as OBJECT/ID", &huma.ErrorDetail{Message: err.Error(), Location: location, Value: text})
	}
	return ref, nil
}

type listRejectedInput struct {
	Before int64 `query:"before" doc:"Number of the last one of the page before."`
	Limit  int   `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type listRejectedOutput struct {
	Body struct {
		Events []rejectedEvent `json:"events"`
	}
}

type rejectedEvent struct {
	Number  int64     `json:"number"`
	At      time.Time `json:"at" doc:"When it came."`
	Origin  string    `json:"origin" doc:"The stream and the place in it." example:"kafka/events/0/17"`
	Reason  string    `json:"reason" doc:"Why, in a word that does not change." example:"in-future"`
	Detail  string    `json:"detail" doc:"What is wrong and what to do."`
	Content string    `json:"content" doc:"As it came."`
	Sent    time.Time `json:"sent,omitzero" doc:"When it was sent again and taken."`
	Events  []string  `json:"events" doc:"What it became then: records with the ids of events."`
}

func (s *server) listRejected(ctx context.Context, input *listRejectedInput) (*listRejectedOutput, error) {
	found, err := s.books.RejectedEvents(ctx, input.Before, input.Limit)
	output := &listRejectedOutput{}
	output.Body.Events = []rejectedEvent{}
	for _, one := range found {
		output.Body.Events = append(output.Body.Events, rejectedEvent{one.Seq, one.At, one.Origin, one.Reason, one.Detail, string(one.Content), one.Sent, one.Events})
	}
	return output, err
}

type sendAgainInput struct {
	Number int64 `path:"number"`
}

type sendAgainOutput struct {
	Body struct {
		Results []eventResult `json:"results" doc:"One for each event that it became."`
	}
}

func (s *server) sendAgain(ctx context.Context, input *sendAgainInput) (*sendAgainOutput, error) {
	results, err := s.Door.SendAgain(ctx, input.Number, s.deed(callerOf(ctx), store.DeedSendAgain, ""))
	switch {
	case errors.Is(err, ingest.ErrTaken):
		return nil, huma.Error409Conflict(err.Error())
	case err != nil:
		return nil, err
	}
	output := &sendAgainOutput{}
	for _, result := range results {
		if result.Problem != nil {
			return nil, noneTaken(rejectionStatus(result.Problem.Code), []*refused{eventRefused("content", result.Problem)})
		}
		output.Body.Results = append(output.Body.Results, eventResult{ID: result.ID, Status: result.Status, Notes: result.Notes})
	}
	return output, nil
}
