package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const day = 24 * time.Hour

// journey waits ninety days, noting when events come meanwhile.
func journey(ctx workflow.Context) ([]string, error) {
	begin := workflow.Now(ctx)
	var notes []string
	note := func(what string) {
		notes = append(notes, fmt.Sprintf("day %d: %s", int(workflow.Now(ctx).Sub(begin)/day), what))
	}
	events := workflow.GetSignalChannel(ctx, "event")
	done := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(events, func(c workflow.ReceiveChannel, _ bool) {
		var name string
		c.Receive(ctx, &name)
		note(name)
	})
	selector.AddFuture(workflow.NewTimer(ctx, 90*day), func(workflow.Future) {
		note("end")
		done = true
	})
	for !done {
		selector.Select(ctx)
	}
	return notes, nil
}

// withTimeSkipping starts every workflow of a client with the configuration.
func withTimeSkipping(config *commonpb.TimeSkippingConfig) client.Options {
	interceptor := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if start, ok := req.(*workflowservice.StartWorkflowExecutionRequest); ok {
			start.TimeSkippingConfig = config
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	return client.Options{ConnectionOptions: client.ConnectionOptions{
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(interceptor)},
	}}
}

// A workflow skips time whenever it has nothing to do but wait.
func TestTimeSkipping(t *testing.T) {
	t.Parallel()
	c := start(t, "--headless").dial(t, withTimeSkipping(&commonpb.TimeSkippingConfig{Enabled: true}))
	began := time.Now()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: work(t, c, journey)}, journey)
	require.NoError(t, err)
	var notes []string
	require.NoError(t, run.Get(t.Context(), &notes))
	require.Equal(t, []string{"day 90: end"}, notes)
	require.Less(t, time.Since(began), 20*time.Second)
}

// A run can be advanced to one instant of its own time after another, and
// signalled at each. It does not matter whether it began with time skipping
// off, on up to a first instant, or without a word on it.
func TestTimeSkippingToChosenInstants(t *testing.T) {
	t.Parallel()
	s := start(t, "--headless")
	firstStop := &commonpb.FastForwardConfig{Id: "first", Duration: durationpb.New(time.Second)}
	for name, config := range map[string]*commonpb.TimeSkippingConfig{
		"unconfigured": nil,
		"off":          {Enabled: false},
		"fast-forward": {Enabled: true, FastForwardConfig: firstStop},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.dial(t, withTimeSkipping(config))
			run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: work(t, c, journey)}, journey)
			require.NoError(t, err)
			clock := runClock{c, s.Namespace, run.GetID()}
			began := clock.start(t)

			for _, at := range []int{3, 10, 45} {
				clock.advanceTo(t, began.Add(time.Duration(at)*day+time.Hour))
				require.NoError(t, c.SignalWorkflow(t.Context(), run.GetID(), "", "event", fmt.Sprintf("planned for day %d", at)))
			}
			clock.runOn(t)

			var notes []string
			require.NoError(t, run.Get(t.Context(), &notes))
			require.Equal(t, []string{
				"day 3: planned for day 3",
				"day 10: planned for day 10",
				"day 45: planned for day 45",
				"day 90: end",
			}, notes)
			requireReplays(t, c, run)
		})
	}
}

// chain waits two days in each of n runs.
func chain(ctx workflow.Context, begin time.Time, n int) (time.Duration, error) {
	if err := workflow.Sleep(ctx, 2*day); err != nil {
		return 0, err
	}
	if n > 1 {
		return 0, workflow.NewContinueAsNewError(ctx, chain, begin, n-1)
	}
	return workflow.Now(ctx).Sub(begin).Truncate(time.Hour), nil
}

// An advance goes on through continue-as-new, and time passes neither faster
// nor slower there.
func TestTimeSkippingAcrossContinueAsNew(t *testing.T) {
	t.Parallel()
	s := start(t, "--headless")
	c := s.dial(t, withTimeSkipping(&commonpb.TimeSkippingConfig{}))
	began := time.Now()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: work(t, c, chain)}, chain, began, 4)
	require.NoError(t, err)
	clock := runClock{c, s.Namespace, run.GetID()}

	clock.advanceTo(t, began.Add(5*day)) // into the third run
	clock.runOn(t)

	var took time.Duration
	require.NoError(t, run.Get(t.Context(), &took))
	require.Equal(t, 8*day, took)
}

// runClock moves the clock of one workflow execution.
type runClock struct {
	client     client.Client
	namespace  string
	workflowID string
}

// start is when the execution began, provided that it did not continue as new:
// the server then counts the time skipped before twice in the run's start.
func (r runClock) start(t *testing.T) time.Time {
	t.Helper()
	described, err := r.client.DescribeWorkflowExecution(t.Context(), r.workflowID, "")
	require.NoError(t, err)
	return described.WorkflowExecutionInfo.StartTime.AsTime()
}

// now is the execution's time. Without a time skipping configuration, it is
// ours.
func (r runClock) now(t *testing.T) time.Time {
	t.Helper()
	described, err := r.client.DescribeWorkflowExecution(t.Context(), r.workflowID, "")
	require.NoError(t, err)
	if info := described.WorkflowExtendedInfo.TimeSkippingInfo; info != nil {
		return info.CurrentTime.AsTime()
	}
	return time.Now()
}

// advanceTo lets the execution do all that it does up to an instant, skipping
// the time between, and returns when it has come there. From then on its time
// passes as ours does.
func (r runClock) advanceTo(t *testing.T, instant time.Time) {
	t.Helper()
	id := uuid.NewString()
	r.configure(t, &commonpb.TimeSkippingConfig{
		Enabled:           true,
		FastForwardConfig: &commonpb.FastForwardConfig{Id: id, Duration: durationpb.New(instant.Sub(r.now(t)))},
	})
	for {
		poll, err := r.client.WorkflowService().PollWorkflowExecutionTimeSkipping(t.Context(), &workflowservice.PollWorkflowExecutionTimeSkippingRequest{
			Namespace:         r.namespace,
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: r.workflowID},
			FastForwardId:     id,
		})
		require.NoError(t, err)
		switch poll.FastForwardPollingResult {
		case enumspb.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_COMPLETED:
			return
		case enumspb.FAST_FORWARD_POLLING_RESULT_POLL_TIMEOUT: // ask again
		default:
			require.Fail(t, poll.FailedReason)
		}
	}
}

// runOn skips all the time that the execution still waits.
func (r runClock) runOn(t *testing.T) {
	t.Helper()
	r.configure(t, &commonpb.TimeSkippingConfig{Enabled: true})
}

// configure replaces the time skipping configuration, which is only ever
// written as a whole. Each time begins a new count of skips; at the server's
// own limit of 200, time skipping would end without a word.
func (r runClock) configure(t *testing.T, config *commonpb.TimeSkippingConfig) {
	t.Helper()
	config.MaxSessionSkipCount = 100_000
	_, err := r.client.WorkflowService().UpdateWorkflowExecutionOptions(t.Context(), &workflowservice.UpdateWorkflowExecutionOptionsRequest{
		Namespace:                r.namespace,
		WorkflowExecution:        &commonpb.WorkflowExecution{WorkflowId: r.workflowID},
		WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{TimeSkippingConfig: config},
		UpdateMask:               &fieldmaskpb.FieldMask{Paths: []string{"time_skipping_config"}},
	})
	require.NoError(t, err)
}

// requireReplays replays the history, in which time jumps, as a worker that
// takes over would.
func requireReplays(t *testing.T, c client.Client, run client.WorkflowRun) {
	t.Helper()
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflow(journey)
	require.NoError(t, replayer.ReplayWorkflowExecution(t.Context(), c.WorkflowService(), nil, client.DefaultNamespace,
		workflow.Execution{ID: run.GetID(), RunID: run.GetRunID()}))
}
