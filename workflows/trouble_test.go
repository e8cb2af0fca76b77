package workflows_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"
)

// parked waits a day at `a`.
func parked(t *testing.T) *bench {
	t.Helper()
	return newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(24 * time.Hour)})
}

func TestSignalThatDoesNotReadHoldsNobody(t *testing.T) {
	t.Parallel()
	b := parked(t)
	for i, wrong := range []any{"x", []int{1}, map[string]any{"type": 5}, map[string]any{"type": "x", "at": "yesterday"}} {
		b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, wrong) }, time.Duration(i+1)*time.Hour)
	}
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalChanged, "x") }, 10*time.Hour)
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, start.Add(24*time.Hour), b.closed.Now.UTC())
	var warnings int
	for _, call := range b.calls {
		for _, note := range call.Notes {
			if note.Event == plan.JournalWarning {
				require.Contains(t, note.Detail, "the signal event does not read")
				warnings++
			}
		}
	}
	require.Equal(t, 4, warnings, "the history says so")
}

func TestUnenrollThatDoesNotReadStillTakesTheRecordOut(t *testing.T) {
	t.Parallel()
	b := parked(t)
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalUnenroll, "asked by phone") }, time.Hour)
	exit := b.run(t)
	require.Equal(t, plan.ExitUnenrolled, exit.Reason)
	require.Contains(t, exit.Detail, "the signal unenroll does not read")
}

func TestUnenrollIsClosedWhateverReasonItGives(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{plan.ExitRefused, plan.ExitCompleted, "because"} {
		b := parked(t)
		b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{Reason: reason}) }, time.Hour)
		require.Equal(t, plan.ExitUnenrolled, b.run(t).Reason)
		require.NotNil(t, b.closed)
	}
}

func TestBooksAreClosedEvenWhenTheStoreIsDownAtAnUnenroll(t *testing.T) {
	t.Parallel()
	b, tries := parked(t), 0
	b.down = func(activity string) bool {
		tries++
		return activity == plan.ActivityClose && tries <= 6
	}
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{}) }, time.Hour)
	require.Equal(t, plan.ExitUnenrolled, b.run(t).Reason)
	require.NotNil(t, b.closed)
}

func TestStoreThatIsDownForADayEndsNobody(t *testing.T) {
	t.Parallel()
	b := parked(t)
	b.down = func(activity string) bool {
		return activity == plan.ActivityLoad && b.env.Now().Before(start.Add(48*time.Hour))
	}
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, "a b", b.asked())
}

func TestStateWrittenByHandIsNotBelieved(t *testing.T) {
	t.Parallel()
	b := parked(t)
	b.env.ExecuteWorkflow(plan.WorkflowType, plan.State{
		Workflow: "welcome", Record: "contact/51", Enrollment: "welcome/contact/52/7", Plan: "p1", Node: "b", Visits: map[string]int{"b": 3},
	})
	require.NoError(t, b.env.GetWorkflowError())
	require.Equal(t, "a b", b.asked(), "it is admitted, and begins at the beginning")
	require.Equal(t, "welcome/contact/51/1/b/1", b.calls[1].Key())
}

func TestEditThatIsSeenFirstAfterContinueAsNewIsAnEdit(t *testing.T) {
	t.Parallel()
	b := parked(t)
	b.publish(edit(line("p2", "a", "b"), "a", func(node *plan.Node) { node.Hash = "edited" }))
	b.env.SetContinuedExecutionRunID("the run before")
	b.env.ExecuteWorkflow(plan.WorkflowType, plan.State{
		Workflow: "welcome", Record: "contact/51", Enrollment: "welcome/contact/51/1", Plan: "p1", Revision: 1,
		Node: "a", Asked: "a", Arrived: start.Add(-time.Hour), Visits: map[string]int{"a": 1},
	})
	require.NoError(t, b.env.GetWorkflowError())
	require.Equal(t, start, b.calls[0].Edited.UTC())
}

func TestEveryNoteOfAVisitHasAPhaseOfItsOwn(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b", "c"), "b", func(node *plan.Node) {
		node.Next = plan.Edge{To: "a", GoTo: true, MaxVisits: 1, Else: &plan.Edge{To: "c", GoTo: true}}
	})
	b := newBench(t, published, nil)
	b.run(t)
	phases := map[string]bool{}
	for _, call := range b.calls {
		for _, note := range call.Notes {
			entry := note.Entry(call.Enrollment)
			require.False(t, phases[entry.Key+entry.Phase], note.Detail)
			phases[entry.Key+entry.Phase] = true
		}
	}
	require.Len(t, phases, 2)
}

func TestEventThatComesWithASkipStaysForALaterWait(t *testing.T) {
	t.Parallel()
	waits := func(call plan.Call) (plan.Outcome, error) {
		if call.Event != nil {
			return plan.Outcome{Port: "event"}, nil
		}
		return plan.Outcome{Event: "opened", Since: start, Port: "timeout"}, nil
	}
	b := newBench(t, line("p1", "one", "two"), map[string]func(plan.Call) (plan.Outcome, error){"one": waits, "two": waits})
	b.env.RegisterDelayedCallback(func() {
		b.env.SignalWorkflowSkippingWorkflowTask(plan.SignalEvent, plan.Event{ID: "1", Type: "opened"})
	}, time.Hour)
	b.update(t, time.Hour, plan.UpdateSkipWait, nil)
	b.run(t)
	require.Contains(t, []string{"one two two", "one one two"}, b.asked())
}

func TestPausedEnrollmentIsContinuedAsNewToo(t *testing.T) {
	t.Parallel()
	b := parked(t)
	b.update(t, time.Minute, plan.UpdatePause, nil)
	b.env.RegisterDelayedCallback(func() { b.env.SetContinueAsNewSuggested(true) }, 30*time.Hour)
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{ID: "7", Type: "opened"}) }, 31*time.Hour)
	b.env.ExecuteWorkflow(plan.WorkflowType, plan.State{Workflow: "welcome", Record: "contact/51"})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, b.env.GetWorkflowError(), &next)
	var state plan.State
	require.NoError(t, json.Unmarshal(next.Input.Payloads[0].Data, &state))
	require.True(t, state.Paused)
	require.Equal(t, "7", state.Pending[0].ID)
}
