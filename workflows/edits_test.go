package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// edited publishes a plan after some time and tells the enrollment.
func (b *bench) edited(after time.Duration, published *plan.Plan) {
	b.env.RegisterDelayedCallback(func() {
		b.publish(published)
		b.env.SignalWorkflow(plan.SignalChanged, nil)
	}, after)
}

// TestDefinitionIsEditedTenTimesWhileSomebodyIsParked: each edit is asked about once, and the arrival stays.
func TestDefinitionIsEditedTenTimesWhileSomebodyIsParked(t *testing.T) {
	t.Parallel()
	spans := map[string]time.Duration{"p0": 1000 * time.Hour}
	b := newBench(t, line("p0", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": func(call plan.Call) (plan.Outcome, error) {
		return plan.Outcome{Until: call.Arrived.Add(spans[call.Plan])}, nil
	}})
	for i := 1; i <= 10; i++ {
		name := fmt.Sprintf("p%d", i)
		spans[name] = time.Duration(1000-50*i) * time.Hour
		b.edited(time.Duration(i)*time.Hour, edit(line(name, "a", "b"), "a", func(node *plan.Node) { node.Hash = name }))
	}
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, strings.Repeat("a ", 11)+"b", b.asked())
	for i, call := range b.calls[:11] {
		require.Equal(t, start, call.Arrived.UTC())
		require.Equal(t, fmt.Sprintf("p%d", i), call.Plan)
		require.Equal(t, 1, call.Visit)
	}
	require.Equal(t, start.Add(500*time.Hour), b.calls[11].Now.UTC())
}

func TestDelayThatWasDeletedIsWaitedNoMore(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b", "c"), map[string]func(plan.Call) (plan.Outcome, error){"b": delay(240 * time.Hour)})
	without := line("p2", "a", "c")
	without.Moved = map[string]string{"b": "c"}
	b.edited(time.Hour, without)
	b.run(t)
	require.Equal(t, "a b c", b.asked())
	require.Equal(t, start.Add(time.Hour), b.calls[2].Now.UTC())
}

// TestBranchThatWasRedrawnWhileSomebodyWaitsLeadsWhereItLeadsNow: nobody was told, and it counts all the same.
func TestBranchThatWasRedrawnWhileSomebodyWaitsLeadsWhereItLeadsNow(t *testing.T) {
	t.Parallel()
	b := newBench(t, forked(), map[string]func(plan.Call) (plan.Outcome, error){"wait": waitForOpen})
	b.env.RegisterDelayedCallback(func() {
		redrawn := edit(line("p2", "wait", "yes", "no"), "wait", func(node *plan.Node) {
			node.Edges = map[string]plan.Edge{"event": {To: "no"}, "timeout": {To: "yes"}}
		})
		b.publish(redrawn)
	}, time.Hour)
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{Type: "opened"}) }, 2*time.Hour)
	b.run(t)
	require.Equal(t, "wait wait no", b.asked())
}

// TestNodeThatIsDeletedWhileItIsPausedIsLeftOnResume: pause holds through the edit.
func TestNodeThatIsDeletedWhileItIsPausedIsLeftOnResume(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b", "c"), map[string]func(plan.Call) (plan.Outcome, error){"b": delay(240 * time.Hour)})
	b.update(t, time.Hour, plan.UpdatePause, nil)
	without := line("p2", "a", "c")
	without.Moved = map[string]string{"b": "c"}
	b.edited(2*time.Hour, without)
	b.update(t, 5*time.Hour, plan.UpdateResume, nil)
	b.run(t)
	require.Equal(t, "a b c", b.asked())
	require.Equal(t, start.Add(5*time.Hour), b.calls[2].Now.UTC())
}

// TestUnenrollDuringACallThatFailsDoesNotRepeatIt: the attempt in flight is the last one, and nothing comes after it.
func TestUnenrollDuringACallThatFailsDoesNotRepeatIt(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b"), "a", func(node *plan.Node) { node.Local = false })
	b := newBench(t, published, nil)
	b.answers["a"] = func(plan.Call) (plan.Outcome, error) {
		b.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{Reason: plan.ExitRemoved})
		return plan.Outcome{}, temporal.NewApplicationErrorWithOptions("later", "retry", temporal.ApplicationErrorOptions{NextRetryDelay: time.Hour, Cause: errors.New("busy")})
	}
	require.Equal(t, plan.Exit{Reason: plan.ExitRemoved, Node: "a"}, b.run(t))
	require.Equal(t, "a", b.asked())
	require.Empty(t, b.failures)
	require.Equal(t, start, b.closed.Now.UTC())
}

// TestEventAfterItsWaitWakesNobody: it came too late for the wait, and a delay is none.
func TestEventAfterItsWaitWakesNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t, edit(line("p1", "wait", "pause", "end"), "wait", func(*plan.Node) {}), map[string]func(plan.Call) (plan.Outcome, error){
		"wait": waitForOpen, "pause": delay(100 * time.Hour),
	})
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{ID: "1", Type: "opened"}) }, 100*time.Hour)
	b.run(t)
	require.Equal(t, "wait wait pause end", b.asked())
	require.True(t, b.calls[1].Due)
	require.Equal(t, start.Add(172*time.Hour), b.calls[3].Now.UTC())
}

// TestCallOfALimitedChannelIsNotGivenUpWhileItWaits: a queue of its own has no end by Temporal's clock.
func TestCallOfALimitedChannelIsNotGivenUpWhileItWaits(t *testing.T) {
	t.Parallel()
	tries := 0
	b := newBench(t, edit(line("p1", "a", "b"), "a", func(node *plan.Node) {
		node.Local, node.Queue, node.GiveUp = false, plan.ChannelQueue("email"), 0
	}), map[string]func(plan.Call) (plan.Outcome, error){"a": func(plan.Call) (plan.Outcome, error) {
		if tries++; tries < 30 {
			return plan.Outcome{}, temporal.NewApplicationErrorWithOptions("later", "retry", temporal.ApplicationErrorOptions{NextRetryDelay: 8 * time.Hour})
		}
		return plan.Outcome{}, nil
	}})
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, 30, tries)
	require.Empty(t, b.failures)
}
