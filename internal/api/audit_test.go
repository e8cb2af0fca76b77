package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// inTheAuditLog are the operations that change something, with a request and the line of the audit log that each leaves.
// Those that store an event leave none: the event tells who sent it.
var inTheAuditLog = map[string]struct{ path, body, line string }{
	"POST /v1/records":                                        {"/v1/records", `{"records":[{"record":"contact/51","properties":{"score":1}}]}`, "record.set contact/51"},
	"POST /v1/enrollments":                                    {"/v1/enrollments", `{"workflow":"welcome","records":["contact/51"]}`, "enroll welcome/contact/51"},
	"PUT /v1/workflows/{workflow}/switch":                     {"/v1/workflows/welcome/switch", `{"switch":"pause"}`, "switch welcome"},
	"POST /v1/enrollments/{workflow}/{object}/{id}/pause":     {"/v1/enrollments/welcome/contact/51/pause", "", "pause welcome/contact/51"},
	"POST /v1/enrollments/{workflow}/{object}/{id}/resume":    {"/v1/enrollments/welcome/contact/51/resume", "", "resume welcome/contact/51"},
	"POST /v1/enrollments/{workflow}/{object}/{id}/skip-wait": {"/v1/enrollments/welcome/contact/51/skip-wait", "", "skip_wait welcome/contact/51"},
	"POST /v1/enrollments/{workflow}/{object}/{id}/move":      {"/v1/enrollments/welcome/contact/51/move", `{"to":"thanks"}`, "move welcome/contact/51"},
	"POST /v1/enrollments/{workflow}/{object}/{id}/unenroll":  {"/v1/enrollments/welcome/contact/51/unenroll", "", "unenroll welcome/contact/51"},
	"POST /v1/rejected-events/{number}/send-again":            {"/v1/rejected-events/1/send-again", "", "event.send_again nats/E/1"},

	"POST /v1/events":              {"/v1/events", `{"record":"contact/51","type":"paid"}`, ""},
	"POST /v1/webhooks/{workflow}": {"/v1/webhooks/paid", `{"email":"ann@example.com"}`, ""},
	"POST /automation/v4/actions/callbacks/{callbackId}/complete":      {"/automation/v4/actions/callbacks/{step 1}/complete", `{"outputFields":{}}`, ""},
	"POST /automation/v4/actions/callbacks/complete":                   {"/automation/v4/actions/callbacks/complete", `{"inputs":[{"callbackId":"{step 2}","outputFields":{}}]}`, ""},
	"POST /automation/actions/callbacks/2026-03/{callbackId}/complete": {"/automation/actions/callbacks/2026-03/{step 3}/complete", `{"outputFields":{}}`, ""},
	"POST /automation/actions/callbacks/2026-03/complete":              {"/automation/actions/callbacks/2026-03/complete", `{"inputs":[{"callbackId":"{step 4}","outputFields":{}}]}`, ""},
}

func TestEveryOperationThatChangesSomethingTellsWhoDidIt(t *testing.T) {
	t.Parallel()
	s := newSite(t).withWebhooks()
	opened, err := s.Books.OpenEnrollment(t.Context(), plan.Enrollment{Workflow: "welcome", Record: "contact/51", WorkflowID: "w", FirstRun: "r", Started: noon})
	require.NoError(t, err)
	var steps []string
	for _, number := range []string{"1", "2", "3", "4"} {
		steps = append(steps, "{step "+number+"}", plan.CallbackID(opened.ID+"/thanks/"+number))
	}
	fill := strings.NewReplacer(steps...)
	require.NoError(t, s.Books.Tx(t.Context(), func(tx *store.Tx) error {
		return tx.AddRejected(t.Context(), store.RejectedEvent{At: noon, Origin: "nats/E/1", Reason: "was", Content: []byte(`{"record":"contact/51","type":"late"}`)})
	}))
	document, err := Document()
	require.NoError(t, err)
	var read struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(document, &read))
	for path, methods := range read.Paths {
		for method := range methods {
			operation := strings.ToUpper(method) + " " + path
			if method == "get" {
				continue
			}
			one, told := inTheAuditLog[operation]
			require.True(t, told, "say in audit_test.go which line %s leaves in the audit log", operation)
			before, err := s.Books.EventsOf(t.Context(), ann, 0)
			require.NoError(t, err)
			answer := s.send(strings.ToUpper(method), fill.Replace(one.path), fill.Replace(one.body))
			if one.line != "" {
				require.Contains(t, strings.Join(s.auditOf(), "\n"), "key all "+one.line, "%s: %s", operation, answer.body)
				continue
			}
			require.Less(t, answer.StatusCode, 300, "%s: %s", operation, answer.body)
			after, err := s.Books.EventsOf(t.Context(), ann, 0)
			require.NoError(t, err)
			require.Len(t, after, len(before)+1, operation)
			for _, event := range after {
				require.Contains(t, []string{"key all", "nats/E/1"}, event.By, operation)
			}
		}
	}
}
