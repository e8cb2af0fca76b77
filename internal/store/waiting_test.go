package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// enrolled opens an enrollment that waits for a type of event.
func enrolled(t *testing.T, s *store.Store, workflow string, record crm.Ref, awaits string) {
	t.Helper()
	opened, err := s.OpenEnrollment(t.Context(), plan.Enrollment{
		Workflow: workflow, Record: record.String(), WorkflowID: plan.WorkflowID(workflow, record.String()), FirstRun: workflow, Started: noon,
	})
	require.NoError(t, err)
	require.NoError(t, s.Stand(t.Context(), plan.Standing{Enrollment: opened.ID, Node: "wait", Awaits: awaits}))
}

// told returns who waits for what a transaction does.
func told(t *testing.T, s *store.Store, do func(ctx context.Context, tx *store.Tx) error) (workflowIDs []string) {
	t.Helper()
	require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) (err error) {
		require.NoError(t, do(t.Context(), tx))
		workflowIDs, err = tx.Waiting(t.Context())
		return err
	}))
	return workflowIDs
}

var waiting = map[string]func(t *testing.T, s *store.Store){
	"a change of a property is told to those who follow it": func(t *testing.T, s *store.Store) {
		add(t, s, ann, bob)
		enrolled(t, s, "renewal", ann, plan.ChangeOf("renewal"))
		enrolled(t, s, "any", ann, plan.EventChanged)
		enrolled(t, s, "other", ann, plan.ChangeOf("city"))
		enrolled(t, s, "opened", ann, "email_opened")
		enrolled(t, s, "renewal", bob, plan.ChangeOf("renewal"))
		set := func(ref crm.Ref, value string) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error {
				return tx.Update(ctx, ref, map[string]string{"renewal": value}, noon, "step")
			}
		}
		require.Equal(t, []string{"enrollment/renewal/contact/51", "enrollment/any/contact/51"}, told(t, s, set(ann, "2027-05-10")))
		require.Empty(t, told(t, s, set(ann, "2027-05-10")), "an equal value is no change")
		require.Equal(t, []string{"enrollment/renewal/contact/52"}, told(t, s, set(bob, "2027-05-10")))
		require.NoError(t, s.CloseEnrollment(t.Context(), "renewal/contact/51/1", plan.Exit{Reason: plan.ExitCompleted}, noon))
		require.Equal(t, []string{"enrollment/any/contact/51"}, told(t, s, set(ann, "")))
		require.Equal(t, []string{"enrollment/any/contact/51"}, told(t, s, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Increment(ctx, ann, "score", crm.NumberOf(1), noon, "step")
			return err
		}))
	},
	"an event is told to those who wait for its type": func(t *testing.T, s *store.Store) {
		add(t, s, ann)
		enrolled(t, s, "opened", ann, "email_opened")
		enrolled(t, s, "clicked", ann, "email_clicked")
		event := plan.Event{ID: "1", Type: "email_opened", Record: ann.String(), At: noon}
		deliver := func(ctx context.Context, tx *store.Tx) error { _, _, err := tx.AddEvent(ctx, event); return err }
		require.Equal(t, []string{"enrollment/opened/contact/51"}, told(t, s, deliver))
		require.Empty(t, told(t, s, deliver), "a repetition is no event")
	},
	"changes of properties are found among the events": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome", "country": "IT"}, noon, "step"))
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": ""}, noon.Add(time.Hour), "command line"))
		all, err := s.Events(ctx, ann, plan.EventChanged, noon, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Len(t, all, 3)
		city, err := s.Events(ctx, ann, plan.ChangeOf("city"), noon, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Len(t, city, 2)
		require.Equal(t, map[string]any{"name": "city", "value": "Rome"}, city[0].Properties)
		require.Equal(t, "step", city[0].Source)
		require.Equal(t, map[string]any{"name": "city", "value": ""}, city[1].Properties)
		require.Equal(t, noon.Add(time.Hour), city[1].At)
		require.NotEqual(t, city[0].ID, city[1].ID)
		late, err := s.Events(ctx, ann, plan.EventChanged, noon.Add(time.Minute), noon.Add(time.Hour))
		require.NoError(t, err)
		require.Len(t, late, 1)
	},
	"the completion of a task is an event of those it is about": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, acme)
		task, err := s.Create(ctx, crm.Ref{Object: crm.ObjectTask}, map[string]string{"title": "Call"}, noon, "w/contact/51/1/a1/1")
		require.NoError(t, err)
		for _, ref := range []crm.Ref{ann, acme} {
			require.NoError(t, s.Associate(ctx, task.Ref, ref, "", false, noon))
		}
		enrolled(t, s, "w", ann, crm.EventTaskCompleted)
		enrolled(t, s, "w", task.Ref, crm.EventTaskCompleted)
		status := func(value string) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error {
				return tx.Update(ctx, task.Ref, map[string]string{crm.TaskStatus: value}, noon, "command line")
			}
		}
		require.Empty(t, told(t, s, status("in_progress")))
		require.Equal(t, []string{"enrollment/w/contact/51", "enrollment/w/task/1"}, told(t, s, status(crm.TaskCompleted)))
		for _, ref := range []crm.Ref{task.Ref, ann, acme} {
			events, err := s.Events(ctx, ref, crm.EventTaskCompleted, noon, noon)
			require.NoError(t, err)
			require.Len(t, events, 1, ref)
			require.Equal(t, "w/contact/51/1/a1/1", events[0].Source, "the step that created the task")
			require.Equal(t, map[string]any{"task": "task/1", "title": "Call"}, events[0].Properties)
		}
		require.Empty(t, told(t, s, status(crm.TaskCompleted)))
		told(t, s, status("in_progress"))
		require.NotEmpty(t, told(t, s, status(crm.TaskCompleted)), "reopened and completed again")
	},
}
