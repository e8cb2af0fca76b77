package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

var ref = crm.Ref{Object: "contact", ID: "51"}

func TestRecords(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	var record shownRecord
	term.run("records", "set", "contact/51", "email=a=b@example.com", "first_name=Ada", "employees=40", "-o", "json").succeeds().decode(&record)
	require.Equal(t, "contact/51", record.Record)
	require.Equal(t, map[string]any{"email": "a=b@example.com", "first_name": "Ada", "employees": 40.0}, record.Properties)
	require.Regexp(t, `(?m)^email +a=b@example.com$`, term.run("records", "get", "contact/51").succeeds().stdout)

	term.run("records", "set", "contact/51", "first_name=", "employees=many").fails(1, "property employees")
	term.run("records", "set", "contact/51", "emial=x").fails(1, `contact has no property "emial": did you mean "email"?`)
	term.run("records", "set", "contact/51", "email").fails(2, `"email" is not of the form PROPERTY=VALUE`)
	term.run("records", "set", "contact/51", "first_name=").succeeds()
	term.run("records", "get", "contact/51", "-o", "json").succeeds().decode(&record)
	term.run("records", "get", "contact/52").fails(1, "there is no record contact/52")

	term.run("records", "set", "contact/9", "email=bo@example.com").succeeds()
	var records []shownRecord
	term.run("records", "list", "contact", "-o", "json").succeeds().decode(&records)
	require.Len(t, records, 2)
	require.Equal(t, "contact/9", records[0].Record)
	term.run("records", "list", "contact", "--after", "9", "--limit", "5", "-o", "json").succeeds().decode(&records)
	require.Len(t, records, 1)
	term.run("records", "list", "contakt").fails(1, `there is no object "contakt": did you mean "contact"?`)

	var changed changedRecord
	term.run("records", "delete", "contact/51", "-o", "json").succeeds().decode(&changed)
	require.Equal(t, changedRecord{"contact/51", true}, changed)
	term.run("records", "get", "contact/51").fails(1, "is deleted: `millrace records restore contact/51` brings it back")
	term.run("records", "set", "contact/51", "first_name=Ada").fails(1, "is deleted")
	term.run("records", "restore", "contact/51").succeeds()
	term.run("records", "get", "contact/51").succeeds()
	term.run("records", "restore", "contact/52").fails(1, "there is no record contact/52, deleted or not")
}

func TestARecordChangesThoughItsWorkflowsCannotBeTold(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	result := term.run("records", "set", "contact/51", "first_name=Ada").succeeds()
	require.Contains(t, result.stderr, "the workflows that contact/51 is in could not be told: cannot reach a Temporal server")
	result = term.run("records", "delete", "contact/51").succeeds()
	require.Contains(t, result.stderr, "could not be told")
}

func TestEnrollKnowsWorkflowAndSwitch(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("enroll", "trial-nurtur", "contact/51").fails(1, `no workflow "trial-nurtur" was published: did you mean "trial-nurture"?`)
	term.run("enroll", "zzz", "contact/51").fails(1, `published are trial-nurture`)
	term.run("enroll", "trial-nurture", "--file", "missing.csv").fails(1, "reading the records of missing.csv")
	require.NoError(t, term.store().SetSwitch(t.Context(), "trial-nurture", plan.SwitchOff, time.Now()))
	term.run("enroll", "trial-nurture", "contact/51").fails(1, "admits nobody: the workflow is switched off")
}

func TestWhoIsAdmitted(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	opened := inside(term)
	require.NoError(t, admitted(t.Context(), term.store(), enroll.Started{WorkflowID: opened.WorkflowID, RunID: opened.FirstRun}))
	refused := plan.Enrollment{Workflow: opened.Workflow, Record: "contact/52", WorkflowID: "w", FirstRun: "r", Detail: "suppressed: it matches", Started: time.Now()}
	require.NoError(t, term.store().RefuseEnrollment(t.Context(), refused))
	err := admitted(t.Context(), term.store(), enroll.Started{WorkflowID: "w", RunID: "r"})
	require.EqualError(t, err, "contact/52 was not admitted: suppressed: it matches")
}

func TestLists(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("records", "set", "contact/51", "email=ada@example.com").succeeds()
	var changes []changedMember
	term.run("lists", "add", "friends", "contact/51", "-o", "json").succeeds().decode(&changes)
	require.Equal(t, []changedMember{{"contact/51", true}}, changes)
	require.Regexp(t, `contact/51 +was so already`, term.run("lists", "add", "friends", "contact/51").succeeds().stdout)
	term.run("lists", "add", "friends", "contact/52").fails(1, "not found")
	require.Equal(t, "contact/51\n", term.run("lists", "show", "friends").succeeds().stdout)
	require.Equal(t, "1\n", term.run("lists", "count", "friends").succeeds().stdout)
	require.Regexp(t, `(?m)^friends +static +1$`, term.run("lists", "list").succeeds().stdout)
	term.run("lists", "remove", "friends", "contact/51").succeeds()
	require.Empty(t, term.run("lists", "show", "friends").succeeds().stdout)
	term.run("lists", "show", "enemies").fails(1, `there is no list "enemies"`)
	term.run("lists", "count", "enemies").fails(1, `there is no list "enemies"`)
}

func TestRecordsOfAFile(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	read := func(content string) ([]crm.Ref, []enrolled, error) {
		term.Stdin = content
		a, _, _ := term.app()
		return a.recordsFrom("-", "contact")
	}
	refs, bad, err := read("\uFEFFid,name\n51,Ada\n\n contact/52 ,\"Bo, the second\"\n")
	require.NoError(t, err)
	require.Equal(t, []crm.Ref{{Object: "contact", ID: "51"}, {Object: "contact", ID: "52"}}, refs)
	require.Empty(t, bad)
	refs, bad, err = read("51\nfifty two\n5\"3\n54\n\"55\n")
	require.NoError(t, err)
	require.Equal(t, []crm.Ref{{Object: "contact", ID: "51"}, {Object: "contact", ID: "54"}}, refs, "the others go on")
	require.Equal(t, []enrolled{
		{Record: "contact/fifty two", Error: `line 2 of -: "contact/fifty two" is not a record: write OBJECT/ID, as in contact/51`},
		{Error: `line 3 of -: bare " in non-quoted-field`},
		{Error: `line 5 of -: extraneous or missing " in quoted-field`},
	}, bad)
}

func TestEvent(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	var got enroll.Delivered
	args := []string{"event", "page_viewed", "--record", "contact/51", "--data", `{"url":"/pricing"}`, "--id", "a", "--at", "2026-03-01T10:00:00+01:00", "-o", "json"}
	first := term.run(args...).succeeds()
	require.Equal(t, "there is no record contact/51 yet\n", first.stderr)
	first.decode(&got)
	require.Equal(t, enroll.Delivered{ID: "a", Woke: []string{}}, got)
	term.run(args...).succeeds().decode(&got)
	require.True(t, got.Duplicate)
	events, err := term.store().EventsOf(t.Context(), ref, 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), events[0].At)
	require.Equal(t, map[string]any{"url": "/pricing"}, events[0].Properties)

	term.run("records", "set", "contact/51", "first_name=Ada").succeeds()
	known := term.run("event", "page_viewed", "--record", "contact/51", "--id", "b").succeeds()
	require.Empty(t, known.stderr)
	require.Equal(t, "b: stored, 0 enrollments waiting for it\n", known.stdout)
}

func TestAnEventIsStoredWhileTemporalIsAway(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.run("event", "email_opened", "--record", "contact/51").succeeds()
	events, err := term.store().EventsOf(t.Context(), ref, 0)
	require.NoError(t, err)
	require.Len(t, events, 1, "whoever waits is woken when everything runs again")
}

func TestEnrollments(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	opened := inside(term)
	var got []plan.Enrollment
	term.run("enrollments", "trial-nurture", "-o", "json").succeeds().decode(&got)
	require.Len(t, got, 1)
	require.Equal(t, opened.ID, got[0].ID)
	shown := term.run("enrollments", "trial-nurture", "--at", "opened").succeeds().stdout
	require.Regexp(t, `contact/51  waits for email_opened  opened  2027-03-01 10:00:00 CET  2027-03-04 10:00:00 CET`, shown)
	term.run("enrollments", "trial-nurture", "--at", "opend").fails(1, `has no action "opend": did you mean "opened"?`)

	require.NoError(t, term.store().CloseEnrollment(t.Context(), opened.ID, plan.Exit{Reason: plan.ExitCompleted, Node: "offer"}, time.Now()))
	term.run("enrollments", "trial-nurture", "-o", "json").succeeds().decode(&got)
	require.Empty(t, got)
	require.Regexp(t, `contact/51  completed  offer`, term.run("enrollments", "trial-nurture", "--all").succeeds().stdout)
}

func TestWhy(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	var got enroll.Why
	term.run("why", "trial-nurture", "contact/51", "-o", "json").succeeds().decode(&got)
	require.Equal(t, "never", got.State)
	opened := inside(term)
	term.run("why", "trial-nurture", "contact/51").fails(1, "cannot reach a Temporal server")
	require.NoError(t, term.store().CloseEnrollment(t.Context(), opened.ID, plan.Exit{Reason: plan.ExitGoalMet, Node: "opened"}, time.Now()))
	term.run("why", "trial-nurture", "contact/51", "-o", "json").succeeds().decode(&got)
	require.Equal(t, plan.ExitGoalMet, got.State)
	shown := term.run("why", "trial-nurture", "contact/51").succeeds().stdout
	require.Contains(t, shown, "goal met")
	require.Contains(t, shown, "Wait for the first open (opened)")
	term.run("why", "trial-nurtur", "contact/51").fails(1, `did you mean "trial-nurture"?`)
}

func TestHistory(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	require.Equal(t, "[]\n", term.run("history", "trial-nurture", "contact/51", "-o", "json").succeeds().stdout)
	require.Equal(t, "contact/51 was never in trial-nurture\n", term.run("history", "trial-nurture", "contact/51").succeeds().stdout)
	opened := inside(term)
	at := opened.Started
	entry := func(node, visit, event string) plan.Entry {
		key := opened.ID
		if node != "" {
			key += "/" + node + "/" + visit
		}
		return plan.Entry{Enrollment: opened.ID, Key: key, At: at, Node: node, Event: event, Phase: event}
	}
	require.NoError(t, term.store().WriteJournal(t.Context(),
		entry("", "", plan.JournalEnrolled),
		entry("welcome", "1", plan.JournalStarted), entry("welcome", "1", plan.JournalSucceeded),
		entry("week", "1", plan.JournalDelayStarted), entry("welcome", "2", plan.JournalSucceeded), entry("week", "1", plan.JournalDelayEnded),
		plan.Entry{Enrollment: opened.ID, Key: opened.ID, At: at, Node: "week", Event: plan.JournalUnenrolled, Detail: "by\nphone"},
	))
	var got []historyEntry
	term.run("history", "trial-nurture", "contact/51", "-o", "json").succeeds().decode(&got)
	var steps []int
	for _, line := range got {
		steps = append(steps, line.Step)
	}
	require.Equal(t, []int{0, 1, 1, 2, 3, 2, 0}, steps)
	require.Equal(t, historyEntry{At: at, Step: 1, Node: "welcome", Event: plan.JournalSucceeded}, got[2])
	shown := term.run("history", "trial-nurture", "contact/51").succeeds().stdout
	require.Regexp(t, `2027-03-01 10:00:00 CET  1     welcome  action succeeded`, shown)
	require.Contains(t, shown, "by phone")
}

func TestHistoryIsSavedBeforeItGoes(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	opened := inside(term)
	key := opened.ID + "/welcome/1"
	require.NoError(t, term.store().WriteJournal(t.Context(),
		plan.Entry{Enrollment: opened.ID, At: opened.Started, Event: plan.JournalEnrolled},
		plan.Entry{Enrollment: opened.ID, Key: key, At: opened.Started, Node: "welcome", Event: plan.JournalSucceeded},
		plan.Entry{Enrollment: opened.ID, Key: key, At: opened.Started.AddDate(0, 0, 1), Node: "welcome", Event: plan.JournalWarning},
	))
	exported := term.run("history", "--export", "-", "--before", "2027-03-02").succeeds().stdout
	require.Equal(t, 2, strings.Count(exported, "\n"))
	var entry plan.Entry
	require.NoError(t, json.Unmarshal([]byte(strings.SplitN(exported, "\n", 3)[1]), &entry))
	require.Equal(t, key, entry.Key)
	term.run("history", "--export", "saved.jsonl").succeeds()
	term.run("history", "--export", "saved.jsonl").fails(1, "file exists")
	term.run("history", "--export", "-", "--before", "yesterday").fails(2, "yesterday")
	term.run("history", "trial-nurture").fails(2, "needs WORKFLOW RECORD or --export")
}

func TestPrune(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	long := time.Now().AddDate(-1, 0, 0)
	opened := inside(term)
	require.NoError(t, term.store().AddMessage(t.Context(), plan.Message{Key: "k", At: long, Channel: "email"}))
	require.NoError(t, term.store().WriteJournal(t.Context(), plan.Entry{Enrollment: "trial-nurture/contact/9/1", Key: "trial-nurture/contact/9/1/a/1", At: long, Event: plan.JournalSucceeded}))
	require.NoError(t, term.store().CloseEnrollment(t.Context(), opened.ID, plan.Exit{Reason: plan.ExitCompleted}, long))
	settings, err := os.ReadFile(filepath.Join(term.Folder, "millrace.yaml"))
	require.NoError(t, err)
	term.write("millrace.yaml", string(settings)+"retention: {actions: 366d}\n")
	term.run("push").succeeds()
	require.Equal(t, "removed: nothing\n", term.run("prune").succeeds().stdout, "nothing goes before what rests on it")
	term.write("millrace.yaml", string(settings)+"retention: {enrollments: 200d}\n")
	term.run("push").succeeds()
	var got prunedThings
	term.run("prune", "-o", "json").succeeds().decode(&got)
	require.Equal(t, map[string]int64{"actions": 1, "outbox": 1, "enrollments": 1}, got.Removed)
	term.write("millrace.yaml", string(settings)+"retention: {actions: -1d}\n")
	require.Contains(t, term.run("check").stderr+term.run("check").stdout, "a duration cannot be negative here")
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	require.Equal(t, "[]\n", term.run("outbox", "-o", "json").succeeds().stdout)
	message := plan.Message{Key: "k", At: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC), Channel: "email", To: "ada@example.com", Subject: "Hello <Ada>", Body: "How are\x1b you?\n"}
	require.NoError(t, term.store().AddMessage(t.Context(), message))
	var got []plan.Message
	result := term.run("outbox", "-o", "json").succeeds()
	result.decode(&got)
	require.Equal(t, []plan.Message{message}, got)
	require.Contains(t, result.stdout, "Hello <Ada>")
	require.Regexp(t, `2027-03-01 10:00:00 CET  email    ada@example.com  Hello <Ada>`, term.run("outbox").succeeds().stdout)
	body := term.run("outbox", "--body").succeeds().stdout
	require.Contains(t, body, "How are")
	require.NotContains(t, body, "\x1b")
}
