package store_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

const day = 24 * time.Hour

// prune removes what is kept no longer at an instant, by the usual times, in pages of two.
func prune(t *testing.T, s *store.Store, now time.Time) map[string]int64 {
	t.Helper()
	kept := store.Kept{Actions: now.Add(-90 * day), Enrollments: now.Add(-180 * day), Membership: now.Add(-730 * day), Records: now.Add(-crm.Restorable), Audit: now.Add(-730 * day), Rejected: now.Add(-90 * day)}
	state := plan.Pruning{At: now}
	for range 100 {
		var err error
		state, err = s.Prune(t.Context(), kept, state, 2)
		require.NoError(t, err)
		if state.Done {
			return state.Removed
		}
	}
	require.FailNow(t, "pruning never ends")
	return nil
}

// lived is an enrollment that began at noon, mailed, and ended a day later, unless it is still open.
func lived(t *testing.T, s *store.Store, ref crm.Ref, run string, open bool) plan.Enrollment {
	t.Helper()
	ctx := t.Context()
	e, err := s.OpenEnrollment(ctx, entering("welcome", ref, run))
	require.NoError(t, err)
	key := e.ID + "/mail/1"
	require.NoError(t, s.WriteJournal(ctx,
		plan.Entry{Enrollment: e.ID, At: noon, Event: plan.JournalEnrolled},
		plan.Entry{Enrollment: e.ID, Key: key, At: noon, Node: "mail", Event: plan.JournalSucceeded},
	))
	require.NoError(t, s.PutLedger(ctx, plan.LedgerRow{Key: key, State: plan.LedgerDone, At: noon}))
	require.NoError(t, s.AddMessage(ctx, plan.Message{Key: key, At: noon, Channel: "email", To: "ann@example.com"}))
	if !open {
		require.NoError(t, s.CloseEnrollment(ctx, e.ID, plan.Exit{Reason: plan.ExitGoalMet, Node: "mail", Detail: "the detail"}, noon.Add(day)))
	}
	return e
}

func lines(t *testing.T, s *store.Store, enrollment string) (events []string) {
	t.Helper()
	entries, err := s.Journal(t.Context(), enrollment)
	require.NoError(t, err)
	for _, entry := range entries {
		events = append(events, entry.Event)
	}
	return events
}

func remembered(t *testing.T, s *store.Store, key string) bool {
	t.Helper()
	_, found, err := s.LedgerRow(t.Context(), key)
	require.NoError(t, err)
	return found
}

var retention = map[string]func(t *testing.T, s *store.Store){
	"what actions did goes before what an enrollment was, and that before that it was": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		first, last := lived(t, s, ann, "1", false), lived(t, s, ann, "2", false)
		require.Empty(t, prune(t, s, noon.Add(90*day)))

		require.Equal(t, map[string]int64{"actions": 2, "outbox": 2}, prune(t, s, noon.Add(91*day)))
		require.Equal(t, []string{plan.JournalEnrolled}, lines(t, s, first.ID))
		require.True(t, remembered(t, s, first.ID+"/mail/1"))
		require.Empty(t, prune(t, s, noon.Add(181*day)), "counted from its end")

		require.Equal(t, map[string]int64{"enrollments": 2}, prune(t, s, noon.Add(182*day)))
		require.Empty(t, lines(t, s, first.ID))
		require.False(t, remembered(t, s, first.ID+"/mail/1"))
		thin, err := s.Enrollment(ctx, first.ID)
		require.NoError(t, err)
		require.Equal(t, plan.ExitGoalMet, thin.Exit)
		require.Equal(t, "event", thin.Trigger)
		require.Empty(t, thin.Detail)
		require.Nil(t, thin.Event)
		require.Empty(t, prune(t, s, noon.Add(700*day)), "once")

		require.Equal(t, map[string]int64{"membership": 1}, prune(t, s, noon.Add(732*day)))
		_, err = s.Enrollment(ctx, first.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.Empty(t, prune(t, s, noon.Add(7320*day)), "the last one stays as long as the record")
		before, err := s.EnrolledBefore(ctx, "welcome", ann.String())
		require.NoError(t, err)
		require.True(t, before)
		require.Equal(t, last.Number+1, lived(t, s, ann, "3", true).Number, "no number, and so no key, comes twice")
	},
	"an open enrollment keeps its journal and its ledger": func(t *testing.T, s *store.Store) {
		add(t, s, ann)
		open := lived(t, s, ann, "1", true)
		require.Equal(t, map[string]int64{"outbox": 1}, prune(t, s, noon.Add(2000*day)))
		require.Equal(t, []string{plan.JournalEnrolled, plan.JournalSucceeded}, lines(t, s, open.ID))
		require.True(t, remembered(t, s, open.ID+"/mail/1"))
	},
	"the ledger of others stays": func(t *testing.T, s *store.Store) {
		add(t, s, ann)
		lived(t, s, ann, "1", false)
		longer := crm.Ref{Object: "contact", ID: "51/1x"}
		for _, key := range []string{"welcome/contact/51/10/mail/1", "welcome/contact/5/1/mail/1", "welcome/" + longer.String() + "/1/mail/1"} {
			require.NoError(t, s.PutLedger(t.Context(), plan.LedgerRow{Key: key, State: plan.LedgerDone, At: noon}))
		}
		prune(t, s, noon.Add(2000*day))
		require.True(t, remembered(t, s, "welcome/contact/51/10/mail/1"))
		require.True(t, remembered(t, s, "welcome/contact/5/1/mail/1"))
		require.True(t, remembered(t, s, "welcome/"+longer.String()+"/1/mail/1"))
	},
	"refused attempts go, with what the history says of them": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		refused := entering("welcome", ann, "1")
		refused.WorkflowID = "by-hand"
		require.NoError(t, s.RefuseEnrollment(ctx, refused))
		attempt := plan.WorkflowID("welcome", ann.String()) + "/1"
		require.NoError(t, s.WriteJournal(ctx, plan.Entry{Enrollment: attempt, At: noon, Event: plan.JournalBlocked}))
		require.Empty(t, prune(t, s, noon.Add(180*day)))
		require.Equal(t, map[string]int64{"enrollments": 1}, prune(t, s, noon.Add(181*day)))
		require.Empty(t, lines(t, s, attempt))
		left, err := s.Enrollments(ctx, store.EnrollmentFilter{Workflow: "welcome"})
		require.NoError(t, err)
		require.Empty(t, left)
	},
	"a record that is purged leaves nothing in the end": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		lived(t, s, ann, "1", false)
		require.NoError(t, s.Delete(ctx, ann, noon.Add(2*day)))
		require.Equal(t, map[string]int64{"actions": 1, "outbox": 1, "records": 1}, prune(t, s, noon.Add(100*day)))
		require.Equal(t, map[string]int64{"enrollments": 1, "membership": 1}, prune(t, s, noon.Add(732*day)))
	},
	"decisions that are carried out go": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i := range 3 {
			intent := plan.Intent{Act: plan.ActEnroll, Workflow: "welcome", Record: ann.String(), Trigger: "event " + strconv.Itoa(i), At: noon}
			require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error { _, err := tx.AddIntent(ctx, intent); return err }))
		}
		intents, err := s.Intents(ctx, noon, 2)
		require.NoError(t, err)
		require.NoError(t, s.Finish(ctx, []store.Done{{Intent: intents[0]}, {Intent: intents[1]}}, noon))
		require.Equal(t, map[string]int64{"decisions": 2}, prune(t, s, noon.Add(181*day)))
		undone, _, _, err := s.Undone(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, undone)
	},
	"lines of the audit log and rejected events go by their own times": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			for i := range 5 {
				if _, err := tx.Audit(ctx, store.Deed{At: noon.Add(time.Duration(i) * day), Actor: "ann", Via: "cli", Action: store.DeedPrune, Subject: "database"}); err != nil {
					return err
				}
				if err := tx.AddRejected(ctx, store.RejectedEvent{At: noon.Add(time.Duration(i) * day), Origin: strconv.Itoa(i), Reason: "malformed"}); err != nil {
					return err
				}
			}
			return tx.SetRejected(ctx, store.RejectedEvent{Seq: 1, Sent: noon, Events: []string{"contact/51 1"}})
		}))
		require.Empty(t, prune(t, s, noon.Add(90*day)))
		require.Equal(t, map[string]int64{"rejected": 3}, prune(t, s, noon.Add(93*day)))
		left, err := s.RejectedEvents(ctx, 0, 0)
		require.NoError(t, err)
		require.Equal(t, []string{"4", "3"}, []string{left[0].Origin, left[1].Origin})
		require.Equal(t, map[string]int64{"rejected": 2, "audit": 1}, prune(t, s, noon.Add(731*day)))
		deeds, err := s.Deeds(ctx, store.DeedFilter{})
		require.NoError(t, err)
		require.Len(t, deeds, 4)
	},
	"pages end however many of one age there are": func(t *testing.T, s *store.Store) {
		for i := range 7 {
			e := entering("welcome", crm.Ref{Object: "contact", ID: strconv.Itoa(i)}, fmt.Sprint("run", i))
			opened, err := s.OpenEnrollment(t.Context(), e)
			require.NoError(t, err)
			require.NoError(t, s.WriteJournal(t.Context(), plan.Entry{Enrollment: opened.ID, Key: opened.ID + "/a/1", At: noon, Node: "a", Event: "e"}))
			if i%2 == 0 {
				require.NoError(t, s.CloseEnrollment(t.Context(), opened.ID, plan.Exit{Reason: plan.ExitCompleted}, noon))
			}
		}
		require.Equal(t, map[string]int64{"actions": 4}, prune(t, s, noon.Add(91*day)))
		require.Empty(t, prune(t, s, noon.Add(91*day)))
	},
}
