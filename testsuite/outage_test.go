package testsuite_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// ends waits until an enrollment has come to the end of its path.
func (s *stage) ends(t *testing.T, run client.WorkflowRun) {
	t.Helper()
	var exit plan.Exit
	require.NoError(t, run.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason, exit.Detail)
}

// TestDatabaseThatIsAwayHoldsEverybodyAndLosesNobody stops PostgreSQL for a minute: until those who want something of it
// have been refused ten times, one in the middle of a journey, and one who enters.
func TestDatabaseThatIsAwayHoldsEverybodyAndLosesNobody(t *testing.T) {
	t.Parallel()
	postgres := postgrestest.Start(t)
	s := newStageAt(t, embedded(t).Address, postgres.Database(t), waitForPage)
	s.work(t)
	inside, waits := s.enroll(t, "journey", "1", nil), s.enroll(t, "journey", "2", nil)
	s.arrives(t, inside, "wait")
	s.arrives(t, waits, "wait")
	_, err := s.Books.Create(t.Context(), ref("contact/3"), nil, time.Now(), "test")
	require.NoError(t, err)

	postgres.Kill(t)
	s.signalRaw(t, inside, plan.SignalEvent, `{"type":"page_viewed"}`)
	enters := s.startRaw(t, "enrollment/journey/contact/3", `{"workflow":"journey","record":"contact/3"}`)
	for _, run := range []client.WorkflowRun{inside, enters} {
		s.attempts(t, run.GetID(), 6)          // 1 + 2 + 4 + 8 + 10 s
		held := s.attempts(t, run.GetID(), 10) // and 10 s each
		require.LessOrEqual(t, held.GetCurrentRetryInterval().AsDuration(), 11*time.Second, "%s goes on soon after the database is back", held.GetActivityType().GetName())
		require.Contains(t, held.GetLastFailure().GetMessage(), "no PostgreSQL answers at")
	}
	postgres.Restart(t)

	s.arrives(t, enters, "wait")
	for _, run := range []client.WorkflowRun{waits, enters} {
		s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
	}
	for contact, run := range map[string]client.WorkflowRun{"contact/1": inside, "contact/2": waits, "contact/3": enters} {
		s.ends(t, run)
		require.Equal(t, "enrolled\nwait delay_started\nwait delay_ended event\nseen action_succeeded next\nseen completed", s.events(t, "journey", contact), contact)
	}
	var fell []string
	for _, event := range s.history(t, inside).GetEvents() {
		if started := event.GetActivityTaskStartedEventAttributes(); started != nil {
			require.Contains(t, started.GetLastFailure().GetMessage(), "no PostgreSQL answers at", "the history says what happened")
			fell = append(fell, event.GetEventType().String())
		}
	}
	require.Len(t, fell, 1, "the ask fell back to a normal activity, whose retries outlive a worker")
}

// poison are payloads of the signal `event` that no sender of ours makes.
func poison() map[string]*common.Payload {
	text := func(text string) *common.Payload { return raw(text).GetPayloads()[0] }
	big := strings.Repeat("x", 1<<20)
	return map[string]*common.Payload{
		"not JSON":       text(`{"type":`),
		"a number":       text(`7`),
		"a list":         text(`["page_viewed"]`),
		"null":           text(`null`),
		"of no type":     text(`{}`),
		"wrong types":    text(`{"type":7,"at":"yesterday","properties":"all"}`),
		"deep":           text(`{"type":"other","properties":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`),
		"deep, but JSON": text(`{"type":"other","properties":{"a":` + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) + `}}`),
		"huge":           text(`{"type":"other","properties":{"a":"` + big + `"}}`),
		"huge again":     text(`{"type":"other","properties":{"b":"` + big + `"}}`),
		"huge once more": text(`{"type":"other","properties":{"c":"` + big + `"}}`),
		"bytes":          {Metadata: map[string][]byte{"encoding": []byte("binary/plain")}, Data: []byte{0, 255, 1, 254}},
		"no encoding":    {Data: []byte("page_viewed")},
		"a zero byte":    text(`{"type":"other","properties":{"a":"\u0000"}}`),
		"not UTF-8":      text("{\"type\":\"other\xff\"}"),
	}
}

// TestPoisonEventsHarmNobody sends events that cannot be read, or not carried, by Temporal's own signal and at the
// command line, to somebody who waits and is then continued in a new run.
func TestPoisonEventsHarmNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(manyBranches, "actions:\n", `actions:
  - {id: wait, delay_until_event: {event: page_viewed, max_wait: 30d}}
`, 1))
	s.work(t)
	poisoned, neighbour := s.enroll(t, "journey", "1", nil), s.enroll(t, "journey", "2", nil)
	s.arrives(t, poisoned, "wait")
	s.arrives(t, neighbour, "wait")
	for name, payload := range poison() {
		_, err := s.WorkflowService().SignalWorkflowExecution(t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
			Namespace: s.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: poisoned.GetID()}, RequestId: uuid.NewString(),
			SignalName: plan.SignalEvent, Input: &common.Payloads{Payloads: []*common.Payload{payload}},
		})
		require.NoError(t, err, name)
	}
	shell := s.shell(t, "")
	for _, data := range []string{
		`{"a":`, `[1]`, `7`, `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "{\"a\":\"\xff\"}",
	} {
		_, stderr, code := shell.run(t, "event", "page_seen", "--record", "contact/1", "--data", data)
		if code != 0 {
			require.Equal(t, 2, code, stderr)
			require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		}
	}
	shell.ok(t, "event", "page_viewed", "--record", "contact/2")
	s.ends(t, neighbour)
	shell.ok(t, "event", "page_viewed", "--record", "contact/1")
	s.ends(t, s.GetWorkflow(t.Context(), poisoned.GetID(), ""))
	said := s.details(t, "journey", "contact/1")
	require.Contains(t, said, "the signal event does not read")
	require.Contains(t, said, "the event other was left behind: together the events are too large to be carried on")
	require.Contains(t, s.events(t, "journey", "contact/1"), "wait delay_ended event")
}

// TestWebhooksThatAnswerTooMuchOrNever has one receiver that answers ten megabytes, one that never stops its header, and
// one in health.
func TestWebhooksThatAnswerTooMuchOrNever(t *testing.T) {
	t.Parallel()
	var once sync.Once
	hung := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil { // only then the end of the connection is noticed
			return
		}
		switch r.URL.Path {
		case "/huge":
			chunk := []byte(strings.Repeat("x", 1<<20))
			for range 10 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "/never":
			once.Do(func() { close(hung) })
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	var text strings.Builder
	text.WriteString("-- millrace.yaml --\ntime_zone: UTC\n" + throughHTTP)
	for _, name := range []string{"huge", "never", "fine"} {
		fmt.Fprintf(&text, "-- workflows/%s.yaml --\nworkflow: %s\nobject: contact\nactions:\n  - {id: call, send_webhook: {url: %q}}\n  - {id: after, edit_record: {set: {city: Rome}}}\n", name, name, server.URL+"/"+name)
	}
	s := newStage(t, text.String())
	s.work(t)
	never := s.enroll(t, "never", "1", nil)
	<-hung
	huge, fine := s.enroll(t, "huge", "2", nil), s.enroll(t, "fine", "3", nil)
	s.ends(t, fine)
	s.ends(t, huge)
	require.Contains(t, s.events(t, "huge", "contact/2"), "call action_succeeded next")
	held := s.attempts(t, never.GetID(), 2)
	require.Contains(t, held.GetLastFailure().GetMessage(), server.Listener.Addr().String())
	require.Contains(t, s.events(t, "never", "contact/1"), "call action_retrying")
	require.NoError(t, s.People.Unenroll(t.Context(), "never", ref("contact/1"), plan.Unenroll{}))
	var exit plan.Exit
	require.NoError(t, never.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitUnenrolled, exit.Reason, "a call that is tried again does not hold who is taken out")
}

// TestRecordDeletedInTheMiddleOfAJourney deletes one of two contacts while both wait.
func TestRecordDeletedInTheMiddleOfAJourney(t *testing.T) {
	t.Parallel()
	s := newStage(t, waitForPage)
	s.work(t)
	gone, stays := s.enroll(t, "journey", "1", nil), s.enroll(t, "journey", "2", nil)
	s.arrives(t, gone, "wait")
	s.arrives(t, stays, "wait")
	require.NoError(t, s.Books.Delete(t.Context(), ref("contact/1"), time.Now()))
	for _, run := range []client.WorkflowRun{gone, stays} {
		s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
	}
	s.ends(t, stays)
	var exit plan.Exit
	require.NoError(t, gone.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitDeleted, exit.Reason)
	require.NotContains(t, s.events(t, "journey", "contact/1"), "seen action_succeeded")
	row, err := s.Books.Enrollment(t.Context(), "journey/contact/1/1")
	require.NoError(t, err)
	require.Equal(t, plan.ExitDeleted, row.Exit)
	described, err := s.DescribeWorkflowExecution(t.Context(), gone.GetID(), "")
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, described.GetWorkflowExecutionInfo().GetStatus())
}

// TestHostileScriptsHarmNobody runs scripts that no interrupt reaches in a worker beside others.
func TestHostileScriptsHarmNobody(t *testing.T) {
	t.Parallel()
	const workflow = "-- workflows/%[1]s.yaml --\nworkflow: %[1]s\nobject: contact\nactions:\n  - id: run\n    run_custom_code: {source: %[2]q}\n  - {id: after, edit_record: {set: {city: Rome}}}\n"
	s := newStage(t, fmt.Sprintf(workflow, "hostile", `exports.main = () => Array.prototype.indexOf.call({length: 2**53 - 1}, 1)`)+
		fmt.Sprintf(workflow, "greedy", `exports.main = () => { const a = []; for (;;) a.push(new Uint8Array(1e7)) }`)+
		fmt.Sprintf(workflow, "fine", `exports.main = () => {}`))
	worker := s.shell(t, "").start(t, "worker")
	hostile := s.enroll(t, "hostile", "1", nil)
	for contact := 3; contact < 10; contact++ {
		s.ends(t, s.enroll(t, "fine", strconv.Itoa(contact), nil))
	}
	s.ends(t, s.enroll(t, "greedy", "2", nil))
	require.Contains(t, s.events(t, "greedy", "contact/2"), "run action_failed failed")
	s.ends(t, hostile)
	require.Contains(t, s.events(t, "hostile", "contact/1"), "run action_failed failed")
	require.NotContains(t, s.events(t, "hostile", "contact/1"), "run action_retrying", "the worker lives")
	worker.interrupt(t)
}
