package testsuite_test

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
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

// BenchmarkFiveWebhooks is `millrace bench` with one enrollment alone in flight. The metric `ratio` is that of
// enrollments per second, ours to those written by hand.
func BenchmarkFiveWebhooks(b *testing.B) {
	s := newStage(b, "")
	bench := testsuite.Bench{Temporal: s.Client, Namespace: s.Namespace, Store: s.Books, Kinds: activities.Kinds(), Enrollments: b.N, InFlight: 1}
	result, err := bench.Run(b.Context())
	require.NoError(b, err)
	b.ReportMetric(1000/result.Millrace.PerSecond, "ms/enrollment")
	b.ReportMetric(1000/result.ByHand.PerSecond, "ms/by-hand")
	b.ReportMetric(result.Ratio, "ratio")
}

func TestBenchMeasuresBothSidesAndEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	bench := testsuite.Bench{
		Temporal: s.Client, Namespace: s.Namespace, Store: s.Books, Kinds: activities.Kinds(), Enrollments: 40, InFlight: 4, Longest: time.Nanosecond,
	}
	result, err := bench.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, result.Enrollments, "the time is over after the first turn")
	require.Equal(t, 4, result.InFlight)
	require.InDelta(t, result.Millrace.PerSecond/result.ByHand.PerSecond, result.Ratio, 0.001, "of one turn")
	require.Positive(t, result.Ratio)
	require.Positive(t, result.ByHand.HistoryBytes)
	require.LessOrEqual(t, result.Histories, 1.7, "%d bytes of history beside %d", result.Millrace.HistoryBytes, result.ByHand.HistoryBytes)
}

// BenchmarkWaiting is what a thousand enrollments cost a worker's memory that wait in its cache: heap after a collection,
// and the stacks of their goroutines. Run it alone and once: `-bench Waiting -benchtime 1x`.
func BenchmarkWaiting(b *testing.B) {
	const people = 1000
	s := newStage(b, nurture(receiver(b)))
	s.work(b)
	waiting := func(n int) {
		require.Eventually(b, func() bool {
			standing, err := s.Books.Enrollments(b.Context(), store.EnrollmentFilter{Workflow: "journey", Node: "pause"})
			require.NoError(b, err)
			return len(standing) == n
		}, 5*patience, 50*time.Millisecond)
	}
	memory := func() float64 {
		var now runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&now)
		return float64(now.HeapAlloc+now.StackInuse) / (1 << 20)
	}
	s.enroll(b, "journey", "warm", map[string]string{"email": "warm@example.com"})
	waiting(1)
	idle := memory()
	for b.Loop() {
		for n := range people {
			s.enroll(b, "journey", strconv.Itoa(n), map[string]string{"email": fmt.Sprintf("%d@example.com", n)})
		}
		waiting(people + 1)
	}
	b.ReportMetric(memory()-idle, "MB/1000-waiting")
}

// BenchmarkWake is how long it takes from an event that is stored until a wait for it has ended, which the journal says,
// while 10,000 enrollments wait. Run it alone: `-bench Wake -benchtime 200x`.
func BenchmarkWake(b *testing.B) {
	const parked = 10_000
	s := newStage(b, waitForPage)
	s.work(b)
	var group errgroup.Group
	group.SetLimit(32)
	for n := range parked {
		group.Go(func() error {
			who := crm.Ref{Object: "contact", ID: strconv.Itoa(n)}
			if _, err := s.Books.Create(b.Context(), who, nil, time.Now(), "test"); err != nil {
				return err
			}
			_, err := s.People.Start(b.Context(), enroll.Request{Workflow: "journey", Record: who})
			return err
		})
	}
	require.NoError(b, group.Wait())
	require.Eventually(b, func() bool {
		standing, err := s.Books.Enrollments(b.Context(), store.EnrollmentFilter{Workflow: "journey", Node: "wait"})
		require.NoError(b, err)
		pending, _, err := s.Books.Pending(b.Context())
		require.NoError(b, err)
		return len(standing) == parked && pending == 0
	}, 10*patience, 500*time.Millisecond)
	var took []time.Duration
	for b.Loop() {
		record := "contact/" + strconv.Itoa(len(took)*37%parked)
		began := time.Now()
		_, err := s.People.Deliver(b.Context(), plan.Event{Type: "page_viewed", Record: record}, began)
		require.NoError(b, err)
		for ended := false; !ended; {
			entries, err := s.Books.JournalOf(b.Context(), "journey", record)
			require.NoError(b, err)
			ended = slices.ContainsFunc(entries, func(one plan.Entry) bool { return one.Event == plan.JournalDelayEnded })
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms/95th")
	b.ReportMetric(0, "ns/op")
}
