package testsuite_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/millrace/millrace/workflows"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
)

const delayAndMail = `
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: pause, label: Three days, delay_set_amount: {for: 3d}}
  - {id: hello, label: Say hello, send_email: {email: hello}}
-- emails/hello.md --
---
subject: Hello
---
Hello.
`

// journeys are run on the real server; each leaves a recorded history.
var journeys = map[string]func(*testing.T) (*stage, client.WorkflowRun){
	"delay-and-mail": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, delayAndMail)
		s.work(t)
		run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
		s.arrives(t, run, "pause")
		s.skip(t, run)
		return s, run
	},
	"five-webhooks": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, fiveWebhooks(receiver(t)))
		s.work(t)
		return s, s.enroll(t, "journey", "1", nil)
	},
	"started-by-hand": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, delayAndMail)
		s.work(t)
		_, err := s.Books.Create(t.Context(), crm.Ref{Object: "contact", ID: "51"}, map[string]string{"email": "ada@example.com"}, time.Now(), "test")
		require.NoError(t, err)
		run := s.startRaw(t, "enrollment/journey/contact/51", `{"workflow":"journey","record":"contact/51"}`)
		s.arrives(t, run, "pause")
		s.skip(t, run)
		return s, run
	},
	"nurture": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, nurture(receiver(t)))
		s.work(t)
		run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
		s.arrives(t, run, "pause") // the server answers a clock that is set in the middle of a task with another task
		clock := s.clock(run)
		begun, err := clock.Now(t.Context())
		require.NoError(t, err)
		require.NoError(t, clock.AdvanceTo(t.Context(), begun.Add(80*time.Hour)))
		s.arrives(t, run, "wait")
		s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
		return s, run
	},
	"failed-mail": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, strings.Replace(delayAndMail, "for: 3d", "for: 1s", 1))
		s.work(t)
		return s, s.enroll(t, "journey", "1", nil) // has no address
	},
	"operated": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, delayAndMail)
		s.work(t)
		run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
		s.arrives(t, run, "pause")
		for _, name := range []string{plan.UpdatePause, plan.UpdateSkipWait, plan.UpdateResume} {
			s.update(t, run, name)
		}
		return s, run
	},
	"edited": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, delayAndMail)
		s.work(t)
		run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
		s.arrives(t, run, "pause")
		s.publish(t, strings.Replace(delayAndMail, "for: 3d", "for: 1s", 1))
		_, err := s.People.Published(t.Context(), "journey", func(int, int) {})
		require.NoError(t, err)
		return s, run
	},
	"migrated": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, delayAndMail)
		s.work(t)
		run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
		s.arrives(t, run, "pause")
		s.revise(t, strings.Replace(delayAndMail, "for: 3d", "for: 4d", 1), publish.Options{InFlight: plan.InFlightMigrate, Map: []string{"pause=hello"}})
		return s, run
	},
	"edited-while-paused": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, delayAndMail)
		s.work(t)
		run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
		s.arrives(t, run, "pause")
		s.update(t, run, plan.UpdatePause)
		s.update(t, run, plan.UpdateSkipWait)
		s.revise(t, strings.Replace(delayAndMail, "id: hello", "id: hi", 1), publish.Options{})
		s.update(t, run, plan.UpdateResume)
		return s, run
	},
	"continued": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, manyBranches)
		s.work(t)
		return s, s.enroll(t, "journey", "1", nil)
	},
	"retried": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, oneWebhook(moody(t, http.StatusServiceUnavailable, http.StatusTooManyRequests)))
		s.work(t)
		return s, s.enroll(t, "journey", "1", nil)
	},
	"rejected": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, oneWebhook(moody(t, http.StatusNotFound)))
		s.work(t)
		return s, s.enroll(t, "journey", "1", nil)
	},
	"store-away": func(t *testing.T) (*stage, client.WorkflowRun) {
		postgres := postgrestest.Start(t)
		s := newStageAt(t, embedded(t).Address, postgres.Database(t), waitForPage)
		s.work(t)
		run := s.enroll(t, "journey", "1", nil)
		s.arrives(t, run, "wait")
		postgres.Kill(t)
		s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
		s.attempts(t, run.GetID(), 2)
		postgres.Restart(t)
		return s, run
	},
	"visits-spent": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, threeRounds)
		s.work(t)
		return s, s.enroll(t, "journey", "1", nil)
	},
	"event-before-timeout": func(t *testing.T) (*stage, client.WorkflowRun) {
		s := newStage(t, waitForPage)
		s.work(t)
		run := s.enroll(t, "journey", "1", nil)
		s.arrives(t, run, "wait")
		s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
		return s, run
	},
}

// nurture is the path that most workflows take: edits, mail, delay, branch, an effect, a wait.
func nurture(url string) string {
	return fmt.Sprintf(`
-- millrace.yaml --
time_zone: UTC
sender: {email: hello@millrace.example}
egress: {allow: [127.0.0.0/8], http: true}
-- emails/hello.md --
---
subject: Hello
---
Hello.
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: stage, edit_record: {set: {lead_status: open}}}
  - {id: town, edit_record: {set: {city: Rome}}}
  - {id: hello, send_email: {email: hello}}
  - {id: pause, delay_set_amount: {for: 3d}}
  - {id: size, branch_and_or: {branches: [{name: known, when: {property: city, known: true}}]}}
  - {id: ping, send_webhook: {url: %q, body: {step: 1}}}
  - {id: wait, delay_until_event: {event: page_viewed, max_wait: 3d}}
`, url)
}

const waitForPage = `
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - id: wait
    delay_until_event: {event: page_viewed, max_wait: 3d}
    then:
      timeout: [{end: {}}]
  - {id: seen, edit_record: {set: {lead_status: open}}}
`

func fiveWebhooks(url string) string {
	var text strings.Builder
	text.WriteString("-- millrace.yaml --\ntime_zone: UTC\negress: {allow: [127.0.0.0/8], http: true}\n")
	text.WriteString("-- workflows/journey.yaml --\nworkflow: journey\nobject: contact\nactions:\n")
	for i := range 5 {
		fmt.Fprintf(&text, "  - {id: call-%d, send_webhook: {url: %q, body: {step: %d}}}\n", i+1, url, i+1)
	}
	return text.String()
}

// manyBranches has more actions than one run visits.
var manyBranches = func() string {
	var text strings.Builder
	text.WriteString("-- workflows/journey.yaml --\nworkflow: journey\nobject: contact\nactions:\n")
	for i := range 501 {
		fmt.Fprintf(&text, "  - {id: b%d, branch_and_or: {branches: [{name: a, when: {property: email, known: true}}]}}\n", i)
	}
	return text.String()
}()

const threeRounds = `
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: pause, delay_set_amount: {for: 1s}}
  - {go_to: pause, max_visits: 3}
  - {id: after, edit_record: {set: {lead_status: open}}}
`

// oneWebhook goes on after the webhook has failed for good, too.
func oneWebhook(url string) string {
	return fmt.Sprintf(`
-- millrace.yaml --
time_zone: UTC
egress: {allow: [127.0.0.0/8], http: true}
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - id: call
    send_webhook: {url: %q, body: {step: 1}}
    then:
      failed: [{id: failed, edit_record: {set: {lead_status: bad_timing}}}]
  - {id: after, edit_record: {set: {city: Rome}}}
`, url)
}

// moody answers the first calls with these, and asks for the next one after a second; then it is a receiver.
func moody(tb testing.TB, answers ...int) string {
	tb.Helper()
	well := receiver(tb)
	target, err := url.Parse(well)
	require.NoError(tb, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if call := int(calls.Add(1)); call <= len(answers) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(answers[call-1])
			return
		}
		forward.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

// attempts waits until an enrollment's normal activity has been tried so often, and returns how it stands.
func (s *stage) attempts(t *testing.T, workflowID string, least int32) *workflowpb.PendingActivityInfo {
	t.Helper()
	var found *workflowpb.PendingActivityInfo
	require.Eventually(t, func() bool {
		described, err := s.DescribeWorkflowExecution(t.Context(), workflowID, "")
		if err != nil || len(described.GetPendingActivities()) == 0 {
			return false
		}
		found = described.GetPendingActivities()[0]
		return found.GetAttempt() >= least
	}, patience, 20*time.Millisecond)
	return found
}

// receiver answers webhooks and checks that each carries an idempotency key of its own.
func receiver(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Idempotency-Key") == "" || !strings.Contains(string(body), "step") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, `{"ok":true}`)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

// raw is a payload as the official command line sends it.
func raw(text string) *common.Payloads {
	return &common.Payloads{Payloads: []*common.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(text)}}}
}

// startRaw does what `temporal workflow start --type Enrollment --task-queue millrace --workflow-id … --input …` does.
func (s *stage) startRaw(t *testing.T, id, input string) client.WorkflowRun {
	t.Helper()
	started, err := s.WorkflowService().StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
		Namespace: s.Namespace, WorkflowId: id, WorkflowType: &common.WorkflowType{Name: plan.WorkflowType},
		TaskQueue: &taskqueue.TaskQueue{Name: plan.TaskQueue}, Input: raw(input), RequestId: uuid.NewString(),
	})
	require.NoError(t, err)
	return s.GetWorkflow(t.Context(), id, started.GetRunId())
}

// signalRaw does what `temporal workflow signal --name … --input …` does.
func (s *stage) signalRaw(t *testing.T, run client.WorkflowRun, name, input string) {
	t.Helper()
	_, err := s.WorkflowService().SignalWorkflowExecution(t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: s.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: run.GetID()}, SignalName: name, Input: raw(input),
	})
	require.NoError(t, err)
}

// arrives waits until an enrollment stands at a node.
func (s *stage) arrives(t *testing.T, run client.WorkflowRun, node string) {
	t.Helper()
	require.Eventually(t, func() bool {
		answer, err := s.QueryWorkflow(t.Context(), run.GetID(), "", plan.QueryStatus)
		var state plan.State
		return err == nil && answer.Get(&state) == nil && state.Node == node && (state.Awaits != "" || !state.Until.IsZero())
	}, patience, 20*time.Millisecond)
}

// update does what an operator does to an enrollment.
func (s *stage) update(t *testing.T, run client.WorkflowRun, name string) {
	t.Helper()
	update, err := s.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.NoError(t, update.Get(t.Context(), nil))
}

// history reads the whole history of a run.
func (s *stage) history(t *testing.T, run client.WorkflowRun) *history.History {
	t.Helper()
	recorded := &history.History{}
	events := s.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		recorded.Events = append(recorded.Events, event)
	}
	return recorded
}

// TestJourneysStayWithinTheirBudgets runs every journey on the real server, counts its history events, and with
// -record records the history for the replay tests.
func TestJourneysStayWithinTheirBudgets(t *testing.T) {
	t.Parallel()
	most := budgets(t)
	for name, journey := range journeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, run := journey(t)
			first := run.GetRunID() // run follows those that continue it
			var exit plan.Exit
			require.NoError(t, run.Get(t.Context(), &exit))
			require.Equal(t, plan.ExitCompleted, exit.Reason, exit.Detail)
			recorded := s.history(t, s.GetWorkflow(t.Context(), run.GetID(), first))
			require.LessOrEqual(t, cost(recorded), most[name])
			replay(t, recorded)
			keepHistory(t, name, recorded)
			if next := continued(recorded); next != "" {
				following := s.history(t, s.GetWorkflow(t.Context(), run.GetID(), next))
				require.LessOrEqual(t, cost(following), most[name+"-next"])
				replay(t, following)
				keepHistory(t, name+"-next", following)
			}
		})
	}
}

// TestBulkEnrollmentStaysWithinItsBudget is TestJourneysStayWithinTheirBudgets for what hands on whom a schedule enrolls.
func TestBulkEnrollmentStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	s := newStage(t, daily)
	s.work(t)
	const people = 501 // more than a page
	require.NoError(t, s.Books.Tx(t.Context(), func(tx *store.Tx) error {
		for n := range people {
			if _, err := tx.Create(t.Context(), crm.Ref{Object: "contact", ID: strconv.Itoa(n)}, nil, time.Now(), "test"); err != nil {
				return err
			}
		}
		return nil
	}))
	run, err := s.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "bulk/journey", TaskQueue: plan.TaskQueue}, plan.BulkType, plan.Bulk{Workflow: "journey"})
	require.NoError(t, err)
	var bulk plan.Bulk
	require.NoError(t, run.Get(t.Context(), &bulk))
	require.True(t, bulk.Done)
	require.Equal(t, people, bulk.Matched)
	recorded := s.history(t, run)
	require.LessOrEqual(t, cost(recorded), budgets(t)["bulk"])
	replay(t, recorded)
	keepHistory(t, "bulk", recorded)
}

const daily = `
-- workflows/journey.yaml --
workflow: journey
object: contact
enroll: {schedule: {daily: true, at: "09:00"}}
actions: [{end: {}}]
`

// keepHistory writes a history for the replay tests, with -record.
func keepHistory(t *testing.T, name string, recorded *history.History) {
	t.Helper()
	if !*record {
		return
	}
	text, err := protojson.MarshalOptions{Multiline: true}.Marshal(recorded)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join("histories", fmt.Sprintf("v%d", workflows.Version), name+".json"), text, 0o644))
}

// continued is the run that goes on where a history ends; "" when none does.
func continued(recorded *history.History) string {
	last := recorded.GetEvents()[len(recorded.GetEvents())-1]
	return last.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
}

// cost counts the events of a history without the jumps of time skipping, which production has not.
func cost(recorded *history.History) int {
	events := 0
	for _, event := range recorded.GetEvents() {
		if event.GetEventType() != enums.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED &&
			event.GetEventType() != enums.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED {
			events++
		}
	}
	return events
}

func budgets(t *testing.T) map[string]int {
	t.Helper()
	file, err := os.Open("budgets.txt")
	require.NoError(t, err)
	defer file.Close()
	most := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if fields := strings.Fields(line); len(fields) == 2 {
			most[fields[0]], err = strconv.Atoi(fields[1])
			require.NoError(t, err)
		}
	}
	return most
}

func replay(t *testing.T, recorded *history.History) {
	t.Helper()
	require.NoError(t, newReplayer(t).ReplayWorkflowHistory(silent, recorded))
}

func newReplayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	require.NoError(t, err)
	replayer.RegisterWorkflowWithOptions(workflows.Enrollment, workflow.RegisterOptions{Name: plan.WorkflowType})
	replayer.RegisterWorkflowWithOptions(workflows.BulkEnrollment, workflow.RegisterOptions{Name: plan.BulkType})
	return replayer
}

// TestRecordedHistoriesReplay walks the histories of every version of the interpreter: each has to replay, and
// each whose name begins with bad- has to fail, or replaying proves nothing.
func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("histories", "v*", "*.json"))
	require.NoError(t, err)
	most := budgets(t)
	bad := 0
	for _, file := range files {
		err := newReplayer(t).ReplayWorkflowHistoryFromJSONFile(silent, file)
		if strings.HasPrefix(filepath.Base(file), "bad-") {
			bad++
			require.Error(t, err, file)
			continue
		}
		require.NoError(t, err, file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		recorded, err := client.HistoryFromJSON(strings.NewReader(string(text)), client.HistoryJSONOptions{})
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		require.Contains(t, most, name, "budgets.txt has no line for %s", file)
		require.LessOrEqual(t, cost(recorded), most[name], file)
	}
	require.Positive(t, bad)
	for version := 1; version <= workflows.Version; version++ {
		recorded, err := filepath.Glob(filepath.Join("histories", fmt.Sprintf("v%d", version), "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, recorded, "version %d of the interpreter has no recorded history", version)
	}
}
