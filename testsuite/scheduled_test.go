package testsuite_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

// TestScheduledChangesAreMadeThoughNoWorkerRan has a contact become non-marketing while no worker runs, and another one
// while one does. Both then enroll by it.
func TestScheduledChangesAreMadeThoughNoWorkerRan(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
-- workflows/farewell.yaml --
workflow: farewell
object: contact
enroll:
  when: {property: marketing_status, is: non_marketing}
actions:
  - {id: mark, edit_record: {set: {city: Turin}}}
`)
	schedule := func(contact string, effective time.Time) {
		_, err := s.Books.Create(t.Context(), ref(contact), map[string]string{"marketing_status": "marketing"}, effective.Add(-48*time.Hour), "test")
		require.NoError(t, err)
		require.NoError(t, s.Books.Schedule(t.Context(), crm.Scheduled{
			Ref: ref(contact), Property: "marketing_status", Value: "non_marketing", Noted: effective.Add(-time.Hour), Effective: effective, Source: "test",
		}))
	}
	schedule("contact/1", time.Now().Add(-24*time.Hour))
	s.work(t)
	schedule("contact/2", time.Now().Add(time.Second))
	for _, contact := range []string{"contact/1", "contact/2"} {
		require.Eventually(t, func() bool {
			record, err := s.Books.Get(t.Context(), ref(contact))
			return err == nil && record.Property("marketing_status") == "non_marketing" && record.Property("city") == "Turin"
		}, patience, 20*time.Millisecond)
	}
}
