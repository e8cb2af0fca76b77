package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestRemoveAssociationLabel(t *testing.T) {
	t.Parallel()
	b := newBench(t, `remove_association_label: {target_type: company, label: prospect}`)
	b.companies("prospect", "partner")
	b.associate(firstCompany, "partner")
	require.JSONEq(t, `{"count":1}`, string(b.ok().Output))
	require.Equal(t, [][]string{{"partner"}, {"partner"}}, b.labels(), "the association stays, and its other labels")
}

func TestRemoveAssociationLabelThatNobodyHas(t *testing.T) {
	t.Parallel()
	b := newBench(t, `remove_association_label: {target_type: company, label: prospect}`)
	b.companies("partner")
	b.ok()
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
}
