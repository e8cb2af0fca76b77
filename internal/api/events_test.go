package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func TestEventsComeInAndAreThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var answer eventsAnswer
	plain := `{"record":"contact/51","type":"page_viewed","id":"a","at":"2027-05-10T11:58:00Z","properties":{"url":"/pricing"}}`
	s.send("POST", "/v1/events", plain).answers(200, &answer)
	require.Equal(t, eventsAnswer{Stored: 1, Results: []eventResult{{ID: "a", Status: "stored"}}}, answer)
	answer = eventsAnswer{}
	s.send("POST", "/v1/events", plain).answers(200, &answer)
	require.Equal(t, eventsAnswer{Duplicates: 1, Results: []eventResult{{ID: "a", Status: "duplicate"}}}, answer)

	cloud := `{"specversion":"1.0","id":"7","source":"/shop","type":"paid","subject":"contact/51","data":{"total":5}}`
	s.send("POST", "/v1/events", cloud, "Content-Type", "application/cloudevents+json; charset=utf-8").answers(200, &answer)
	require.Equal(t, "/shop#7", answer.Results[0].ID)
	s.send("POST", "/v1/events", "["+cloud+"]", "Content-Type", "application/cloudevents-batch+json").answers(200, &answer)
	require.Equal(t, "duplicate", answer.Results[0].Status)
	s.send("POST", "/v1/events", `{"total":5}`, "Content-Type", "application/json",
		"ce-specversion", "1.0", "ce-id", "8", "ce-source", "/shop", "ce-type", "paid", "ce-subject", "contact/52").answers(200, &answer)
	require.Equal(t, []string{"unknown-record"}, answer.Results[0].Notes)

	var listed struct{ Events []shownEvent }
	s.send("GET", "/v1/events?record=contact/51", "").answers(200, &listed)
	require.Len(t, listed.Events, 2)
	require.Equal(t, "/shop#7", listed.Events[0].ID)
	require.JSONEq(t, `{"url":"/pricing"}`, string(listed.Events[1].Properties))
	require.Equal(t, "query.record", s.send("GET", "/v1/events?record=51", "").fails(422).Errors[0].Location)
}

// TestOddEventsAreAnsweredAndNoneIsLost sends over HTTP what TestEveryDoorAnswersTheSame sends through streams.
func TestOddEventsAreAnsweredAndNoneIsLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, one := range []struct {
		name, body string
		status     int
		answer     string // what became of it, with notes; or the place that is wrong
	}{
		{"in health", `{"record":"contact/51","type":"a","id":"1","at":"2027-05-10T11:59:00Z"}`, 200, "stored"},
		{"malformed", `{"record":"contact/51"`, 400, "body"},
		{"duplicated", `{"record":"contact/51","type":"a","id":"1","at":"2027-05-10T11:59:00Z"}`, 200, "duplicate"},
		{"late", `{"record":"contact/51","type":"late","id":"2","at":"2027-05-01T00:00:00Z"}`, 200, "stored late"},
		{"out of order", `{"record":"contact/51","type":"b","id":"3","at":"2027-05-10T11:58:00Z"}`, 200, "stored"},
		{"oversized", `{"record":"contact/51","type":"a","id":"4","properties":{"x":"` + strings.Repeat("x", 65<<10) + `"}}`, 413, "body"},
		{"of an unknown record", `{"record":"contact/52","type":"a","id":"5","at":"2027-05-10T11:59:00Z"}`, 200, "stored unknown-record"},
	} {
		sent := s.send("POST", "/v1/events", one.body)
		if one.status != http.StatusOK {
			require.Equal(t, one.answer, sent.fails(one.status).Errors[0].Location, one.name)
			continue
		}
		var answer eventsAnswer
		sent.answers(one.status, &answer)
		require.Equal(t, one.answer, strings.Join(append([]string{answer.Results[0].Status}, answer.Results[0].Notes...), " "), one.name)
	}
	for ref, want := range map[crm.Ref][]string{ann: {"1", "3", "2"}, {Object: "contact", ID: "52"}: {"5"}} {
		events, err := s.Books.EventsOf(t.Context(), ref, 0)
		require.NoError(t, err)
		var ids []string
		for _, event := range events {
			ids = append(ids, event.ID)
		}
		require.Equal(t, want, ids, "in the order in which they happened, the newest first")
	}
}

func TestABatchIsAnsweredItemByItem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var answer eventsAnswer
	s.send("POST", "/v1/events", `[{"record":"contact/51","type":"a","id":"1"},{"record":"51","type":"a"},{"record":"contact/51","type":"b","id":"1"}]`).answers(207, &answer)
	require.Equal(t, 1, answer.Stored)
	require.Equal(t, 1, answer.Duplicates)
	require.Equal(t, 1, answer.Rejected)
	require.Equal(t, &refused{Code: "wrong-record", Location: "body[1].record", Detail: `"51" is not a record: write OBJECT/ID, as in contact/51`}, answer.Results[1].Problem)
	require.Equal(t, []string{"differs"}, answer.Results[2].Notes)

	told := s.send("POST", "/v1/events", `[{"record":"contact/51"},{"type":"a"}]`).fails(422)
	require.Equal(t, "none of 2 was taken", told.Detail)
	require.Equal(t, "body[0].type", told.Errors[0].Location)
	require.Equal(t, "body[1].record", told.Errors[1].Location)
}

func TestWhatCannotBeTakenIsAProblemWithItsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, test := range []struct {
		body, kind string
		status     int
		location   string
	}{
		{`{"record":`, "application/json", http.StatusBadRequest, "body"},
		{``, "application/json", http.StatusBadRequest, ""},
		{`<event/>`, "text/xml", http.StatusUnsupportedMediaType, "body"},
		{`{"record":"contact/51","type":"a","properties":{"x":"` + strings.Repeat("x", 65<<10) + `"}}`, "application/json", http.StatusRequestEntityTooLarge, "body"},
		{"[" + strings.Repeat(`{},`, 1000) + "{}]", "application/json", http.StatusRequestEntityTooLarge, "body"},
		{`"` + strings.Repeat("x", maxBody) + `"`, "application/json", http.StatusRequestEntityTooLarge, ""},
		{`{"record":"contact/51","type":"a","at":"2999-01-01T00:00:00Z"}`, "application/json", http.StatusUnprocessableEntity, "body.at"},
	} {
		told := s.send("POST", "/v1/events", test.body, "Content-Type", test.kind).fails(test.status)
		require.NotEmpty(t, told.Detail)
		if test.location != "" {
			require.Equal(t, test.location, told.Errors[0].Location)
		}
	}
	s.send("DELETE", "/v1/events", "").answers(http.StatusMethodNotAllowed, nil)
}

func TestWhatIsAnsweredIsStoredWhoeverSendsBesides(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var group sync.WaitGroup
	for sender := range 8 {
		group.Go(func() {
			for i := range 25 {
				ref := crm.Ref{Object: "contact", ID: fmt.Sprintf("%d-%d", sender, i)}
				if answer := s.send("POST", "/v1/events", fmt.Sprintf(`{"record":%q,"type":"a"}`, ref)); answer.StatusCode != http.StatusOK {
					t.Errorf("%d %s", answer.StatusCode, answer.body)
				}
				if events, err := s.Books.EventsOf(t.Context(), ref, 0); err != nil || len(events) != 1 {
					t.Errorf("%s: answered and not stored: %v %v", ref, events, err)
				}
			}
		})
	}
	group.Wait()
}

func TestAStoreThatFailsIsSaidToPass(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send("GET", "/healthz", "").answers(200, nil)
	require.NoError(t, s.Books.Close())
	answer := s.send("POST", "/v1/events", `{"record":"contact/51","type":"a"}`)
	require.NotContains(t, answer.fails(http.StatusServiceUnavailable).Detail, "sql")
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	s.send("GET", "/healthz", "").fails(http.StatusServiceUnavailable)
}

func TestACallbackCompletesItsStepOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	opened, err := s.Books.OpenEnrollment(t.Context(), plan.Enrollment{Workflow: "welcome", Record: ann.String(), WorkflowID: "w", FirstRun: "r", Started: noon})
	require.NoError(t, err)
	key := opened.ID + "/ask/1"
	id := plan.CallbackID(key)
	done := `{"outputFields":{"hs_execution_state":"SUCCESS","ticket":"7"}}`
	path := "/automation/v4/actions/callbacks/"
	s.send("POST", path+id+"/complete", done).answers(http.StatusNoContent, nil)
	s.send("POST", "/automation/actions/callbacks/2026-03/"+id+"/complete", `{"outputFields":{"ticket":"8"}}`).answers(http.StatusNoContent, nil)
	s.send("POST", path+"complete", fmt.Sprintf(`{"inputs":[{"callbackId":%q,"outputFields":{},"typedOutputs":{}}]}`, plan.CallbackID(opened.ID+"/ask/2"))).answers(http.StatusNoContent, nil)

	events, err := s.Books.EventsOf(t.Context(), ann, 0)
	require.NoError(t, err)
	require.Len(t, events, 2)
	first := events[1]
	require.Equal(t, plan.EventCallback, first.Type)
	require.Equal(t, key, first.Source)
	require.Equal(t, map[string]any{"hs_execution_state": "SUCCESS", "ticket": "7"}, first.Properties["outputs"], "the first completion counts")

	for _, wrong := range []string{"nonsense", "mr-", "mr-!", plan.CallbackID("welcome/contact/52/1/ask/1"), plan.CallbackID("welcome")} {
		s.send("POST", path+wrong+"/complete", done).fails(http.StatusNotFound)
	}
	s.as(s.newKey("viewer", "", crm.RoleView)).send("POST", path+id+"/complete", done).fails(http.StatusForbidden)
	s.send("POST", path+id+"/complete", `{"outputs":{}}`).fails(http.StatusUnprocessableEntity)
}

// auditOf are the lines of the audit log, the oldest first, as "actor action subject before after failed".
func (s *site) auditOf() (lines []string) {
	s.t.Helper()
	deeds, err := s.Books.Deeds(s.t.Context(), store.DeedFilter{})
	require.NoError(s.t, err)
	for _, deed := range deeds {
		require.Equal(s.t, "api", deed.Via)
		lines = append([]string{strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", deed.Actor, deed.Action, deed.Subject, deed.Before, deed.After))}, lines...)
	}
	return lines
}

func TestARejectedEventIsSentAgainOnceItsReasonIsGone(t *testing.T) {
	t.Parallel()
	now := noon
	s := newSite(t, func(o *Options) {
		clock := func() time.Time { return now }
		o.Now, o.Door = clock, ingest.NewDoor(o.People.Store, clock, o.Log)
	})
	require.NoError(t, s.Books.Tx(t.Context(), func(tx *store.Tx) error {
		for origin, content := range map[string]string{"nats/E/1": `{"record":"contact/51","type":"paid","at":"2027-05-11T12:00:00Z"}`, "nats/E/2": `{`} {
			if err := tx.AddRejected(t.Context(), store.RejectedEvent{At: noon, Origin: origin, Reason: "was", Content: []byte(content)}); err != nil {
				return err
			}
		}
		return nil
	}))
	var listed struct{ Events []rejectedEvent }
	s.send("GET", "/v1/rejected-events", "").answers(200, &listed)
	paths := map[string]string{}
	for _, one := range listed.Events {
		paths[one.Origin] = fmt.Sprintf("/v1/rejected-events/%d/send-again", one.Number)
	}
	told := s.send("POST", paths["nats/E/1"], "").fails(http.StatusUnprocessableEntity)
	require.Equal(t, "content.at", told.Errors[0].Location)
	require.Contains(t, told.Errors[0].Message, "in-future: ")
	s.send("POST", paths["nats/E/2"], "").fails(http.StatusBadRequest)
	s.send("POST", "/v1/rejected-events/99/send-again", "").fails(http.StatusNotFound)
	require.Empty(t, s.auditOf())

	now = noon.AddDate(0, 0, 2)
	require.Contains(t, string(s.send("POST", paths["nats/E/1"], "").body), `"status":"stored"`)
	require.Contains(t, s.send("POST", paths["nats/E/1"], "").fails(http.StatusConflict).Detail, "it became contact/51 nats/E/1")
	require.Equal(t, []string{`key all event.send_again nats/E/1  {"events":["contact/51 nats/E/1"]}`}, s.auditOf())
	events, err := s.Books.EventsOf(t.Context(), ann, 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	s.send("GET", "/v1/rejected-events?limit=1", "").answers(200, &listed)
	require.Len(t, listed.Events, 1)
}
