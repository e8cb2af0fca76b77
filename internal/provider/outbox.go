package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Sent is what would have left the house.
type Sent struct {
	Key     string
	At      time.Time // business time
	Channel string    // email, webhook, ai, enrichment or ads
	From    string    // of a mail
	To      string    // an address, a URL without its secret parameters, a language model, what a record is known by, or an audience
	Subject string    // of a mail; a webhook's method; a model's interface; the properties that are wanted; add or remove
	Body    string    // the plain text of a mail; the body of a webhook; a prompt
}

// Outbox records instead of sending. Every mail is accepted, every call answered with 200 and {}, every
// question with a specimen.
// What a repeated key means is up to Record.
type Outbox struct {
	Record func(ctx context.Context, sent Sent) error
	// Answer is what is answered to a key instead: the body of a call, the text of a model, or what is known of a record as a JSON
	// object; nil = nothing else.
	Answer func(key string) (text string, found bool)
}

func (o Outbox) answer(key string) (text string, found bool) {
	if o.Answer == nil {
		return "", false
	}
	return o.Answer(key)
}

// Send records a mail.
func (o Outbox) Send(ctx context.Context, mail Email) error {
	return o.record(ctx, Sent{Key: mail.Key, At: mail.At, Channel: "email", From: mail.From, To: mail.To, Subject: mail.Subject, Body: mail.Text})
}

// Do records a call.
func (o Outbox) Do(ctx context.Context, request Request) (Response, error) {
	sent := Sent{Key: request.Key, At: request.At, Channel: "webhook", To: request.URL, Subject: request.Method, Body: string(request.Body)}
	if err := o.record(ctx, sent); err != nil {
		return Response{}, err
	}
	body, found := o.answer(request.Key)
	if !found {
		body = "{}"
	}
	return Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}, nil
}

// Ask records a question. The answer can be told from one that a model has given, and follows the schema.
func (o Outbox) Ask(ctx context.Context, question Question) (Answer, error) {
	sent := Sent{Key: question.Key, At: question.At, Channel: "ai", To: question.Model, Subject: question.API, Body: question.Turns[len(question.Turns)-1]}
	if err := o.record(ctx, sent); err != nil {
		return Answer{}, err
	}
	if text, found := o.answer(question.Key); found {
		return Answer{Text: text}, nil
	}
	if question.Schema == nil {
		return Answer{Text: "(answer of " + question.Model + ")"}, nil
	}
	text, err := json.Marshal(specimen(question.Schema))
	return Answer{Text: string(text)}, err
}

// Enrich records a lookup. Nothing is known, unless there is an answer.
func (o Outbox) Enrich(ctx context.Context, lookup Lookup) (map[string]any, error) {
	by := make([]string, 0, len(lookup.By))
	for _, name := range slices.Sorted(maps.Keys(lookup.By)) {
		by = append(by, fmt.Sprint(lookup.By[name]))
	}
	sent := Sent{Key: lookup.Key, At: lookup.At, Channel: "enrichment", To: strings.Join(by, " "), Subject: strings.Join(lookup.Wanted, ", ")}
	if err := o.record(ctx, sent); err != nil {
		return nil, err
	}
	text, found := o.answer(lookup.Key)
	if !found {
		return nil, nil
	}
	return known([]byte(text))
}

// specimen is a value that follows a schema: of an object all properties, of several values the first.
func specimen(schema map[string]any) any {
	if values, several := schema["enum"].([]any); several {
		return values[0]
	}
	if either, several := schema["anyOf"].([]any); several {
		return specimen(either[0].(map[string]any))
	}
	switch schema["type"] {
	case "object":
		value := map[string]any{}
		for name, property := range schema["properties"].(map[string]any) {
			value[name] = specimen(property.(map[string]any))
		}
		return value
	case "number":
		return 0
	case "boolean":
		return false
	}
	switch schema["format"] {
	case "date":
		return "1970-01-01"
	case "date-time":
		return "1970-01-01T00:00:00Z"
	}
	return "(answer)"
}

// record fails temporarily: what could not be recorded did not happen.
func (o Outbox) record(ctx context.Context, sent Sent) error {
	if err := o.Record(ctx, sent); err != nil {
		return &Refused{Reason: "outbox", Temporary: true, Err: err}
	}
	return nil
}
