package testsuite_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

const gated = `
-- workflows/slow.yaml --
workflow: slow
object: contact
settings: {rate: {limit: 1, per: 2s}}
actions:
  - {id: enter, edit_record: {set: {city: Rome}}}
-- workflows/held.yaml --
workflow: held
object: contact
actions:
  - {id: first, edit_record: {set: {city: Rome}}}
-- workflows/parked.yaml --
workflow: parked
object: contact
actions:
  - {id: wait, delay_set_amount: {for: 90d}}
`

// TestSwitchesReachThoseInside pauses, switches on and stops, and the worker tells people.
func TestSwitchesReachThoseInside(t *testing.T) {
	t.Parallel()
	s := newStage(t, gated)
	s.work(t)
	require.NoError(t, s.Books.SetSwitch(t.Context(), "held", plan.SwitchPause, time.Now()))
	held, parked := s.enroll(t, "held", "1", nil), s.enroll(t, "parked", "2", nil)
	require.Eventually(t, func() bool {
		row, _, err := s.Books.LastEnrollment(t.Context(), "held", "contact/1")
		return err == nil && row.Standing.Hold == plan.HoldPause
	}, patience, 20*time.Millisecond)
	why, err := s.People.Why(t.Context(), "held", ref("contact/1"))
	require.NoError(t, err)
	require.Equal(t, "the workflow is paused", why.Reason)
	require.NoError(t, s.Books.SetSwitch(t.Context(), "held", plan.SwitchOn, time.Now()))
	var exit plan.Exit
	require.NoError(t, held.Get(t.Context(), &exit))
	require.Equal(t, plan.Exit{Reason: plan.ExitCompleted, Node: "first"}, exit)

	s.arrives(t, parked, "wait")
	require.NoError(t, s.Books.SetSwitch(t.Context(), "parked", plan.SwitchStop, time.Now()))
	require.NoError(t, parked.Get(t.Context(), &exit))
	require.Equal(t, plan.Exit{Reason: plan.ExitUnenrolled, Node: "wait", Detail: "the workflow was stopped"}, exit)
}

// TestRateHoldsOnARealServer starts five at once, of whom one enters in two seconds.
func TestRateHoldsOnARealServer(t *testing.T) {
	t.Parallel()
	s := newStage(t, gated)
	s.work(t)
	var runs []client.WorkflowRun
	for i := range 5 {
		runs = append(runs, s.enroll(t, "slow", fmt.Sprint(i), nil))
	}
	var entered []time.Time
	for i, run := range runs {
		require.NoError(t, run.Get(t.Context(), nil))
		entries, err := s.Books.JournalOf(t.Context(), "slow", fmt.Sprintf("contact/%d", i))
		require.NoError(t, err)
		done := slices.IndexFunc(entries, func(entry plan.Entry) bool { return entry.Event == plan.JournalSucceeded })
		require.NotEqual(t, -1, done)
		entered = append(entered, entries[done].At)
	}
	slices.SortFunc(entered, time.Time.Compare)
	for i := range entered[1:] {
		require.GreaterOrEqual(t, entered[i+1].Sub(entered[i]), 2*time.Second, "%v", entered)
	}
}
