package testsuite_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
)

const manyMark = `-- workflows/mark.yaml --
workflow: mark
object: contact
enroll: {on: [{event: page_viewed}], again: each_event}
suppress: {property: city, is: Rome}
actions:
  - {id: mark, adjust_number_property: {property: score, by: 1}}
-- objects/contact.yaml --
object: contact
properties:
  - {name: score, type: number}
  - {name: city}
`

// TestBulkThatIsKilledGoesOnAndEnrollsEachOnce kills the command line and the worker in the middle. Whoever was enrolled twice
// would be marked twice.
func TestBulkThatIsKilledGoesOnAndEnrollsEachOnce(t *testing.T) {
	t.Parallel()
	const people = 300
	s := newStage(t, manyMark)
	for contact := range people {
		city := "Turin"
		if contact%100 == 0 {
			city = "Rome"
		}
		_, err := s.Books.Create(t.Context(), crm.Ref{Object: "contact", ID: strconv.Itoa(contact)}, map[string]string{"city": city, "score": "0"}, time.Now(), "test")
		require.NoError(t, err)
	}
	shell := s.shell(t, "")
	worker := shell.start(t, "worker")
	bulk := shell.start(t, "enroll", "mark", "--matching", "{property: score, is: 0}", "--rate", "100/s")
	begun := func() int {
		counts, err := s.Books.JobResults(t.Context(), 1)
		require.NoError(t, err)
		return counts[store.PartDone]
	}
	require.Eventually(t, func() bool { return begun() > 30 }, patience, 5*time.Millisecond)
	bulk.kill(t)
	worker.kill(t)
	require.Less(t, begun(), people)
	s.work(t)
	require.Eventually(t, func() bool { // until it is known that the first one is dead
		_, _, code := shell.run(t, "enroll", "--job", "1", "--rate", "500/s")
		return code == 0
	}, patience, 100*time.Millisecond)
	require.Equal(t, people, begun())
	var result struct {
		Begun, Admitted, Undecided int
		Rejected                   map[string]int
	}
	require.Eventually(t, func() bool {
		shell.json(t, &result, "enroll", "--job", "1")
		return result.Undecided == 0
	}, patience, 100*time.Millisecond)
	require.Equal(t, people, result.Begun)
	require.Equal(t, people-3, result.Admitted)
	require.Equal(t, map[string]int{"suppressed: the record matches the suppression filter": 3}, result.Rejected)
	require.Eventually(t, func() bool {
		inside, err := s.Books.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: "mark", OpenOnly: true})
		require.NoError(t, err)
		return len(inside) == 0
	}, patience, 100*time.Millisecond)
	for contact := range people {
		record, err := s.Books.Get(t.Context(), crm.Ref{Object: "contact", ID: strconv.Itoa(contact)})
		require.NoError(t, err)
		want := "1"
		if contact%100 == 0 {
			want = "0"
		}
		require.Equal(t, want, record.Property("score"), "contact/%d", contact)
	}
}

// BenchmarkBulk begins enrollments in bulk and, in turns on the same server, the same workflows by a bare loop of
// ExecuteWorkflow, as many at once. No worker runs. Its ratio is that of the medians. `-bench Bulk -benchtime 10x`.
func BenchmarkBulk(b *testing.B) {
	const turn, atOnce = 500, 64
	s := newStage(b, manyMark)
	var bulk, bare []float64
	next := 0
	for b.Loop() {
		ids := make([]string, turn)
		for i := range ids {
			ref := crm.Ref{Object: "contact", ID: strconv.Itoa(next)}
			next++
			_, err := s.Books.Create(b.Context(), ref, nil, time.Now(), "bench")
			require.NoError(b, err)
			ids[i] = ref.String()
		}
		inBulk := func() {
			job, err := s.Books.AddJob(b.Context(), store.Job{Workflow: "mark", Operation: enroll.OperationEnroll, Began: time.Now()}, ids)
			require.NoError(b, err)
			began := time.Now()
			people := *s.People
			people.Queue = fmt.Sprintf("bulk-%d", next) // nobody works on it, so that an old backlog would hold everything
			require.NoError(b, people.CarryBulk(b.Context(), job, 10_000, func(int) {}))
			bulk = append(bulk, turn/time.Since(began).Seconds())
		}
		inALoop := func() {
			began := time.Now()
			group, ctx := errgroup.WithContext(b.Context())
			group.SetLimit(atOnce)
			for i, id := range ids {
				group.Go(func() error { return startBare(ctx, s, fmt.Sprintf("bare/%d/%d", next, i), id) })
			}
			require.NoError(b, group.Wait())
			bare = append(bare, turn/time.Since(began).Seconds())
		}
		turns := []func(){inBulk, inALoop}
		if next/turn%2 == 0 {
			slices.Reverse(turns)
		}
		for _, one := range turns {
			one()
		}
	}
	slices.Sort(bulk)
	slices.Sort(bare)
	b.ReportMetric(bulk[len(bulk)/2], "bulk/s")
	b.ReportMetric(bare[len(bare)/2], "bare/s")
	b.ReportMetric(bulk[len(bulk)/2]/bare[len(bare)/2], "ratio")
}

func startBare(ctx context.Context, s *stage, id, record string) error {
	_, err := s.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue}, plan.WorkflowType, plan.State{Workflow: "mark", Record: record})
	return err
}
