// Package api is the HTTP API of Millrace: events, records, enrollments, workflows, callbacks. What it takes and answers
// is described by Document; what is wrong is told as a problem document (RFC 9457) with its place.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// Limits of requests.
const (
	maxBody    = 8 << 20 // bytes
	readTime   = 30 * time.Second
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	finishTime = 20 * time.Second // for what is under way when the server stops
	maxHeader  = 32 << 10
)

// DefaultRate is how many events, records and other requests a second one key may send unless the operator says otherwise.
const DefaultRate = 5000

// Options are what the API works with.
type Options struct {
	People *enroll.Client
	Door   *ingest.Door
	Now    func() time.Time
	Rate   float64 // per second and key; 0 = DefaultRate
	Log    *slog.Logger
	// MayOpen returns what fails with crm.ErrForbidden for a revision that uses a property that somebody may not see.
	MayOpen func(ctx context.Context, actor crm.Actor) (func(plan.Revision) error, error)
	// Complete fails when a revision cannot be switched on, as one with placeholders.
	Complete func(revision plan.Revision) error
}

// server answers requests.
type server struct {
	Options
	books  *store.Store
	limits *limits
}

// Handler returns the API.
func Handler(options Options) http.Handler {
	if options.Rate == 0 {
		options.Rate = DefaultRate
	}
	s := &server{Options: options, books: options.People.Store, limits: newLimits(options.Rate, options.Now)}
	mux := http.NewServeMux()
	s.routes(mux)
	return mux
}

// Document returns the OpenAPI document of the API.
func Document() ([]byte, error) {
	text, err := json.MarshalIndent((&server{}).routes(http.NewServeMux()).OpenAPI(), "", "  ")
	return append(text, '\n'), err
}

// Serve answers requests on a listener until ctx ends, and then finishes what is under way.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	web := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the API at %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	if err := web.Shutdown(finish); err != nil {
		return fmt.Errorf("stopping the API: %w", err)
	}
	return nil
}

// keyScheme names the security scheme of the document.
const keyScheme = "key"

func (s *server) routes(mux *http.ServeMux) huma.API {
	config := huma.DefaultConfig("Millrace", "1")
	config.Info.Description = `Every request but /healthz and /openapi.json shows an API key (millrace keys create) as a bearer token; the roles that it needs
stand at each operation. An answer of 2xx means that what it tells is committed. Errors are problem documents (RFC 9457); 429 and 503 are
worth repeating after Retry-After, other errors are not.`
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{keyScheme: {
		Type: "http", Scheme: "bearer", Description: "An API key. The scopes below are its roles; the role admin is all of them.",
	}}
	api := humago.New(mux, config)
	api.UseMiddleware(s.authenticate(api))
	huma.Register(api, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the API can store what comes", Tags: []string{"operation"},
	}, func(ctx context.Context, _ *struct{}) (*healthy, error) {
		if _, err := s.books.Health(ctx); err != nil {
			return nil, s.problem(err)
		}
		answer := &healthy{}
		answer.Body.Status = "ok"
		return answer, nil
	})
	s.eventRoutes(api)
	s.recordRoutes(api)
	s.enrollmentRoutes(api)
	s.workflowRoutes(api)
	s.webhookRoutes(api)
	s.callbackRoutes(api)
	return api
}

type healthy struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

// register adds an operation that needs a role.
func register[Input, Output any](s *server, api huma.API, role crm.Role, operation huma.Operation, handle func(context.Context, *Input) (*Output, error)) {
	operation.Security = []map[string][]string{{keyScheme: {string(role)}}}
	operation.MaxBodyBytes = maxBody
	operation.BodyReadTimeout = readTime
	operation.Errors = append(operation.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable)
	huma.Register(api, operation, func(ctx context.Context, input *Input) (*Output, error) {
		output, err := handle(ctx, input)
		if err != nil {
			return nil, s.problem(err)
		}
		return output, nil
	})
}

// screen is between the caller and what a workflow says of its enrollments.
func (s *server) screen(ctx context.Context, workflow string) (enroll.Screen, error) {
	mayOpen, err := s.MayOpen(ctx, callerOf(ctx).Actor)
	if err != nil {
		return enroll.Screen{}, err
	}
	return enroll.NewScreen(ctx, s.books, workflow, mayOpen)
}

// problem is an error as it is answered.
func (s *server) problem(err error) error {
	var answer huma.StatusError
	switch text := err.Error(); {
	case errors.As(err, &answer):
		return err
	case errors.Is(err, crm.ErrForbidden):
		return huma.Error403Forbidden(text)
	case errors.Is(err, crm.ErrNotFound), errors.Is(err, enroll.ErrNotInside), errors.Is(err, enroll.ErrNoWebhook):
		return huma.Error404NotFound(text)
	case errors.Is(err, crm.ErrDeleted):
		return huma.Error410Gone(text)
	case errors.Is(err, enroll.ErrInside), errors.Is(err, enroll.ErrRefuses):
		return huma.Error409Conflict(text)
	case errors.Is(err, crm.ErrInvalid):
		return huma.Error422UnprocessableEntity(text)
	}
	s.Log.Error("a request failed", "error", err)
	return later(http.StatusServiceUnavailable, "something that Millrace needs does not answer, and nothing was done or nobody can say; send it again", time.Second)
}

// later is a problem that passes.
func later(status int, detail string, after time.Duration) error {
	seconds := max(1, int((after+time.Second-1)/time.Second))
	return huma.ErrorWithHeaders(huma.NewError(status, detail), http.Header{"Retry-After": {fmt.Sprint(seconds)}})
}

// refused is why one of several items was not taken.
type refused struct {
	Code     string `json:"code" doc:"Why, in a word that does not change."`
	Location string `json:"location" doc:"Which item, and which part of it." example:"body[3].record"`
	Detail   string `json:"detail" doc:"What is wrong and what to do."`
}

// severalStatus is the status of an answer about items of which so many were refused.
func severalStatus(refused int) int {
	if refused > 0 {
		return http.StatusMultiStatus
	}
	return http.StatusOK
}

// noneTaken is the problem of a request none of whose items was taken.
func noneTaken(status int, problems []*refused) error {
	var details []error
	for _, one := range problems {
		details = append(details, &huma.ErrorDetail{Message: one.Code + ": " + one.Detail, Location: one.Location})
	}
	detail := fmt.Sprintf("none of %d was taken", len(problems))
	if len(problems) == 1 {
		detail = problems[0].Detail
	}
	return huma.NewError(status, detail, details...)
}
