package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

func TestDeleteContact(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delete_contact: {}")
	require.Equal(t, plan.ExitDeleted, b.ok().End)
	_, err := b.store.Get(t.Context(), ada)
	require.ErrorIs(t, err, crm.ErrDeleted)
	require.Equal(t, plan.ExitDeleted, b.ok().End, "an attempt after the effect ends the same")
	require.NoError(t, b.store.Restore(t.Context(), ada))
	require.Equal(t, "ada@example.com", b.property(ada, "email"))
}

func TestDeleteContactIsForContacts(t *testing.T) {
	t.Parallel()
	problems := inWorkspace(t, "workflow: w\nobject: deal\nactions:\n  - id: a\n    delete_contact: {}\n")
	require.Len(t, problems, 1)
	require.Equal(t, "wrong-object", problems[0].Code)
	requireProblems(t, "delete_contact: {really: true}", "unknown-key")
}
