package testsuite_test

import (
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestDemoTakesPeopleThroughWeeksInSeconds runs `millrace demo` as a stranger does.
func TestDemoTakesPeopleThroughWeeksInSeconds(t *testing.T) {
	t.Parallel()
	var shown struct {
		UI          string
		Database    string
		Enrollments []struct {
			Record, Story, History string
			Exit                   plan.Exit
			Steps                  []testsuite.Step
		}
		Mails []plan.Message
	}
	server, err := devserver.Find(t.Context(), os.Stderr, false)
	require.NoError(t, err)
	cache, temporary := t.TempDir(), t.TempDir()
	shell := newShell(t, "", "TMPDIR="+temporary, "XDG_CACHE_HOME="+cache, "MILLRACE_DEVSERVER="+server.Path)
	shell.json(t, &shown, "demo")
	require.Len(t, shown.Enrollments, 4)
	for _, enrollment := range shown.Enrollments {
		require.Equal(t, plan.ExitCompleted, enrollment.Exit.Reason, enrollment.Story)
		require.Contains(t, enrollment.History, "/namespaces/default/workflows/enrollment%2Ftrial-nurture%2Fcontact%2F")
		first, last := enrollment.Steps[0], enrollment.Steps[len(enrollment.Steps)-1]
		require.Greater(t, last.At.Sub(first.At), 13*24*time.Hour, "the times are the virtual ones")
	}
	interested := shown.Enrollments[0].Steps[2]
	require.Equal(t, "interested", interested.Node)
	require.InDelta(t, 26*60, interested.At.Sub(shown.Enrollments[0].Steps[0].At).Minutes(), 1, "the planned event comes at its virtual time")
	require.Len(t, shown.Mails, 9)
	for _, mail := range shown.Mails {
		require.NotEmpty(t, mail.Subject)
	}
	require.Contains(t, shell.ok(t, "outbox", "--database", shown.Database), "Welcome aboard, Ada")
	require.False(t, answers(shown.UI), "nothing is left running")

	require.Equal(t, "sqlite://"+filepath.Join(cache, "millrace", "demo", "millrace.db"), shown.Database)
	text := shell.ok(t, "demo")
	require.Contains(t, shell.ok(t, "outbox", "--database", shown.Database), "Welcome aboard, Ada", "the second demo begins anew in the same folder")
	require.Equal(t, 1, strings.Count(text, "http://"), text)
	require.Contains(t, text, "millrace demo --keep")
	require.Contains(t, text, "AT (UTC)")
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left)

	lock := flock.New(filepath.Join(cache, "millrace", "demo.lock"))
	require.NoError(t, lock.Lock())
	defer func() { require.NoError(t, lock.Unlock()) }()
	other := shown.Database
	shell.json(t, &shown, "demo")
	require.NotEqual(t, other, shown.Database, "a second demo at the same time")
}

// answers tells whether something listens at an address.
func answers(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	connection, err := net.Dial("tcp", parsed.Host)
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

// example copies a workspace of examples/ into a shell of its own.
func example(t *testing.T, name string, env ...string) *shell {
	t.Helper()
	s := newShell(t, "", env...)
	require.NoError(t, os.CopyFS(s.folder, os.DirFS(filepath.Join("..", "examples", name))))
	return s
}

// TestWorkspaceOnOneMachine is an author with `millrace dev`: enroll, ask why, send the event, break a file, mend it.
func TestWorkspaceOnOneMachine(t *testing.T) {
	t.Parallel()
	shell := example(t, "trial-nurture")
	dev := shell.start(t, "dev", "--port", "0", "--ui-port", "0")
	dev.says(t, "Web UI")
	var state struct{ UI string }
	content, err := os.ReadFile(filepath.Join(shell.folder, ".millrace", "dev.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &state))
	require.True(t, answers(state.UI))

	shell.ok(t, "records", "set", "contact/51", "email=ada@example.com", "first_name=Ada", "employees=700")
	require.NoError(t, os.WriteFile(filepath.Join(shell.folder, "people.csv"), []byte("fifty\"one\n51\n"), 0o600))
	stdout, stderr, code := shell.run(t, "enroll", "trial-nurture", "--file", "people.csv")
	require.Equal(t, 1, code)
	require.Equal(t, "contact/51: on its way\n", stdout, "a bad line stops nobody else")
	require.Contains(t, stderr, "line 1 of people.csv")
	why := shell.whyWhen(t, "waiting", "trial-nurture", "contact/51")
	require.Equal(t, "opened", why.Node)
	require.Equal(t, "email_opened", why.WaitingFor.Event)
	require.Equal(t, "delay_until_event", why.WaitingFor.Kind)
	require.InDelta(t, 72, why.WaitingFor.Until.Sub(why.Arrived).Hours(), 2)
	_, stderr, code = shell.run(t, "enroll", "trial-nurture", "contact/51")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "is already in the workflow trial-nurture")

	shell.ok(t, "event", "email_opened", "--record", "contact/51", "--id", "open-1")
	shell.ok(t, "event", "email_opened", "--record", "contact/51", "--id", "open-1")
	require.Eventually(t, func() bool {
		return shell.why(t, "trial-nurture", "contact/51").Node == "week"
	}, patience, 50*time.Millisecond)
	var record struct{ Properties map[string]any }
	shell.json(t, &record, "records", "get", "contact/51")
	require.EqualValues(t, 10, record.Properties["score"])
	var enrollments []plan.Enrollment
	shell.json(t, &enrollments, "enrollments", "trial-nurture", "--at", "week")
	require.Len(t, enrollments, 1)
	var journal []struct{ Node, Event, Port string }
	shell.json(t, &journal, "history", "trial-nurture", "contact/51")
	require.Equal(t, "enrolled", journal[0].Event)
	require.Contains(t, shell.ok(t, "outbox"), "Welcome aboard, Ada")

	file := filepath.Join("workflows", "trial-nurture.yaml")
	good, err := os.ReadFile(filepath.Join(shell.folder, file))
	require.NoError(t, err)
	shell.write(t, file, strings.Replace(string(good), "send_email: {email: welcome}", "send_emial: {email: welcome}", 1))
	dev.says(t, `did you mean "send_email"?`)
	_, _, code = shell.run(t, "check")
	require.Equal(t, 1, code)
	require.Equal(t, "week", shell.why(t, "trial-nurture", "contact/51").Node, "the last good revision stays")
	shell.write(t, file, strings.Replace(string(good), "{for: 1w}", "{for: 1s}", 1))
	require.Eventually(t, func() bool {
		return shell.why(t, "trial-nurture", "contact/51").Node == "monday"
	}, patience, 50*time.Millisecond, "a delay that was shortened below the time waited ends at once")
	require.Equal(t, 2, shell.why(t, "trial-nurture", "contact/51").Revision)

	shell.ok(t, "unenroll", "trial-nurture", "contact/51", "--reason", "asked by phone")
	why = shell.whyWhen(t, "unenrolled", "trial-nurture", "contact/51")
	require.Equal(t, "monday", why.Node)
	dev.interrupt(t)
	require.False(t, answers(state.UI), "nothing is left running")
}

func (s *shell) why(t *testing.T, workflow, record string) (why enroll.Why) {
	t.Helper()
	s.json(t, &why, "why", workflow, record)
	return why
}

// whyWhen asks until an enrollment is in a state.
func (s *shell) whyWhen(t *testing.T, state, workflow, record string) (why enroll.Why) {
	t.Helper()
	require.Eventually(t, func() bool {
		why = s.why(t, workflow, record)
		return why.State == state
	}, patience, 50*time.Millisecond, "%s of %s in %s", state, record, workflow)
	return why
}

// TestNothingIsLeftRunningWhenDevCrashes kills `millrace dev` and looks for its server.
func TestNothingIsLeftRunningWhenDevCrashes(t *testing.T) {
	t.Parallel()
	shell := example(t, "trial-nurture")
	dev := shell.start(t, "dev", "--port", "0", "--ui-port", "0")
	dev.says(t, "Web UI")
	var state struct{ UI string }
	content, err := os.ReadFile(filepath.Join(shell.folder, ".millrace", "dev.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &state))
	require.True(t, answers(state.UI))
	dev.kill(t)
	require.Eventually(t, func() bool { return !answers(state.UI) }, patience, 50*time.Millisecond)
}

// TestWorkerRefusesANamespaceWithoutSearchAttributes says in one line what is missing and how to mend it.
func TestWorkerRefusesANamespaceWithoutSearchAttributes(t *testing.T) {
	t.Parallel()
	server := embedded(t)
	admin, err := client.Dial(client.Options{HostPort: server.Address, Logger: silent})
	require.NoError(t, err)
	t.Cleanup(admin.Close)
	bare := "bare-" + uuid.NewString()[:8]
	_, err = admin.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: bare, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	shell := example(t, "trial-nurture", "TEMPORAL_ADDRESS="+server.Address, "TEMPORAL_NAMESPACE="+bare)
	shell.ok(t, "push")
	_, stderr, code := shell.run(t, "worker")
	require.Equal(t, 1, code)
	last := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Contains(t, last[len(last)-1], "does not know the search attributes MillraceObject")
	require.Contains(t, last[len(last)-1], "temporal operator search-attribute create --namespace "+bare+" --name MillraceObject --type Keyword")
	stdout, _, code := shell.run(t, "doctor")
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "temporal operator search-attribute create --namespace "+bare+" --name MillraceObject --type Keyword", "so says the doctor")
}

func TestWorkerRefusesANamespaceThatIsNotThere(t *testing.T) {
	t.Parallel()
	shell := example(t, "trial-nurture", "TEMPORAL_ADDRESS="+embedded(t).Address, "TEMPORAL_NAMESPACE=nowhere")
	shell.ok(t, "push")
	_, stderr, code := shell.run(t, "worker")
	require.Equal(t, 1, code)
	const mend = "the Temporal server has no namespace \"nowhere\": run `temporal operator namespace create -n nowhere`"
	require.Contains(t, stderr, mend)
	stdout, _, code := shell.run(t, "doctor")
	require.Equal(t, 1, code)
	require.Contains(t, stdout, mend, "so says the doctor")
}

// TestStartedAndReadWithTheOfficialTools does with plain payloads what `temporal workflow start`, `signal`, `query`
// and `describe` do (design §5).
func TestStartedAndReadWithTheOfficialTools(t *testing.T) {
	t.Parallel()
	s := newStage(t, waitForPage)
	s.work(t)
	_, err := s.Books.Create(t.Context(), ref("contact/51"), nil, time.Now(), "test")
	require.NoError(t, err)
	run := s.startRaw(t, "enrollment/journey/contact/51", `{"workflow":"journey","record":"contact/51"}`)
	s.arrives(t, run, "wait")

	described, err := s.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
	require.NoError(t, err)
	attributes := described.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()
	require.JSONEq(t, `"journey"`, string(attributes[plan.AttributeWorkflow].GetData()))
	require.JSONEq(t, `"contact/51"`, string(attributes[plan.AttributeRecord].GetData()))
	require.JSONEq(t, `1`, string(attributes[plan.AttributeRevision].GetData()))
	require.JSONEq(t, `"manual"`, string(attributes[plan.AttributeTrigger].GetData()))
	answer, err := s.QueryWorkflow(t.Context(), run.GetID(), "", "__temporal_workflow_metadata")
	require.NoError(t, err)
	var metadata sdk.WorkflowMetadata
	require.NoError(t, answer.Get(&metadata))
	require.Contains(t, metadata.GetCurrentDetails(), "waiting for `page_viewed`", "the Web UI shows where it stands")

	s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
	var exit plan.Exit
	require.NoError(t, run.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason)

	wrong := s.startRaw(t, "my-own-id", `{"workflow":"journey","record":"contact/51"}`)
	require.NoError(t, wrong.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitRefused, exit.Reason)
	require.Contains(t, exit.Detail, "wrong-id")
	again := s.startRaw(t, "enrollment/journey/contact/51", `{"workflow":"journey","record":"contact/51"}`)
	exit = plan.Exit{}
	require.NoError(t, again.Get(t.Context(), &exit))
	require.Contains(t, exit.Detail, "enrolled-before", "once ever is once ever")
}
