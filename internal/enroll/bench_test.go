package enroll_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

// BenchmarkDecide is one event of a record of 10,000 whose enrollments wait, from the queue to the written decision, in
// batches as they come when 500 have gathered.
func BenchmarkDecide(b *testing.B) {
	books, err := store.Open(b.Context(), "sqlite://"+filepath.Join(b.TempDir(), "bench.db"))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, books.Close()) })
	router := enroll.Router{Client: enroll.Client{Store: books}}
	decide := func() {
		for {
			count, err := router.Decide(b.Context())
			require.NoError(b, err)
			if count == 0 {
				return
			}
		}
	}
	require.NoError(b, books.Tx(b.Context(), func(tx *store.Tx) error {
		for n := range 10_000 {
			record := "contact/" + strconv.Itoa(n)
			opened, err := tx.OpenEnrollment(b.Context(), plan.Enrollment{Workflow: "w", Record: record, WorkflowID: plan.WorkflowID("w", record), FirstRun: "1", Started: now})
			if err != nil {
				return err
			}
			if err := tx.Stand(b.Context(), plan.Standing{Enrollment: opened.ID, Node: "n", Awaits: "email_opened"}); err != nil {
				return err
			}
		}
		return nil
	}))
	decide()
	done := 0
	for b.Loop() {
		b.StopTimer()
		require.NoError(b, books.Tx(b.Context(), func(tx *store.Tx) error {
			for n := range 500 {
				_, _, err := tx.AddEvent(b.Context(), plan.Event{ID: fmt.Sprint(done, "-", n), Type: "email_opened", Record: "contact/" + strconv.Itoa(n*19), At: now})
				if err != nil {
					return err
				}
			}
			return nil
		}))
		done++
		b.StartTimer()
		decide()
	}
	b.ReportMetric(float64(500*done)/b.Elapsed().Seconds(), "events/s")
}
