package activities

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// gated publishes the actions again, with settings as a plan holds them.
func (b *bench) gated(settings string, actions ...string) {
	b.t.Helper()
	compiled := b.plan(actions...)
	compiled.Hash += settings
	compiled.Start = plan.Edge{To: "a1"}
	compiled.Rules = &plan.Rules{Settings: json.RawMessage(settings)}
	b.call.Plan = compiled.Hash
	b.publish(store.Publication{Account: account(b.t, nil), Definitions: []plan.Revision{{Plan: compiled, On: true}}})
}

const (
	addOne = "adjust_number_property: {property: score, by: 1}"
	office = `{"windows": [{"days": ["monday", "tuesday"], "from": "10:00", "to": "18:00"}], "pause_dates": ["2027-01-05"]}`
)

func TestActionWaitsForAWindow(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	b.gated(office, addOne)
	held := b.ok() // Monday, nine o'clock
	ten := monday.Add(time.Hour)
	require.True(t, held.Again)
	require.WithinRange(t, held.Until, ten, ten.Add(15*time.Minute))
	require.Empty(t, b.property(ada, "score"))
	row, err := b.store.Enrollment(t.Context(), b.call.Enrollment)
	require.NoError(t, err)
	require.Equal(t, plan.HoldWindow, row.Standing.Hold)
	require.Len(t, b.journal(plan.JournalDelayRescheduled), 1)
	require.Contains(t, b.journal(plan.JournalDelayRescheduled)[0], "actions run from 2027-01-04 10:")

	require.Equal(t, held, b.ok(), "asked again, it answers the same")
	require.Len(t, b.journal(plan.JournalDelayRescheduled), 1)
	require.False(t, b.ok(asked(held.Until)).Again, "when the time has come it runs")
	require.Equal(t, "1", b.property(ada, "score"))
}

func TestActionThatIsDueOnAPauseDateRunsAtTheSameTimeOfTheNextDay(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	b.gated(office, addOne)
	noon := time.Date(2027, 1, 5, 11, 0, 0, 0, time.UTC)
	require.Equal(t, noon.AddDate(0, 0, 6), b.ok(arrived(noon)).Until.UTC())
	b.call.Arrived = noon
	require.Equal(t, noon.AddDate(0, 0, 6), b.ok(asked(noon.Add(3*time.Hour))).Until.UTC(), "whoever asks meanwhile changes nothing")
}

func TestOperatorSendsThroughAClosedWindow(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	b.gated(office, addOne)
	require.False(t, b.ok(func(call *plan.Call) { call.Force = true }).Again)
	require.Equal(t, "1", b.property(ada, "score"))
}

func TestWindowsHoldNeitherDelaysNorBranches(t *testing.T) {
	t.Parallel()
	for _, passing := range []string{"delay_set_amount: {for: 1h}", "branch_and_or: {branches: [{name: x, when: {property: email, known: true}}]}"} {
		b := newBench(t, passing)
		b.gated(office, passing)
		require.False(t, b.ok().Again, passing)
	}
}

func TestMailOutsideAWindowIsNotSentAndNotStarted(t *testing.T) {
	t.Parallel()
	mail := "send_internal_email_notification: {users: [ada], subject: Hello, body: there}"
	b := newBench(t, mail)
	b.gated(office, mail)
	require.True(t, b.ok().Again)
	require.Empty(t, b.journal(plan.JournalStarted))
	_, found, err := b.store.LedgerRow(t.Context(), b.call.Key())
	require.NoError(t, err)
	require.False(t, found)
}

func TestPausedWorkflowHoldsActionsAndBranches(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchPause, monday))
	held := b.ok(func(call *plan.Call) { call.Force = true })
	require.True(t, held.Again)
	require.True(t, held.Until.IsZero(), "nobody knows until when")
	b.ok()
	require.Equal(t, []string{"the workflow is paused"}, b.journal(plan.JournalDelayRescheduled))

	require.NoError(t, b.store.TurnSwitch(t.Context(), "w", plan.SwitchOn, monday.Add(time.Hour), monday))
	require.Equal(t, monday.Add(time.Hour), b.ok().Until.UTC(), "until the switch turns")
	require.False(t, b.ok(asked(monday.Add(time.Hour))).Again)
	require.Equal(t, "1", b.property(ada, "score"))

	branch := newBench(t, "branch_and_or: {branches: [{name: x, when: {property: email, known: true}}]}")
	require.NoError(t, branch.store.SetSwitch(t.Context(), "w", plan.SwitchPause, monday))
	require.True(t, branch.ok().Again)
	delay := newBench(t, "delay_set_amount: {for: 1h}")
	require.NoError(t, delay.store.SetSwitch(t.Context(), "w", plan.SwitchPause, monday))
	require.False(t, delay.ok().Again, "a delay is waited meanwhile")
}

func TestStoppedWorkflowLetsNobodyGoOnAndADrainedOneDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchStop, monday))
	require.Equal(t, plan.ExitUnenrolled, b.ok().End)
	require.Empty(t, b.property(ada, "score"))
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchDrain, monday))
	require.Empty(t, b.ok().End)
	require.Equal(t, "1", b.property(ada, "score"))
}

func TestActionIsSkippedOnlyIfTheWorkflowIsOffWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	b.gated(office, addOne)
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	held := b.ok()
	require.True(t, held.Again, "its turn is when the window opens")
	require.Empty(t, b.journal(plan.JournalSkipped))
	b.ok(asked(held.Until))
	require.Equal(t, []string{"the workflow is switched off"}, b.journal(plan.JournalSkipped))

	again := newBench(t, addOne)
	again.gated(office, addOne)
	require.NoError(t, again.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	held = again.ok()
	require.NoError(t, again.store.SetSwitch(t.Context(), "w", plan.SwitchOn, monday))
	again.ok(asked(held.Until))
	require.Equal(t, "1", again.property(ada, "score"), "switched on before it was due, it is done")
}

func TestRateLetsOneAfterTheOtherEnterTheFirstAction(t *testing.T) {
	t.Parallel()
	rate := `{"rate": {"limit": 1, "per": "1h"}}`
	b := newBench(t, addOne, addOne)
	b.gated(rate, addOne, addOne)
	first := func(call *plan.Call) { call.Node = "a1" }
	require.NoError(t, b.store.Tx(t.Context(), func(tx *store.Tx) error { // somebody else enters before
		_, err := tx.Queue(t.Context(), plan.Queueing{Workflow: "w", Enrollment: "w/contact/1/1", Limit: 1, Per: time.Hour, Now: monday, Open: true})
		return err
	}))
	held := b.ok(first)
	require.True(t, held.Again)
	require.Equal(t, monday.Add(time.Hour), held.Until.UTC())
	require.Equal(t, []string{"1 in 1h enter: its turn is expected at 2027-01-04 10:00:00 Europe/Rome"}, b.journal(plan.JournalDelayRescheduled))
	require.False(t, b.ok(first, asked(held.Until)).Again)
	require.Equal(t, "1", b.property(ada, "score"))
	require.False(t, b.ok(asked(held.Until)).Again, "later actions have no queue")
	require.Equal(t, "2", b.property(ada, "score"))
}

func TestTurnThatComesAtNightComesInTheMorning(t *testing.T) {
	t.Parallel()
	b := newBench(t, addOne)
	b.gated(`{"rate": {"limit": 1, "per": "12h"}, "windows": [{"from": "08:00", "to": "18:00"}]}`, addOne)
	require.NoError(t, b.store.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Queue(t.Context(), plan.Queueing{Workflow: "w", Enrollment: "w/contact/1/1", Limit: 1, Per: 12 * time.Hour, Now: monday, Open: true})
		return err
	}))
	morning := time.Date(2027, 1, 5, 7, 0, 0, 0, time.UTC)
	require.WithinRange(t, b.ok().Until, morning, morning.Add(15*time.Minute))
}
