package testsuite_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

const longWait = `
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: wait, delay_set_amount: {for: 30d}}
  - {id: mark, edit_record: {set: {city: Turin}}}
  - id: answer
    delay_until_event: {event: page_viewed}
    then:
      timeout: [{end: {}}]
  - {id: last, delay_set_amount: {for: 30d}}
`

// TestOperatorsHoldMoveAndHurryRecords is an operator at the command line.
func TestOperatorsHoldMoveAndHurryRecords(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	s.work(t)
	shell := s.shell(t, "")
	for _, contact := range []string{"1", "2"} {
		s.arrives(t, s.enroll(t, "journey", contact, nil), "wait")
	}
	require.Equal(t, "contact/1: paused\ncontact/2: paused\n", shell.ok(t, "pause", "journey", "contact/1", "contact/2"))
	shell.whyWhen(t, "paused", "journey", "contact/1")
	shell.ok(t, "skip-wait", "journey", "contact/1")
	stdout, stderr, code := shell.run(t, "skip-wait", "journey", "contact/1", "contact/2", "-o", "json")
	require.Equal(t, 1, code)
	var lines []struct{ Record, Error string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &lines))
	require.Equal(t, `contact/1 in journey: the enrollment does not wait: it is at "mark"`, lines[0].Error)
	require.Empty(t, lines[1].Error, "the others go on")
	require.Contains(t, stderr, "millrace: "+lines[0].Error)

	shell.ok(t, "resume", "journey", "contact/1")
	require.Equal(t, "answer", shell.whyWhen(t, "waiting", "journey", "contact/1").Node)
	_, stderr, code = shell.run(t, "move", "journey", "contact/1", "--to", "lst")
	require.Equal(t, 1, code)
	require.Equal(t, "millrace: contact/1 in journey: there is no action \"lst\" in the revision that this enrollment follows: did you mean \"last\"?\n", stderr)
	require.Equal(t, "contact/1: moved\n", shell.ok(t, "move", "journey", "contact/1", "--to", "last"))
	require.Equal(t, "last", shell.whyWhen(t, "waiting", "journey", "contact/1").Node)
	shell.ok(t, "skip-wait", "journey", "contact/1")
	shell.whyWhen(t, plan.ExitCompleted, "journey", "contact/1")
	_, stderr, code = shell.run(t, "pause", "journey", "contact/1")
	require.Equal(t, 1, code)
	require.Equal(t, "millrace: contact/1 is not in the workflow journey: `millrace why journey contact/1` says what became of it\n", stderr)
}

// TestAWorkflowThatIsOffMovesPeopleAndDoesNothing is HubSpot's switch.
func TestAWorkflowThatIsOffMovesPeopleAndDoesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	s.work(t)
	shell := s.shell(t, "")
	s.arrives(t, s.enroll(t, "journey", "1", nil), "wait")
	shell.ok(t, "workflows", "off", "journey")
	shell.ok(t, "skip-wait", "journey", "contact/1")
	require.Equal(t, "answer", shell.whyWhen(t, "waiting", "journey", "contact/1").Node)
	require.Contains(t, s.events(t, "journey", "contact/1"), "mark action_skipped")
	record, err := s.Books.Get(t.Context(), ref("contact/1"))
	require.NoError(t, err)
	require.NotContains(t, record.Properties, "city")
	require.Contains(t, shell.ok(t, "workflows"), "journey   off     1")
}

// TestAPinnedRevisionLeavesPeopleInTheirs publishes an edit for those who come later.
func TestAPinnedRevisionLeavesPeopleInTheirs(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	s.work(t)
	shell := s.shell(t, "-- millrace.yaml --\ntime_zone: UTC\n"+strings.Replace(longWait, "city: Turin", "city: Milan", 1))
	s.arrives(t, s.enroll(t, "journey", "1", nil), "wait")
	require.Contains(t, shell.ok(t, "push", "--in-flight", "pin"), "journey: new revision 2, 1 inside finish by theirs\n")
	s.arrives(t, s.enroll(t, "journey", "2", nil), "wait")
	shell.ok(t, "skip-wait", "journey", "contact/1", "contact/2")
	for contact, town := range map[string]string{"contact/1": "Turin", "contact/2": "Milan"} {
		require.Equal(t, "answer", shell.whyWhen(t, "waiting", "journey", contact).Node)
		record, err := s.Books.Get(t.Context(), ref(contact))
		require.NoError(t, err)
		require.Equal(t, town, record.Properties["city"])
	}
}

var offered = regexp.MustCompile(`--confirm (\S+)`)

// TestAPushThatAffectsPeopleIsAgreedTo edits a journey with people in it, at the command line.
func TestAPushThatAffectsPeopleIsAgreedTo(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	s.work(t)
	shorter := strings.Replace(longWait, "for: 30d}}\n  - {id: mark", "for: 1s}}\n  - {id: mark", 1)
	shell := s.shell(t, "-- millrace.yaml --\ntime_zone: UTC\n"+shorter)
	for _, contact := range []string{"1", "2"} {
		s.arrives(t, s.enroll(t, "journey", contact, nil), "wait")
	}
	require.Contains(t, shell.ok(t, "push", "--dry-run"), "  at wait: 2 wake earlier\n")
	seen := offered.FindStringSubmatch(shell.ok(t, "push", "--dry-run"))[1]
	s.arrives(t, s.enroll(t, "journey", "3", nil), "wait")
	_, stderr, code := shell.run(t, "push", "--confirm", seen)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "2 stood at wait in journey, now 3")
	seen = offered.FindStringSubmatch(shell.ok(t, "push", "--dry-run"))[1]
	require.Contains(t, shell.ok(t, "push", "--confirm", seen), "journey: new revision 2, 3 of 3 inside told\n")
	for _, contact := range []string{"1", "2", "3"} {
		s.arrives(t, s.GetWorkflow(t.Context(), "enrollment/journey/contact/"+contact, ""), "answer")
	}
	_, definition, _ := strings.Cut(shorter, " --\n")
	shell.write(t, "workflows/journey.yaml", strings.Replace(definition, "city: Turin", "city: Milan", 1))
	require.Contains(t, shell.ok(t, "push", "--map", "answer=last", "--yes"), "journey: new revision 3, 3 of 3 inside told\n")
	for _, contact := range []string{"1", "2", "3"} {
		s.arrives(t, s.GetWorkflow(t.Context(), "enrollment/journey/contact/"+contact, ""), "last")
	}
}

// TestAJobThatIsCutGoesOnAndDoesNothingTwice hurries ten contacts, is cut in the middle, and goes on at the command line.
// Whoever was hurried twice would not wait for the answer any more.
func TestAJobThatIsCutGoesOnAndDoesNothingTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	s.work(t)
	shell := s.shell(t, "")
	var enrollments []string
	for contact := range 10 {
		run := s.enroll(t, "journey", strconv.Itoa(contact), nil)
		s.arrives(t, run, "wait")
		enrollments = append(enrollments, fmt.Sprintf("journey/contact/%d/1", contact))
	}
	job, err := s.Books.AddJob(t.Context(), store.Job{Workflow: "journey", Operation: plan.UpdateSkipWait, Began: time.Now()}, enrollments)
	require.NoError(t, err)
	// One was cut between the update and our books.
	handle, err := s.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: "enrollment/journey/contact/0", UpdateID: "job-1", UpdateName: plan.UpdateSkipWait, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.NoError(t, handle.Get(t.Context(), nil))
	require.Equal(t, "answer", shell.whyWhen(t, "waiting", "journey", "contact/0").Node)
	// One left, by itself.
	require.NoError(t, s.People.Unenroll(t.Context(), "journey", ref("contact/9"), plan.Unenroll{}))
	shell.whyWhen(t, plan.ExitUnenrolled, "journey", "contact/9")

	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	err = s.People.Carry(ctx, job, 1000, time.Now, func(done, all int) {
		require.Equal(t, 10, all)
		if done == 3 {
			cut()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	toDo, err := s.Books.JobParts(t.Context(), job.ID, true)
	require.NoError(t, err)
	require.NotEmpty(t, toDo)

	require.Equal(t, "9 of 10 done, 1 had left\n", shell.ok(t, "skip-wait", "--job", "1"))
	require.Equal(t, "9 of 10 done, 1 had left\n", shell.ok(t, "skip-wait", "--job", "1"), "there is nothing left to do")
	for contact := range 9 {
		require.Equal(t, "answer", shell.whyWhen(t, "waiting", "journey", fmt.Sprintf("contact/%d", contact)).Node)
	}
}

// TestManyAreHeldMovedAndTakenOut is an operator with selections.
func TestManyAreHeldMovedAndTakenOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	s.work(t)
	shell := s.shell(t, "")
	for contact, city := range []string{"Rome", "Milan", "Rome"} {
		s.arrives(t, s.enroll(t, "journey", strconv.Itoa(contact), map[string]string{"city": city}), "wait")
	}
	require.Equal(t, "2 of 2 done\n", shell.ok(t, "move", "journey", "--matching", "{property: city, is: Rome}", "--to", "last", "--rate", "100/s"))
	for contact, node := range []string{"last", "wait", "last"} {
		require.Equal(t, node, shell.whyWhen(t, "waiting", "journey", fmt.Sprintf("contact/%d", contact)).Node)
	}
	require.Equal(t, "3 of 3 done\n", shell.ok(t, "pause", "journey", "--all"))
	shell.whyWhen(t, "paused", "journey", "contact/1")
	require.Equal(t, "1 of 1 done\n", shell.ok(t, "resume", "journey", "--at", "wait"))
	shell.whyWhen(t, "waiting", "journey", "contact/1")
	require.Equal(t, "2 of 2 done\n", shell.ok(t, "unenroll", "journey", "--at", "last", "--reason", "a test"))
	shell.whyWhen(t, plan.ExitUnenrolled, "journey", "contact/2")
	stdout, _, code := shell.run(t, "skip-wait", "journey", "--all", "-o", "json")
	require.Zero(t, code)
	var result struct {
		Job, All, Done int
		Parts          []struct{ Record, Result string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &result))
	require.Equal(t, 1, result.Done)
	require.Equal(t, "contact/1", result.Parts[0].Record)
}
