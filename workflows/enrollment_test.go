package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/workflows"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// bench runs one enrollment in the time-skipping environment with kinds that a test scripts.
type bench struct {
	env *testsuite.TestWorkflowEnvironment

	mu       sync.Mutex
	plan     *plan.Plan // what load answers; another one than in hand is an edit
	answers  map[string]func(plan.Call) (plan.Outcome, error)
	calls    []plan.Call
	failures []plan.Failure
	closed   *plan.CloseRequest
	down     func(activity string) bool // tells whether the store is down now
}

var start = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func newBench(t *testing.T, published *plan.Plan, answers map[string]func(plan.Call) (plan.Outcome, error)) *bench {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	b := &bench{env: suite.NewTestWorkflowEnvironment(), plan: published, answers: answers}
	if b.answers == nil {
		b.answers = map[string]func(plan.Call) (plan.Outcome, error){}
	}
	b.env.SetStartTime(start)
	b.env.SetTestTimeout(time.Minute)
	b.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // a slow machine is no deadlock
	register := func(name string, function any) {
		b.env.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
	register(plan.ActivityAdmit, func(_ context.Context, request plan.AdmitRequest) (plan.Admission, error) {
		if request.FirstRun == "" {
			return plan.Admission{}, errors.New("admit needs a run id")
		}
		return plan.Admission{Enrollment: "welcome/" + request.Record + "/1", Plan: published.Graph(), Version: workflows.Version}, nil
	})
	register(plan.ActivityLoad, func(_ context.Context, request plan.LoadRequest) (plan.Loaded, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.down != nil && b.down(plan.ActivityLoad) {
			return plan.Loaded{}, errors.New("the store is down")
		}
		if request.Known && request.Plan == b.plan.Hash {
			return plan.Loaded{Version: workflows.Version}, nil
		}
		return plan.Loaded{Plan: b.plan.Graph(), Version: workflows.Version}, nil
	})
	register(plan.ActivityClose, func(_ context.Context, request plan.CloseRequest) error {
		if b.down != nil && b.down(plan.ActivityClose) {
			return errors.New("the store is down")
		}
		b.closed = &request
		return nil
	})
	register(plan.ActivityFailed, func(_ context.Context, failure plan.Failure) error {
		b.failures = append(b.failures, failure)
		return nil
	})
	register("kind", func(_ context.Context, call plan.Call) (plan.Outcome, error) {
		b.mu.Lock()
		b.calls = append(b.calls, call)
		answer := b.answers[call.Node]
		b.mu.Unlock()
		if answer == nil {
			return plan.Outcome{}, nil
		}
		return answer(call)
	})
	b.env.RegisterWorkflowWithOptions(workflows.Enrollment, workflow.RegisterOptions{Name: plan.WorkflowType})
	return b
}

// run takes contact/51 through the plan and returns how it left.
func (b *bench) run(t *testing.T) plan.Exit {
	t.Helper()
	b.env.ExecuteWorkflow(plan.WorkflowType, plan.State{Workflow: "welcome", Record: "contact/51"})
	require.True(t, b.env.IsWorkflowCompleted())
	require.NoError(t, b.env.GetWorkflowError())
	var exit plan.Exit
	require.NoError(t, b.env.GetWorkflowResult(&exit))
	return exit
}

// asked lists the nodes in the order in which they were called.
func (b *bench) asked() string {
	var nodes []string
	for _, call := range b.calls {
		nodes = append(nodes, call.Node)
	}
	return strings.Join(nodes, " ")
}

func (b *bench) publish(published *plan.Plan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.plan = published
}

// line is a plan of nodes one after another.
func line(hash string, ids ...string) *plan.Plan {
	published := &plan.Plan{Workflow: "welcome", Object: "contact", Revision: 1, Hash: hash, Nodes: map[string]plan.Node{}}
	for i, id := range ids {
		node := plan.Node{Kind: "kind", Hash: id, Local: true, Attempt: time.Minute, GiveUp: 72 * time.Hour}
		if i+1 < len(ids) {
			node.Next.To = ids[i+1]
		}
		published.Nodes[id] = node
	}
	published.Start.To = ids[0]
	return published
}

func edit(published *plan.Plan, id string, change func(*plan.Node)) *plan.Plan {
	node := published.Nodes[id]
	change(&node)
	published.Nodes[id] = node
	return published
}

func always(outcome plan.Outcome) func(plan.Call) (plan.Outcome, error) {
	return func(plan.Call) (plan.Outcome, error) { return outcome, nil }
}

func delay(d time.Duration) func(plan.Call) (plan.Outcome, error) {
	return func(call plan.Call) (plan.Outcome, error) { return plan.Outcome{Until: call.Arrived.Add(d)}, nil }
}

func TestWalksFromStartToEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b", "c"), nil)
	require.Equal(t, plan.Exit{Reason: plan.ExitCompleted, Node: "c"}, b.run(t))
	require.Equal(t, "a b c", b.asked())
	require.Equal(t, "welcome/contact/51/1/b/1", b.calls[1].Key())
	require.Equal(t, 3, b.closed.Steps)
}

func TestEmptyPlanCompletes(t *testing.T) {
	t.Parallel()
	b := newBench(t, &plan.Plan{Workflow: "welcome", Hash: "p1"}, nil)
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
}

func TestPortsLeadWhereTheyAreDrawn(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b", "c"), "a", func(node *plan.Node) {
		node.Edges = map[string]plan.Edge{"gold": {To: "c"}, "out": {End: true}}
	})
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){"a": always(plan.Outcome{Port: "gold"})})
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, "a c", b.asked())

	b = newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){"a": always(plan.Outcome{Port: "out"})})
	require.Equal(t, plan.Exit{Reason: plan.ExitEnded, Node: "a"}, b.run(t))
}

func TestDelayFollowsItsPortWhenDueWithoutAskingAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(21 * 24 * time.Hour)})
	b.run(t)
	require.Equal(t, "a b", b.asked())
	require.Equal(t, start.Add(21*24*time.Hour), b.calls[1].Now.UTC())
	require.Equal(t, plan.JournalDelayEnded, b.calls[1].Notes[0].Event)
}

func TestAgainAsksTheSameVisitOfTheSameNode(t *testing.T) {
	t.Parallel()
	opens := start.Add(36 * time.Hour)
	b := newBench(t, line("p1", "a"), map[string]func(plan.Call) (plan.Outcome, error){"a": func(call plan.Call) (plan.Outcome, error) {
		if call.Now.Before(opens) {
			return plan.Outcome{Again: true, Until: opens}, nil
		}
		return plan.Outcome{}, nil
	}})
	b.run(t)
	require.Equal(t, "a a", b.asked())
	require.Equal(t, b.calls[0].Key(), b.calls[1].Key())
	require.Equal(t, b.calls[0].Arrived, b.calls[1].Arrived)
}

// waitForOpen waits three days for the event `opened`, and looks into a store that holds nothing.
func waitForOpen(call plan.Call) (plan.Outcome, error) {
	switch {
	case call.Event != nil && call.Event.Properties["wrong"] == nil:
		return plan.Outcome{Port: "event"}, nil
	case call.Due:
		return plan.Outcome{Port: "timeout"}, nil
	default:
		return plan.Outcome{Event: "opened", Since: call.Arrived, Until: call.Arrived.Add(72 * time.Hour), Port: "timeout"}, nil
	}
}

func forked() *plan.Plan {
	return edit(line("p1", "wait", "yes", "no"), "wait", func(node *plan.Node) {
		node.Edges = map[string]plan.Edge{"event": {To: "yes"}, "timeout": {To: "no"}}
	})
}

func TestEventWakesTheWait(t *testing.T) {
	t.Parallel()
	b := newBench(t, forked(), map[string]func(plan.Call) (plan.Outcome, error){"wait": waitForOpen})
	signal := func(after time.Duration, event plan.Event) {
		b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, event) }, after)
	}
	signal(time.Hour, plan.Event{ID: "1", Type: "clicked"})
	signal(2*time.Hour, plan.Event{ID: "2", Type: "opened", Properties: map[string]any{"wrong": true}})
	signal(3*time.Hour, plan.Event{ID: "2", Type: "opened"})
	signal(4*time.Hour, plan.Event{ID: "3", Type: "opened", At: start.Add(-time.Minute)})
	signal(5*time.Hour, plan.Event{Type: "opened"})
	b.run(t)
	require.Equal(t, "wait wait wait yes no", b.asked(), "other types, duplicates and events before the wait are not shown to the node")
	require.Equal(t, start.Add(5*time.Hour), b.calls[3].Now.UTC())
}

func TestEventThatCameEarlierCountsWhenTheNodeLooksBack(t *testing.T) {
	t.Parallel()
	published := line("p1", "a", "wait")
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){
		"a": delay(time.Hour),
		"wait": func(call plan.Call) (plan.Outcome, error) {
			if call.Event != nil {
				return plan.Outcome{Port: "event"}, nil
			}
			return plan.Outcome{Event: "opened", Since: call.Arrived.Add(-2 * time.Hour)}, nil
		},
	})
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{Type: "opened"}) }, time.Minute)
	b.run(t)
	require.Equal(t, "a wait wait", b.asked())
	require.Equal(t, start.Add(time.Hour), b.calls[2].Now.UTC())
}

func TestWaitAsksALastTimeWhenItIsDue(t *testing.T) {
	t.Parallel()
	b := newBench(t, forked(), map[string]func(plan.Call) (plan.Outcome, error){"wait": waitForOpen})
	b.run(t)
	require.Equal(t, "wait wait no", b.asked())
	require.True(t, b.calls[1].Due)
}

func TestEventWinsOverItsTimeoutInTheSameTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, forked(), map[string]func(plan.Call) (plan.Outcome, error){"wait": waitForOpen})
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{Type: "opened"}) }, 72*time.Hour)
	b.run(t)
	require.Equal(t, "wait wait yes no", b.asked())
	require.NotNil(t, b.calls[1].Event)
}

func TestPermanentFailureFollowsThePortFailedWithoutRetry(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b", "c"), "a", func(node *plan.Node) { node.Edges = map[string]plan.Edge{plan.PortFailed: {To: "c"}} })
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){"a": func(plan.Call) (plan.Outcome, error) {
		return plan.Outcome{}, temporal.NewNonRetryableApplicationError("contact has no email", "no-address", nil)
	}})
	b.run(t)
	require.Equal(t, "a c", b.asked())
	require.Len(t, b.failures, 1)
	require.Equal(t, "no-address", b.failures[0].Reason)
	require.Equal(t, "contact has no email", b.failures[0].Message)
}

func TestStoreThatDoesNotAnswerIsAskedAgainByANormalActivity(t *testing.T) {
	t.Parallel()
	tries := 0
	b := newBench(t, line("p1", "a"), map[string]func(plan.Call) (plan.Outcome, error){"a": func(plan.Call) (plan.Outcome, error) {
		if tries++; tries < 8 {
			return plan.Outcome{}, errors.New("the store is down")
		}
		return plan.Outcome{}, nil
	}})
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, 8, tries)
	require.Empty(t, b.failures)
}

func TestUnenrollEndsAWaitAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(90 * 24 * time.Hour)})
	b.env.RegisterDelayedCallback(func() {
		b.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{Detail: "asked by phone"})
	}, time.Hour)
	require.Equal(t, plan.Exit{Reason: plan.ExitUnenrolled, Node: "a", Detail: "asked by phone"}, b.run(t))
	require.Equal(t, start.Add(time.Hour), b.closed.Now.UTC())
}

func TestUnenrollEndsACallInBackOff(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b"), "a", func(node *plan.Node) { node.Local = false })
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){"a": func(plan.Call) (plan.Outcome, error) {
		return plan.Outcome{}, temporal.NewApplicationErrorWithOptions("later", "retry", temporal.ApplicationErrorOptions{NextRetryDelay: 8 * time.Hour})
	}})
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{}) }, time.Hour)
	require.Equal(t, plan.ExitUnenrolled, b.run(t).Reason)
	require.Equal(t, "a", b.asked())
	require.Empty(t, b.failures)
}

func TestPausedEnrollmentHoldsBeforeTheNextActionAndDropsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(time.Hour)})
	b.update(t, time.Minute, plan.UpdatePause, nil)
	b.update(t, 48*time.Hour, plan.UpdateResume, nil)
	b.run(t)
	require.Equal(t, "a b", b.asked())
	require.Equal(t, start.Add(48*time.Hour), b.calls[1].Now.UTC())
}

func TestOperatorSkipsAWait(t *testing.T) {
	t.Parallel()
	b := newBench(t, forked(), map[string]func(plan.Call) (plan.Outcome, error){"wait": waitForOpen})
	b.update(t, time.Minute, plan.UpdateSkipWait, nil)
	b.run(t)
	require.Equal(t, "wait no", b.asked())
}

func TestOperatorMovesAnEnrollment(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b", "c"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(72 * time.Hour)})
	b.update(t, time.Minute, plan.UpdateMove, errors.New(`there is no action "nowhere" in the revision that this enrollment follows`), plan.Move{Node: "nowhere"})
	b.update(t, time.Hour, plan.UpdateMove, nil, plan.Move{Node: "c"})
	b.run(t)
	require.Equal(t, "a c", b.asked())
}

// update sends an operator's update and expects it to be answered with want.
func (b *bench) update(t *testing.T, after time.Duration, name string, want error, arguments ...any) {
	t.Helper()
	check := func(err error) {
		if want == nil {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want.Error())
		}
	}
	b.env.RegisterDelayedCallback(func() {
		b.env.UpdateWorkflow(name, fmt.Sprintf("%s-%s", name, after), &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: check, OnComplete: func(_ any, err error) { check(err) },
		}, arguments...)
	}, after)
}

func TestLongerDelayIsWaitedOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": func(call plan.Call) (plan.Outcome, error) {
		if call.Plan == "p2" {
			return plan.Outcome{Until: call.Arrived.Add(10 * time.Hour)}, nil
		}
		return plan.Outcome{Until: call.Arrived.Add(time.Hour)}, nil
	}})
	b.env.RegisterDelayedCallback(func() { // published, but nobody was told
		b.publish(edit(line("p2", "a", "b"), "a", func(node *plan.Node) { node.Hash = "longer" }))
	}, time.Minute)
	b.run(t)
	require.Equal(t, "a a b", b.asked())
	require.Equal(t, start.Add(time.Hour), b.calls[1].Edited.UTC())
	require.Equal(t, start, b.calls[1].Arrived.UTC())
	require.Equal(t, start.Add(10*time.Hour), b.calls[2].Now.UTC())
}

func TestShorterDelayEndsWhenTheChangeIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": func(call plan.Call) (plan.Outcome, error) {
		if call.Plan == "p2" {
			return plan.Outcome{Until: call.Arrived.Add(time.Hour)}, nil
		}
		return plan.Outcome{Until: call.Arrived.Add(10 * time.Hour)}, nil
	}})
	b.env.RegisterDelayedCallback(func() {
		b.publish(edit(line("p2", "a", "b"), "a", func(node *plan.Node) { node.Hash = "shorter" }))
		b.env.SignalWorkflow(plan.SignalChanged, nil)
	}, 2*time.Hour)
	b.run(t)
	require.Equal(t, start.Add(2*time.Hour), b.calls[2].Now.UTC())
}

func TestWhoStandsInADeletedNodeIsMoved(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b", "c"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(time.Hour)})
	b.env.RegisterDelayedCallback(func() {
		next := line("p2", "b", "c")
		next.Moved = map[string]string{"a": "c"}
		b.publish(next)
		b.env.SignalWorkflow(plan.SignalChanged, nil)
	}, time.Minute)
	b.run(t)
	require.Equal(t, "a c", b.asked())
	require.Equal(t, start.Add(time.Minute), b.calls[1].Now.UTC())
}

func TestWhoStandsInANodeThatAMapEmptiesIsMoved(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]struct {
		asked string
		exit  plan.Exit
	}{
		"c": {"a c", plan.Exit{Reason: plan.ExitCompleted, Node: "c"}},
		"":  {"a", plan.Exit{Reason: plan.ExitCompleted}},
	} {
		b := newBench(t, line("p1", "a", "b", "c"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(240 * time.Hour)})
		b.env.RegisterDelayedCallback(func() {
			emptied := line("p2", "a", "b", "c")
			emptied.Moved = map[string]string{"a": to}
			b.publish(emptied)
			b.env.SignalWorkflow(plan.SignalChanged, nil)
		}, time.Hour)
		require.Equal(t, want.exit, b.run(t))
		require.Equal(t, want.asked, b.asked())
	}
}

func TestARevisionThatComesDuringAPauseIsFollowedOnResume(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b", "c"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(2 * time.Hour)})
	b.update(t, time.Hour, plan.UpdatePause, nil)
	b.env.RegisterDelayedCallback(func() { // it is held before b
		without := line("p2", "a", "c")
		without.Moved = map[string]string{"b": "c"}
		b.publish(without)
		b.env.SignalWorkflow(plan.SignalChanged, nil)
	}, 3*time.Hour)
	b.update(t, 4*time.Hour, plan.UpdateResume, nil)
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, "a c", b.asked())
}

func TestARevisionThatComesDuringACallIsFollowedAfterIt(t *testing.T) {
	t.Parallel()
	attempts := 0
	b := newBench(t, edit(line("p1", "a", "b"), "a", func(node *plan.Node) { node.Local = false }), map[string]func(plan.Call) (plan.Outcome, error){
		"a": func(plan.Call) (plan.Outcome, error) {
			if attempts++; attempts < 5 {
				return plan.Outcome{}, errors.New("not now")
			}
			return plan.Outcome{}, nil
		},
	})
	b.env.RegisterDelayedCallback(func() {
		b.publish(line("p2", "a", "new", "b"))
		b.env.SignalWorkflow(plan.SignalChanged, nil)
	}, 2*time.Second)
	require.Equal(t, plan.ExitCompleted, b.run(t).Reason)
	require.Equal(t, "a a a a a new b", b.asked())
}

func TestJumpIsTakenUntilItsVisitsAreSpent(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b", "c"), "b", func(node *plan.Node) {
		node.Next = plan.Edge{To: "a", GoTo: true, MaxVisits: 3, Else: &plan.Edge{To: "c"}}
	})
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){"b": delay(time.Hour)})
	b.run(t)
	require.Equal(t, "a b a b a b c", b.asked())
	require.Equal(t, "welcome/contact/51/1/a/3", b.calls[4].Key())
	var spent bool
	for _, note := range b.calls[6].Notes {
		spent = spent || strings.Contains(note.Detail, "spent")
	}
	require.True(t, spent, "the history says why the jump was not taken")
}

func TestLongEnrollmentIsContinuedWithEverythingItKnows(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b"), "b", func(node *plan.Node) {
		node.Next = plan.Edge{To: "a", GoTo: true}
	})
	published = edit(published, "a", func(node *plan.Node) { node.Keep = true })
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){
		"a": always(plan.Outcome{Output: json.RawMessage(`{"ok":true}`)}),
		"b": delay(time.Minute),
	})
	b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{ID: "7", Type: "late"}) }, 10*time.Second)
	b.env.ExecuteWorkflow(plan.WorkflowType, plan.State{Workflow: "welcome", Record: "contact/51"})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, b.env.GetWorkflowError(), &next)
	var state plan.State
	require.NoError(t, json.Unmarshal(next.Input.Payloads[0].Data, &state))
	require.Equal(t, 500, state.Steps)
	require.Equal(t, 250, state.Visits["a"])
	require.Equal(t, []string{"7"}, state.Seen)
	require.JSONEq(t, `{"ok":true}`, string(state.Outputs["a"]))
	require.Equal(t, "welcome/contact/51/1", state.Enrollment)
}

func TestOutputsTravelOnlyToNodesThatReadThem(t *testing.T) {
	t.Parallel()
	published := edit(line("p1", "a", "b", "c"), "a", func(node *plan.Node) { node.Keep = true })
	published = edit(published, "c", func(node *plan.Node) { node.Reads = []string{"a"} })
	b := newBench(t, published, map[string]func(plan.Call) (plan.Outcome, error){"a": always(plan.Outcome{Output: json.RawMessage(`{"id":7}`)})})
	b.run(t)
	require.Empty(t, b.calls[1].Outputs)
	require.JSONEq(t, `{"id":7}`, string(b.calls[2].Outputs["a"]))
	require.Equal(t, 1, b.calls[2].Visits["a"])
}

func TestStatusTellsWhereAnEnrollmentStands(t *testing.T) {
	t.Parallel()
	b := newBench(t, forked(), map[string]func(plan.Call) (plan.Outcome, error){"wait": waitForOpen})
	b.env.RegisterDelayedCallback(func() {
		answer, err := b.env.QueryWorkflow(plan.QueryStatus)
		require.NoError(t, err)
		var state plan.State
		require.NoError(t, answer.Get(&state))
		require.Equal(t, "wait", state.Node)
		require.Equal(t, "opened", state.Awaits)
		require.Equal(t, start.Add(72*time.Hour), state.Until.UTC())
	}, time.Hour)
	b.run(t)
}

func TestCancellationInTemporalIsAnUnenrollment(t *testing.T) {
	t.Parallel()
	b := newBench(t, line("p1", "a", "b"), map[string]func(plan.Call) (plan.Outcome, error){"a": delay(72 * time.Hour)})
	b.env.RegisterDelayedCallback(b.env.CancelWorkflow, time.Hour)
	require.Equal(t, plan.Exit{Reason: plan.ExitUnenrolled, Node: "a", Detail: "cancelled in Temporal"}, b.run(t))
	require.Equal(t, plan.ExitUnenrolled, b.closed.Exit.Reason)
}

func TestEventThatAWaitConsumedDoesNotWakeTheNextOne(t *testing.T) {
	t.Parallel()
	waits := func(call plan.Call) (plan.Outcome, error) {
		if call.Event != nil {
			return plan.Outcome{Port: "event", Took: call.Event.ID}, nil
		}
		return plan.Outcome{Event: "opened", Since: start}, nil
	}
	b := newBench(t, line("p1", "one", "two"), map[string]func(plan.Call) (plan.Outcome, error){"one": waits, "two": waits})
	for i, after := range []time.Duration{time.Hour, 2 * time.Hour} {
		b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, plan.Event{ID: fmt.Sprint(i), Type: "opened"}) }, after)
	}
	b.run(t)
	require.Equal(t, "one one two two", b.asked())
	require.Equal(t, []string{"0"}, b.calls[2].Took)
	require.Equal(t, start.Add(2*time.Hour), b.calls[3].Now.UTC())
}
