package provider

import (
	"context"
	"net/http"
	"time"
)

// Sent is what would have left the house.
type Sent struct {
	Key     string
	At      time.Time // business time
	Channel string    // email or webhook
	From    string    // of a mail
	To      string    // an address, or a URL without its secret parameters
	Subject string    // of a mail; a webhook's method
	Body    string    // the plain text of a mail; the body of a webhook
}

// Outbox records instead of sending. Every mail is accepted and every call answered with 200 and {}.
// What a repeated key means is up to Record.
type Outbox struct {
	Record func(ctx context.Context, sent Sent) error
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
	return Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte("{}")}, nil
}

// record fails temporarily: what could not be recorded did not happen.
func (o Outbox) record(ctx context.Context, sent Sent) error {
	if err := o.Record(ctx, sent); err != nil {
		return &Refused{Reason: "outbox", Temporary: true, Err: err}
	}
	return nil
}
