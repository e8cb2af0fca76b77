package testsuite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

const mergedWorkspace = `
-- millrace.yaml --
time_zone: UTC
-- workflows/wait.yaml --
workflow: wait
object: contact
enroll: {when: {property: city, is: Rome}, again: [{property: city, is: Rome}]}
actions:
  - {id: seen, delay_until_event: {event: page_viewed}}
  - {id: noted, adjust_number_property: {property: score, by: 1}}
-- workflows/other.yaml --
workflow: other
object: contact
actions:
  - {id: long, delay_set_amount: {for: 30d}}
-- objects/contact.yaml --
object: contact
properties: [{name: score, type: number}]
`

// TestTwoWhoAreInsideAreMerged: the one that stays keeps its own enrollment, the other's are ended with the reason merged and
// not taken over, what comes for the other counts for the one that stays, and the merge enrolls nobody (semantics §2.6,
// §2.3.7).
func TestTwoWhoAreInsideAreMerged(t *testing.T) {
	t.Parallel()
	s := newStage(t, mergedWorkspace)
	s.work(t)
	shell := s.shell(t, mergedWorkspace)
	last := func(workflow, record string) plan.Enrollment {
		e, _, err := s.Books.LastEnrollment(t.Context(), workflow, record)
		require.NoError(t, err)
		return e
	}
	for _, id := range []string{"1", "2"} {
		s.enroll(t, "wait", id, map[string]string{"first_name": "Ada " + id, "email": id + "@example.com"})
	}
	shell.ok(t, "enroll", "other", "contact/2", "--wait")
	require.NoError(t, s.Books.Update(t.Context(), ref("contact/2"), map[string]string{"city": "Rome"}, time.Now(), "test")) // is inside: nothing follows
	require.Eventually(t, func() bool {
		return last("wait", "contact/1").Standing.Awaits != "" && last("wait", "contact/2").Standing.Awaits != "" && !last("other", "contact/2").Standing.Until.IsZero()
	}, patience, 10*time.Millisecond)
	kept := last("wait", "contact/1")

	shell.ok(t, "records", "merge", "contact/1", "contact/2")
	for _, workflow := range []string{"wait", "other"} {
		require.Eventually(t, func() bool { return last(workflow, "contact/2").Exit == plan.ExitMerged }, patience, 10*time.Millisecond, workflow)
		require.Contains(t, s.events(t, workflow, "contact/2"), "unenrolled")
	}
	require.Empty(t, last("wait", "contact/1").Exit, "who stays goes on")
	require.Empty(t, last("other", "contact/1").ID, "and takes nothing over")

	shell.ok(t, "event", "page_viewed", "--record", "contact/2") // a sender that does not know yet
	require.Eventually(t, func() bool { return last("wait", "contact/1").Exit == plan.ExitCompleted }, patience, 10*time.Millisecond)
	require.Equal(t, kept.ID, last("wait", "contact/1").ID, "the merge gave it the city Rome, and enrolled it nowhere")
	ada, err := s.Books.Get(t.Context(), crm.Ref{Object: "contact", ID: "1"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"first_name": "Ada 1", "email": "1@example.com", "city": "Rome", "score": "1"}, ada.Properties, "one of the two was waited for")
	require.Eventually(t, func() bool {
		undone, _, _, err := s.Books.Undone(t.Context())
		pending, _, more := s.Books.Pending(t.Context())
		return err == nil && more == nil && undone+pending == 0
	}, patience, 10*time.Millisecond)
	all, err := s.Books.Enrollments(t.Context(), store.EnrollmentFilter{})
	require.NoError(t, err)
	var lines []string
	for _, one := range all {
		lines = append(lines, fmt.Sprint(one.ID, " ", one.Exit))
	}
	require.ElementsMatch(t, []string{"wait/contact/1/1 completed", "wait/contact/2/1 merged", "other/contact/2/1 merged"}, lines)
}
