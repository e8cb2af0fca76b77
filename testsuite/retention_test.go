package testsuite_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// TestEveryNightWhatIsKeptNoLongerIsRemoved hurries the schedule that a worker makes.
func TestEveryNightWhatIsKeptNoLongerIsRemoved(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	for key, at := range map[string]time.Time{"old": time.Now().AddDate(0, 0, -91), "young": time.Now()} {
		require.NoError(t, s.Books.AddMessage(t.Context(), plan.Message{Key: key, At: at, Channel: "email"}))
	}
	s.work(t)
	require.Eventually(t, func() bool {
		return s.ScheduleClient().GetHandle(t.Context(), "retention/"+plan.TaskQueue).Trigger(t.Context(), client.ScheduleTriggerOptions{}) == nil
	}, patience, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		left, err := s.Books.Outbox(t.Context(), time.Time{}, 0)
		require.NoError(t, err)
		return len(left) == 1 && left[0].Key == "young"
	}, patience, 50*time.Millisecond)
	require.NoError(t, s.People.SchedulePruning(t.Context()), "it is made once, however many workers start")
}
