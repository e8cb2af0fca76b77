package testsuite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
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

var bulkPeople = flag.Int("people", 300, "how many TestBulkThatIsKilledGoesOnAndEnrollsEachOnce enrolls")

// TestBulkThatIsKilledGoesOnAndEnrollsEachOnce kills the command line and the worker in the middle, and stops what is left for a
// while. Whoever was enrolled twice would be marked twice.
func TestBulkThatIsKilledGoesOnAndEnrollsEachOnce(t *testing.T) {
	t.Parallel()
	people := *bulkPeople
	s := newStage(t, manyMark)
	s.contacts(t, 0, people, func(n int) map[string]string {
		return map[string]string{"city": map[bool]string{true: "Rome", false: "Turin"}[n%100 == 0], "score": "0"}
	})
	shell := s.shell(t, "")
	worker := shell.start(t, "worker")
	bulk := shell.start(t, "enroll", "mark", "--matching", "{property: score, is: 0}", "--rate", fmt.Sprintf("%d/s", people/3))
	job := func() store.Bulk {
		bulk, err := s.Books.Bulk(t.Context(), 1)
		if !errors.Is(err, crm.ErrNotFound) {
			require.NoError(t, err)
		}
		return bulk
	}
	require.Eventually(t, func() bool { return job().Begun > people/10 }, patience, 5*time.Millisecond)
	bulk.kill(t)
	worker.kill(t)
	killed := job()
	require.Less(t, killed.Begun, people)
	require.Equal(t, people, killed.People)
	s.work(t)
	shell.ok(t, "enroll", "--job", "1", "--rate", "20/s", "--detach")
	require.Eventually(t, func() bool { return job().Begun > killed.Begun+bulkInFlight }, patience, 5*time.Millisecond, "another worker goes on")
	var result struct {
		People, Begun, Admitted, Undecided, Failing int
		ToDo                                        int `json:"to_do"`
		Stopped, Finished                           time.Time
		Reasons                                     map[string]int
		Refusals                                    []store.Refusal
	}
	shell.json(t, &result, "enroll", "--job", "1", "--stop")
	require.NotZero(t, result.Stopped)
	require.NotZero(t, result.ToDo)
	require.Zero(t, result.Finished)
	shell.json(t, &result, "enroll", "--job", "1", "--rate", "10000/s")
	require.NotZero(t, result.Finished)
	require.Equal(t, []int{people, people, 0, 0}, []int{result.People, result.Begun, result.ToDo, result.Failing})
	require.Eventually(t, func() bool {
		shell.json(t, &result, "enroll", "--job", "1", "--refused")
		return result.Undecided == 0
	}, patience, 100*time.Millisecond)
	require.Equal(t, people-people/100, result.Admitted)
	const suppressed = "suppressed: the record matches the suppression filter"
	require.Equal(t, map[string]int{suppressed: people / 100}, result.Reasons)
	require.Len(t, result.Refusals, people/100)
	require.Equal(t, store.Refusal{Record: "contact/0", Reason: suppressed}, result.Refusals[0])
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
	all, err := s.Books.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: "mark"})
	require.NoError(t, err)
	require.Len(t, all, people, "and no attempt was in vain")
}

// bulkInFlight is how many a killed worker may have begun that are not counted.
const bulkInFlight = 64

// contacts makes contacts whose ids are numbers.
func (s *stage) contacts(t testing.TB, from, to int, properties func(n int) map[string]string) {
	t.Helper()
	numbers := make([]int, to-from)
	for i := range numbers {
		numbers[i] = from + i
	}
	for page := range slices.Chunk(numbers, 1000) {
		require.NoError(t, s.Books.Tx(t.Context(), func(tx *store.Tx) error {
			for _, n := range page {
				if _, err := tx.Create(t.Context(), crm.Ref{Object: "contact", ID: strconv.Itoa(n)}, properties(n), time.Now(), "test"); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// BenchmarkBulk begins enrollments in bulk and, in turns on the same server, the same Temporal workflows with the same options by
// a bare loop of ExecuteWorkflow, as many at once. No worker runs, so that nothing else is measured. Its ratio is that of
// the medians. `-bench Bulk -benchtime 10x`; -turn says how many each time.
func BenchmarkBulk(b *testing.B) {
	s := newStage(b, manyMark)
	var bulk, bare []float64
	turn, next := *bulkTurn, 0
	begin := func() store.Bulk {
		s.contacts(b, next, next+turn, func(int) map[string]string { return nil })
		job := store.Bulk{Job: store.Job{Workflow: "mark", Began: time.Now()}, Rate: 10_000}
		require.NoError(b, s.Books.Tx(b.Context(), func(tx *store.Tx) (err error) {
			if job, err = tx.AddBulk(b.Context(), job); err != nil {
				return err
			}
			for n := range turn {
				next++
				if err := tx.AddPeople(b.Context(), job, []crm.Ref{{Object: "contact", ID: strconv.Itoa(next - 1)}}, "", n == turn-1); err != nil {
					return err
				}
			}
			return nil
		}))
		return job
	}
	for b.Loop() {
		inBulk := func() {
			job := begin()
			began := time.Now()
			require.NoError(b, enroll.NewBulk(*s.People, slog.New(slog.DiscardHandler)).Lane(b.Context(), job.ID))
			bulk = append(bulk, float64(turn)/time.Since(began).Seconds())
			job, err := s.Books.Bulk(b.Context(), job.ID)
			require.NoError(b, err)
			require.Equal(b, turn, job.Begun)
		}
		inALoop := func() {
			begin()
			first := next - turn
			began := time.Now()
			group, ctx := errgroup.WithContext(b.Context())
			group.SetLimit(bulkInFlight)
			for n := range turn {
				group.Go(func() error { return s.startBare(ctx, crm.Ref{Object: "contact", ID: strconv.Itoa(first + n)}) })
			}
			require.NoError(b, group.Wait())
			bare = append(bare, float64(turn)/time.Since(began).Seconds())
		}
		turns := []func(){inBulk, inALoop}
		if len(bulk)%2 == 1 {
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

var bulkTurn = flag.Int("turn", 2000, "how many BenchmarkBulk enrolls each time")

// startBare starts what an enrollment is at Temporal, and nothing else.
func (s *stage) startBare(ctx context.Context, record crm.Ref) error {
	_, err := s.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: plan.WorkflowID("mark", record.String()), TaskQueue: plan.TaskQueue, StaticSummary: "mark, revision 1: " + record.String(),
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeWorkflow).ValueSet("mark"),
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeRecord).ValueSet(record.String()),
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeObject).ValueSet(record.Object),
			temporal.NewSearchAttributeKeyInt64(plan.AttributeRevision).ValueSet(1),
			temporal.NewSearchAttributeKeyKeyword(plan.AttributeTrigger).ValueSet("bulk 1"),
		),
	}, plan.WorkflowType, plan.State{Workflow: "mark", Record: record.String(), Trigger: "bulk 1"})
	return err
}
