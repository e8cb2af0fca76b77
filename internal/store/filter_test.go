package store_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

// filter reads a filter that is right, as published plans keep it.
func filter(t testing.TB, source string) crm.Filter {
	t.Helper()
	var filter crm.Filter
	require.NoError(t, json.Unmarshal([]byte(source), &filter), source)
	return filter
}

var filters = map[string]func(t *testing.T, s *store.Store){
	"what the database finds is what filters say": agreeing,
	"a calculated property that is published later is indexed": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, map[string]string{"score": "7"}, noon, "")
		require.NoError(t, err)
		property := crm.Property{Name: "rank", Type: crm.TypeNumber, Calculated: formula(t, `"record.score * 10"`), Indexed: true}
		catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "score", Type: crm.TypeNumber}, property}})
		_, err = s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
		require.NoError(t, err)
		count, err := s.CountMatching(ctx, store.Query{Object: "contact", Filter: filter(t, `{"property": "rank", "is": 70}`), Now: noon})
		require.NoError(t, err)
		require.Equal(t, 1, count)
	},
	"active lists are what their filters say at that moment": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "score", Type: crm.TypeNumber, Indexed: true}}}, crm.Object{Name: "company"})
		catalog.AddList(crm.ActiveList{Name: "vip", Object: "contact", Filter: filter(t, `{"property": "score", "gte": 50}`)})
		catalog.AddList(crm.ActiveList{Name: "chosen", Object: "contact", Filter: filter(t, `{"all": [{"list": "vip"}, {"list": "friends"}]}`)})
		catalog.AddList(crm.ActiveList{Name: "snake", Object: "contact", Filter: filter(t, `{"list": "snake"}`)})
		_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: catalog, Lists: []string{"friends"}})
		require.NoError(t, err)
		add(t, s, ann, bob, acme)
		_, err = s.AddToList(ctx, "friends", ann, noon)
		require.NoError(t, err)
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			require.NoError(t, tx.Update(ctx, ann, map[string]string{"score": "50"}, noon, ""))
			require.NoError(t, tx.Update(ctx, bob, map[string]string{"score": "70"}, noon, ""))
			members, err := tx.Members(ctx, "chosen", noon, time.UTC, 0)
			require.Equal(t, []crm.Ref{ann}, members, "a transaction sees what it wrote")
			return err
		}))
		lists, err := s.Lists(ctx, noon, time.UTC)
		require.NoError(t, err)
		require.Equal(t, []store.List{{Name: "chosen", Active: true, Size: 1}, {Name: "friends", Size: 1}, {Name: "snake", Active: true}, {Name: "vip", Active: true, Size: 2}}, lists)
		_, err = s.AddToList(ctx, "vip", ann, noon)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.RemoveFromList(ctx, "vip", ann)
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, err = s.Members(ctx, "nowhere", noon, time.UTC, 0)
		require.ErrorIs(t, err, crm.ErrNotFound)
		count, err := s.CountMatching(ctx, store.Query{Object: "company", Filter: filter(t, `{"not": {"list": "vip"}}`), Now: noon})
		require.NoError(t, err)
		require.Equal(t, 1, count, "a company is not on a list of contacts")
	},
	"matching records are listed in pages and counted": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i := range 12 {
			_, err := s.Create(ctx, crm.Ref{Object: "contact", ID: fmt.Sprint(i + 1)}, map[string]string{"score": fmt.Sprint(i % 3)}, noon, "")
			require.NoError(t, err)
		}
		add(t, s, acme)
		require.NoError(t, s.Delete(ctx, crm.Ref{Object: "contact", ID: "9"}, noon))
		query := store.Query{Object: "contact", Filter: filter(t, `{"property": "score", "gte": 2}`), Now: noon, Zone: time.UTC}
		refs, err := s.Matching(ctx, query, "", 2)
		require.NoError(t, err)
		require.Equal(t, []crm.Ref{{Object: "contact", ID: "3"}, {Object: "contact", ID: "6"}}, refs)
		refs, err = s.Matching(ctx, query, "6", 0)
		require.NoError(t, err)
		require.Equal(t, []crm.Ref{{Object: "contact", ID: "12"}}, refs, "9 is deleted")
		count, err := s.CountMatching(ctx, query)
		require.NoError(t, err)
		require.Equal(t, 3, count)
		count, err = s.CountMatching(ctx, store.Query{Object: "company"})
		require.NoError(t, err)
		require.Equal(t, 1, count, "no filter matches everything")
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			require.NoError(t, tx.Update(ctx, crm.Ref{Object: "contact", ID: "1"}, map[string]string{"score": "2"}, noon, ""))
			count, err := tx.CountMatching(ctx, query)
			require.Equal(t, 4, count, "a transaction sees what it wrote")
			return err
		}))
	},
}
