package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestRemoveFromStaticList(t *testing.T) {
	t.Parallel()
	b := newBench(t, `remove_from_static_list: {list: vip}`)
	require.JSONEq(t, `{"count":0}`, string(b.ok().Output), "who is not on it stays off")
	_, err := b.store.AddToList(t.Context(), "vip", ada, monday)
	require.NoError(t, err)
	require.JSONEq(t, `{"count":1}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output))
	require.Empty(t, b.members("vip"))
}

func TestRemoveFromStaticListOfAssociatedRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t, `remove_from_static_list: {list: key-accounts, on: {associated: company}}`)
	b.ok()
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	b.companies("", "")
	_, err := b.store.AddToList(t.Context(), "key-accounts", firstCompany, monday)
	require.NoError(t, err)
	require.JSONEq(t, `{"count":1}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output))
	require.Empty(t, b.members("key-accounts"))
}
