package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

const (
	journeyFile = "workflows/journey.yaml"
	journeyHead = "workflow: journey\nobject: contact\n"
	journeyBody = `actions:
  - {id: hello, send_email: {email: hello}}
  - {id: wait, delay_set_amount: {for: 10d}}
  - {id: offer, send_email: {email: offer}}
  - {id: rest, delay_set_amount: {for: 5d}}
  - {id: bye, send_email: {email: bye}}
`
)

// newJourney is a terminal in a workspace with one workflow, which was pushed.
func newJourney(t *testing.T) *terminal {
	t.Helper()
	term := newTerminal(t)
	term.write("millrace.yaml", "time_zone: UTC\nsender: {email: hello@millrace.example}\n")
	for _, email := range []string{"hello", "offer", "bye", "more"} {
		term.write("emails/"+email+".md", "---\nsubject: "+email+"\n---\n"+email+"\n")
	}
	term.write(journeyFile, journeyHead+journeyBody)
	term.run("push").succeeds()
	return term
}

// stands puts a contact into the journey, as our books have it: at an action since some days, which it leaves at some
// day after its arrival, having done others. waits < 0 is the middle of an action.
func (term *terminal) stands(contact, node string, since, waits int, done ...string) {
	term.t.Helper()
	ctx, books := term.t.Context(), term.store()
	latest, _, err := books.LatestRevision(ctx, "journey")
	require.NoError(term.t, err)
	record := "contact/" + contact
	ref, err := crm.ParseRef(record)
	require.NoError(term.t, err)
	_, _, err = books.Upsert(ctx, ref, map[string]string{"email": contact + "@example.com", "city": "Rome"}, time.Now(), "test")
	require.NoError(term.t, err)
	arrived := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, -since)
	opened, err := books.OpenEnrollment(ctx, plan.Enrollment{
		Workflow: "journey", Record: record, WorkflowID: plan.WorkflowID("journey", record), FirstRun: "run", Revision: latest.Number, Started: arrived,
	})
	require.NoError(term.t, err)
	at := plan.Standing{Enrollment: opened.ID, Node: node, Kind: latest.Plan.Nodes[node].Kind, Arrived: arrived, Plan: latest.Plan.Hash}
	if waits >= 0 {
		at.Until = arrived.AddDate(0, 0, waits)
	}
	require.NoError(term.t, books.Stand(ctx, at))
	for _, action := range done {
		key := plan.Call{Enrollment: opened.ID, Node: action, Visit: 1}.Key()
		require.NoError(term.t, books.WriteJournal(ctx, plan.Entry{
			Enrollment: opened.ID, Key: key, At: arrived, Node: action, Kind: "send_email", Event: plan.JournalSucceeded,
		}))
	}
}

func TestAForecastTellsWhatBecomesOfPeople(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		old, new string // a part of the journey, and what takes its place
		head     string // beside the actions
		args     []string
		want     string
	}{
		"a name":                    {"actions:", "actions:", "name: Journey\n", nil, "at wait: 3 go on\nat offer: 1 goes on\nat rest: 1 goes on"},
		"a shorter delay":           {"for: 10d", "for: 8d", "", nil, "at wait: 3 wake earlier\nat offer: 1 goes on\nat rest: 1 goes on"},
		"a longer delay":            {"for: 10d", "for: 12d", "", nil, "at wait: 3 wait longer\nat offer: 1 goes on\nat rest: 1 goes on"},
		"business days":             {"for: 5d", "for: 5d, business_days_only: true", "", nil, "at wait: 3 go on\nat offer: 1 goes on\nat rest: 1 waits longer"},
		"a delay deleted":           {"  - {id: wait, delay_set_amount: {for: 10d}}\n", "", "", nil, "at wait: 3 move to offer\nat offer: 1 goes on\nat rest: 1 goes on"},
		"all that is left":          {"  - {id: rest, delay_set_amount: {for: 5d}}\n  - {id: bye, send_email: {email: bye}}\n", "", "", nil, "at wait: 3 go on, 3 never get bye\nat offer: 1 goes on, 1 never gets bye\nat rest: 1 leaves, 1 never gets bye"},
		"a mail deleted":            {"  - {id: offer, send_email: {email: offer}}\n", "", "", nil, "at wait: 3 go on, 3 never get offer\nat offer: 1 goes on\nat rest: 1 goes on"},
		"a mail inserted":           {"  - {id: offer,", "  - {id: more, send_email: {email: more}}\n  - {id: offer,", "", nil, "at wait: 3 go on\nat offer: 1 goes on, 1 never gets more\nat rest: 1 goes on, 1 never gets more"},
		"a mail renamed":            {"{id: offer,", "{id: proposal,", "", nil, "at wait: 3 go on\nat offer: 1 goes on\nat rest: 1 goes on"},
		"a mail's file":             {"{email: bye}", "{email: more}", "", nil, "at wait: 3 go on\nat offer: 1 goes on\nat rest: 1 goes on"},
		"a mail that says the same": {"{email: bye}", "{email: hello}", "", nil, "at wait: 3 go on, 2 may get bye twice\nat offer: 1 goes on, 1 may get bye twice\nat rest: 1 goes on, 1 may get bye twice"},
		"a mail once more":          {"  - {id: bye,", "  - {id: again, send_email: {email: hello}}\n  - {id: bye,", "", nil, "at wait: 3 go on, 2 may get again twice\nat offer: 1 goes on, 1 may get again twice\nat rest: 1 goes on, 1 may get again twice"},
		"a goal that is met":        {"actions:", "actions:", "goal: {property: city, is: Rome}\n", nil, "at wait: 3 leave, 3 never get bye, 3 never get offer\nat offer: 1 goes on\nat rest: 1 leaves, 1 never gets bye"},
		"a goal that is not":        {"actions:", "actions:", "goal: {property: city, is: Milan}\n", nil, "at wait: 3 go on\nat offer: 1 goes on\nat rest: 1 goes on"},
		"a map":                     {"for: 5d", "for: 6d", "", []string{"--map", "wait=rest"}, "at wait: 3 move to rest, 3 never get offer\nat offer: 1 goes on\nat rest: 1 waits longer"},
		"a map back":                {"for: 5d", "for: 6d", "", []string{"--map", "rest=hello"}, "at wait: 3 go on\nat offer: 1 goes on\nat rest: 1 moves to hello, 1 may get hello twice, 1 may get offer twice"},
		"a pin":                     {"for: 5d", "for: 6d", "", []string{"--in-flight", "pin"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := newJourney(t)
			term.stands("1", "wait", 3, 10, "hello")
			term.stands("2", "wait", 9, 10, "hello")
			term.stands("3", "wait", 0, 10) // came in by a move
			term.stands("4", "offer", 1, -1, "hello")
			term.stands("5", "rest", 2, 5, "hello", "offer")
			term.write(journeyFile, journeyHead+test.head+strings.Replace(journeyBody, test.old, test.new, 1))
			shown := term.run(append([]string{"push", "--dry-run"}, test.args...)...).succeeds().stdout
			var places []string
			for line := range strings.Lines(shown) {
				if place, is := strings.CutPrefix(line, "  at "); is {
					places = append(places, "at "+strings.TrimSpace(place))
				}
			}
			require.Equal(t, test.want, strings.Join(places, "\n"))
		})
	}
}

func TestAForecastKnowsWhoIsPinned(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10, "hello")
	term.replace(journeyFile, "for: 10d", "for: 8d")
	term.run("push", "--in-flight", "pin").succeeds()
	term.stands("2", "wait", 3, 8, "hello")
	term.replace(journeyFile, "for: 8d", "for: 7d")
	require.Contains(t, term.run("diff").succeeds().stdout, "  at wait: 1 wakes earlier, 1 finishes by the revision it is in\n")
}

var token = regexp.MustCompile(`--confirm (\S+?)[\x60\s]`)

func TestATokenHoldsWhileTheSamePeopleStandThere(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10, "hello")
	term.replace(journeyFile, "for: 10d", "for: 8d")
	seen := token.FindStringSubmatch(term.run("push", "--dry-run").succeeds().stdout)[1]
	var dry pushed
	term.run("push", "--dry-run", "-o", "json").succeeds().decode(&dry)
	require.Equal(t, seen, dry.Confirm)
	require.Equal(t, 1, dry.Workflows[0].People[0].Earlier)

	term.stands("2", "wait", 3, 10, "hello")
	term.stands("3", "rest", 1, 5, "hello")
	changed := term.run("push", "--confirm", seen)
	require.Equal(t, 1, changed.code)
	require.Contains(t, changed.stderr, "the token does not hold any more: 1 stood at wait in journey, now 2; 0 stood at rest in journey, now 1; look again with --dry-run\n")
	require.Contains(t, term.run("push", "--confirm", "gruel").stderr, "this is no token")

	seen = token.FindStringSubmatch(term.run("push", "--dry-run").succeeds().stdout)[1]
	require.Contains(t, term.run("push", "--confirm", seen, "--in-flight", "pin").stderr, "it is for another publication")
	term.replace(journeyFile, "for: 8d", "for: 9d")
	require.Contains(t, term.run("push", "--confirm", seen).stderr, "it is for another publication")
	term.replace(journeyFile, "for: 9d", "for: 8d")
	require.Contains(t, term.run("push", "--confirm", seen).succeeds().stdout, "journey: new revision 2, 0 of 3 inside told\n")
}

func TestAScriptWithoutATokenIsToldAndGoesOn(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10, "hello")
	term.replace(journeyFile, "for: 10d", "for: 8d")
	seen := token.FindStringSubmatch(term.run("push", "--dry-run").succeeds().stdout)[1]
	result := term.run("push").succeeds()
	require.Contains(t, result.stderr, "  at wait: 1 wakes earlier\nnobody could be asked; `millrace push --confirm "+seen+"` would have held it to this\n")
	require.Contains(t, result.stdout, "journey: new revision 2")
}

func TestWhoAgreedToSomethingElseIsNotHeldToIt(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10, "hello")
	term.replace(journeyFile, "for: 10d", "for: 8d")
	a, _, _ := term.app()
	checked, err := a.readWorkspace(".")
	require.NoError(t, err)
	books := term.store()
	look, err := a.publish(t.Context(), books, checked, ".", pushing{dryRun: true})
	require.NoError(t, err)
	require.NoError(t, look.foresee(t.Context(), books))
	term.stands("2", "wait", 3, 10, "hello")
	_, err = a.publish(t.Context(), books, checked, ".", pushing{seen: look.result.forecasts})
	var changed *changedMeanwhile
	require.ErrorAs(t, err, &changed)
	require.EqualError(t, changed, "1 stood at wait in journey, now 2")
	latest, _, err := books.LatestRevision(t.Context(), "journey")
	require.NoError(t, err)
	require.Equal(t, 1, latest.Number)
}

func TestOnlyAYesIsAYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, " YES \n": true, "n\n": false, "\n": false, "": false, "maybe\n": false} {
		var out bytes.Buffer
		require.Equal(t, want, asked(strings.NewReader(answer), &out, "Publish this? "), "%q", answer)
		require.Equal(t, "Publish this? ", out.String())
	}
}
