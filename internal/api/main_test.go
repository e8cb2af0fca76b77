package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
)

var (
	noon = time.Date(2027, 5, 10, 12, 0, 0, 0, time.UTC)
	ann  = crm.Ref{Object: "contact", ID: "51"}
)

func TestMain(m *testing.M) {
	result := m.Run()
	if err := postgrestest.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		result = 1
	}
	os.Exit(result)
}

// site is the API on a store of its own, reached over HTTP. It is noon. No Temporal server answers.
type site struct {
	t     *testing.T
	URL   string
	Books *store.Store
	key   string // shown with every request
}

func newSite(t *testing.T, change ...func(*Options)) *site {
	t.Helper()
	books, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, books.Close()) })
	catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{
		{Name: "email"}, {Name: "score", Type: crm.TypeNumber}, {Name: "topics", Type: crm.TypeEnumeration, Multiple: true},
		{Name: "salary", Access: crm.Access{Everyone: crm.AccessNone, Teams: map[string]crm.AccessLevel{"hr": crm.AccessEdit, "sales": crm.AccessView}}},
	}}, crm.Object{Name: "company"})
	_, err = books.Publish(t.Context(), store.Publication{
		At: noon, Catalog: catalog, Users: []crm.User{{ID: "zoe", Active: true, Team: "sales"}, {ID: "max", Active: true}, {ID: "gone"}},
		Definitions: []plan.Revision{{Plan: &plan.Plan{Workflow: "welcome", Object: "contact", Hash: "h1", Nodes: map[string]plan.Node{"thanks": {}}}, Source: "workflow: welcome", On: true}},
	})
	require.NoError(t, err)
	_, err = books.Create(t.Context(), ann, map[string]string{"email": "ann@example.com", "salary": "1000"}, noon, "test")
	require.NoError(t, err)
	silent := slog.New(slog.DiscardHandler)
	temporal, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1", Logger: log.NewStructuredLogger(silent)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	people := &enroll.Client{Temporal: temporal, Store: books}
	now := func() time.Time { return noon }
	options := Options{
		People: people, Door: ingest.NewDoor(books, now, silent), Now: now, Log: silent,
		MayOpen:  mayOpenAll,
		Complete: func(plan.Revision) error { return nil },
	}
	for _, change := range change {
		change(&options)
	}
	web := httptest.NewServer(Handler(options))
	t.Cleanup(web.Close)
	s := &site{t: t, URL: web.URL, Books: books}
	s.key = s.newKey("all", "", crm.RoleAdmin)
	return s
}

// newKey makes a key; user is whose access to properties binds it.
func (s *site) newKey(name, user string, roles ...crm.Role) (text string) {
	s.t.Helper()
	require.NoError(s.t, s.Books.Tx(s.t.Context(), func(tx *store.Tx) (err error) {
		_, text, err = tx.CreateKey(s.t.Context(), store.Key{Name: name, User: user, Roles: roles, Created: noon})
		return err
	}))
	return text
}

// as is the same site with another key.
func (s *site) as(key string) *site {
	other := *s
	other.key = key
	return &other
}

// reply is what came back.
type reply struct {
	*http.Response
	t    *testing.T
	body []byte
}

// send sends a request; headers are pairs of name and value.
func (s *site) send(method, path, body string, headers ...string) reply {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, bytes.NewReader([]byte(body)))
	require.NoError(s.t, err)
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	return reply{answer, s.t, read}
}

// problem is a problem document.
type problem struct {
	Title, Detail string
	Status        int
	Errors        []struct{ Message, Location string }
}

// fails requires a problem document of a status.
func (r reply) fails(status int) (told problem) {
	r.t.Helper()
	require.Equal(r.t, status, r.StatusCode, "%s", r.body)
	require.Equal(r.t, "application/problem+json", r.Header.Get("Content-Type"))
	require.NoError(r.t, json.Unmarshal(r.body, &told))
	require.Equal(r.t, status, told.Status)
	return told
}

// answers requires a status and reads the answer.
func (r reply) answers(status int, into any) {
	r.t.Helper()
	require.Equal(r.t, status, r.StatusCode, "%s", r.body)
	if into != nil {
		require.NoError(r.t, json.Unmarshal(r.body, into))
	}
}

var errPlaceholders = errors.New("it has placeholders")

func mayOpenAll(context.Context, crm.Actor) (func(plan.Revision) error, error) {
	return func(plan.Revision) error { return nil }, nil
}

// mayOpenNone lets nobody open a workflow who is bound by access to properties.
func mayOpenNone(_ context.Context, actor crm.Actor) (func(plan.Revision) error, error) {
	return func(plan.Revision) error {
		if actor.User != nil {
			return actor.Must("a role that nobody has")
		}
		return nil
	}, nil
}
