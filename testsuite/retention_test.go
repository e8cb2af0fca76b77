package testsuite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// TestEveryNightWhatIsKeptNoLongerIsRemoved hurries the schedule that a worker makes. A contact that was deleted 91 days ago
// is gone after it, one that was 89 days ago can be restored.
func TestEveryNightWhatIsKeptNoLongerIsRemoved(t *testing.T) {
	t.Parallel()
	s := newStage(t, longWait)
	for key, at := range map[string]time.Time{"old": time.Now().AddDate(0, 0, -91), "young": time.Now()} {
		require.NoError(t, s.Books.AddMessage(t.Context(), plan.Message{Key: key, At: at, Channel: "email"}))
	}
	for contact, days := range map[string]int{"contact/1": -91, "contact/2": -89} {
		_, err := s.Books.Create(t.Context(), ref(contact), map[string]string{"city": "Rome"}, time.Now().AddDate(0, 0, -100), "test")
		require.NoError(t, err)
		require.NoError(t, s.Books.Delete(t.Context(), ref(contact), time.Now().AddDate(0, 0, days)))
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
	require.Eventually(t, func() bool { return errors.Is(s.Books.Restore(t.Context(), ref("contact/1")), crm.ErrNotFound) }, patience, 50*time.Millisecond)
	require.NoError(t, s.Books.Restore(t.Context(), ref("contact/2")))
	restored, err := s.Books.Get(t.Context(), ref("contact/2"))
	require.NoError(t, err)
	require.Equal(t, "Rome", restored.Property("city"))
	require.NoError(t, s.People.SchedulePruning(t.Context()), "it is made once, however many workers start")
}
