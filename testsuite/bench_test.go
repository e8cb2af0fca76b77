package testsuite_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// fortySteps is a journey of ninety days.
func fortySteps() string {
	var text strings.Builder
	text.WriteString("-- emails/hello.md --\n---\nsubject: 'Hello {{ contact.first_name }}'\n---\nHello.\n")
	text.WriteString("-- workflows/journey.yaml --\nworkflow: journey\nobject: contact\nactions:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "  - {id: wait-%d, delay_set_amount: {for: 9d}}\n", i)
		fmt.Fprintf(&text, "  - {id: mail-%d, send_email: {email: hello}}\n", i)
		fmt.Fprintf(&text, "  - {id: edit-%d, edit_record: {set: {city: town-%d}}}\n", i, i)
		fmt.Fprintf(&text, "  - {id: split-%d, branch_and_or: {branches: [{name: here, when: {property: city, known: true}}]}}\n", i)
	}
	return text.String()
}

// BenchmarkSimulateNinetyDays runs 40 steps over 90 days, database and all.
func BenchmarkSimulateNinetyDays(b *testing.B) {
	publication := compiled(b, "-- millrace.yaml --\ntime_zone: UTC\nsender: {email: hello@millrace.example}\n"+fortySteps())
	for b.Loop() {
		shown, err := testsuite.Simulate(b.Context(), testsuite.Simulation{
			Workspace: publication, Workflow: "journey", Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
			Record: testsuite.SimulatedRecord{Object: "contact", ID: "1", Properties: map[string]any{"email": "ada@example.com"}},
		})
		require.NoError(b, err)
		require.Len(b, shown.Steps, 40)
		require.Len(b, shown.Effects, 10)
	}
}

// byHand is what somebody would write instead of five webhooks in a definition.
func byHand(ctx workflow.Context, url string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
	for i := range 5 {
		if err := workflow.ExecuteActivity(ctx, "post", url, i).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func post(ctx context.Context, url string, step int) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(fmt.Sprintf(`{"step":%d}`, step)))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Idempotency-Key", fmt.Sprint(step))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// BenchmarkFiveWebhooks puts one enrollment through five webhooks beside a hand-written workflow of five
// activities, one alone in flight, in turns on the same server. The metric `ratio` is ours to theirs.
func BenchmarkFiveWebhooks(b *testing.B) {
	url := receiver(b)
	s := newStage(b, fiveWebhooks(url))
	s.work(b)
	pollers := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{}) // as ours
	other := worker.New(s.Client, "by-hand", worker.Options{WorkflowTaskPollerBehavior: pollers, ActivityTaskPollerBehavior: pollers})
	other.RegisterWorkflow(byHand)
	other.RegisterActivityWithOptions(post, activity.RegisterOptions{Name: "post"})
	require.NoError(b, other.Start())
	b.Cleanup(other.Stop)

	var ours, theirs time.Duration
	one := func(n int) (time.Duration, time.Duration) {
		ref := crm.Ref{Object: "contact", ID: fmt.Sprint(n)}
		_, err := s.Books.Create(b.Context(), ref, nil, time.Now(), "bench")
		require.NoError(b, err)
		began := time.Now()
		started, err := s.People.Start(b.Context(), enroll.Request{Workflow: "journey", Record: ref})
		require.NoError(b, err)
		require.NoError(b, s.GetWorkflow(b.Context(), started.WorkflowID, started.RunID).Get(b.Context(), nil))
		enrolled := time.Since(began)
		began = time.Now()
		run, err := s.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: "by-hand"}, byHand, url)
		require.NoError(b, err)
		require.NoError(b, run.Get(b.Context(), nil))
		return enrolled, time.Since(began)
	}
	for warm := range 5 {
		one(1_000_000 + warm)
	}
	n := 0
	for b.Loop() {
		n++
		enrolled, handmade := one(n)
		ours, theirs = ours+enrolled, theirs+handmade
	}
	b.ReportMetric(float64(ours.Milliseconds())/float64(n), "ms/enrollment")
	b.ReportMetric(float64(theirs.Milliseconds())/float64(n), "ms/by-hand")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}
