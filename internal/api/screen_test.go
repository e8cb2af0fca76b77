package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
)

func TestWhatTellsAValueIsNotShownToAKeyOfWhoMayNotSeeIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.MayOpen = mayOpenNone })
	e, err := s.Books.OpenEnrollment(t.Context(), plan.Enrollment{
		Workflow: "welcome", Record: "contact/51", WorkflowID: "w", FirstRun: "r", Started: noon,
		Event: &plan.Event{Type: "paid", Properties: map[string]any{"amount": 1000}},
	})
	require.NoError(t, err)
	require.NoError(t, s.Books.WriteJournal(t.Context(), plan.Entry{
		Enrollment: e.ID, Key: e.ID + "/thanks/1", At: noon, Node: "thanks", Event: plan.JournalBranch, Port: "over-1000", Detail: "the salary is 1000",
	}))
	require.NoError(t, s.Books.CloseEnrollment(t.Context(), e.ID, plan.Exit{Reason: plan.ExitEnded, Node: "thanks", Detail: "left with 1000"}, noon))
	bound := s.as(s.newKey("max's", "max", crm.RoleView))
	for _, path := range []string{"/v1/enrollments/welcome/contact/51", "/v1/enrollments/welcome/contact/51/history", "/v1/enrollments?workflow=welcome"} {
		require.Contains(t, string(s.send("GET", path, "").body), "1000", path)
		shown := bound.send("GET", path, "")
		shown.answers(200, nil)
		require.NotContains(t, string(shown.body), "1000", path)
		require.Contains(t, string(shown.body), enroll.NotShown, path)
		if !strings.Contains(path, "?") {
			require.Contains(t, string(shown.body), "a role that nobody has", "%s says why", path)
		}
	}
}
