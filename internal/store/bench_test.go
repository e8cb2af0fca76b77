package store_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// filled is a store with records, a publication and an open enrollment.
func filled(b *testing.B) (context.Context, *store.Store) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // as in an activity, where contexts end
	b.Cleanup(cancel)
	s := opened(b, "sqlite://"+filepath.Join(b.TempDir(), "millrace.db"))
	err := s.Tx(ctx, func(tx *store.Tx) error {
		for i := range 1000 {
			_, err := tx.Create(ctx, crm.Ref{Object: "contact", ID: strconv.Itoa(i + 1)}, map[string]string{
				"email": "ann@example.com", "first_name": "Ann", "last_name": "Smith", "city": "Rome", "country": "Italy", "score": "5",
			}, noon, "import")
			if err != nil {
				return err
			}
		}
		if _, err := tx.Publish(ctx, store.Publication{At: noon, Catalog: crm.Builtin(), Definitions: []plan.Revision{{Plan: compiled("welcome", "h1"), On: true}}}); err != nil {
			return err
		}
		_, err := tx.OpenEnrollment(ctx, entering("welcome", ann, "run"))
		return err
	})
	require.NoError(b, err)
	b.ResetTimer()
	return ctx, s
}

// BenchmarkStep is what the wrapper does around one action that edits a record, in one transaction.
func BenchmarkStep(b *testing.B) {
	ctx, s := filled(b)
	for i := range b.N {
		key := "welcome/contact/51/1/edit/" + strconv.Itoa(i)
		err := s.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.Get(ctx, ann); err != nil {
				return err
			}
			if _, _, err := tx.LedgerRow(ctx, key); err != nil {
				return err
			}
			if err := tx.Update(ctx, ann, map[string]string{"city": key}, noon, key); err != nil {
				return err
			}
			if err := tx.PutLedger(ctx, plan.LedgerRow{Key: key, State: plan.LedgerDone, At: noon}); err != nil {
				return err
			}
			if err := tx.WriteJournal(ctx, plan.Entry{Enrollment: "welcome/contact/51/1", Key: key, At: noon, Node: "edit", Event: plan.JournalSucceeded}); err != nil {
				return err
			}
			return tx.Stand(ctx, plan.Standing{Enrollment: "welcome/contact/51/1", Node: "edit", Arrived: noon})
		})
		require.NoError(b, err)
	}
}

func BenchmarkLedgerAndJournal(b *testing.B) {
	ctx, s := filled(b)
	for i := range b.N {
		key := "welcome/contact/51/1/mail/" + strconv.Itoa(i)
		err := s.Tx(ctx, func(tx *store.Tx) error {
			if err := tx.PutLedger(ctx, plan.LedgerRow{Key: key, State: plan.LedgerStarted, At: noon}); err != nil {
				return err
			}
			return tx.WriteJournal(ctx, plan.Entry{Enrollment: "welcome/contact/51/1", Key: key, At: noon, Node: "mail", Event: plan.JournalStarted})
		})
		require.NoError(b, err)
	}
}

func BenchmarkEmptyTx(b *testing.B) {
	ctx, s := filled(b)
	for range b.N {
		require.NoError(b, s.Tx(ctx, func(*store.Tx) error { return nil }))
	}
}

func BenchmarkGet(b *testing.B) {
	ctx, s := filled(b)
	for range b.N {
		_, err := s.Get(ctx, ann)
		require.NoError(b, err)
	}
}

func BenchmarkPlanByHash(b *testing.B) {
	ctx, s := filled(b)
	for range b.N {
		_, err := s.PlanByHash(ctx, "h1")
		require.NoError(b, err)
	}
}

func BenchmarkLatestRevision(b *testing.B) {
	ctx, s := filled(b)
	for range b.N {
		_, _, err := s.LatestRevision(ctx, "welcome")
		require.NoError(b, err)
	}
}

func BenchmarkAddEvent(b *testing.B) {
	ctx, s := filled(b)
	for range b.N {
		_, _, err := s.AddEvent(ctx, plan.Event{Type: "page_viewed", Record: "contact/51", At: noon, Properties: map[string]any{"page": "/"}})
		require.NoError(b, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	for range b.N {
		s, err := store.Open(context.Background(), "sqlite://:memory:")
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}
