package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// waits enrolls a record in a workflow where it waits for a type of event.
func (b *bench) waits(workflow string, record crm.Ref, awaits string) {
	b.t.Helper()
	opened, err := b.store.OpenEnrollment(b.t.Context(), plan.Enrollment{
		Workflow: workflow, Record: record.String(), WorkflowID: plan.WorkflowID(workflow, record.String()), FirstRun: workflow, Started: monday,
	})
	require.NoError(b.t, err)
	require.NoError(b.t, b.store.Stand(b.t.Context(), plan.Standing{Enrollment: opened.ID, Node: "wait", Awaits: awaits}))
}

// wakes notes who is told, each time anew; the first times fail.
func (b *bench) wakes(failures int) (told *[][]string) {
	told = new([][]string)
	b.runtime.Wake = func(_ context.Context, workflowIDs []string) error {
		if *told = append(*told, workflowIDs); len(*told) <= failures {
			return errors.New("cut before everybody was told")
		}
		return nil
	}
	return told
}

func TestEditsTellThoseWhoFollowThem(t *testing.T) {
	t.Parallel()
	acme := crm.Ref{Object: "company", ID: "7"}
	prepare := func(t *testing.T, source string) *bench {
		b := newBench(t, source)
		b.record(acme, nil)
		b.associate(acme, "")
		b.waits("renewal", ada, plan.ChangeOf("renewal"))
		b.waits("score", ada, plan.ChangeOf("score"))
		b.waits("churn", acme, plan.ChangeOf("website"))
		b.waits("opened", ada, "email_opened")
		return b
	}
	for source, want := range map[string][]string{
		"edit_record: {set: {renewal: 2027-05-10, city: Rome}}":                  {"enrollment/renewal/contact/51"},
		"edit_record: {set: {renewal: 2027-05-10}, increment: {score: 1}}":       {"enrollment/renewal/contact/51", "enrollment/score/contact/51"},
		"adjust_number_property: {property: score, by: 1}":                       {"enrollment/score/contact/51"},
		"edit_record: {set: {website: acme.example}, on: {associated: company}}": {"enrollment/churn/company/7"},
		"edit_record: {set: {city: Rome}}":                                       nil,
		"edit_record: {clear: [renewal]}":                                        nil, // it was empty
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, source)
			told := b.wakes(0)
			b.ok()
			if want == nil {
				require.Empty(t, *told)
				return
			}
			require.Equal(t, [][]string{want}, *told)
		})
	}
}

func TestWhoWaitsIsToldAfterACrashBetweenTheEditAndTheTelling(t *testing.T) {
	t.Parallel()
	b := newBench(t, "adjust_number_property: {property: score, by: 1}")
	b.waits("score", ada, plan.ChangeOf("score"))
	told := b.wakes(1)
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	b.ok()
	require.Equal(t, [][]string{{"enrollment/score/contact/51"}, {"enrollment/score/contact/51"}}, *told)
	require.Equal(t, "1", b.property(ada, "score"), "the edit happened once")
}

func TestFoldedEditsTellThoseWhoFollowThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_set_amount: {for: 1d}")
	compiled := b.plan("edit_record: {set: {city: Rome}}", "edit_record: {set: {renewal: 2027-05-10}}", "adjust_number_property: {property: score, by: 1}")
	first := compiled.Nodes["a1"]
	first.Folded = []string{"a2", "a3"}
	compiled.Nodes["a1"] = first
	b.publish(store.Publication{Definitions: []plan.Revision{{Plan: compiled, On: true}}})
	b.call.Node, b.kind = "a1", "edit_record"
	b.waits("renewal", ada, plan.ChangeOf("renewal"))
	b.waits("score", ada, plan.ChangeOf("score"))
	told := b.wakes(1)
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	b.ok()
	both := []string{"enrollment/renewal/contact/51", "enrollment/score/contact/51"}
	require.Equal(t, [][]string{both, both}, *told)
	require.Equal(t, "1", b.property(ada, "score"))
}

func TestAStepDoesNotTellItself(t *testing.T) {
	t.Parallel()
	b := newBench(t, "edit_record: {set: {renewal: 2027-05-10}}")
	require.NoError(t, b.store.Stand(t.Context(), plan.Standing{Enrollment: b.call.Enrollment, Node: "before", Awaits: plan.ChangeOf("renewal")}))
	told := b.wakes(0)
	b.ok()
	require.Empty(t, *told)
}
