package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// members are the records of a static list.
func (b *bench) members(list string) (refs []string) {
	b.t.Helper()
	found, err := b.store.ListMembers(b.t.Context(), list, "", 0)
	require.NoError(b.t, err)
	for _, ref := range found {
		refs = append(refs, ref.String())
	}
	return refs
}

func TestAddToStaticList(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_static_list: {list: vip}`)
	require.JSONEq(t, `{"count":1}`, string(b.ok().Output))
	require.JSONEq(t, `{"count":0}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output), "who is on it stays there")
	require.Equal(t, []string{"contact/51"}, b.members("vip"))
}

func TestAddToStaticListOfAssociatedRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_static_list: {list: key-accounts, on: {associated: company, label: employer}}`)
	b.ok()
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	b.companies("employer", "partner", "employer")
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, []string{"company/1", "company/3"}, b.members("key-accounts"))
}

func TestAddToStaticListThatIsNotThere(t *testing.T) {
	t.Parallel()
	problems := inWorkspace(t, "workflow: w\nobject: contact\nactions:\n  - {id: a, add_to_static_list: {list: vip}}\n")
	require.Len(t, problems, 1)
	require.Equal(t, "unknown-list", problems[0].Code)
	requireProblems(t, `add_to_static_list: {}`, "missing-key")
}

func TestAddToStaticListAfterTheRecordWasDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_static_list: {list: vip}`)
	require.NoError(t, b.store.Delete(t.Context(), crm.Ref{Object: "contact", ID: "51"}, monday))
	require.Equal(t, plan.ExitDeleted, b.ok().End)
	require.Empty(t, b.members("vip"))
}
