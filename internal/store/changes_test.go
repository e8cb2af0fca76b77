package store_test

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

// noted are the changes that nobody has decided about, without their numbers.
func noted(t *testing.T, s *store.Store) []plan.Change {
	t.Helper()
	changes, err := s.Changes(t.Context(), 1000)
	require.NoError(t, err)
	last := int64(0)
	for i := range changes {
		require.Greater(t, changes[i].Seq, last, "in order")
		last, changes[i].Seq = changes[i].Seq, 0
	}
	return changes
}

var changes = map[string]func(t *testing.T, s *store.Store){
	"every write that can make a filter true or false is noted": func(t *testing.T, s *store.Store) {
		ctx := crm.WithCause(t.Context(), "w/contact/9/1/a/1")
		_, err := s.Create(ctx, ann, map[string]string{"city": "Rome"}, noon, "import")
		require.NoError(t, err)
		add(t, s, acme)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "", "score": "1"}, noon, "step"))
		_, _, err = s.AddEvent(ctx, plan.Event{ID: "e1", Type: "page_viewed", Record: ann.String(), At: noon})
		require.NoError(t, err)
		_, err = s.AddToList(ctx, "vip", ann, noon)
		require.NoError(t, err)
		_, err = s.RemoveFromList(ctx, "vip", ann)
		require.NoError(t, err)
		require.NoError(t, s.Associate(ctx, ann, acme, "", false, noon))
		require.NoError(t, s.SetSubscription(ctx, ann, "news", "opted_in", noon))
		opened, err := s.OpenEnrollment(ctx, plan.Enrollment{Workflow: "w", Record: ann.String(), WorkflowID: "enrollment/w/contact/51", FirstRun: "1", Started: noon})
		require.NoError(t, err)
		require.NoError(t, s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: plan.ExitGoalMet}, noon))
		require.NoError(t, s.Delete(ctx, ann, noon))
		require.NoError(t, s.Restore(ctx, ann))
		of := func(what, name, detail string) plan.Change {
			return plan.Change{Record: ann.String(), What: what, Name: name, Detail: detail, At: noon, Cause: "w/contact/9/1/a/1"}
		}
		created, set, off, restored := of(plan.ChangeCreated, "", ""), of(plan.ChangeSet, "", ""), of(plan.ChangeList, "vip", ""), of(plan.ChangeRestored, "", "")
		created.Values, set.Values = map[string]string{"city": "Rome"}, map[string]string{"city": "", "score": "1"}
		off.At, restored.At = time.Time{}, time.Time{}
		company := of(plan.ChangeAssociation, "contact", ann.String())
		company.Record = acme.String()
		require.Equal(t, []plan.Change{
			created,
			{Record: acme.String(), What: plan.ChangeCreated, Values: map[string]string{}, At: noon},
			set, of(plan.ChangeEvent, "page_viewed", "e1"), of(plan.ChangeList, "vip", ""), off,
			company, of(plan.ChangeAssociation, "company", acme.String()),
			of(plan.ChangeSubscription, "news", ""), of(plan.ChangeEntered, "w", opened.ID), of(plan.ChangeLeft, "w", plan.ExitGoalMet),
			of(plan.ChangeDeleted, "", ""), restored,
		}, noted(t, s))
	},
	"what changes nothing, and what is rolled back, is not noted": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""))
		event := plan.Event{ID: "e1", Type: "page_viewed", Record: ann.String(), At: noon}
		for range 2 {
			require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""))
			_, _, err := s.AddEvent(ctx, event)
			require.NoError(t, err)
			_, err = s.AddToList(ctx, "vip", ann, noon)
			require.NoError(t, err)
		}
		no := errors.New("no")
		require.ErrorIs(t, s.Tx(ctx, func(tx *store.Tx) error {
			require.NoError(t, tx.Update(ctx, ann, map[string]string{"city": "Oslo"}, noon, ""))
			return no
		}), no)
		require.Len(t, noted(t, s), 4)
	},
	"many changes of one transaction keep their order": func(t *testing.T, s *store.Store) {
		require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) error {
			for range 120 {
				if _, err := tx.Create(t.Context(), crm.Ref{Object: "contact"}, nil, noon, ""); err != nil {
					return err
				}
			}
			return nil
		}))
		found := noted(t, s)
		require.Len(t, found, 120)
		require.Equal(t, []string{"contact/1", "contact/120"}, []string{found[0].Record, found[119].Record})
		count, since, err := s.Pending(t.Context())
		require.NoError(t, err)
		require.Equal(t, 120, count)
		require.Equal(t, noon, since)
	},
	"who waits for changes is told when they are committed": func(t *testing.T, s *store.Store) {
		add(t, s, ann)
		<-s.Changed()
		require.NoError(t, s.Tx(t.Context(), func(*store.Tx) error { return nil }))
		select {
		case <-s.Changed():
			require.Fail(t, "nothing has changed")
		default:
		}
	},
	"a view stays as it was": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.View(ctx, func(view *store.View) error {
			_, err := view.Get(ctx, ann)
			require.NoError(t, err)
			require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""), "nobody waits for it")
			record, err := view.Get(ctx, ann)
			require.Empty(t, record.Property("city"))
			return err
		}))
		_, err := s.Get(context.WithoutCancel(ctx), ann)
		require.NoError(t, err)
	},
}
