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
