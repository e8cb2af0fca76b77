package testsuite_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

var servesAt = regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)

// serve starts the API and returns where it is.
func (s *shell) serve(tb testing.TB, flags ...string) (p *process, url string) {
	tb.Helper()
	p = s.start(tb, append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)...)
	require.Eventually(tb, func() bool { return servesAt.MatchString(p.said.String()) }, patience, 5*time.Millisecond, "%s", p.said)
	return p, "http://" + servesAt.FindStringSubmatch(p.said.String())[1]
}

// post sends JSON with a key and returns the answer; the error is that of a connection that broke.
func post(tb testing.TB, key, url, body string) (status int, answer []byte, err error) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	require.NoError(tb, err)
	request.Header.Set("Authorization", "Bearer "+key)
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer got.Body.Close()
	answer, err = io.ReadAll(got.Body)
	return got.StatusCode, answer, err
}

const plainWorkspace = `
-- millrace.yaml --
time_zone: UTC
-- workflows/wait.yaml --
workflow: wait
object: contact
actions:
  - {id: seen, delay_until_event: {event: page_viewed}}
`

func TestTheAPIEnrollsTellsAndWakes(t *testing.T) {
	t.Parallel()
	s := newStage(t, plainWorkspace)
	s.work(t)
	shell := s.shell(t, plainWorkspace)
	key := strings.TrimSpace(shell.ok(t, "keys", "create", "all", "--role", "admin"))
	_, url := shell.serve(t)
	send := func(path, body string, want int) string {
		t.Helper()
		status, answer, err := post(t, key, url+path, body)
		require.NoError(t, err)
		require.Equal(t, want, status, "%s", answer)
		return string(answer)
	}
	standing := func() (e plan.Enrollment) {
		t.Helper()
		e, _, err := s.Books.LastEnrollment(t.Context(), "wait", "contact/1")
		require.NoError(t, err)
		return e
	}
	send("/v1/records", `{"records":[{"record":"contact/1","properties":{"first_name":"Ada"}}]}`, 200)
	send("/v1/enrollments", `{"workflow":"wait","records":["contact/1","contact/2"]}`, 207)
	require.Eventually(t, func() bool { return standing().Standing.Awaits == "page_viewed" }, patience, 10*time.Millisecond)
	require.Contains(t, send("/v1/enrollments", `{"workflow":"wait","records":["contact/1"]}`, 409), "inside")
	send("/v1/enrollments/wait/contact/1/pause", "", 204)
	send("/v1/enrollments/wait/contact/1/resume", "", 204)
	send("/v1/events", `{"record":"contact/1","type":"page_viewed"}`, 200)
	require.Eventually(t, func() bool { return standing().Exit == plan.ExitCompleted }, patience, 10*time.Millisecond, "the event woke it")
	send("/v1/enrollments/wait/contact/1/unenroll", `{"reason":"too late"}`, 404)

	var deeds []store.Deed
	require.NoError(t, json.Unmarshal([]byte(shell.ok(t, "audit", "-o", "json")), &deeds))
	var lines []string
	for _, deed := range deeds {
		line := deed.Action + " " + deed.Subject
		if deed.Failed != "" {
			line += " failed"
		}
		lines = append([]string{line}, lines...)
	}
	require.Equal(t, []string{
		"key.create all", "record.set contact/1", "enroll wait/contact/1", "enroll wait/contact/1 failed", "pause wait/contact/1",
		"resume wait/contact/1", "unenroll wait/contact/1 failed",
	}, lines)
}

const calledWorkspace = `
-- millrace.yaml --
time_zone: UTC
-- workflows/paid.yaml --
workflow: paid
object: contact
enroll: {webhook: {match: email}, if: {property: city, is: Rome}, again: each_event}
actions:
  - {id: thank, edit_record: {set: {first_name: "paid {{ event.amount }}"}}}
`

func TestAWebhookEnrollsWhomTheCallIsAbout(t *testing.T) {
	t.Parallel()
	s := newStage(t, calledWorkspace)
	s.work(t)
	shell := s.shell(t, calledWorkspace)
	key := strings.TrimSpace(shell.ok(t, "keys", "create", "shop", "--role", "enroll"))
	_, url := shell.serve(t)
	for id, city := range map[string]string{"1": "Rome", "2": "Oslo"} {
		_, err := s.Books.Create(t.Context(), crm.Ref{Object: "contact", ID: id}, map[string]string{"email": id + "@example.com", "city": city}, time.Now(), "test")
		require.NoError(t, err)
	}
	call := func(body, id string, want int) string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/webhooks/paid", strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Idempotency-Key", id)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, want, answer.StatusCode, "%s", text)
		return string(text)
	}
	times := func(record string) (enrolled int) {
		all, err := s.Books.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: "paid", Record: record})
		require.NoError(t, err)
		for _, one := range all {
			if one.Exit == plan.ExitCompleted {
				enrolled++
			}
		}
		return enrolled
	}
	call(`{"email":"3@example.com","amount":7}`, "a", 422)
	call(`{"email":"2@example.com","amount":7}`, "b", 200) // is not in Rome
	require.Contains(t, call(`{"email":"1@example.com","amount":7}`, "c", 200), `"status":"stored"`)
	require.Eventually(t, func() bool { return times("contact/1") == 1 }, patience, 10*time.Millisecond)
	require.Contains(t, call(`{"email":"1@example.com","amount":7}`, "c", 200), `"status":"duplicate"`)
	call(`{"email":"1@example.com","amount":8}`, "d", 200)
	require.Eventually(t, func() bool { return times("contact/1") == 2 }, patience, 10*time.Millisecond)
	ada, err := s.Books.Get(t.Context(), ref("contact/1"))
	require.NoError(t, err)
	require.Equal(t, "paid 8", ada.Properties["first_name"])
	require.Zero(t, times("contact/2"))
	last, _, err := s.Books.LastEnrollment(t.Context(), "paid", "contact/1")
	require.NoError(t, err)
	require.Equal(t, 2, last.Number, "the repetition enrolled nobody")
	shell.ok(t, "workflows", "off", "paid")
	require.Contains(t, call(`{"email":"1@example.com","amount":9}`, "e", 409), "the workflow is switched off")
}

func TestOperatorsLeaveLinesInTheAuditLog(t *testing.T) {
	t.Parallel()
	s := newStage(t, plainWorkspace)
	s.work(t)
	shell := s.shell(t, plainWorkspace)
	for _, id := range []string{"1", "2"} {
		_, err := s.Books.Create(t.Context(), crm.Ref{Object: "contact", ID: id}, nil, time.Now(), "test")
		require.NoError(t, err)
	}
	shell.ok(t, "enroll", "wait", "contact/1", "--wait")
	shell.ok(t, "enroll", "wait", "--matching", "{property: id, is: 2}")
	standsAt := func(node string) {
		require.Eventually(t, func() bool {
			last, _, err := s.Books.LastEnrollment(t.Context(), "wait", "contact/1")
			return err == nil && last.Standing.Node == node && last.Standing.Awaits != ""
		}, patience, 10*time.Millisecond)
	}
	standsAt("seen")
	for _, command := range []string{"pause", "resume"} {
		shell.ok(t, command, "wait", "contact/1")
	}
	shell.ok(t, "move", "wait", "contact/1", "--to", "seen")
	standsAt("seen")
	shell.ok(t, "skip-wait", "wait", "contact/1")
	shell.run(t, "unenroll", "wait", "contact/1") // it may have ended
	shell.ok(t, "unenroll", "wait", "--all")
	var deeds []store.Deed
	require.NoError(t, json.Unmarshal([]byte(shell.ok(t, "audit", "-o", "json")), &deeds))
	var lines []string
	for _, deed := range deeds {
		lines = append([]string{deed.Action + " " + deed.Subject}, lines...)
	}
	require.Equal(t, []string{
		"enroll wait/contact/1", "enroll wait", "pause wait/contact/1", "resume wait/contact/1", "move wait/contact/1", "skip_wait wait/contact/1",
		"unenroll wait/contact/1", "unenroll wait",
	}, lines)
}
