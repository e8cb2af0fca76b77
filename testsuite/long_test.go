package testsuite_test

import (
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

// TestLongEnrollmentIsContinuedInNewRuns goes through 540 visits, which no single run holds.
func TestLongEnrollmentIsContinuedInNewRuns(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
-- objects/contact.yaml --
object: contact
properties: [{name: rounds, type: number}]
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: count, adjust_number_property: {property: rounds, by: 1}}
  - id: more
    branch_and_or: {branches: [{name: again, when: {property: rounds, lt: 180}}]}
    then:
      again:
        - {id: pause, delay_set_amount: {for: 1h}}
        - {go_to: count, max_visits: 400}
`)
	s.work(t)
	run := s.enroll(t, "journey", "1", nil)
	s.skip(t, run)
	var exit plan.Exit
	require.NoError(t, s.GetWorkflow(t.Context(), run.GetID(), "").Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason)
	record, err := s.Books.Get(t.Context(), ref("contact/1"))
	require.NoError(t, err)
	require.Equal(t, "180", record.Properties["rounds"])
	described, err := s.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, described.GetWorkflowExecutionInfo().GetStatus())
	last, err := s.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
	require.NoError(t, err)
	require.Contains(t, last.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields(), plan.AttributeWorkflow, "a later run is found like the first")
	enrollment, err := s.Books.Enrollment(t.Context(), "journey/contact/1/1")
	require.NoError(t, err)
	require.Equal(t, plan.ExitCompleted, enrollment.Exit)
}
