package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func email(address string) map[string]string { return map[string]string{"email": address} }

var uniqueness = map[string]func(t *testing.T, s *store.Store){
	"a unique value belongs to one record": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, email("Ann@Example.com"), noon, "")
		require.NoError(t, err)
		_, err = s.Create(ctx, bob, email("ann@example.COM"), noon, "")
		require.ErrorIs(t, err, crm.ErrTaken)
		require.ErrorContains(t, err, "property email is unique, and another record has it: contact/51")
		_, err = s.Get(ctx, bob)
		require.ErrorIs(t, err, crm.ErrNotFound)
		add(t, s, bob)
		require.ErrorIs(t, s.Update(ctx, bob, email("ann@example.com"), noon, ""), crm.ErrTaken)
		_, _, err = s.Upsert(ctx, bob, email("ann@example.com"), noon, "")
		require.ErrorIs(t, err, crm.ErrTaken)
		require.NoError(t, s.Update(ctx, ann, email("ANN@example.com"), noon, ""), "its own value is no other's")

		found, err := s.Find(ctx, "contact", "email", " ann@EXAMPLE.com")
		require.NoError(t, err)
		require.Equal(t, ann, found)
		require.NoError(t, s.Update(ctx, ann, email(""), noon, ""))
		_, err = s.Find(ctx, "contact", "email", "ann@example.com")
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.NoError(t, s.Update(ctx, bob, email("ann@example.com"), noon, ""))
		_, err = s.Find(ctx, "contact", "first_name", "Ann")
		require.ErrorIs(t, err, crm.ErrInvalid)
	},
	"one of many wins a unique value": func(t *testing.T, s *store.Store) {
		together(t, 8, func(int) error {
			_, err := s.Create(t.Context(), crm.Ref{Object: "contact"}, email("ann@example.com"), noon, "")
			if errors.Is(err, crm.ErrTaken) {
				return nil
			}
			return err
		})
		records, err := s.List(t.Context(), "contact", "", 0)
		require.NoError(t, err)
		require.Len(t, records, 1)
	},
	"a deleted record gives its values free": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, email("ann@example.com"), noon, "")
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, ann, noon))
		require.NoError(t, s.Restore(ctx, ann))
		require.NoError(t, s.Delete(ctx, ann, noon))
		_, err = s.Create(ctx, bob, email("ann@example.com"), noon, "")
		require.NoError(t, err)
		require.ErrorIs(t, s.Restore(ctx, ann), crm.ErrTaken)
		_, err = s.Get(ctx, ann)
		require.ErrorIs(t, err, crm.ErrDeleted)
	},
	"a catalog makes a property unique, or no longer": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, ref := range []crm.Ref{ann, bob} {
			_, err := s.Create(ctx, ref, map[string]string{"email": ref.ID, "score": "5"}, noon, "")
			require.NoError(t, err)
		}
		publish := func(unique bool) error {
			catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "email"}, {Name: "score", Type: crm.TypeNumber, Unique: unique}}})
			_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
			return err
		}
		err := publish(true)
		require.ErrorIs(t, err, crm.ErrTaken)
		require.ErrorContains(t, err, "contact: property score is unique")
		require.NoError(t, s.Update(ctx, bob, map[string]string{"score": "6"}, noon, ""))
		require.NoError(t, publish(true))
		require.ErrorIs(t, s.Update(ctx, bob, map[string]string{"score": "5.0"}, noon, ""), crm.ErrTaken)
		require.NoError(t, s.Update(ctx, bob, email(ann.ID), noon, ""), "the address is not unique any more")
		require.NoError(t, publish(false))
		require.NoError(t, s.Update(ctx, bob, map[string]string{"score": "5"}, noon, ""))
	},
	"nobody writes by the old catalog while another is published": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "code", Unique: true}}})
		var published error
		together(t, 8, func(worker int) error {
			if worker == 0 {
				_, published = s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
				return nil
			}
			_, err := s.Create(ctx, crm.Ref{Object: "contact"}, map[string]string{"code": "5"}, noon, "")
			if errors.Is(err, crm.ErrTaken) {
				return nil
			}
			return err
		})
		records, err := s.List(ctx, "contact", "", 0)
		require.NoError(t, err)
		if published == nil {
			require.Len(t, records, 1)
			return
		}
		require.ErrorIs(t, published, crm.ErrTaken)
		require.Len(t, records, 7)
	},
	"who expects a version is told of a conflict": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.UpdateVersion(ctx, ann, 1, email("a@example.com"), noon, ""))
		err := s.UpdateVersion(ctx, ann, 1, email("b@example.com"), noon, "")
		require.ErrorIs(t, err, crm.ErrConflict)
		require.ErrorContains(t, err, "it has version 2, not 1")
		require.NoError(t, s.UpdateVersion(ctx, ann, 2, email("b@example.com"), noon, ""))
	},
}

func formula(t testing.TB, source string) (calculation crm.Calculation) {
	t.Helper()
	require.NoError(t, calculation.UnmarshalJSON([]byte(source)))
	return calculation
}

// calculating publishes deals whose gross and class follow from their amount, and companies that add them up.
func calculating(t *testing.T, s *store.Store) {
	t.Helper()
	number := func(name, source string) crm.Property {
		return crm.Property{Name: name, Type: crm.TypeNumber, Calculated: formula(t, source)}
	}
	catalog := crm.NewCatalog(
		crm.Object{Name: "contact", Properties: crm.Properties{{Name: "email"}}},
		crm.Object{Name: "deal", Properties: crm.Properties{
			number("double", `"deal.gross * 2"`), number("gross", `"record.amount * 1.5"`), {Name: "amount", Type: crm.TypeNumber}, {Name: "name"},
		}},
		crm.Object{Name: "company", Properties: crm.Properties{
			number("deals", `{"rollup": "count", "of": "deal"}`), number("volume", `{"rollup": "sum", "of": "deal", "property": "gross"}`),
			number("largest", `{"rollup": "max", "of": "deal", "property": "amount", "label": "won"}`), number("tenth", `"company.volume / 10"`),
			number("usual", `{"rollup": "average", "of": "deal", "property": "amount"}`),
		}})
	_, err := s.Publish(t.Context(), store.Publication{At: noon, Catalog: catalog})
	require.NoError(t, err)
}

func properties(t *testing.T, s *store.Store, ref crm.Ref) map[string]string {
	t.Helper()
	record, err := s.Get(t.Context(), ref)
	require.NoError(t, err)
	return record.Properties
}

var calculations = map[string]func(t *testing.T, s *store.Store){
	"a formula follows the record": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		calculating(t, s)
		deal := crm.Ref{Object: "deal", ID: "1"}
		created, err := s.Create(ctx, deal, map[string]string{"amount": "10"}, noon, "")
		require.NoError(t, err)
		require.Equal(t, map[string]string{"amount": "10", "gross": "15", "double": "30"}, created.Properties)
		require.Equal(t, created.Properties, properties(t, s, deal))
		_, err = s.Increment(ctx, deal, "amount", crm.NumberOf(2), noon, "")
		require.NoError(t, err)
		require.Equal(t, "36", properties(t, s, deal)["double"])
		require.NoError(t, s.Update(ctx, deal, map[string]string{"amount": ""}, noon, ""))
		require.Equal(t, "0", properties(t, s, deal)["double"], "arithmetic takes an empty number for 0")
		require.ErrorIs(t, s.Update(ctx, deal, map[string]string{"gross": "1"}, noon, ""), crm.ErrInvalid)
		_, _, err = s.Upsert(ctx, deal, map[string]string{"gross": "1"}, noon, "")
		require.ErrorContains(t, err, "gross is calculated", "not by hand either")
		history, err := s.History(ctx, deal, "gross")
		require.NoError(t, err)
		require.Empty(t, history)
	},
	"a rollup follows associated records": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		calculating(t, s)
		deals := []crm.Ref{{Object: "deal", ID: "1"}, {Object: "deal", ID: "2"}, {Object: "deal", ID: "3"}}
		add(t, s, acme)
		for i, deal := range deals {
			_, err := s.Create(ctx, deal, map[string]string{"amount": []string{"10", "20", "60"}[i]}, noon, "")
			require.NoError(t, err)
		}
		require.Equal(t, map[string]string{"deals": "0", "volume": "0", "tenth": "0"}, properties(t, s, acme))
		require.NoError(t, s.Associate(ctx, acme, deals[0], "won", false, noon))
		require.NoError(t, s.Associate(ctx, deals[1], acme, "", false, noon))
		require.Equal(t, map[string]string{"deals": "2", "volume": "45", "tenth": "4.5", "largest": "10", "usual": "15"}, properties(t, s, acme))
		require.NoError(t, s.Update(ctx, deals[1], map[string]string{"amount": "30"}, noon, ""))
		require.Equal(t, "60", properties(t, s, acme)["volume"])
		require.NoError(t, s.Delete(ctx, deals[0], noon))
		require.Equal(t, map[string]string{"deals": "1", "volume": "45", "tenth": "4.5", "usual": "30"}, properties(t, s, acme))
		require.NoError(t, s.Restore(ctx, deals[0]))
		require.NoError(t, s.Dissociate(ctx, acme, deals[1], ""))
		require.Equal(t, map[string]string{"deals": "1", "volume": "15", "tenth": "1.5", "largest": "10", "usual": "10"}, properties(t, s, acme))
		require.NoError(t, s.Dissociate(ctx, acme, deals[0], "won"))
		require.NotContains(t, properties(t, s, acme), "largest")
	},
	"who waits for a calculated property is found": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		calculating(t, s)
		deal := crm.Ref{Object: "deal", ID: "1"}
		add(t, s, acme, deal)
		require.NoError(t, s.Associate(ctx, acme, deal, "", false, noon))
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			opened, err := tx.OpenEnrollment(ctx, entering("welcome", acme, "run"))
			require.NoError(t, err)
			return tx.Stand(ctx, plan.Standing{Enrollment: opened.ID, Node: "wait", Awaits: plan.ChangeOf("volume"), Arrived: noon})
		}))
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			require.NoError(t, tx.Update(ctx, deal, map[string]string{"amount": "4"}, noon, ""))
			waiting, err := tx.Waiting(ctx)
			require.Equal(t, []string{"enrollment/welcome/company/7"}, waiting)
			return err
		}))
	},
	"a catalog with a new calculation computes it everywhere": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		deal := crm.Ref{Object: "deal", ID: "1"}
		_, err := s.Create(ctx, deal, map[string]string{"amount": "10"}, noon, "")
		require.NoError(t, err)
		add(t, s, acme)
		require.NoError(t, s.Associate(ctx, acme, deal, "", false, noon))
		calculating(t, s)
		require.Equal(t, "15", properties(t, s, deal)["gross"])
		require.Equal(t, "15", properties(t, s, acme)["volume"])
	},
	"a circle that nobody checked ends": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		one := crm.Property{Name: "n", Type: crm.TypeNumber, Calculated: formula(t, `{"rollup": "sum", "of": "company", "property": "n"}`)}
		_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: crm.NewCatalog(
			crm.Object{Name: "contact", Properties: crm.Properties{one}},
			crm.Object{Name: "company", Properties: crm.Properties{
				{Name: "m", Type: crm.TypeNumber, Calculated: formula(t, `{"rollup": "sum", "of": "contact", "property": "n"}`)},
				{Name: "n", Type: crm.TypeNumber, Calculated: formula(t, `"company.m + 1"`)},
			}})})
		require.NoError(t, err)
		add(t, s, ann, acme)
		require.ErrorContains(t, s.Associate(ctx, ann, acme, "", false, noon.Add(time.Hour)), "in a circle")
	},
}
