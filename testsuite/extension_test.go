package testsuite_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

// actionServer is a server of a custom workflow action as one is written for HubSpot: it does not answer who cannot sign, and it
// completes later. Its answers are by the input widgetName.
type actionServer struct {
	*httptest.Server
	secret string

	mu       sync.Mutex
	ids      map[string]string // callback ids by record
	refused  []string
	requests int
}

func newActionServer(tb testing.TB, secret string) *actionServer {
	s := &actionServer{secret: secret, ids: map[string]string{}}
	s.Server = httptest.NewServer(s)
	tb.Cleanup(s.Close)
	return s
}

func (s *actionServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.signed(r, body)
	}
	var call struct {
		CallbackID  string                 `json:"callbackId"`
		Object      struct{ ObjectID int } `json:"object"`
		InputFields map[string]string      `json:"inputFields"`
	}
	if err == nil {
		err = json.Unmarshal(body, &call)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if err != nil {
		s.refused = append(s.refused, err.Error())
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.ids[fmt.Sprintf("contact/%d", call.Object.ObjectID)] = call.CallbackID
	expires := "P1D"
	if call.InputFields["widgetName"] == "never" {
		expires = "PT1S"
	}
	fmt.Fprintf(w, `{"outputFields":{"hs_execution_state":"ASYNC","hs_expiration_duration":%q}}`, expires)
}

// signed checks both signatures as HubSpot documents them.
func (s *actionServer) signed(r *http.Request, body []byte) error {
	address := s.URL + r.URL.RequestURI()
	plain := sha256.Sum256([]byte(s.secret + r.Method + address + string(body)))
	if r.Header.Get("X-HubSpot-Signature") != hex.EncodeToString(plain[:]) {
		return fmt.Errorf("signature v2 of %s %s", r.Method, address)
	}
	timestamp := r.Header.Get("X-HubSpot-Request-Timestamp")
	millis, err := strconv.ParseInt(timestamp, 10, 64)
	if age := time.Since(time.UnixMilli(millis)); err != nil || age > 5*time.Minute || age < -5*time.Minute {
		return fmt.Errorf("timestamp %q", timestamp)
	}
	keyed := hmac.New(sha256.New, []byte(s.secret))
	fmt.Fprint(keyed, r.Method, address, string(body), timestamp)
	if r.Header.Get("X-HubSpot-Signature-v3") != base64.StdEncoding.EncodeToString(keyed.Sum(nil)) {
		return fmt.Errorf("signature v3 of %s %s", r.Method, address)
	}
	return nil
}

// called returns the callback id of the call for a record, once it has come.
func (s *actionServer) called(tb testing.TB, record string) (id string) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		id = s.ids[record]
		return id != ""
	}, patience, 10*time.Millisecond, "%s: %v", record, s.refused)
	return id
}

const widgetsWorkspace = `
-- millrace.yaml --
time_zone: UTC
egress: {allow: [127.0.0.0/8], http: true}
-- actions/widget.json --
{"id": "7", "revisionId": "1", "actionUrl": "HOST/widgets?v=1", "published": true, "objectTypes": ["CONTACT"],
 "inputFields": [{"typeDefinition": {"name": "widgetName", "type": "string", "fieldType": "text"}, "isRequired": true}],
 "outputFields": [{"typeDefinition": {"name": "widget_id", "type": "string"}}], "labels": {"en": {"actionName": "Create widget"}}}
-- workflows/widgets.yaml --
workflow: widgets
object: contact
actions:
  - id: make
    extension_action: {action: widget, inputs: {widgetName: "{{ contact.first_name }}"}, signature: secret://widgets}
    then:
      failed:
        - {id: late, edit_record: {set: {city: "failed"}}}
        - {end: {}}
  - {id: noted, edit_record: {set: {city: "made {{ actions.make.widget_id }}"}}}
`

func TestExtensionActionIsCompletedOverHTTP(t *testing.T) {
	t.Parallel()
	server := newActionServer(t, "hush")
	workspace := strings.ReplaceAll(widgetsWorkspace, "HOST", server.URL)
	s := newStage(t, workspace)
	shell := s.shell(t, workspace)
	shell.env = append(shell.env, "MILLRACE_SECRET_WIDGETS=hush")
	shell.start(t, "worker")
	key := strings.TrimSpace(shell.ok(t, "keys", "create", "widgets", "--role", "enroll"))
	_, url := shell.serve(t)
	names := map[string]string{
		"1": "old path", "2": "new path", "3": "old batch", "4": "old batch", "5": "new batch", "6": "new batch", "7": "fails", "8": "never", "9": "in one batch with a wrong one",
	}
	for id, name := range names {
		s.enroll(t, "widgets", id, map[string]string{"first_name": name})
	}
	ids := map[string]string{}
	for id := range names {
		ids[id] = server.called(t, "contact/"+id)
		require.NotContains(t, ids[id], "/", "it fits into a path")
	}
	send := func(path, body string, want int) {
		t.Helper()
		status, answer, err := post(t, key, url+path, body)
		require.NoError(t, err)
		require.Equal(t, want, status, "%s", answer)
	}
	const before, now = "/automation/v4/actions/callbacks", "/automation/actions/callbacks/2026-03"
	done := func(id, state string) string {
		return fmt.Sprintf(`"outputFields":{"hs_execution_state":%q,"widget_id":"w%s"}`, state, id)
	}
	batch := func(of ...string) string {
		var inputs []string
		for _, id := range of {
			inputs = append(inputs, fmt.Sprintf(`{"callbackId":%q,%s}`, ids[id], done(id, "SUCCESS")))
		}
		return `{"inputs":[` + strings.Join(inputs, ",") + `]}`
	}
	ids["wrong"] = ids["9"][:len(ids["9"])-3]
	send(before+"/complete", batch("9", "wrong"), http.StatusNotFound)
	send(before+"/"+ids["wrong"]+"/complete", "{"+done("9", "SUCCESS")+"}", http.StatusNotFound)
	send(before+"/"+ids["1"]+"/complete", "{"+done("1", "SUCCESS")+"}", http.StatusNoContent)
	send(before+"/"+ids["1"]+"/complete", "{"+done("other", "FAIL_CONTINUE")+"}", http.StatusNoContent) // the first counts
	send(now+"/"+ids["2"]+"/complete", "{"+done("2", "SUCCESS")+"}", http.StatusNoContent)
	send(before+"/complete", batch("3", "4"), http.StatusNoContent)
	send(now+"/complete", batch("5", "6"), http.StatusNoContent)
	send(before+"/"+ids["7"]+"/complete", "{"+done("7", "FAIL_CONTINUE")+"}", http.StatusNoContent)
	for id := range names {
		want := "made w" + id
		switch id {
		case "7", "8":
			want = "failed"
		case "9":
			continue
		}
		require.Eventually(t, func() bool {
			last, _, err := s.Books.LastEnrollment(t.Context(), "widgets", "contact/"+id)
			return err == nil && last.Exit != ""
		}, patience, 20*time.Millisecond, names[id])
		record, err := s.Books.Get(t.Context(), crm.Ref{Object: "contact", ID: id})
		require.NoError(t, err)
		require.Equal(t, want, record.Properties["city"], names[id])
	}
	entries, err := s.Books.JournalOf(t.Context(), "widgets", "contact/8")
	require.NoError(t, err)
	var failures []string
	for _, entry := range entries {
		if entry.Event == plan.JournalFailed {
			failures = append(failures, entry.Detail)
		}
	}
	require.Equal(t, []string{"expired: the server did not complete the action in time"}, failures)
	send(before+"/"+ids["8"]+"/complete", "{"+done("8", "SUCCESS")+"}", http.StatusNoContent) // too late, and does no harm
	waits, _, err := s.Books.LastEnrollment(t.Context(), "widgets", "contact/9")
	require.NoError(t, err)
	require.Empty(t, waits.Exit, "all of a batch is completed or nothing")
	server.mu.Lock()
	defer server.mu.Unlock()
	require.Empty(t, server.refused)
	require.Equal(t, len(names), server.requests, "each is called once")
}

func TestExtensionActionWithAnotherSecretIsRefusedByItsServer(t *testing.T) {
	t.Parallel()
	server := newActionServer(t, "hush")
	workspace := strings.ReplaceAll(widgetsWorkspace, "HOST", server.URL)
	s := newStage(t, workspace)
	shell := s.shell(t, workspace)
	shell.env = append(shell.env, "MILLRACE_SECRET_WIDGETS=other")
	shell.start(t, "worker")
	run := s.enroll(t, "widgets", "1", map[string]string{"first_name": "x"})
	var exit plan.Exit
	require.NoError(t, run.Get(t.Context(), &exit))
	require.Contains(t, s.events(t, "widgets", "contact/1"), "make action_failed")
	require.Equal(t, []string{"signature v2 of POST " + server.URL + "/widgets?v=1"}, server.refused)
}
