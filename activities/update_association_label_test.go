package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestUpdateAssociationLabel(t *testing.T) {
	t.Parallel()
	for config, want := range map[string][][]string{
		`{target_type: company, old_label: prospect, new_label: customer, mode: replace}`: {{"customer"}, {"partner"}, {}},
		`{target_type: company, old_label: prospect, new_label: customer, mode: add}`:     {{"prospect", "customer"}, {"partner"}, {}},
		`{target_type: company, new_label: customer, mode: replace}`:                      {{"customer"}, {"customer"}, {"customer"}},
		`{target_type: company, new_label: partner, mode: replace}`:                       {{"partner"}, {"partner"}, {"partner"}},
		`{target_type: company, new_label: partner, mode: add}`:                           {{"prospect", "partner"}, {"partner"}, {"partner"}},
	} {
		b := newBench(t, "update_association_label: "+config)
		b.companies("prospect", "partner", "")
		b.ok()
		b.ok()
		require.Equal(t, want, b.labels(), config)
	}
}

func TestUpdateAssociationLabelCountsWhatChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t, `update_association_label: {target_type: company, new_label: partner, mode: replace}`)
	b.companies("prospect", "partner", "")
	require.JSONEq(t, `{"count":2}`, string(b.ok().Output))
}

func TestUpdateAssociationLabelThatNobodyHas(t *testing.T) {
	t.Parallel()
	b := newBench(t, `update_association_label: {target_type: company, old_label: prospect, new_label: customer, mode: add}`)
	b.companies("partner")
	b.ok()
	require.Equal(t, [][]string{{"partner"}}, b.labels())
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
}

func TestUpdateAssociationLabelIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `update_association_label: {target_type: company, new_label: x}`, "missing-key")
	requireProblems(t, `update_association_label: {target_type: company, new_label: x, old_label: x, mode: add}`, "wrong-value")
	requireProblems(t, `update_association_label: {target_type: company, new_label: [x], mode: add}`, "wrong-type")
}
