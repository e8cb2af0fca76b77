package testsuite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/testsuite"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
)

const callAndMail = `-- emails/hello.md --
---
subject: Hello
---
Hello.
-- workflows/calls.yaml --
workflow: calls
object: contact
actions:
  - {id: call, send_webhook: {url: "%s/{{ contact.city }}"}}
-- workflows/mails.yaml --
workflow: mails
object: contact
actions:
  - {id: mail, send_email: {email: hello}}
`

// limited is a workspace that calls and mails, with more lines of settings.
func limited(url, settings string) string {
	return "-- millrace.yaml --\ntime_zone: UTC\nsender: {email: hello@millrace.example}\negress: {allow: [127.0.0.0/8], http: true}\n" +
		settings + fmt.Sprintf(callAndMail, url)
}

// callers notes who called, and when.
type callers struct {
	mu    sync.Mutex
	times []time.Time
	paths []string
}

func (c *callers) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times, c.paths = append(c.times, time.Now()), append(c.paths, r.URL.Path)
}

func (c *callers) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.paths)
}

func often(options *worker.Options) { options.Look = 50 * time.Millisecond }

// TestQuotaHoldsAcrossWorkers: the server spares a few calls at the start, and not one more than the pace afterwards.
func TestQuotaHoldsAcrossWorkers(t *testing.T) {
	t.Parallel()
	heard := &callers{}
	receiver := httptest.NewServer(heard)
	t.Cleanup(receiver.Close)
	s := newStage(t, limited(receiver.URL, "quotas: {webhook: {limit: 10, per: 1s}}\n"))
	s.work(t, often)
	s.work(t, often)
	const people, spared = 60, 20
	for n := range people {
		s.enroll(t, "calls", fmt.Sprint(n), map[string]string{"email": fmt.Sprintf("%d@example.com", n), "city": fmt.Sprint(n)})
	}
	require.Eventually(t, func() bool { return heard.count() == people }, patience, 20*time.Millisecond)
	require.GreaterOrEqual(t, heard.times[people-1].Sub(heard.times[0]), (people-spared)*time.Second/10)
}

// TestQuotaThatIsLiftedStrandsNobody: calls that wait for their turn are made when the quota goes, and meanwhile what
// leaves by other channels is not held up.
func TestQuotaThatIsLiftedStrandsNobody(t *testing.T) {
	t.Parallel()
	heard := &callers{}
	receiver := httptest.NewServer(heard)
	t.Cleanup(receiver.Close)
	s := newStage(t, limited(receiver.URL, ""))
	s.work(t, often)
	s.publish(t, limited(receiver.URL, "quotas: {webhook: {limit: 1, per: 1d}}\n"))
	const people = 30
	for n := range people {
		s.enroll(t, "calls", fmt.Sprint(n), map[string]string{"email": fmt.Sprintf("%d@example.com", n), "city": fmt.Sprint(n)})
	}
	for n := range people {
		mail := s.enroll(t, "mails", fmt.Sprint("m", n), map[string]string{"email": fmt.Sprintf("m%d@example.com", n)})
		require.NoError(t, mail.Get(t.Context(), nil))
	}
	require.Less(t, heard.count(), people)
	s.publish(t, limited(receiver.URL, ""))
	require.Eventually(t, func() bool { return heard.count() == people }, patience, 20*time.Millisecond)
	paths := map[string]bool{}
	for _, path := range heard.paths {
		paths[path] = true
	}
	require.Len(t, paths, people, "each of them once")
}

// TestCallThatNeverWorksIsGivenUp three days after its first attempt, in a channel with a limit or not.
func TestCallThatNeverWorksIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{"", "quotas: {webhook: {limit: 1, per: 1s}}\n"} {
		shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
			Workspace: compiled(t, limited("http://127.0.0.1:1", settings)), Workflow: "calls", Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
			Record: testsuite.SimulatedRecord{Object: "contact", ID: "1"},
			Events: []testsuite.Planned{{After: "0s", Fail: "call", Error: "503"}},
		})
		require.NoError(t, err)
		require.Equal(t, plan.ExitCompleted, shown.Exit.Reason)
		require.Len(t, shown.Steps, 1)
		require.Equal(t, plan.PortFailed, shown.Steps[0].Port)
		require.Contains(t, shown.Steps[0].Note, "next at 2027-03-04T01:31:00Z; gave-up: the simulation answered")
	}
}

// TestCallThatKillsEveryAttemptIsGivenUp: the attempts die before they can tell the next one when the first began.
func TestCallThatKillsEveryAttemptIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	publication := compiled(t, limited("http://127.0.0.1:1", ""))
	for _, revision := range publication.Definitions {
		for id, node := range revision.Plan.Nodes {
			node.GiveUp = 2 * time.Second
			revision.Plan.Nodes[id] = node
		}
	}
	_, err := s.Books.Publish(t.Context(), publication)
	require.NoError(t, err)
	s.work(t, func(options *worker.Options) {
		options.Provide = func(worker.Account) (action.Providers, error) { panic("as if the worker died") }
	})
	var exit plan.Exit
	require.NoError(t, s.enroll(t, "calls", "1", map[string]string{"city": "1"}).Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason)
	entries, err := s.Books.JournalOf(t.Context(), "calls", "contact/1")
	require.NoError(t, err)
	require.Contains(t, fmt.Sprintf("%+v", entries), "gave-up")
}
