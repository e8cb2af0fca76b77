package testsuite_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

// TestWorkerThatIsStoppedFinishesItsCalls: nobody makes the call again, and whoever comes next goes on behind it.
func TestWorkerThatIsStoppedFinishesItsCalls(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	taken, answer := make(chan struct{}, 10), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		taken <- struct{}{}
		<-answer
	}))
	t.Cleanup(receiver.Close)
	// One call leaves by the queue of everything, the other by that of a channel with a limit.
	for _, settings := range []string{"", "quotas: {webhook: {limit: 100, per: 1s}}\n"} {
		s := newStage(t, limited(receiver.URL, settings))
		shell := s.shell(t, "")
		worker := shell.start(t, "worker")
		run := s.enroll(t, "calls", "1", map[string]string{"city": "rome"})
		<-taken
		require.NoError(t, worker.command.Process.Signal(syscall.SIGTERM))
		worker.says(t, "it finishes what it is doing")
		answer <- struct{}{}
		select {
		case <-worker.done:
		case <-time.After(patience):
			require.Fail(t, "the worker does not end", worker.said.String())
		}
		require.Zero(t, worker.command.ProcessState.ExitCode(), worker.said.String())
		s.work(t)
		var exit plan.Exit
		require.NoError(t, run.Get(t.Context(), &exit))
		require.Equal(t, plan.ExitCompleted, exit.Reason)
	}
	require.EqualValues(t, 2, calls.Load())
}
