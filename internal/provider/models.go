package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The interfaces that language models are asked by.
const (
	ChatCompletions = "chat-completions" // OpenAI's, which servers of other models speak as well
	Responses       = "responses"        // OpenAI's
	Messages        = "messages"         // Anthropic's
)

// Question is what a language model is asked. The key travels in the header Idempotency-Key.
type Question struct {
	Key          string
	At           time.Time // business time of the call
	API          string    // one of the constants above
	BaseURL      string    // "" = the vendor's
	APIKey       string
	Model        string
	Instructions string         // what stands above the conversation; "" = nothing
	Turns        []string       // the conversation: what is asked, and between that what the model has answered
	Schema       map[string]any // JSON Schema that the answer has to follow; nil = text
	Temperature  *float64       // nil = the model's
	Effort       string         // of its reasoning; "" = the model's
	MaxTokens    int            // of the answer
	VectorStores []string       // whose files the model searches; of Responses alone
}

// Answer is what a language model answers.
type Answer struct {
	Text    string
	Cut     bool  // it ended at MaxTokens
	Refused bool  // the model, or its vendor, will not answer
	Input   int64 // tokens that were read
	Output  int64 // tokens that were written
}

// Models asks language models.
type Models interface {
	// Ask makes one call. A *Rejected error is an answer of another status than 2xx, a *Refused error says that the
	// call certainly did not arrive, ErrUnreadable that the answer is none. No error shows what was asked or
	// answered, nor the key.
	Ask(ctx context.Context, question Question) (Answer, error)
}

// MaxAnswer is how long an answer of a language model may be in JSON, in bytes.
const MaxAnswer = 1 << 20

// ErrUnreadable is an answer that is not what the interface promises.
var ErrUnreadable = errors.New("the answer cannot be read")

// Rejected is an answer of another status than 2xx.
type Rejected struct {
	Status int
	Header http.Header
}

func (r *Rejected) Error() string { return fmt.Sprintf("status %d", r.Status) }

// NewModels returns models that are reached as NewHTTP reaches the rest.
func NewModels(egress Egress) (Models, error) {
	guard, err := newGuard(egress.Allow)
	if err != nil {
		return nil, err
	}
	return newModels(guard, egress.HTTP, 2*time.Minute), nil
}

func newModels(guard guard, plain bool, whole time.Duration) *models {
	web := newWeb(guard, plain, 3*time.Second, whole)
	web.client.Transport = bounded{plain: plain, next: web.client.Transport}
	return &models{client: web.client, whole: whole}
}

// models asks over the network, with the vendors' libraries.
type models struct {
	client *http.Client
	whole  time.Duration // for one call, until the last byte is read
}

func (m *models) Ask(ctx context.Context, question Question) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.whole)
	defer cancel()
	switch question.API {
	case ChatCompletions:
		answer, err = m.complete(ctx, question)
	case Responses:
		answer, err = m.respond(ctx, question)
	case Messages:
		answer, err = m.message(ctx, question)
	default:
		return Answer{}, fmt.Errorf("no language model has the interface %q", question.API)
	}
	return answer, plainly(err)
}

// plainly takes from an error what a library has put around it: the URL, or parts of what was sent and answered.
func plainly(err error) error {
	var rejected *Rejected
	var broken *broken
	refused, isRefused := AsRefused(err)
	switch {
	case err == nil:
		return nil
	case isRefused:
		return refused
	case errors.As(err, &rejected):
		return rejected
	case errors.As(err, &broken):
		return broken.err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errors.New("the model took too long to answer")
	}
	return ErrUnreadable
}

// bounded keeps the vendors' libraries within the rules: no plain http unless it is opened, no redirect, no endless answer. What is
// not an answer of status 2xx is an error of ours, so that no library makes one of its own out of prompts and keys.
type bounded struct {
	plain bool
	next  http.RoundTripper
}

// broken is a connection that ended before the answer did, or never began.
type broken struct{ err error }

func (b *broken) Error() string { return b.err.Error() }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	host := request.URL.Host
	if err := openScheme(request.URL, b.plain); err != nil {
		return nil, err
	}
	answer, err := b.next.RoundTrip(request)
	if refused, ok := AsRefused(err); ok {
		return nil, &Refused{Reason: refused.Reason, Err: fmt.Errorf("%s: %w", host, refused.Err)}
	}
	if err != nil {
		return nil, &broken{fmt.Errorf("%s: %w", host, err)}
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, &Rejected{Status: answer.StatusCode, Header: answer.Header}
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, &broken{fmt.Errorf("%s: read the answer: %w", host, err)}
	case len(body) > MaxAnswer:
		return nil, ErrUnreadable
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}
