package testsuite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
)

// editedFile is the table of live edits: one line for each edit, stand and policy, with what happens to who is inside.
const editedFile = "live_edits.txt"

// stand is where somebody is when an edit is published.
type stand struct {
	name   string
	at     string              // day of the edit
	events []testsuite.Planned // that bring them there
}

// stands are places relative to the action that is edited, `wait`.
var stands = []stand{
	{"before", "2d", nil},
	{"in it", "10d", nil},
	{"after", "20d", nil},
	{"in back-off", "14d5m", []testsuite.Planned{{After: "1s", Fail: "offer", Error: "503", Times: 4}}},
	{"paused in it", "10d", []testsuite.Planned{{After: "9d", Operate: plan.UpdatePause}, {After: "30d", Operate: plan.UpdateResume}}},
	{"held behind it", "20d", []testsuite.Planned{{After: "9d", Operate: plan.UpdatePause}, {After: "30d", Operate: plan.UpdateResume}}},
}

// edited is a journey and an edit of it.
type edited struct {
	name     string
	wait     string // the action that is edited; "" = the delay of 10 days
	old, new string // a part of the journey, and what takes its place
	files    bool   // it changes files only, which is no revision: policies are about revisions
	date     string // of the property renewal, when somebody moves that beside the edit
}

const (
	head    = "workflow: journey\n"
	delay   = "  - {id: wait, delay_set_amount: {for: 10d}}\n"
	byDate  = "  - {id: wait, delay_until_date_property: {property: renewal, time: \"09:00\"}}\n"
	byEvent = "  - {id: wait, delay_until_event: {event: page_viewed, max_wait: 10d}}\n"
	branch  = "  - {id: wait, delay_set_amount: {for: 10d}}\n  - id: town\n    branch_and_or: {branches: [{name: rome, when: {property: city, is: Rome}}]}\n    then: {rome: [{end: {}}]}\n"
)

// liveEdits are those that people make, on a journey that greets, waits 4 days, waits for 10 days or otherwise in `wait`,
// offers, rests for 8 days and says goodbye.
var liveEdits = []edited{
	{name: "the delay is longer", old: "for: 10d", new: "for: 13d"},
	{name: "the delay is shorter", old: "for: 10d", new: "for: 3d"},
	{name: "the delay is a little shorter", old: "for: 10d", new: "for: 8d"},
	{name: "the delay is deleted", old: delay, new: ""},
	{name: "the delay is a date", old: "delay_set_amount: {for: 10d}", new: "delay_until_calendar_date: {date: 2027-04-02}"},
	{name: "the delay is for an event", old: "delay_set_amount: {for: 10d}", new: "delay_until_event: {event: page_viewed, max_wait: 12d}"},
	{name: "a mail is inserted upstream", old: "  - {id: first,", new: "  - {id: more, send_email: {email: more}}\n  - {id: first,"},
	{name: "a mail is inserted downstream", old: "  - {id: offer,", new: "  - {id: more, send_email: {email: more}}\n  - {id: offer,"},
	{name: "a mail is inserted at the end", old: "  - {id: bye,", new: "  - {id: more, send_email: {email: more}}\n  - {id: bye,"},
	{name: "the mail behind is deleted", old: "  - {id: offer, send_email: {email: offer}}\n", new: ""},
	{name: "the mail behind gets another text", old: "subject: offer", new: "subject: better offer", files: true},
	{name: "the mail behind is another kind", old: "send_email: {email: offer}", new: "edit_record: {set: {city: Milan}}"},
	{name: "a branch leads elsewhere", wait: branch, old: "is: Rome", new: "is: Milan"},
	{name: "the event is of another type", wait: byEvent, old: "event: page_viewed", new: "event: form_submitted"},
	{name: "the longest wait is shorter", wait: byEvent, old: "max_wait: 10d", new: "max_wait: 2d"},
	{name: "the date is moved", wait: byDate, old: head, new: head + "name: Journey\n", date: "2027-03-13"},
	{name: "the offset of the date is changed", wait: byDate, old: "property: renewal", new: "property: renewal, offset: 2d"},
	{name: "a goal is met", old: head, new: head + "goal: {property: city, is: Rome}\n"},
	{name: "who is inside is suppressed", old: head, new: head + "suppress: {property: city, is: Rome}\n"},
}

const editedJourney = `
-- objects/contact.yaml --
object: contact
properties: [{name: renewal, type: date}]
-- emails/greet.md --
---
subject: greet
---
Hello.
-- emails/offer.md --
---
subject: offer
---
Offer.
-- emails/more.md --
---
subject: more
---
More.
-- emails/bye.md --
---
subject: bye
---
Bye.
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: greet, send_email: {email: greet}}
  - {id: first, delay_set_amount: {for: 4d}}
WAIT  - {id: offer, send_email: {email: offer}}
  - {id: rest, delay_set_amount: {for: 8d}}
  - {id: bye, send_email: {email: bye}}
`

var editsBegin = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// inDays is when something happened, counted from the enrollment.
func inDays(at time.Time) string {
	since := at.Sub(editsBegin)
	day := fmt.Sprintf("day %d", since/(24*time.Hour))
	if rest := since % (24 * time.Hour); rest > 0 {
		day += " " + strings.TrimSuffix(strings.TrimSuffix(rest.Round(time.Minute).String(), "0s"), "0m")
	}
	return day
}

// story simulates one line of the table and tells what happened from the edit on.
func (e edited) story(t *testing.T, where stand, policy string) (forecast, story string) {
	t.Helper()
	wait := e.wait
	if wait == "" {
		wait = delay
	}
	old := strings.Replace(editedJourney, "WAIT", wait, 1)
	require.Contains(t, old, e.old)
	first := compiled(t, old)
	options := publish.Options{InFlight: policy, Latest: func(string) (*plan.Plan, error) { return first.Definitions[0].Plan, nil }}
	if policy == plan.InFlightMigrate {
		options.Map = []string{"wait=rest"}
	}
	second := compiledAs(t, strings.Replace(old, e.old, e.new, 1), options) // without an edit the same
	published := func(ctx context.Context, books *store.Store, now time.Time) (_ store.Publication, err error) {
		forecast, err = foreseen(ctx, books, second, now)
		return second, err
	}
	events := append(slices.Clone(where.events), testsuite.Planned{After: where.at, Publish: published})
	if e.date != "" {
		events = append(events, testsuite.Planned{After: where.at, Set: map[string]any{"renewal": e.date}})
	}
	if e.old == "" {
		events = where.events
	}
	shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
		Workspace: first, Workflow: "journey", Start: editsBegin, Events: events,
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1", Properties: map[string]any{"email": "ada@example.com", "city": "Rome", "renewal": "2027-03-15"}},
	})
	require.NoError(t, err)
	since, err := crm.ParseDuration(where.at)
	require.NoError(t, err)
	edit, told := since.After(editsBegin, time.UTC, false), []string{}
	for _, effect := range shown.Effects {
		if !effect.At.Before(edit) {
			told = append(told, inDays(effect.At)+" "+effect.Summary)
		}
	}
	return forecast, strings.Join(append(told, shown.Exit.Reason), ", ")
}

// foreseen is what a push would say of the one who is inside.
func foreseen(ctx context.Context, books *store.Store, publication store.Publication, now time.Time) (string, error) {
	kinds := map[string]action.Kind{}
	for _, kind := range activities.Kinds() {
		kinds[kind.ID] = kind
	}
	runtime := worker.Runtime(worker.Options{Store: books, Log: slog.New(slog.DiscardHandler)})
	latest, _, err := books.LatestRevision(ctx, "journey")
	if err != nil || latest.Plan.Hash == publication.Definitions[0].Plan.Hash {
		return "", err
	}
	told, err := publish.Foresee(ctx, books, publication.Definitions[0], publish.Foresight{
		Now: now, Messages: func(kind string) bool { return kinds[kind].Effect == action.Messages },
		Ask: func(ctx context.Context, prospect *plan.Plan, call plan.Call) (plan.Outcome, error) {
			return runtime.Foresee(ctx, kinds[prospect.Nodes[call.Node].Kind], action.Prospect{Plan: prospect}, call)
		},
	})
	if err != nil || len(told.Places) != 1 {
		return "", errors.Join(err, fmt.Errorf("%d places", len(told.Places)))
	}
	return strings.ReplaceAll(told.Places[0].String(), "1 ", ""), nil
}

// TestLiveEdits runs the table: every edit, wherever somebody stands, under every policy, in skipped time.
func TestLiveEdits(t *testing.T) {
	t.Parallel()
	var lines []string
	add := func(name, where, policy, forecast, story string) {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-34s| %-15s| %-8s| %-50s| %s", name, where, policy, story, forecast), " "))
	}
	add("edit", "stands", "policy", "what a push says of them", "what happens from then on")
	unedited := map[string]string{}
	for _, wait := range []string{"", branch, byEvent, byDate} {
		for _, where := range stands {
			_, unedited[wait+where.name] = edited{wait: wait}.story(t, where, plan.InFlightFollow)
		}
	}
	for _, where := range stands {
		add("none", where.name, "", "", unedited[where.name])
	}
	var mu sync.Mutex
	stories, forecasts := map[string]string{}, map[string]string{}
	t.Run("edits", func(t *testing.T) {
		for _, edit := range liveEdits {
			t.Run(edit.name, func(t *testing.T) {
				t.Parallel()
				for _, where := range stands {
					for _, policy := range edit.policies() {
						forecast, story := edit.story(t, where, policy)
						if policy == plan.InFlightPin && edit.date == "" {
							require.Equal(t, unedited[edit.wait+where.name], story, "who is pinned knows of no edit")
						}
						mu.Lock()
						stories[edit.name+where.name+policy], forecasts[edit.name+where.name+policy] = story, forecast
						mu.Unlock()
					}
				}
			})
		}
	})
	for _, edit := range liveEdits {
		for _, where := range stands {
			for _, policy := range edit.policies() {
				add(edit.name, where.name, policy, forecasts[edit.name+where.name+policy], stories[edit.name+where.name+policy])
			}
		}
	}
	golden.Equal(t, editedFile, strings.Join(lines, "\n")+"\n")
}

func (e edited) policies() []string {
	if e.files {
		return []string{"any"}
	}
	return []string{plan.InFlightFollow, plan.InFlightPin, plan.InFlightMigrate}
}
