package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

// caller is who sends a request.
type caller struct {
	crm.Actor
	key store.Key
}

type callerKey struct{}

// callerOf returns who sends the request of a context.
func callerOf(ctx context.Context) caller {
	found, _ := ctx.Value(callerKey{}).(caller)
	return found
}

// authenticate lets those through whose key has the role that an operation needs.
func (s *server) authenticate(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) == 0 {
			next(ctx)
			return
		}
		found, err := s.caller(ctx.Context(), ctx.Header("Authorization"))
		if err == nil {
			err = found.Must(crm.Role(ctx.Operation().Security[0][keyScheme][0]))
		}
		if err == nil {
			err = s.limits.spend(found.key, 1)
		}
		if err != nil {
			s.refuse(api, ctx, s.problem(err))
			return
		}
		next(huma.WithValue(ctx, callerKey{}, found))
	}
}

// refuse answers a request before its operation sees it.
func (s *server) refuse(api huma.API, ctx huma.Context, err error) {
	var headers huma.HeadersError
	if errors.As(err, &headers) {
		for name, values := range headers.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}
	}
	var problem huma.StatusError
	errors.As(err, &problem)
	if writing := huma.WriteErr(api, ctx, problem.GetStatus(), problem.Error()); writing != nil {
		s.Log.Warn("a request could not be answered", "error", writing)
	}
}

// caller finds who is behind an Authorization header.
func (s *server) caller(ctx context.Context, header string) (caller, error) {
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return caller{}, unknown("show an API key: Authorization: Bearer mrk_…")
	}
	key, err := s.books.KeyByText(ctx, strings.TrimSpace(text))
	if errors.Is(err, crm.ErrNotFound) {
		return caller{}, unknown("this API key is not known, or it was revoked: `millrace keys create` makes one")
	}
	if err != nil {
		return caller{}, err
	}
	found := caller{Actor: crm.Actor{Name: "key " + key.Name, Roles: key.Roles}, key: key}
	if key.User == "" {
		return found, nil
	}
	user, err := s.books.User(ctx, key.User)
	if errors.Is(err, crm.ErrNotFound) || err == nil && !user.Active {
		return caller{}, unknown("this API key belongs to the user " + key.User + ", who is not active any more")
	}
	found.User = &user
	return found, err
}

func unknown(detail string) error {
	return huma.ErrorWithHeaders(huma.Error401Unauthorized(detail), http.Header{"WWW-Authenticate": {"Bearer"}})
}

// limits are how much each key may send.
type limits struct {
	rate float64
	now  func() time.Time

	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

func newLimits(perSecond float64, now func() time.Time) *limits {
	return &limits{rate: perSecond, now: now, keys: map[string]*rate.Limiter{}}
}

// spend takes n from what a key may send, or says when there is enough again. A key may send two seconds' worth at once,
// and always one full request.
func (l *limits) spend(key store.Key, n int) error {
	l.mu.Lock()
	limiter := l.keys[key.ID]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Limit(l.rate), max(int(2*l.rate), 1000))
		l.keys[key.ID] = limiter
	}
	l.mu.Unlock()
	now := l.now()
	reserved := limiter.ReserveN(now, n)
	if wait := reserved.DelayFrom(now); wait > 0 {
		reserved.CancelAt(now)
		return later(http.StatusTooManyRequests, "this key sends more than it may; what the answer is about was not looked at", wait)
	}
	return nil
}
