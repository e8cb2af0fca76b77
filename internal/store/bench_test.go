package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
)

// onEach runs a benchmark on every database, with records, a publication and an open enrollment in it. PostgreSQL
// waits for no disk there, as SQLite does not in general.
func onEach(b *testing.B, work func(b *testing.B, s *store.Store)) { onEachWith(b, fill, work) }

func onEachWith(b *testing.B, fill func(b *testing.B, s *store.Store), work func(b *testing.B, s *store.Store)) {
	b.Helper()
	for _, database := range []struct {
		name string
		url  func() string
	}{
		{"sqlite", func() string { return "sqlite://" + filepath.Join(b.TempDir(), "millrace.db") }},
		{"postgres", func() string { return postgrestest.Database(b) }},
	} {
		b.Run(database.name, func(b *testing.B) {
			s := opened(b, database.url())
			fill(b, s)
			b.ResetTimer()
			work(b, s)
		})
	}
}

func fill(b *testing.B, s *store.Store) {
	b.Helper()
	ctx := b.Context()
	err := s.Tx(ctx, func(tx *store.Tx) error {
		for i := range 1000 {
			_, err := tx.Create(ctx, contact(i+1), map[string]string{
				"email": "ann" + strconv.Itoa(i+1) + "@example.com", "first_name": "Ann", "last_name": "Smith", "city": "Rome", "country": "Italy", "score": "5",
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
}

// crowd makes 100,000 contacts with six properties, five of them indexed.
func crowd(b *testing.B, s *store.Store) {
	b.Helper()
	ctx := b.Context()
	catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{
		{Name: "email", Indexed: true}, {Name: "country", Indexed: true}, {Name: "score", Type: crm.TypeNumber, Indexed: true}, {Name: "city"},
		{Name: "interests", Type: crm.TypeEnumeration, Multiple: true, Indexed: true}, {Name: "seen", Type: crm.TypeDatetime, Indexed: true},
	}})
	_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
	require.NoError(b, err)
	for batch := range 100 {
		err := s.Tx(ctx, func(tx *store.Tx) error {
			for i := range 1000 {
				n := batch*1000 + i + 1
				values := map[string]string{
					"email": fmt.Sprintf("person%d@example.com", n*7919%100_003), "country": fmt.Sprintf("C%d", n*611_953%10), "score": strconv.Itoa(n * 104_729 % 1000), "city": "Rome",
					"interests": []string{"golf", "chess;golf", "polo", "chess"}[n*31%4], "seen": crm.Text(noon.Add(-time.Duration(n*15_485_863%8760) * time.Hour)),
				}
				if _, err := tx.Create(ctx, contact(n), values, noon, "import"); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(b, err)
	}
}

// BenchmarkMatching looks for contacts among 100,000, by each operator of a filter and by what joins them.
func BenchmarkMatching(b *testing.B) {
	onEachWith(b, crowd, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for _, c := range []struct{ name, filter string }{
			{"is one", `{"property": "email", "is": "person77@example.com"}`},
			{"is tenth", `{"property": "country", "is": "c5"}`},
			{"is_not", `{"property": "country", "is_not": "C5"}`},
			{"in", `{"property": "country", "in": ["C1", "C2", "c3"]}`},
			{"not_in", `{"property": "country", "not_in": ["C1", "C2", "c3"]}`},
			{"contains", `{"property": "email", "contains": "77"}`},
			{"contains all", `{"property": "email", "contains": "person"}`},
			{"not_contains", `{"property": "email", "not_contains": "77"}`},
			{"starts_with", `{"property": "email", "starts_with": "person5"}`},
			{"ends_with", `{"property": "email", "ends_with": "7@example.com"}`},
			{"known", `{"property": "score", "known": true}`},
			{"unknown", `{"property": "score", "known": false}`},
			{"gte", `{"property": "score", "gte": 500}`},
			{"lt", `{"property": "score", "lt": 100}`},
			{"between", `{"property": "score", "between": [250, 750]}`},
			{"not_between", `{"property": "score", "not_between": [250, 750]}`},
			{"before", `{"property": "seen", "before": "2026-10-01"}`},
			{"within_last", `{"property": "seen", "within_last": "90d"}`},
			{"more_than_ago", `{"property": "seen", "more_than_ago": "90d"}`},
			{"has option", `{"property": "interests", "in": ["golf", "polo"]}`},
			{"has_all", `{"property": "interests", "has_all": ["golf", "chess"]}`},
			{"is_exactly", `{"property": "interests", "is_exactly": ["chess"]}`},
			{"all of two", `{"all": [{"property": "country", "in": ["C1", "C2", "C3"]}, {"property": "score", "gte": 500}]}`},
			{"all of three", `{"all": [{"property": "interests", "has_all": ["golf"]}, {"property": "seen", "within_last": "90d"}, {"not": {"property": "country", "is": "C1"}}]}`},
			{"all of many", `{"all": [{"property": "score", "gte": 1}, {"property": "seen", "before": "now"}, {"property": "country", "known": true}]}`},
			{"any of two", `{"any": [{"property": "score", "lt": 100}, {"property": "country", "is": "C5"}]}`},
			{"any of many", `{"any": [{"property": "score", "gte": 100}, {"property": "seen", "before": "now"}, {"property": "interests", "in": ["chess"]}]}`},
			{"not", `{"not": {"property": "country", "is": "C5"}}`},
			{"not any", `{"not": {"any": [{"property": "score", "lt": 900}, {"property": "country", "is": "C5"}]}}`},
			{"contains and gte", `{"all": [{"property": "email", "contains": "77"}, {"property": "score", "gte": 500}]}`},
			{"not indexed", `{"property": "city", "is": "rome"}`},
			{"not indexed and is", `{"all": [{"property": "city", "is": "rome"}, {"property": "country", "is": "C5"}]}`},
		} {
			query := store.Query{Object: "contact", Filter: filter(b, c.filter), Now: noon, Zone: time.UTC}
			b.Run("count/"+c.name, func(b *testing.B) {
				for b.Loop() {
					_, err := s.CountMatching(ctx, query)
					require.NoError(b, err)
				}
			})
			b.Run("page/"+c.name, func(b *testing.B) {
				for b.Loop() {
					_, err := s.Matching(ctx, query, "", 100)
					require.NoError(b, err)
				}
			})
		}
	})
}

func contact(number int) crm.Ref { return crm.Ref{Object: "contact", ID: strconv.Itoa(number)} }

// step is what the wrapper does around one action that edits a record, in one transaction.
func step(ctx context.Context, s *store.Store, ref crm.Ref, key string) error {
	return s.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Get(ctx, ref); err != nil {
			return err
		}
		if _, _, err := tx.LedgerRow(ctx, key); err != nil {
			return err
		}
		if err := tx.Update(ctx, ref, map[string]string{"city": key}, noon, key); err != nil {
			return err
		}
		if err := tx.PutLedger(ctx, plan.LedgerRow{Key: key, State: plan.LedgerDone, At: noon}); err != nil {
			return err
		}
		if err := tx.WriteJournal(ctx, plan.Entry{Enrollment: "welcome/contact/51/1", Key: key, At: noon, Node: "edit", Event: plan.JournalSucceeded}); err != nil {
			return err
		}
		return tx.Stand(ctx, plan.Standing{Enrollment: "welcome/" + ref.String() + "/1", Node: "edit", Arrived: noon})
	})
}

func BenchmarkStep(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for i := range b.N {
			require.NoError(b, step(ctx, s, ann, "welcome/contact/51/1/edit/"+strconv.Itoa(i)))
		}
	})
}

// BenchmarkSteps is a worker that does many steps at once, of different records.
func BenchmarkSteps(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		b.SetParallelism(50)
		var count atomic.Int64
		b.RunParallel(func(work *testing.PB) {
			for work.Next() {
				i := int(count.Add(1))
				ref := contact(i%1000 + 1)
				if err := step(ctx, s, ref, ref.String()+"/"+strconv.Itoa(i)); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkImport is a thousand lines of a file, in one transaction: new contacts of eight properties, found by address.
func BenchmarkImport(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		const lines = 1000
		for i := range b.N {
			rows := make([]store.ImportRow, lines)
			for j := range rows {
				number := strconv.Itoa(i*lines + j)
				rows[j].Values = map[string]string{
					"email": "p" + number + "@example.org", "first_name": "Ann", "last_name": "Smith", "city": "Rome", "country": "Italy",
					"score": number, "phone": "+39 06 " + number, "lifecycle_stage": "lead",
				}
			}
			err := s.Tx(ctx, func(tx *store.Tx) error {
				imported, err := tx.Import(ctx, store.Import{Object: "contact", Key: "email", Rows: rows, At: noon, Source: "import"})
				if err == nil && imported.Created != lines {
					b.Errorf("%d of %d", imported.Created, lines)
				}
				return err
			})
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "contacts/s")
	})
}

func BenchmarkAdmit(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for i := range b.N {
			ref := crm.Ref{Object: "contact", ID: "new" + strconv.Itoa(i)}
			err := s.Tx(ctx, func(tx *store.Tx) error {
				if _, _, err := tx.LatestRevision(ctx, "welcome"); err != nil {
					return err
				}
				if _, err := tx.EnrolledBefore(ctx, "welcome", ref.String()); err != nil {
					return err
				}
				_, err := tx.OpenEnrollment(ctx, entering("welcome", ref, "run"))
				return err
			})
			require.NoError(b, err)
		}
	})
}

func BenchmarkLedgerAndJournal(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
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
	})
}

func BenchmarkEmptyTx(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for range b.N {
			require.NoError(b, s.Tx(ctx, func(*store.Tx) error { return nil }))
		}
	})
}

func BenchmarkGet(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for range b.N {
			_, err := s.Get(ctx, ann)
			require.NoError(b, err)
		}
	})
}

func BenchmarkPlanByHash(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for range b.N {
			_, err := s.PlanByHash(ctx, "h1")
			require.NoError(b, err)
		}
	})
}

func BenchmarkLatestRevision(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for range b.N {
			_, _, err := s.LatestRevision(ctx, "welcome")
			require.NoError(b, err)
		}
	})
}

func BenchmarkAddEvent(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		for range b.N {
			_, _, err := s.AddEvent(ctx, plan.Event{Type: "page_viewed", Record: "contact/51", At: noon, Properties: map[string]any{"page": "/"}})
			require.NoError(b, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		health, err := s.Health(ctx)
		require.NoError(b, err)
		for range b.N {
			s, err := store.OpenExisting(ctx, health.Database)
			require.NoError(b, err)
			require.NoError(b, s.Close())
		}
	})
}
