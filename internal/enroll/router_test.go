package enroll_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

// junction is a store with workflows and a router of which only the decisions are seen.
type junction struct {
	*store.Store
	t      *testing.T
	now    time.Time
	router enroll.Router
	runs   int
}

// newJunction publishes workflows: rules by id, about contacts.
func newJunction(t *testing.T, rules map[string]*plan.Rules) *junction {
	t.Helper()
	books, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, books.Close()) })
	j := &junction{Store: books, t: t, now: now}
	j.router = enroll.Router{Client: enroll.Client{Store: books, Now: func() time.Time { return j.now }}}
	j.publish(rules, false)
	return j
}

func (j *junction) publish(rules map[string]*plan.Rules, existing bool) store.Published {
	j.t.Helper()
	publication := store.Publication{At: j.now, Account: json.RawMessage(`{"time_zone":"UTC"}`), EnrollExisting: existing}
	for id, rule := range rules {
		text, err := json.Marshal(rule)
		require.NoError(j.t, err)
		publication.Definitions = append(publication.Definitions, plan.Revision{
			Workflow: id, On: true, Plan: &plan.Plan{Workflow: id, Object: "contact", Hash: id + string(text), Rules: rule},
		})
	}
	published, err := j.Publish(j.t.Context(), publication)
	require.NoError(j.t, err)
	return published
}

// contact makes a contact of properties such as "city=Rome".
func (j *junction) contact(id string, values ...string) crm.Ref {
	j.t.Helper()
	ref := crm.Ref{Object: "contact", ID: id}
	_, err := j.Create(j.t.Context(), ref, pairs(values), j.now, "test")
	require.NoError(j.t, err)
	return ref
}

func (j *junction) set(ref crm.Ref, values ...string) {
	j.t.Helper()
	require.NoError(j.t, j.Update(j.t.Context(), ref, pairs(values), j.now, "test"))
}

func pairs(values []string) map[string]string {
	read := map[string]string{}
	for _, pair := range values {
		name, value, _ := strings.Cut(pair, "=")
		read[name] = value
	}
	return read
}

func (j *junction) event(ref crm.Ref, kind string, properties map[string]any) {
	j.t.Helper()
	_, _, err := j.AddEvent(j.t.Context(), plan.Event{Type: kind, Record: ref.String(), At: j.now, Properties: properties})
	require.NoError(j.t, err)
}

// follows is what the router decides now, a line for each: "enroll welcome contact/1 filter".
func (j *junction) follows() []string {
	j.t.Helper()
	for {
		count, err := j.router.Decide(j.t.Context())
		require.NoError(j.t, err)
		if count == 0 {
			break
		}
	}
	lines := []string{}
	for _, intent := range j.intents() {
		line := fmt.Sprintf("%s %s %s %s", intent.Act, intent.Workflow, intent.Record, intent.Way+intent.Reason)
		if intent.Act != plan.ActSchedule {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	j.done()
	return lines
}

func (j *junction) intents() []plan.Intent {
	j.t.Helper()
	intents, err := j.Intents(j.t.Context(), j.now, 1000)
	require.NoError(j.t, err)
	many, err := j.Many(j.t.Context(), 0, 0, j.now, 1000)
	require.NoError(j.t, err)
	return append(intents, many...)
}

func (j *junction) done() {
	j.t.Helper()
	var done []store.Done
	for _, intent := range j.intents() {
		done = append(done, store.Done{Intent: intent})
	}
	require.NoError(j.t, j.Finish(j.t.Context(), done, j.now))
}

// enter puts a record into a workflow, as its enrollment does.
func (j *junction) enter(workflow string, ref crm.Ref, trigger string) plan.Admission {
	j.t.Helper()
	j.runs++
	admission, err := (&enroll.Activities{Store: j.Store}).Admit(j.t.Context(), plan.AdmitRequest{
		WorkflowID: plan.WorkflowID(workflow, ref.String()), FirstRun: fmt.Sprint(j.runs), Workflow: workflow, Record: ref.String(), Trigger: trigger, Now: j.now,
	})
	require.NoError(j.t, err)
	return admission
}

func (j *junction) leave(workflow string, ref crm.Ref, reason string) {
	j.t.Helper()
	last, found, err := j.LastEnrollment(j.t.Context(), workflow, ref.String())
	require.NoError(j.t, err)
	require.True(j.t, found)
	require.NoError(j.t, j.CloseEnrollment(j.t.Context(), last.ID, plan.Exit{Reason: reason}, j.now))
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

const customer = `{"property":"stage","is":"customer"}`

func TestFilterEnrollsWhoStartsToMatch(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":` + customer + `}`)}})
	ada := j.contact("1", "stage=lead")
	bo := j.contact("2", "stage=customer")
	require.Equal(t, []string{"enroll w contact/2 filter"}, j.follows(), "a new record starts to match")
	j.set(ada, "stage=customer")
	require.Equal(t, []string{"enroll w contact/1 filter"}, j.follows())
	j.set(ada, "city=Rome")
	j.set(bo, "stage=customer", "city=Rome")
	require.Empty(t, j.follows(), "who goes on matching does not start to")
	j.set(bo, "stage=lead")
	j.follows()
	j.set(bo, "stage=customer")
	require.Equal(t, []string{"enroll w contact/2 filter"}, j.follows(), "was not admitted the first time, and starts again")
}

func TestExistingRecordsEnterOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for existing, wanted := range map[bool][]string{false: {}, true: {"enroll w contact/1 existing"}} {
		j := newJunction(t, nil)
		ada := j.contact("1", "stage=customer")
		bo := j.contact("2", "stage=lead")
		published := j.publish(map[string]*plan.Rules{"w": {Enroll: raw(`{"when":` + customer + `}`)}}, existing)
		require.Equal(t, map[string]int{"w": 1}, published.Existing)
		require.Equal(t, wanted, j.follows())
		j.set(ada, "city=Rome")
		require.Empty(t, j.follows(), "who matched before and goes on matching is never enrolled")
		j.set(bo, "stage=customer")
		require.Equal(t, []string{"enroll w contact/2 filter"}, j.follows(), "later matches enter either way")
	}
}

func TestSwitchedOnAgainWatchesFromThen(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":` + customer + `}`)}, "e": {Enroll: raw(`{"on":[{"event":"page_viewed"}]}`)}})
	ada := j.contact("1")
	j.follows()
	for _, w := range []string{"w", "e"} {
		require.NoError(t, j.SetSwitch(t.Context(), w, plan.SwitchOff, j.now))
	}
	j.set(ada, "stage=customer")
	j.event(ada, "page_viewed", nil)
	for _, w := range []string{"w", "e"} {
		require.NoError(t, j.SetSwitch(t.Context(), w, plan.SwitchOn, j.now))
	}
	require.Empty(t, j.follows(), "what happened while it was off enrolls nobody")
	j.event(ada, "page_viewed", nil)
	require.Equal(t, []string{"enroll e contact/1 event"}, j.follows())
}

func TestEventEnrollsOnceWhenItsRefinementHolds(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {
		Enroll: raw(`{"on":[{"event":"form_submitted","where":{"property":"form_id","is":"trial"}},{"event":"page_viewed"}],"if":{"property":"email","known":true}}`),
		Again:  raw(`"each_event"`),
	}})
	ada, bo := j.contact("1", "email=ada@example.com"), j.contact("2")
	j.follows()
	j.event(ada, "form_submitted", map[string]any{"form_id": "other"})
	j.event(bo, "page_viewed", nil)
	require.Empty(t, j.follows())
	j.set(bo, "email=bo@example.com")
	require.Empty(t, j.follows(), "the condition has to hold at the instant of the event")
	j.event(ada, "form_submitted", map[string]any{"form_id": "trial"})
	require.Equal(t, []string{"enroll w contact/1 event"}, j.follows())
	require.Empty(t, j.follows(), "an event is decided about once")
	require.NotEmpty(t, j.enter("w", ada, "").Enrollment)
	j.event(ada, "page_viewed", nil)
	require.Empty(t, j.follows(), "who is inside is not enrolled")
	j.leave("w", ada, plan.ExitCompleted)
	j.event(ada, "page_viewed", nil)
	require.Equal(t, []string{"enroll w contact/1 event"}, j.follows(), "each event anew")
}

func TestEventFromBeforeTheRecordEnrollsNobody(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"on":[{"event":"page_viewed"}]}`)}})
	ada := crm.Ref{Object: "contact", ID: "1"}
	j.event(ada, "page_viewed", nil)
	j.now = j.now.Add(time.Minute)
	j.contact("1")
	require.Empty(t, j.follows())
	j.event(ada, "page_viewed", nil)
	require.Equal(t, []string{"enroll w contact/1 event"}, j.follows())
}

func TestChangesOfPropertiesAndNewRecordsAreEvents(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{
		"made":  {Enroll: raw(`{"on":[{"event":"record_created"}]}`)},
		"moved": {Enroll: raw(`{"on":[{"event":"property_changed:city","where":{"property":"value","is":"Rome"}}]}`)},
		"after": {Enroll: raw(`{"on":[{"event":"workflow_goal_met","where":{"property":"workflow","is":"made"}}]}`)},
	})
	ada := j.contact("1", "city=Oslo")
	require.Equal(t, []string{"enroll made contact/1 event"}, j.follows())
	j.set(ada, "city=Rome")
	require.Equal(t, []string{"enroll moved contact/1 event"}, j.follows())
	j.enter("made", ada, "")
	j.leave("made", ada, plan.ExitGoalMet)
	require.Equal(t, []string{"enroll after contact/1 event"}, j.follows())
}

func TestAssociatedRecordsMakeAFilterMatch(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":{"associated":"company","where":{"property":"employees","gt":100}}}`)}})
	ctx := t.Context()
	ada, bo := j.contact("1"), j.contact("2")
	acme := crm.Ref{Object: "company", ID: "7"}
	_, err := j.Create(ctx, acme, map[string]string{"employees": "5"}, j.now, "")
	require.NoError(t, err)
	require.NoError(t, j.Associate(ctx, ada, acme, "", false, j.now))
	require.Empty(t, j.follows())
	j.set(acme, "employees=500")
	require.Equal(t, []string{"enroll w contact/1 filter"}, j.follows())
	require.NoError(t, j.Associate(ctx, bo, acme, "", false, j.now))
	require.Equal(t, []string{"enroll w contact/2 filter"}, j.follows())
}

func TestListsMakeAFilterMatch(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":{"list":"vip"}}`), Again: raw(`[{"list":"vip"}]`)}})
	ctx := t.Context()
	ada := j.contact("1")
	on := func() { _, err := j.AddToList(ctx, "vip", ada, j.now); require.NoError(t, err) }
	on()
	require.Equal(t, []string{"enroll w contact/1 filter"}, j.follows())
	j.enter("w", ada, "")
	j.leave("w", ada, plan.ExitCompleted)
	on()
	require.Empty(t, j.follows(), "who stays on a list does not come on it")
	_, err := j.RemoveFromList(ctx, "vip", ada)
	require.NoError(t, err)
	require.Empty(t, j.follows())
	on()
	require.Equal(t, []string{"enroll w contact/1 again"}, j.follows(), "who leaves it and comes back does")
}

func TestFilterOfTimeIsLookedAtWhenItsTimeComes(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":{"property":"renewal","within_next":"3d"}}`)}})
	j.contact("1", "renewal=2027-03-10")
	require.Empty(t, j.follows())
	j.now = time.Date(2027, 3, 6, 23, 59, 0, 0, time.UTC)
	require.Empty(t, j.follows())
	j.now = time.Date(2027, 3, 7, 0, 0, 1, 0, time.UTC)
	require.Equal(t, []string{"enroll w contact/1 filter"}, j.follows())
	j.now = time.Date(2027, 4, 1, 0, 0, 1, 0, time.UTC)
	require.Empty(t, j.follows())
}

func TestReEnrollmentTriggers(t *testing.T) {
	t.Parallel()
	rules := &plan.Rules{
		Enroll: raw(`{"when":` + customer + `}`),
		Again:  raw(`[{"property":"renewal","known":true},{"event":"form_submitted","where":{"property":"form_id","is":"trial"},"within":"1d","at_least":3}]`),
	}
	j := newJunction(t, map[string]*plan.Rules{"w": rules})
	ada := j.contact("1", "stage=customer")
	j.follows()
	j.set(ada, "renewal=2027-05-01")
	require.Empty(t, j.follows(), "a re-enrollment trigger is no enrollment trigger")
	require.NotEmpty(t, j.enter("w", ada, "").Enrollment)
	j.set(ada, "renewal=2027-05-02")
	require.Empty(t, j.follows(), "a match while the record is inside is lost")
	j.leave("w", ada, plan.ExitCompleted)
	require.Empty(t, j.follows())
	j.set(ada, "renewal=2027-05-03")
	require.Equal(t, []string{"enroll w contact/1 again"}, j.follows(), "known fires on each change")
	j.set(ada, "renewal=")
	require.Empty(t, j.follows(), "not when the value goes")
	j.event(ada, "form_submitted", map[string]any{"form_id": "other"})
	require.Empty(t, j.follows())
	j.event(ada, "form_submitted", map[string]any{"form_id": "trial"})
	require.Equal(t, []string{"enroll w contact/1 again"}, j.follows(), "date and count are ignored")
	j.set(ada, "stage=lead")
	j.event(ada, "form_submitted", map[string]any{"form_id": "trial"})
	require.Empty(t, j.follows(), "the initial trigger has to hold")
}

func TestAdmissionKnowsWhatEnrolls(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":` + customer + `}`), Again: raw(`[{"property":"renewal","known":true}]`)}})
	ada := j.contact("1", "stage=customer")
	_, err := j.router.Decide(t.Context())
	require.NoError(t, err)
	trigger := ""
	for _, intent := range j.intents() {
		if intent.Act == plan.ActEnroll {
			trigger = intent.Trigger
		}
	}
	require.NotEmpty(t, j.enter("w", ada, trigger).Enrollment)
	j.leave("w", ada, plan.ExitCompleted)
	require.Equal(t, "enrolled-before", j.enter("w", ada, trigger).Refused, "only the triggers that were chosen re-enroll")
	require.NotEmpty(t, j.enter("w", ada, "filter 999").Enrollment, "what our books do not know is a hand's, and that may")
}

func TestWhoIsInsideLeavesWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{
		"goal":     {Goal: raw(customer)},
		"suppress": {Suppress: raw(`{"list":"do-not-contact"}`)},
		"leave":    {Enroll: raw(`{"when":{"property":"city","is":"Rome"}}`), LeaveOnMiss: true},
		"other":    {},
		"remover":  {Enroll: raw(`{"remove_from":["other"]}`)},
	})
	ada := j.contact("1", "city=Rome")
	for _, w := range []string{"goal", "suppress", "leave", "other"} {
		require.NotEmpty(t, j.enter(w, ada, "").Enrollment, w)
	}
	j.follows()
	j.set(ada, "name=Ada")
	require.Empty(t, j.follows())
	j.set(ada, "stage=customer")
	require.Equal(t, []string{"unenroll goal contact/1 goal_met"}, j.follows())
	_, err := j.AddToList(t.Context(), "do-not-contact", ada, j.now)
	require.NoError(t, err)
	require.Equal(t, []string{"unenroll suppress contact/1 suppressed"}, j.follows())
	j.set(ada, "city=Oslo")
	require.Equal(t, []string{"unenroll leave contact/1 unenrolled"}, j.follows())
	j.enter("remover", ada, "")
	require.Equal(t, []string{"unenroll other contact/1 removed"}, j.follows())
}

// TestWhoFinishesByAnEarlierRevisionLeavesByItsRules publishes other rules for those who come later.
func TestWhoFinishesByAnEarlierRevisionLeavesByItsRules(t *testing.T) {
	t.Parallel()
	rome := &plan.Rules{Enroll: raw(`{"when":{"property":"city","is":"Rome"}}`), LeaveOnMiss: true}
	j := newJunction(t, map[string]*plan.Rules{"goal": {Goal: raw(customer)}, "suppress": {Suppress: raw(`{"list":"do-not-contact"}`)}, "leave": rome})
	ada, bob := j.contact("1", "city=Rome"), j.contact("2", "city=Rome")
	workflows := []string{"goal", "suppress", "leave"}
	for _, w := range workflows {
		require.NotEmpty(t, j.enter(w, ada, "").Enrollment, w)
	}
	j.follows()
	lead := raw(`{"property":"stage","is":"lead"}`)
	later := store.Publication{At: j.now, Account: json.RawMessage(`{"time_zone":"UTC"}`)}
	for id, rules := range map[string]*plan.Rules{"goal": {Goal: lead}, "suppress": {Suppress: lead}, "leave": {Enroll: rome.Enroll}} {
		later.Definitions = append(later.Definitions, plan.Revision{
			Workflow: id, On: true, InFlight: plan.InFlightPin, Plan: &plan.Plan{Workflow: id, Object: "contact", Hash: id + " later", Rules: rules},
		})
	}
	_, err := j.Publish(t.Context(), later)
	require.NoError(t, err)
	for _, w := range workflows {
		require.NotEmpty(t, j.enter(w, bob, "").Enrollment, w)
	}
	j.follows()
	j.set(ada, "stage=lead")
	require.Empty(t, j.follows(), "who is pinned knows of no other rules")
	j.set(ada, "stage=customer", "city=Oslo")
	_, err = j.AddToList(t.Context(), "do-not-contact", ada, j.now)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"unenroll goal contact/1 goal_met", "unenroll leave contact/1 unenrolled", "unenroll suppress contact/1 suppressed"}, j.follows())
	j.set(bob, "stage=customer", "city=Oslo")
	require.Empty(t, j.follows())
	j.set(bob, "stage=lead")
	require.ElementsMatch(t, []string{"unenroll goal contact/2 goal_met", "unenroll suppress contact/2 suppressed"}, j.follows())
}

func TestEnteringTakesOutOfNamedWorkflowsOrOfAll(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{
		"cold": {}, "warm": {}, "named": {Enroll: raw(`{"remove_from":["cold"]}`)}, "alone": {Enroll: raw(`{"remove_from":"all"}`)},
	})
	ada, bob := j.contact("1"), j.contact("2")
	for _, w := range []string{"cold", "warm"} {
		j.enter(w, ada, "")
		j.enter(w, bob, "")
	}
	require.Empty(t, j.follows())
	j.enter("named", ada, "")
	require.Equal(t, []string{"unenroll cold contact/1 removed"}, j.follows(), "Ada stays in what is not named, and others where they are")
	j.leave("cold", ada, plan.ExitRemoved)
	j.enter("alone", ada, "")
	require.ElementsMatch(t, []string{"unenroll warm contact/1 removed", "unenroll named contact/1 removed"}, j.follows(), "but not out of itself")
}

func TestWhoIsMergedAwayLeavesEverything(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {}, "other": {}})
	keep, lose := j.contact("1"), j.contact("2")
	j.enter("w", keep, "")
	j.enter("w", lose, "")
	j.enter("other", lose, "")
	j.follows()
	require.NoError(t, j.Merge(t.Context(), keep, lose, j.now, "test"))
	require.ElementsMatch(t, []string{"unenroll w contact/2 merged", "unenroll other contact/2 merged"}, j.follows(), "who is kept stays")
}

func TestDeletedLeavesEverythingAndRestoredResumesNothing(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":` + customer + `}`), Again: raw(`"each_event"`)}})
	ada := j.contact("1", "stage=customer")
	j.follows()
	j.enter("w", ada, "")
	require.NoError(t, j.Delete(t.Context(), ada, j.now))
	require.Equal(t, []string{"unenroll w contact/1 deleted"}, j.follows())
	j.leave("w", ada, plan.ExitDeleted)
	require.NoError(t, j.Restore(t.Context(), ada))
	require.Empty(t, j.follows())
	j.set(ada, "city=Rome")
	require.Empty(t, j.follows(), "it matches, and does not start to")
}

func TestMergeEnrollsNobody(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":` + customer + `}`)}})
	ada := j.contact("1")
	j.follows()
	require.NoError(t, j.Update(crm.WithCause(t.Context(), crm.CauseMerge), ada, map[string]string{"stage": "customer"}, j.now, "merge"))
	require.Empty(t, j.follows())
}

func TestGoalThatIsMetAfterwardsCounts(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Goal: raw(customer)}})
	converted := func(ref crm.Ref) bool {
		last, _, err := j.LastEnrollment(t.Context(), "w", ref.String())
		require.NoError(t, err)
		return !last.Converted.IsZero()
	}
	ada, bo, cy := j.contact("1"), j.contact("2"), j.contact("3")
	for _, ref := range []crm.Ref{ada, bo, cy} {
		j.enter("w", ref, "")
	}
	j.leave("w", ada, plan.ExitCompleted)
	j.leave("w", bo, plan.ExitUnenrolled)
	j.leave("w", cy, plan.ExitGoalMet)
	for _, ref := range []crm.Ref{ada, bo, cy} {
		j.set(ref, "stage=customer")
	}
	require.Empty(t, j.follows())
	require.True(t, converted(ada), "met after the workflow")
	require.False(t, converted(bo), "taken out by hand")
	require.True(t, converted(cy), "met inside")
}

func TestWorkflowsThatSetEachOtherOffAreCut(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"on":[{"event":"property_changed:n"}]}`), Again: raw(`"each_event"`)}})
	ada := j.contact("1")
	j.follows()
	cause, refused := "", ""
	for n := 0; n < 50 && refused == ""; n++ {
		require.NoError(t, j.Update(crm.WithCause(t.Context(), cause), ada, map[string]string{"n": fmt.Sprint(n)}, j.now, cause))
		_, err := j.router.Decide(t.Context())
		require.NoError(t, err)
		for _, intent := range j.intents() {
			if intent.Act != plan.ActEnroll {
				continue
			}
			admission := j.enter("w", ada, intent.Trigger)
			if refused = admission.Refused; refused == "" {
				cause = admission.Enrollment + "/edit/1"
				j.leave("w", ada, plan.ExitCompleted)
			}
		}
		j.done()
	}
	require.Equal(t, "loop", refused)
}

func TestWaitsAreToldOnce(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {}})
	ada := j.contact("1")
	admission := j.enter("w", ada, "")
	j.follows()
	wait := func(awaits string) {
		require.NoError(t, j.Stand(t.Context(), plan.Standing{Enrollment: admission.Enrollment, Node: "n", Awaits: awaits}))
	}
	wait("email_opened")
	j.event(ada, "page_viewed", nil)
	require.Empty(t, j.follows())
	j.event(ada, "email_opened", nil)
	require.Equal(t, []string{"event w contact/1"}, j.follows())
	wait(plan.ChangeOf("city"))
	j.set(ada, "name=Ada")
	require.Empty(t, j.follows())
	j.set(ada, "city=Rome")
	require.Equal(t, []string{"changed w contact/1"}, j.follows())
	require.NoError(t, j.Update(crm.WithCause(t.Context(), "w/contact/9/1/edit/1"), ada, map[string]string{"city": "Oslo"}, j.now, "step"))
	require.Empty(t, j.follows(), "a step tells by itself")
}

func TestTwoRoutersDecideOnce(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"on":[{"event":"page_viewed"}]}`)}})
	ada := j.contact("1")
	j.event(ada, "page_viewed", nil)
	first, err := j.Changes(t.Context(), 10)
	require.NoError(t, err)
	j.follows()
	numbers := make([]int64, len(first))
	for i, change := range first {
		numbers[i] = change.Seq
	}
	decided, err := j.Store.Decide(t.Context(), store.Decision{Changes: numbers, Intents: []plan.Intent{{Act: plan.ActEnroll, Workflow: "w", Record: "contact/1", Trigger: "late"}}})
	require.NoError(t, err)
	require.False(t, decided)
	require.Empty(t, j.follows())
}

func TestActiveListsMakeAFilterMatch(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"when":{"list":"romans"}}`)}})
	j.list("romans", `{"property":"city","is":"Rome"}`, false)
	ada := j.contact("1")
	require.Empty(t, j.follows())
	j.set(ada, "city=Rome")
	require.Equal(t, []string{"enroll w contact/1 filter"}, j.follows())
}

// list publishes an active list.
func (j *junction) list(name, filter string, existing bool) store.Published {
	j.t.Helper()
	list := crm.ActiveList{Name: name, Object: "contact"}
	require.NoError(j.t, list.Filter.UnmarshalJSON([]byte(filter)))
	catalog := crm.Builtin()
	catalog.Open = true
	catalog.AddList(list)
	published, err := j.Publish(j.t.Context(), store.Publication{At: j.now, Catalog: catalog, EnrollExisting: existing})
	require.NoError(j.t, err)
	return published
}

func TestWhoIsOnAnEditedListDoesNotStartToMatch(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{
		"w":     {Enroll: raw(`{"when":{"list":"locals"}}`)},
		"other": {Enroll: raw(`{"when":{"property":"city","is":"Oslo"}}`)},
	})
	j.list("locals", `{"property":"city","is":"Rome"}`, false)
	ada, bob, eve := j.contact("1", "city=Oslo"), j.contact("2", "city=Rome"), j.contact("3", "city=Rome")
	require.ElementsMatch(t, []string{"enroll other contact/1 filter", "enroll w contact/2 filter", "enroll w contact/3 filter"}, j.follows())
	j.set(eve, "city=Oslo") // starts to match the other workflow; nobody has decided yet when the list is edited
	require.Equal(t, map[string]int{"w": 1}, j.list("locals", `{"property":"city","is":"Oslo"}`, false).Existing)
	j.set(ada, "name=Ada")
	require.Equal(t, []string{"enroll other contact/3 filter"}, j.follows(), "the edit brought Ada onto the list, Eve was on it before")
	j.set(bob, "city=Oslo")
	require.ElementsMatch(t, []string{"enroll w contact/2 filter", "enroll other contact/2 filter"}, j.follows(), "the edit took him off, so he starts to match")
	require.Empty(t, j.list("locals", `{"property":"city","is":"Oslo"}`, true).Existing, "nothing is edited")
	require.Equal(t, map[string]int{"w": 3}, j.list("locals", `{"property":"city","known":true}`, true).Existing)
	require.ElementsMatch(t, []string{"enroll w contact/1 existing", "enroll w contact/2 existing", "enroll w contact/3 existing"}, j.follows())
}
