package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
)

// enrolling answers enrollments, and notes under which keys it was asked for them.
func (b *bench) enrolling(answer func(attempt int) (string, error)) (asked *[]string) {
	asked = new([]string)
	b.runtime.Enroll = func(_ context.Context, request action.EnrollRequest) (string, error) {
		line := request.Workflow + " " + request.Record.String() + " " + request.Key
		if request.Force {
			line += " by force"
		}
		*asked = append(*asked, line)
		return answer(len(*asked))
	}
	return asked
}

const onboard = "enroll_in_workflow: {workflow: onboarding}"

func TestEnrollInWorkflow(t *testing.T) {
	t.Parallel()
	b := newBench(t, onboard)
	asked := b.enrolling(func(int) (string, error) { return "onboarding/contact/51/1", nil })
	outcome := b.ok()
	require.JSONEq(t, `{"enrollment_id":"onboarding/contact/51/1"}`, string(outcome.Output))
	require.Empty(t, outcome.Port)
	require.Equal(t, outcome, b.ok(), "what is done is not done again")
	require.Equal(t, []string{"onboarding contact/51 w/contact/51/1/a1/1"}, *asked)
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Len(t, *asked, 2)
}

func TestEnrollInWorkflowByForce(t *testing.T) {
	t.Parallel()
	b := newBench(t, "enroll_in_workflow: {workflow: onboarding, force: true}")
	asked := b.enrolling(func(int) (string, error) { return "onboarding/contact/51/2", nil })
	b.ok()
	require.Equal(t, []string{"onboarding contact/51 w/contact/51/1/a1/1 by force"}, *asked)
}

func TestEnrollInWorkflowRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, onboard)
	b.enrolling(func(int) (string, error) {
		return "", action.Permanent("already-enrolled", "contact/51 is already in the workflow onboarding")
	})
	_, err := b.run()
	requirePermanent(t, err, "already-enrolled")
}

func TestEnrollInWorkflowKeepsItsKeyWhenAnAttemptIsCut(t *testing.T) {
	t.Parallel()
	b := newBench(t, onboard)
	asked := b.enrolling(func(attempt int) (string, error) {
		if attempt == 1 {
			return "", errors.New("the connection broke after the server had taken the call")
		}
		return "onboarding/contact/51/1", nil
	})
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	b.ok()
	require.Len(t, *asked, 2)
	require.Equal(t, (*asked)[0], (*asked)[1])
}

func TestEnrollInWorkflowIsSkippedWhereActionsAreSwitchedOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, onboard)
	asked := b.enrolling(func(int) (string, error) { return "", nil })
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	b.ok()
	require.Empty(t, *asked)
}

func TestEnrollInWorkflowEnrollsNobodyInASimulation(t *testing.T) {
	t.Parallel()
	b := newBench(t, onboard)
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"would enroll in onboarding"}, b.journal(plan.JournalSucceeded))
}

func TestEnrollInWorkflowCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "enroll_in_workflow: {}", "missing-key")
	requireProblems(t, "enroll_in_workflow: {workflow: On Boarding}", "wrong-value")
	source := "workflow: w\nobject: contact\nactions:\n  - {id: a, enroll_in_workflow: {workflow: elsewhere}}\n"
	require.Equal(t, "unknown-workflow", inWorkspace(t, source)[0].Code)
}
