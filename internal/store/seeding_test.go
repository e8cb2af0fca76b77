package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// enters is a definition whose records enter when they start to match.
func enters(workflow, when string) plan.Revision {
	return plan.Revision{On: true, Plan: &plan.Plan{
		Workflow: workflow, Object: "contact", Hash: workflow + when, Rules: &plan.Rules{Enroll: json.RawMessage(`{"when":` + when + `}`)},
	}}
}

var seedings = map[string]func(t *testing.T, s *store.Store){
	"what changes between the seeding of a filter and its publication is in its answers": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		d := rand.New(rand.NewPCG(7, 8))
		catalog := crm.Builtin()
		catalog.Open = true
		list := crm.ActiveList{Name: "locals", Object: "contact", Filter: filter(t, `{"property": "city", "is": "Rome"}`)}
		catalog.AddList(list)
		_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
		require.NoError(t, err)
		cities := []string{"Rome", "Oslo", "Bern"}
		ref := func(i int) crm.Ref { return contact(i + 1) }
		company := func(i int) crm.Ref { return crm.Ref{Object: "company", ID: strconv.Itoa(i + 1)} }
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			for i := range 20 {
				if _, err := tx.Create(ctx, company(i), map[string]string{"city": cities[d.IntN(3)]}, noon, ""); err != nil {
					return err
				}
			}
			for i := range 500 {
				if _, err := tx.Create(ctx, ref(i), map[string]string{"city": cities[d.IntN(3)]}, noon, ""); err != nil {
					return err
				}
				if err := tx.Associate(ctx, ref(i), company(d.IntN(20)), "", false, noon); err != nil {
					return err
				}
			}
			return nil
		}))
		decide := func() {
			changes, err := s.Changes(ctx, 100_000)
			require.NoError(t, err)
			var seqs []int64
			for _, change := range changes {
				seqs = append(seqs, change.Seq)
			}
			_, err = s.Decide(ctx, store.Decision{Changes: seqs})
			require.NoError(t, err)
		}
		decide()
		when := `{"any":[{"all":[{"list":"locals"},{"associated":"company","where":{"property":"city","is":"Rome"}}]},{"event":"page_viewed"}]}`
		publication := store.Publication{At: noon.Add(time.Hour), Definitions: []plan.Revision{enters("w", when)}}
		for round := range 3 {
			require.NoError(t, s.Seed(ctx, publication))
			for i := range 60 {
				require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
					one := ref(d.IntN(500))
					if _, err := tx.Get(ctx, one); err != nil {
						return nil //nolint:nilerr // it was deleted before
					}
					switch d.IntN(6) {
					case 0:
						return tx.Update(ctx, company(d.IntN(20)), map[string]string{"city": cities[d.IntN(3)]}, noon, "")
					case 1:
						return tx.Delete(ctx, one, noon)
					case 2:
						_, _, err := tx.AddEvent(ctx, plan.Event{Type: "page_viewed", Record: one.String(), At: noon})
						return err
					case 3:
						_, err := tx.Create(ctx, crm.Ref{Object: "contact"}, map[string]string{"city": "Rome"}, noon, "")
						return err
					}
					return tx.Update(ctx, one, map[string]string{"city": cities[d.IntN(3)]}, noon, "")
				}))
				if i%20 == round {
					decide()
				}
			}
		}
		published, err := s.Publish(ctx, publication)
		require.NoError(t, err)
		records, err := s.List(ctx, "contact", "", 0)
		require.NoError(t, err)
		asked, matching := filter(t, when), 0
		key, err := store.EdgeKey(json.RawMessage(when), &asked, catalog)
		require.NoError(t, err)
		for _, record := range records {
			truth, err := asked.Match(ctx, crm.FilterEnv{Records: s, Ref: record.Ref, Now: publication.At, Zone: time.UTC, Catalog: catalog})
			require.NoError(t, err)
			match, err := s.Match(ctx, "w", key, record.Ref.String())
			require.NoError(t, err)
			require.Equal(t, truth == crm.Yes, match.Matching, record.Ref)
			if truth == crm.Yes {
				matching++
			}
		}
		require.NotZero(t, matching)
		require.Equal(t, map[string]int{"w": matching}, published.Existing)
	},
	"a publication asks only about what has changed since its filters were seeded": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, bob)
		for _, ref := range []crm.Ref{ann, bob} {
			require.NoError(t, s.Update(ctx, ref, map[string]string{"city": "Rome"}, noon, ""))
		}
		when := `{"property":"city","is":"Rome"}`
		publication := store.Publication{At: noon, EnrollExisting: true, Definitions: []plan.Revision{enters("w", when)}}
		require.NoError(t, s.Seed(ctx, publication))
		// Nothing has changed, so this is not noticed: an answer that was given is not asked for again.
		_, err := s.Decide(ctx, store.Decision{Matches: []plan.Match{{Workflow: "w", Filter: store.FilterKey(json.RawMessage(when)), Record: bob.String()}}})
		require.NoError(t, err)
		var published store.Published
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) (err error) { published, err = tx.Publish(ctx, publication); return err }))
		require.Equal(t, map[string]int{"w": 1}, published.Existing)
		intents, err := s.Many(ctx, 0, 0, noon, 10)
		require.NoError(t, err)
		require.Equal(t, ann.String(), intents[len(intents)-1].Record)
	},
	"answers of a filter that is not live yet are nobody's to look at": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, map[string]string{"seen": crm.Text(noon.Add(72 * time.Hour))}, noon, "")
		require.NoError(t, err)
		catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "seen", Type: crm.TypeDatetime}}})
		_, err = s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
		require.NoError(t, err)
		publication := store.Publication{At: noon, Definitions: []plan.Revision{enters("w", `{"property":"seen","within_next":"1d"}`)}}
		require.NoError(t, s.Seed(ctx, publication))
		later := noon.Add(60 * time.Hour)
		due, err := s.Due(ctx, later, 10)
		require.NoError(t, err)
		require.Empty(t, due)
		_, err = s.Publish(ctx, publication)
		require.NoError(t, err)
		due, err = s.Due(ctx, later, 10)
		require.NoError(t, err)
		require.Len(t, due, 1)
	},
}

// BenchmarkSeeding publishes a filter trigger among 100,000 contacts, of which 30,000 match, while somebody stores events: how
// long the longest of these takes when those who match stay out, and when they are let in.
func BenchmarkSeeding(b *testing.B) {
	onEachWith(b, crowd, func(b *testing.B, s *store.Store) {
		for name, existing := range map[string]bool{"skip": false, "enroll": true} {
			b.Run(name, func(b *testing.B) {
				var longest time.Duration
				for i := range b.N {
					longest = max(longest, besides(b, s, func() {
						definition := enters(name, fmt.Sprintf(`{"all":[{"property":"country","in":["C1","C2","C3"]},{"property":"score","gte":%d}]}`, i))
						_, err := s.Publish(b.Context(), store.Publication{At: noon, EnrollExisting: existing, Definitions: []plan.Revision{definition}})
						require.NoError(b, err)
					}))
				}
				b.ReportMetric(float64(longest.Milliseconds()), "ms-longest-wait")
			})
		}
	})
}

// besides stores events one after the other while something is done, and returns how long the longest took.
func besides(b *testing.B, s *store.Store, do func()) (longest time.Duration) {
	b.Helper()
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			default:
			}
			began := time.Now()
			if _, _, err := s.AddEvent(b.Context(), plan.Event{Type: "page_viewed", Record: contact(n%1000 + 1).String(), At: noon}); err != nil {
				b.Error(err)
			}
			longest = max(longest, time.Since(began))
		}
	}()
	do()
	close(over)
	<-stopped
	return longest
}
