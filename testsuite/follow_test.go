package testsuite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

const renewal = `
-- objects/contact.yaml --
object: contact
properties: [{name: renewal, type: date}]
-- workflows/renewal.yaml --
workflow: renewal
object: contact
actions:
  - {id: date, delay_until_date_property: {property: renewal, offset: -3d, time: "08:00", if_empty: wait, if_past: end}}
  - {id: mark, edit_record: {set: {city: Turin}}}
`

// TestDatePropertyIsFollowedWhileAJourneyWaits moves a date to and fro; the interpreter knows nothing of it.
func TestDatePropertyIsFollowedWhileAJourneyWaits(t *testing.T) {
	t.Parallel()
	start := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	set := func(after, value string) testsuite.Planned {
		return testsuite.Planned{After: after, Set: map[string]any{"renewal": value}}
	}
	for name, test := range map[string]struct {
		events []testsuite.Planned
		reason string
		left   time.Time // when the record came to the next action
	}{
		"never set":             {nil, plan.ExitWaiting, time.Time{}},
		"set later":             {[]testsuite.Planned{set("10d", "2027-03-20")}, plan.ExitCompleted, time.Date(2027, 3, 17, 8, 0, 0, 0, time.UTC)},
		"moved later":           {[]testsuite.Planned{set("1d", "2027-03-20"), set("5d", "2027-05-20")}, plan.ExitCompleted, time.Date(2027, 5, 17, 8, 0, 0, 0, time.UTC)},
		"moved earlier":         {[]testsuite.Planned{set("1d", "2027-05-20"), set("5d", "2027-03-10")}, plan.ExitCompleted, time.Date(2027, 3, 7, 8, 0, 0, 0, time.UTC)},
		"moved into the past":   {[]testsuite.Planned{set("1d", "2027-05-20"), set("5d", "2027-03-05")}, plan.ExitEnded, time.Time{}},
		"cleared":               {[]testsuite.Planned{set("1d", "2027-05-20"), set("5d", "")}, plan.ExitWaiting, time.Time{}},
		"cleared, set again":    {[]testsuite.Planned{set("1d", "2027-05-20"), set("5d", ""), set("6d", "2027-05-21")}, plan.ExitCompleted, time.Date(2027, 5, 18, 8, 0, 0, 0, time.UTC)},
		"changed at its end":    {[]testsuite.Planned{set("1d", "2027-03-20"), {At: "2027-03-17T08:00:00Z", Set: map[string]any{"renewal": "2027-03-21"}}}, plan.ExitCompleted, time.Date(2027, 3, 18, 8, 0, 0, 0, time.UTC)},
		"something else, twice": {[]testsuite.Planned{set("1d", "2027-03-20"), {After: "2d", Set: map[string]any{"zip": "1"}}, {After: "3d", Set: map[string]any{"zip": "2"}}}, plan.ExitCompleted, time.Date(2027, 3, 17, 8, 0, 0, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
				Workspace: compiled(t, renewal), Workflow: "renewal", Start: start, Events: test.events,
				Record: testsuite.SimulatedRecord{Object: "contact", ID: "1"},
			})
			require.NoError(t, err)
			require.Equal(t, test.reason, shown.Exit.Reason)
			if test.left.IsZero() {
				require.Len(t, shown.Steps, 1)
				return
			}
			require.Equal(t, test.left, shown.Steps[1].At)
		})
	}
}

const edits = renewal + `
-- workflows/sign.yaml --
workflow: sign
object: contact
enroll: {again: each_event}
actions:
  - {id: date, edit_record: {set: {renewal: "{{ now | minus_time: 1, 'day' }}"}}}
-- workflows/deal.yaml --
workflow: deal
object: deal
actions:
  - {id: date, edit_record: {set: {renewal: "{{ now | minus_time: 1, 'day' }}"}, on: {associated: contact}}}
`

// TestEditsOfOthersReachThoseWhoFollowAProperty edits a contact from another workflow, from one about a deal, and at
// the command line; the contact waits for a date that is far away.
func TestEditsOfOthersReachThoseWhoFollowAProperty(t *testing.T) {
	t.Parallel()
	s := newStage(t, edits)
	s.work(t)
	shell := s.shell(t, "")
	for contact, edit := range map[string]func(){
		"1": func() {
			_, err := s.People.Start(t.Context(), enroll.Request{Workflow: "sign", Record: ref("contact/1")})
			require.NoError(t, err)
		},
		"2": func() {
			_, err := s.Books.Create(t.Context(), ref("deal/1"), nil, time.Now(), "test")
			require.NoError(t, err)
			require.NoError(t, s.Books.Associate(t.Context(), ref("deal/1"), ref("contact/2"), "", false, time.Now()))
			_, err = s.People.Start(t.Context(), enroll.Request{Workflow: "deal", Record: ref("deal/1")})
			require.NoError(t, err)
		},
		"3": func() {
			shell.ok(t, "records", "set", "contact/3", "city=Rome")
			require.Contains(t, shell.ok(t, "why", "renewal", "contact/3"), "follows renewal")
			shell.ok(t, "records", "set", "contact/3", "renewal=2020-01-01")
		},
	} {
		run := s.enroll(t, "renewal", contact, map[string]string{"renewal": "2099-01-01"})
		s.arrives(t, run, "date")
		edit()
		var exit plan.Exit
		require.NoError(t, run.Get(t.Context(), &exit))
		require.Equal(t, plan.ExitEnded, exit.Reason, "contact/%s: the date is past now", contact)
	}
}

const task = `
-- workflows/call.yaml --
workflow: call
object: contact
actions:
  - {id: task, create_task: {title: "Call {{ contact.first_name }}", due: {in: 3d}}}
  - id: done
    delay_until_event: {event: task_completed, source: task}
    then:
      event: [{id: note, create_note: {body: "{{ actions.done.matched_event.title }}: done"}}]
`

// TestTheCompletionOfATaskWakesItsWorkflow completes a task at the command line.
func TestTheCompletionOfATaskWakesItsWorkflow(t *testing.T) {
	t.Parallel()
	s := newStage(t, task)
	s.work(t)
	shell := s.shell(t, "")
	run := s.enroll(t, "call", "1", map[string]string{"first_name": "Ada"})
	s.arrives(t, run, "done")
	shell.ok(t, "records", "set", "task/1", "status=completed")
	var exit plan.Exit
	require.NoError(t, run.Get(t.Context(), &exit))
	require.Equal(t, plan.Exit{Reason: plan.ExitCompleted, Node: "note"}, exit)
	note, err := s.Books.Get(t.Context(), ref("note/1"))
	require.NoError(t, err)
	require.Equal(t, "Call Ada: done", note.Properties["body"])
}

const handover = `
-- workflows/first.yaml --
workflow: first
object: contact
enroll: {again: each_event}
actions:
  - {id: hand, enroll_in_workflow: {workflow: second}}
  - {id: last, edit_record: {set: {city: "{{ actions.hand.enrollment_id }}"}}}
-- workflows/second.yaml --
workflow: second
object: contact
actions:
  - {id: wait, delay_until_event: {event: page_viewed}}
`

// TestEnrollInWorkflowOnARealServer hands contacts over, and says in the history why it could not.
func TestEnrollInWorkflowOnARealServer(t *testing.T) {
	t.Parallel()
	s := newStage(t, handover)
	s.work(t)
	hand := func(run client.WorkflowRun) string {
		t.Helper()
		var exit plan.Exit
		require.NoError(t, run.Get(t.Context(), &exit))
		require.Equal(t, plan.Exit{Reason: plan.ExitCompleted, Node: "last"}, exit)
		record, err := s.Books.Get(t.Context(), ref("contact/1"))
		require.NoError(t, err)
		return record.Properties["city"]
	}
	again := func() client.WorkflowRun {
		t.Helper()
		started, err := s.People.Start(t.Context(), enroll.Request{Workflow: "first", Record: ref("contact/1")})
		require.NoError(t, err)
		return s.GetWorkflow(t.Context(), started.WorkflowID, started.RunID)
	}
	require.Equal(t, "second/contact/1/1", hand(s.enroll(t, "first", "1", nil)), "it goes on at once, and knows the enrollment")
	inside := s.GetWorkflow(t.Context(), "enrollment/second/contact/1", "")
	s.arrives(t, inside, "wait")
	row, err := s.Books.Enrollment(t.Context(), "second/contact/1/1")
	require.NoError(t, err)
	require.Equal(t, "workflow first/contact/1/1/hand/1", row.Trigger)

	require.Empty(t, hand(again()))
	require.Contains(t, s.details(t, "first", "contact/1"), "already-enrolled: contact/1 is already in the workflow second")
	s.signalRaw(t, inside, plan.SignalEvent, `{"type":"page_viewed"}`)
	require.NoError(t, inside.Get(t.Context(), nil))
	require.Empty(t, hand(again()))
	require.Contains(t, s.details(t, "first", "contact/1"), "enrolled-before: the record was in this workflow before, and `again` is `never`")
	require.NoError(t, s.Books.SetSwitch(t.Context(), "second", plan.SwitchOff, time.Now()))
	require.Empty(t, hand(again()))
	require.Contains(t, s.details(t, "first", "contact/1"), "off: the workflow is switched off")
}

// details are what the journal of a record says.
func (s *stage) details(t *testing.T, workflow, record string) string {
	t.Helper()
	entries, err := s.Books.JournalOf(t.Context(), workflow, record)
	require.NoError(t, err)
	var details []string
	for _, entry := range entries {
		details = append(details, entry.Detail)
	}
	return strings.Join(details, "\n")
}

// TestEnrollingForAStepHappensOnce repeats the call that a crash cut at any of its points.
func TestEnrollingForAStepHappensOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, handover)
	_, err := s.Books.Create(t.Context(), ref("contact/1"), nil, time.Now(), "test")
	require.NoError(t, err)
	once := func(workflow, key string) (string, error) {
		return s.People.Once(t.Context(), enroll.Step{Workflow: workflow, Record: ref("contact/1"), Key: key, Now: time.Now()})
	}
	// Cut after the start and before anybody admitted it: no worker runs yet.
	started, err := s.People.Start(t.Context(), enroll.Request{Workflow: "second", Record: ref("contact/1"), Trigger: "workflow first/contact/1/1/hand/1"})
	require.NoError(t, err)
	id, err := once("second", "first/contact/1/1/hand/1")
	require.NoError(t, err)
	require.Equal(t, "second/contact/1/1", id)
	// Cut after it was admitted.
	id, err = once("second", "first/contact/1/1/hand/1")
	require.NoError(t, err)
	require.Equal(t, "second/contact/1/1", id)
	var refused *enroll.Refused
	_, err = once("second", "first/contact/1/2/hand/1")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "already-enrolled", refused.Reason, "another step")
	_, err = once("third", "first/contact/1/2/hand/1")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "no-workflow", refused.Reason)

	s.work(t)
	run := s.GetWorkflow(t.Context(), started.WorkflowID, started.RunID)
	s.arrives(t, run, "wait")
	s.signalRaw(t, run, plan.SignalEvent, `{"type":"page_viewed"}`)
	require.NoError(t, run.Get(t.Context(), nil))
	id, err = once("second", "first/contact/1/1/hand/1")
	require.NoError(t, err)
	require.Equal(t, "second/contact/1/1", id, "also when all of it is over")
	_, err = once("second", "first/contact/1/3/hand/1")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "enrolled-before", refused.Reason)
	_, again := once("second", "first/contact/1/3/hand/1")
	require.Equal(t, err, again, "refused once, refused the same")
	rows, err := s.Books.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: "second", Record: "contact/1"})
	require.NoError(t, err)
	require.Len(t, rows, 2, "one admitted, one refused")
	require.NoError(t, s.run(t, "second", "contact/1").Get(t.Context(), nil), "who was refused is gone from Temporal too")
	forced := enroll.Step{Workflow: "second", Record: ref("contact/1"), Key: "first/contact/1/4/hand/1", Force: true, Now: time.Now()}
	for range 2 {
		id, err = s.People.Once(t.Context(), forced)
		require.NoError(t, err)
		require.Equal(t, "second/contact/1/2", id, "by force, and once")
	}
}
