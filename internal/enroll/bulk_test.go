package enroll_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// starter is a Temporal server that only starts workflows, and keeps when. All stay open.
type starter struct {
	client.Client
	mu      sync.Mutex
	begun   []time.Time
	trigger map[string]string // by workflow id
	attempt func(n int) error // asked before the n-th attempt; its error is the server's answer
	tried   int
	told    []string
}

type started struct {
	client.WorkflowRun
	id string
}

func (s started) GetID() string    { return s.id }
func (s started) GetRunID() string { return "run" }

func (s *starter) ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.tried++
	if s.attempt != nil {
		if err := s.attempt(s.tried); err != nil {
			return nil, err
		}
	}
	if _, open := s.trigger[options.ID]; open {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "run")
	}
	s.begun = append(s.begun, time.Now())
	s.trigger[options.ID] = args[0].(plan.State).Trigger
	return started{id: options.ID}, nil
}

func (s *starter) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	trigger, err := converter.GetDefaultDataConverter().ToPayload(s.trigger[id])
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
		FirstRunId: "run", SearchAttributes: &common.SearchAttributes{IndexedFields: map[string]*common.Payload{plan.AttributeTrigger: trigger}},
	}}, err
}

func (s *starter) SignalWorkflow(_ context.Context, id, _, signal string, _ any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, signal+" "+id)
	return nil
}

func (s *starter) DescribeTaskQueueEnhanced(context.Context, client.DescribeTaskQueueEnhancedOptions) (client.TaskQueueDescription, error) {
	return client.TaskQueueDescription{}, errors.New("nobody asks it")
}

func (s *starter) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.begun)
}

// crew is several workers on one database, in a time that passes when all of them wait.
type crew struct {
	*store.Store
	t        *testing.T
	temporal *starter
}

func newCrew(t *testing.T) *crew {
	books, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, books.Close()) })
	_, err = books.Publish(t.Context(), store.Publication{At: time.Now(), Definitions: []plan.Revision{{
		Workflow: "w", On: true, Plan: &plan.Plan{Workflow: "w", Object: "contact", Hash: "h"},
	}}})
	require.NoError(t, err)
	return &crew{books, t, &starter{trigger: map[string]string{}}}
}

// job begins one that enrolls so many contacts.
func (c *crew) job(from, people int, rate float64) store.Bulk {
	c.t.Helper()
	job, err := c.AddBulk(c.t.Context(), store.Bulk{Job: store.Job{Workflow: "w", Began: time.Now()}, Rate: rate})
	require.NoError(c.t, err)
	refs := make([]crm.Ref, people)
	for i := range refs {
		refs[i] = crm.Ref{Object: "contact", ID: fmt.Sprint(from + i)}
	}
	require.NoError(c.t, c.AddPeople(c.t.Context(), job, refs, "", true))
	return job
}

// work runs a worker until it is killed: what it does then has no end, and it gives nothing back.
func (c *crew) work() (kill func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		enroll.NewBulk(enroll.Client{Temporal: c.temporal, Store: c.Store}, slog.New(slog.DiscardHandler)).Run(ctx)
	})
	return func() {
		cancel()
		ended.Wait()
	}
}

// until lets time pass until something holds.
func (c *crew) until(holds func() bool) {
	c.t.Helper()
	for end := time.Now().Add(time.Hour); !holds(); {
		require.True(c.t, time.Now().Before(end), "an hour has passed")
		<-time.After(5 * time.Millisecond)
	}
}

func (c *crew) finished(job store.Bulk) bool {
	job, err := c.Bulk(c.t.Context(), job.ID)
	require.NoError(c.t, err)
	return !job.Finished.IsZero()
}

func TestNeverAreMoreBegunThanTheRateSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		job := c.job(1, 1000, 50)
		kills := []func(){c.work(), c.work(), c.work()}
		changes := []struct {
			begun int
			rate  float64
		}{{200, 7}, {230, 300}}
		since := []time.Time{time.Now()}
		rates := []float64{50}
		c.until(func() bool { return c.temporal.count() >= 100 })
		kills[0]()
		for _, change := range changes {
			c.until(func() bool { return c.temporal.count() >= change.begun })
			require.NoError(t, c.SetRate(t.Context(), job.ID, change.rate))
			since, rates = append(since, time.Now()), append(rates, change.rate)
		}
		c.until(func() bool { return c.temporal.count() >= 600 })
		kills[1]()
		c.until(func() bool { return c.finished(job) })
		kills[2]()
		begun := c.temporal.begun
		require.Len(t, begun, 1000)
		for i, first := range begun { // a second that begins with any of them
			end := first.Add(time.Second)
			allowed := 0.0
			for r, rate := range rates { // what was taken at a rate before it changed may still be used
				from := since[r]
				until := end
				if r+1 < len(since) {
					until = since[r+1].Add(300 * time.Millisecond)
				}
				if from.Before(end) && until.After(first) {
					allowed = max(allowed, rate)
				}
			}
			within := 0
			for _, at := range begun[i:] {
				if at.Before(end) {
					within++
				}
			}
			require.LessOrEqual(t, within, int(allowed), "in the second from %s", first)
		}
		took := begun[999].Sub(begun[0])
		require.Less(t, took, 60*time.Second, "and not much is wasted")
	})
}

func TestAJobGoesOnBesideOthersWhenItIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		c.temporal.attempt = func(n int) error {
			switch {
			case n%50 == 0:
				return serviceerror.NewResourceExhausted(0, "slow down")
			case n == 333:
				return serviceerror.NewUnavailable("away")
			}
			return nil
		}
		inside := c.job(1, 10, 1000)
		kill := c.work()
		c.until(func() bool { return c.finished(inside) })
		slow, quick := c.job(1, 400, 20), c.job(5001, 400, 1000)
		c.until(func() bool { return c.finished(quick) })
		require.False(t, c.finished(slow), "it has a pace of its own")
		kill()
		kill = c.work()
		c.until(func() bool { return c.finished(slow) })
		kill()
		for job, want := range map[int64][]int{inside.ID: {10, 10, 0}, slow.ID: {400, 390, 10}, quick.ID: {400, 400, 0}} {
			done, err := c.Bulk(t.Context(), job)
			require.NoError(t, err)
			require.Equal(t, want, []int{done.People, done.Begun, done.Refused}, "job %d", job)
		}
		reasons, err := c.Reasons(t.Context(), slow)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"already-enrolled: the record is in the workflow already": 10}, reasons)
		require.Len(t, c.temporal.begun, 800)
	})
}

func TestWhomASchedulePublicationOrFilterFindsIsBegunAndManyAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t)
		for n := range 30 {
			city := map[bool]string{true: "Rome", false: "Turin"}[n%3 == 0]
			_, err := c.Create(t.Context(), crm.Ref{Object: "contact", ID: fmt.Sprint(n + 1)}, map[string]string{"city": city}, time.Now(), "test")
			require.NoError(t, err)
		}
		require.NoError(t, c.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AddIntent(t.Context(), plan.Intent{Act: plan.ActChanged, Workflow: "w", Record: "contact/1", Bulk: true, At: time.Now()})
			require.NoError(t, err)
			_, err = tx.AddIntent(t.Context(), plan.Intent{Act: plan.ActEnroll, Workflow: "w", Record: "contact/2", Trigger: "schedule 1", Way: plan.WaySchedule, Bulk: true, At: time.Now()})
			return err
		}))
		job, err := c.AddBulk(t.Context(), store.Bulk{Job: store.Job{Workflow: "w", Began: time.Now()}, Rate: 100, Filter: []byte(`{"property":"city","is":"Rome"}`)})
		require.NoError(t, err)
		defer c.work()()
		c.until(func() bool { return c.finished(job) && c.temporal.count() == 11 })
		done, err := c.Bulk(t.Context(), job.ID)
		require.NoError(t, err)
		require.Equal(t, []int{10, 10}, []int{done.People, done.Begun})
		require.Equal(t, "schedule 1", c.temporal.trigger["enrollment/w/contact/2"])
		require.Equal(t, []string{"changed enrollment/w/contact/1"}, c.temporal.told)
	})
}
