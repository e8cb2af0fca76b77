// Package provider is everything that leaves the house: mail, HTTP, and the outbox that records
// instead of sending. Each effect carries an idempotency key.
package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Email is one mail to one person.
type Email struct {
	Key      string    // idempotency key, also the Message-ID's local part
	At       time.Time // business time of the send
	From     string    // address, with or without a name
	To       string
	ReplyTo  string
	Subject  string
	Preview  string // the line that mail programs show beside the subject
	HTML     string
	Text     string
	Internal bool // to the team: no unsubscribe header
}

// Mail sends mail.
type Mail interface {
	// Send hands one mail over. A *Refused error says that it certainly did not leave; after any other
	// error nobody can say.
	Send(ctx context.Context, mail Email) error
}

// Request is one HTTP call. The key travels in the header Idempotency-Key.
type Request struct {
	Key    string
	At     time.Time // business time of the call
	Method string
	URL    string
	Header http.Header
	Body   []byte
	// Secret holds query parameters that join the URL at the moment of the call and are shown nowhere.
	Secret url.Values
}

// Response is its answer. Body is capped at MaxResponse bytes, and Truncated says so.
type Response struct {
	Status    int
	Header    http.Header
	Body      []byte
	Truncated bool
	Took      time.Duration
}

// MaxResponse is how much of an answer is read, in bytes.
const MaxResponse = 64 << 10

// HTTP calls the outside world.
type HTTP interface {
	// Do makes one call and follows at most three redirects. Answers of every status are returned without an error.
	// A *Refused error says that the request certainly did not arrive, or was led where it may not go.
	Do(ctx context.Context, request Request) (Response, error)
}

// Refused is an effect that certainly did not happen.
type Refused struct {
	Reason    string        // typed: connection-refused, egress-denied, rejected, …
	Temporary bool          // another attempt may do
	After     time.Duration // when, if the other side said so
	Err       error
}

func (r *Refused) Error() string { return fmt.Sprintf("%s: %v", r.Reason, r.Err) }
func (r *Refused) Unwrap() error { return r.Err }

// AsRefused returns the refusal in err, if there is one.
func AsRefused(err error) (*Refused, bool) {
	var refused *Refused
	return refused, errors.As(err, &refused)
}
