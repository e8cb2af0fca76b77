package activities

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// companies are companies that Ada is associated with, by number, each with a label ("" = none).
func (b *bench) companies(labels ...string) {
	b.t.Helper()
	for i, label := range labels {
		company := crm.Ref{Object: "company", ID: strconv.Itoa(i + 1)}
		b.record(company, map[string]string{"name": "Company " + company.ID, "country": []string{"IT", "FR"}[i%2]})
		b.associate(company, label)
	}
}

// labels are those of Ada's associations with companies, by number.
func (b *bench) labels() (labels [][]string) {
	b.t.Helper()
	found, err := b.store.Associated(b.t.Context(), ada, "company")
	require.NoError(b.t, err)
	labels = make([][]string, len(found))
	for _, one := range found {
		number, err := strconv.Atoi(one.ID)
		require.NoError(b.t, err)
		labels[number-1] = one.Labels
		back, err := b.store.Associated(b.t.Context(), one.Ref, "contact")
		require.NoError(b.t, err)
		require.Equal(b.t, one.Labels, back[0].Labels, "labels are those of both sides")
	}
	return labels
}

func TestApplyAssociationLabel(t *testing.T) {
	t.Parallel()
	b := newBench(t, `apply_association_label: {target_type: company, label: employer}`)
	b.companies("", "partner", "employer")
	require.JSONEq(t, `{"count":2}`, string(b.ok().Output))
	require.Equal(t, [][]string{{"employer"}, {"partner", "employer"}, {"employer"}}, b.labels())
	require.JSONEq(t, `{"count":2}`, string(b.ok().Output), "one visit, one answer")
}

func TestApplyAssociationLabelToThoseThatMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, `apply_association_label: {target_type: company, label: employer, refine: {property: country, is: FR}}`)
	b.companies("", "")
	b.ok()
	require.Equal(t, [][]string{{}, {"employer"}}, b.labels())
}

func TestApplyAssociationLabelWithoutAnybody(t *testing.T) {
	t.Parallel()
	b := newBench(t, `apply_association_label: {target_type: company, label: employer}`)
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
}

func TestApplyAssociationLabelHasALimit(t *testing.T) {
	t.Parallel()
	b := newBench(t, `apply_association_label: {target_type: company, label: one more}`)
	b.companies("", "")
	for i := range 50 {
		b.associate(crm.Ref{Object: "company", ID: "2"}, strconv.Itoa(i))
	}
	_, err := b.run()
	requirePermanent(t, err, "invalid-value")
	require.Empty(t, b.labels()[0], "all or nothing")
}

func TestApplyAssociationLabelIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `apply_association_label: {target_type: company, label: " employer"}`, "wrong-value")
	requireProblems(t, `apply_association_label: {target_type: company}`, "missing-key")
	const source = "workflow: w\nobject: contact\nactions:\n  - {id: a, apply_association_label: {target_type: company, label: x, refine: {property: PROPERTY, is: x}}}\n"
	require.Empty(t, inWorkspace(t, source, "PROPERTY", "domain"))
	problems := inWorkspace(t, source, "PROPERTY", "first_name")
	require.Len(t, problems, 1)
	require.Equal(t, "unknown-property", problems[0].Code)
}
