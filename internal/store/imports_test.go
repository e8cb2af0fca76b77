package store_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

func imported(t *testing.T, s *store.Store, key string, rows ...store.ImportRow) store.Imported {
	t.Helper()
	var result store.Imported
	require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) (err error) {
		result, err = tx.Import(t.Context(), store.Import{Object: "contact", Key: key, Rows: rows, At: noon, Source: "import people.csv"})
		return err
	}))
	return result
}

func row(address, city string) store.ImportRow {
	return store.ImportRow{Values: map[string]string{"email": address, "city": city}}
}

var imports = map[string]func(t *testing.T, s *store.Store){
	"an import creates and changes by a key": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, map[string]string{"email": "ann@example.com", "city": "Rome"}, noon, "api")
		require.NoError(t, err)
		result := imported(t, s, "email", row("Ann@Example.com", "Oslo"), row("bob@example.com", "Bonn"), row("BOB@example.com", ""), row("", "Paris"))
		require.Equal(t, 1, result.Created)
		require.Equal(t, 1, result.Updated)
		require.Len(t, result.Failed, 1)
		require.ErrorContains(t, result.Failed[3], "there is no email, by which records are found")
		require.Equal(t, map[string]string{"email": "Ann@Example.com", "city": "Oslo"}, properties(t, s, ann))
		require.Equal(t, map[string]string{"email": "BOB@example.com", "city": "Bonn"}, properties(t, s, bob), "what is empty is left as it is")
		history, err := s.History(ctx, ann, "city")
		require.NoError(t, err)
		require.Equal(t, "import people.csv", history[0].Source)
		require.Len(t, history, 2)
		created, err := s.Get(ctx, bob)
		require.NoError(t, err)
		require.Equal(t, "import people.csv", created.Source)
		again := imported(t, s, "email", row("bob@example.com", "Bonn"))
		require.Equal(t, store.Imported{Updated: 1, Failed: map[int]error{}}, again)

		changes, err := s.Changes(ctx, 10)
		require.NoError(t, err)
		var what []string
		for _, change := range changes {
			what = append(what, change.What+" "+change.Record)
		}
		require.Equal(t, []string{"created contact/51", "created contact/52", "set contact/51", "set contact/52"}, what)
	},
	"an import by ids": func(t *testing.T, s *store.Store) {
		add(t, s, ann)
		deleted := crm.Ref{Object: "contact", ID: "60"}
		add(t, s, deleted)
		require.NoError(t, s.Delete(t.Context(), deleted, noon))
		id := func(id, city string) store.ImportRow {
			return store.ImportRow{ID: id, Values: map[string]string{"city": city}}
		}
		result := imported(t, s, "", id("51", "Rome"), id("70", "Oslo"), id("70", "Bonn"), id("60", "Lima"), id("a b", "Lima"), id("", "Kiev"))
		require.Equal(t, 2, result.Created)
		require.Equal(t, 1, result.Updated)
		require.Len(t, result.Failed, 2)
		require.ErrorIs(t, result.Failed[3], crm.ErrDeleted)
		require.ErrorIs(t, result.Failed[4], crm.ErrInvalid)
		require.Equal(t, "Rome", properties(t, s, ann)["city"])
		require.Equal(t, "Bonn", properties(t, s, crm.Ref{Object: "contact", ID: "70"})["city"])
		require.Equal(t, "Kiev", properties(t, s, crm.Ref{Object: "contact", ID: "71"})["city"], "a number that nobody chose")
	},
	"a row that does not fit fails alone": func(t *testing.T, s *store.Store) {
		closed(t, s)
		values := func(name, value string) store.ImportRow {
			return store.ImportRow{Values: map[string]string{name: value}}
		}
		result := imported(t, s, "", values("score", "many"), values("stage", "guest"), values("wings", "2"), values("seen", "2027-05-10T10:00:00Z"), values("email", "a\x00b"))
		require.Equal(t, 1, result.Created, "read-only properties may be imported")
		require.Len(t, result.Failed, 4)
	},
	"a required property, and a unique one that somebody has": func(t *testing.T, s *store.Store) {
		_, err := s.Publish(t.Context(), store.Publication{At: noon, Catalog: crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{
			{Name: "email", Unique: true}, {Name: "code", Unique: true}, {Name: "name", Required: true},
		}})})
		require.NoError(t, err)
		of := func(address, code, name string) store.ImportRow {
			return store.ImportRow{Values: map[string]string{"email": address, "code": code, "name": name}}
		}
		result := imported(t, s, "email", of("a", "1", "A"), of("b", "1", "B"), of("c", "3", ""), of("d", "4", "D"), of("a", "5", ""), of("d", "5", ""))
		require.Equal(t, 2, result.Created)
		require.ErrorIs(t, result.Failed[1], crm.ErrTaken)
		require.EqualError(t, result.Failed[1], "property code is unique, and another record has it: that of an earlier line")
		require.ErrorContains(t, result.Failed[2], "property name is required")
		require.ErrorIs(t, result.Failed[5], crm.ErrTaken)
		require.Len(t, result.Failed, 3)
		result = imported(t, s, "email", of("e", "5", "E"), of("a", "", "Z"))
		require.ErrorIs(t, result.Failed[0], crm.ErrTaken)
		require.Equal(t, 1, result.Updated)
	},
	"an import computes what is calculated": func(t *testing.T, s *store.Store) {
		calculating(t, s)
		require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) error {
			result, err := tx.Import(t.Context(), store.Import{Object: "deal", At: noon, Rows: []store.ImportRow{
				{Values: map[string]string{"amount": "10"}}, {Values: map[string]string{"gross": "1"}},
			}})
			require.ErrorIs(t, result.Failed[1], crm.ErrInvalid)
			return err
		}))
		require.Equal(t, "30", properties(t, s, crm.Ref{Object: "deal", ID: "1"})["double"])
	},
	"many rows are many records": func(t *testing.T, s *store.Store) {
		rows := make([]store.ImportRow, 333)
		for i := range rows {
			rows[i] = row(fmt.Sprintf("p%d@example.com", i), "Rome")
		}
		require.Equal(t, 333, imported(t, s, "email", rows...).Created)
		require.Equal(t, 333, imported(t, s, "email", rows...).Updated)
		records, err := s.List(t.Context(), "contact", "", 0)
		require.NoError(t, err)
		require.Len(t, records, 333)
		require.Equal(t, "p332@example.com", records[332].Properties["email"])
		require.Equal(t, 1, records[332].Version, "nothing has changed")
	},
	"how far an import has come is kept": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, found, err := s.ImportProgress(ctx, "h")
		require.NoError(t, err)
		require.False(t, found)
		progress := store.ImportProgress{Hash: "h", Object: "contact", File: "people.csv", Rows: 10, Created: 5, Updated: 3, Failed: 2, Errors: 99, Started: noon}
		for _, finished := range []bool{false, true} {
			if finished {
				progress.Finished = noon
			}
			require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error { return tx.SetImportProgress(ctx, progress) }))
			got, found, err := s.ImportProgress(ctx, "h")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, progress, got)
		}
	},
}
