package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// withWebhooks publishes workflows that are called from elsewhere.
func (s *site) withWebhooks() *site {
	s.t.Helper()
	var revisions []plan.Revision
	for workflow, match := range map[string]string{"paid": "email", "shipped": "email", "raised": "salary"} {
		rules := &plan.Rules{Enroll: json.RawMessage(`{"webhook":{"match":"` + match + `"}}`)}
		revisions = append(revisions, plan.Revision{Plan: &plan.Plan{Workflow: workflow, Object: "contact", Hash: workflow, Rules: rules}, On: true})
	}
	_, err := s.Books.Publish(s.t.Context(), store.Publication{At: noon, Definitions: revisions})
	require.NoError(s.t, err)
	return s
}

func TestACallIsAnEventOfTheRecordThatItFinds(t *testing.T) {
	t.Parallel()
	s := newSite(t).withWebhooks()
	const call = `{"email":"ann@example.com","order":12.50,"lines":[{"sku":"a"}]}`
	var told struct{ Record, ID, Status string }
	s.send("POST", "/v1/webhooks/paid", call, "Idempotency-Key", "17").answers(200, &told)
	require.Equal(t, []string{"contact/51", "webhook_received/paid/17", "stored"}, []string{told.Record, told.ID, told.Status})
	s.send("POST", "/v1/webhooks/paid", call, "webhook-id", "17").answers(200, &told)
	require.Equal(t, "duplicate", told.Status)
	require.Contains(t, string(s.send("POST", "/v1/webhooks/paid", `{"email":"ann@example.com"}`, "Idempotency-Key", "17").body), `"differs"`)
	s.send("POST", "/v1/webhooks/shipped", call, "Idempotency-Key", "17").answers(200, &told)
	require.Equal(t, "stored", told.Status, "the same call may go to several workflows")
	for range 2 { // without an id nobody knows that it is the same
		s.send("POST", "/v1/webhooks/shipped", call).answers(200, &told)
		require.Equal(t, "stored", told.Status)
	}
	events, err := s.Books.EventsOf(t.Context(), ann, 0)
	require.NoError(t, err)
	require.Len(t, events, 4)
	properties, err := json.Marshal(events[3].Properties)
	require.NoError(t, err)
	require.JSONEq(t, call, string(properties))
	require.Equal(t, "paid", events[3].Source)
}

func TestACallThatEnrollsNobodyIsToldWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t).withWebhooks()
	for _, id := range []string{"61", "62"} {
		_, err := s.Books.Create(t.Context(), crm.Ref{Object: "contact", ID: id}, map[string]string{"email": "two@example.com"}, noon, "test")
		require.NoError(t, err)
	}
	gone := crm.Ref{Object: "contact", ID: "63"}
	_, err := s.Books.Create(t.Context(), gone, map[string]string{"email": "gone@example.com"}, noon, "test")
	require.NoError(t, err)
	require.NoError(t, s.Books.Delete(t.Context(), gone, noon))
	require.NoError(t, s.Books.SetSwitch(t.Context(), "shipped", plan.SwitchDrain, noon))
	const ann = `{"email":"ann@example.com"}`
	max := s.as(s.newKey("max's", "max", crm.RoleEnroll))
	for _, test := range []struct {
		site           *site
		workflow, body string
		header         []string
		status         int
		want           string
	}{
		{s, "nothing", ann, nil, 404, `no workflow "nothing" was published`},
		{s, "welcome", ann, nil, 404, "workflow welcome has no webhook"},
		{s, "shipped", ann, nil, 409, "shipped admits nobody: the workflow is drained"},
		{s, "paid", `{"email":`, nil, 400, "it is not JSON"},
		{s, "paid", ``, nil, 400, "request body is required"},
		{s, "paid", ann + ann, nil, 400, "something follows"},
		{s, "paid", `[` + ann + `]`, nil, 422, "a array stands where something else is expected"},
		{s, "paid", `null`, nil, 422, "a null stands where something else is expected"},
		{s, "paid", `email=ann`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "a call is sent as application/json, not as application/x-www-form-urlencoded"},
		{s, "paid", `{"email":"` + strings.Repeat("a", 70_000) + `"}`, nil, 413, "a call of 70012 bytes: at most 65536 are taken"},
		{s, "paid", `{"amount":7}`, nil, 422, "a call without email finds no record"},
		{s, "paid", `{"email":null}`, nil, 422, "a call without email finds no record"},
		{s, "paid", `{"email":"bo@example.com"}`, nil, 422, `a call with email "bo@example.com" finds no record`},
		{s, "paid", `{"email":"gone@example.com"}`, nil, 422, "finds no record"},
		{s, "paid", `{"email":"two@example.com"}`, nil, 422, `a call with email "two@example.com" finds several records`},
		{s, "paid", ann, []string{"Idempotency-Key", strings.Repeat("k", 1001)}, 422, "it has at most 1000 bytes"},
		{max, "raised", `{"salary":"1000"}`, nil, 403, "needs the access view to salary of contact, and key max's has none"},
		{s.as(s.newKey("viewer", "", crm.RoleView)), "paid", ann, nil, 403, "it needs the role enroll"},
		{s.as("mrk_x_y"), "paid", ann, nil, 401, "this API key is not known"},
	} {
		require.Contains(t, test.site.send("POST", "/v1/webhooks/"+test.workflow, test.body, test.header...).fails(test.status).Detail, test.want, "%.60s", test.body)
	}
	for _, id := range []string{"51", "61", "62", "63"} {
		events, err := s.Books.EventsOf(t.Context(), crm.Ref{Object: "contact", ID: id}, 0)
		require.NoError(t, err)
		require.Empty(t, events)
	}
	require.Equal(t, "unknown-record: "+`a call with email "bo@example.com" finds no record`, s.send("POST", "/v1/webhooks/paid", `{"email":"bo@example.com"}`).fails(422).Errors[0].Message)
	max.send("POST", "/v1/webhooks/paid", ann).answers(http.StatusOK, nil)
}
