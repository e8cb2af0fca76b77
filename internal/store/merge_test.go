package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

var merges = map[string]func(t *testing.T, s *store.Store){
	"a merge keeps the values of one and fills them from the other": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, map[string]string{"email": "ann@example.com", "city": "Rome"}, noon, "import")
		require.NoError(t, err)
		_, err = s.Create(ctx, bob, map[string]string{"email": "ann@example.org", "city": "Oslo", "phone": "+47"}, noon.Add(time.Hour), "import")
		require.NoError(t, err)
		later := noon.Add(2 * time.Hour)
		require.NoError(t, s.Merge(ctx, ann, bob, later, "merge"))
		require.Equal(t, map[string]string{"email": "ann@example.com", "city": "Rome", "phone": "+47"}, properties(t, s, ann))
		history, err := s.History(ctx, ann, "city")
		require.NoError(t, err)
		require.Equal(t, []crm.PropertyVersion{
			{Value: "Rome", At: later, Source: "merge"}, {Value: "Oslo", At: noon.Add(time.Hour), Source: "import"}, {Value: "Rome", At: noon, Source: "import"},
		}, history)

		_, err = s.Get(ctx, bob)
		var merged *crm.MergedError
		require.ErrorAs(t, err, &merged)
		require.Equal(t, ann, merged.Into)
		require.ErrorIs(t, err, crm.ErrDeleted)
		require.ErrorAs(t, s.Restore(ctx, bob), &merged)
		require.ErrorIs(t, s.Merge(ctx, ann, bob, later, ""), crm.ErrDeleted)
		_, err = s.Create(ctx, crm.Ref{Object: "contact"}, email("ann@example.org"), noon, "")
		require.NoError(t, err, "the loser's address is free")
		changes, err := s.Changes(ctx, 100)
		require.NoError(t, err)
		require.Contains(t, changes, plan.Change{Seq: changes[2].Seq, Record: bob.String(), What: plan.ChangeMerged, Detail: ann.String(), At: later, Cause: crm.CauseMerge})
	},
	"a merge moves what the other is in": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, bob, acme, other)
		require.NoError(t, s.Associate(ctx, ann, acme, "employer", true, noon))
		require.NoError(t, s.Associate(ctx, bob, acme, "client", false, noon))
		require.NoError(t, s.Associate(ctx, bob, other, "investor", true, noon))
		require.NoError(t, s.Associate(ctx, ann, bob, "", false, noon))
		for _, list := range []string{"vip", "news"} {
			_, err := s.AddToList(ctx, list, bob, noon)
			require.NoError(t, err)
		}
		for subscription, states := range map[string][2]string{
			"a": {"opted_in", "opted_out"}, "b": {"", "opted_in"}, "c": {"opted_out", "opted_in"}, "d": {"opted_in", ""},
		} {
			require.NoError(t, s.SetSubscription(ctx, ann, subscription, states[0], noon))
			require.NoError(t, s.SetSubscription(ctx, bob, subscription, states[1], noon))
		}
		for _, event := range []plan.Event{
			{ID: "1", Type: "seen", Record: ann.String(), At: noon}, {ID: "1", Type: "seen", Record: bob.String(), At: noon}, {ID: "2", Type: "seen", Record: bob.String(), At: noon},
		} {
			_, _, err := s.AddEvent(ctx, event)
			require.NoError(t, err)
		}
		require.NoError(t, s.Merge(ctx, ann, bob, noon, "merge"))
		companies, err := s.Associated(ctx, ann, "company")
		require.NoError(t, err)
		require.Equal(t, []crm.Association{
			{Ref: acme, Labels: []string{"employer", "client"}, Primary: true, Created: noon}, {Ref: other, Labels: []string{"investor"}, Created: noon},
		}, companies)
		for _, company := range []crm.Ref{acme, other} {
			contacts, err := s.Associated(ctx, company, "contact")
			require.NoError(t, err)
			require.Len(t, contacts, 1)
			require.Equal(t, ann, contacts[0].Ref)
		}
		contacts, err := s.Associated(ctx, ann, "contact")
		require.NoError(t, err)
		require.Empty(t, contacts, "nobody is associated with itself")
		for _, list := range []string{"vip", "news"} {
			members, err := s.ListMembers(ctx, list, "", 0)
			require.NoError(t, err)
			require.Equal(t, []crm.Ref{ann}, members)
		}
		for subscription, want := range map[string]string{"a": "opted_out", "b": "opted_in", "c": "opted_out", "d": "opted_in"} {
			state, err := s.Subscription(ctx, ann, subscription)
			require.NoError(t, err)
			require.Equal(t, want, state, subscription)
		}
		events, err := s.EventsOf(ctx, ann, 0)
		require.NoError(t, err)
		require.Len(t, events, 2)
	},
	"an event that comes late is the winner's": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		carl := crm.Ref{Object: "contact", ID: "53"}
		add(t, s, ann, bob, carl)
		require.NoError(t, s.Merge(ctx, bob, carl, noon, ""))
		require.NoError(t, s.Merge(ctx, ann, bob, noon, ""))
		for i, late := range []crm.Ref{bob, carl} {
			stored, added, err := s.AddEvent(ctx, plan.Event{ID: late.ID, Type: "seen", Record: late.String(), At: noon})
			require.NoError(t, err)
			require.True(t, added)
			require.Equal(t, ann.String(), stored.Record)
			_, added, err = s.AddEvent(ctx, plan.Event{ID: late.ID, Type: "seen", Record: late.String(), At: noon})
			require.NoError(t, err)
			require.False(t, added)
			events, err := s.Events(ctx, ann, "seen", noon, noon)
			require.NoError(t, err)
			require.Len(t, events, i+1)
		}
		require.NoError(t, s.Delete(ctx, ann, noon))
		require.NoError(t, s.Restore(ctx, ann))
		resolved, err := s.Resolve(ctx, carl)
		require.NoError(t, err)
		require.Equal(t, ann, resolved)
	},
	"calculated values follow a merge": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		calculating(t, s)
		add(t, s, acme, other)
		for i, company := range []crm.Ref{acme, other} {
			deal := crm.Ref{Object: "deal", ID: []string{"1", "2"}[i]}
			_, err := s.Create(ctx, deal, map[string]string{"amount": "10"}, noon, "")
			require.NoError(t, err)
			require.NoError(t, s.Associate(ctx, company, deal, "", false, noon))
		}
		require.NoError(t, s.Merge(ctx, acme, other, noon, ""))
		require.Equal(t, "30", properties(t, s, acme)["volume"])
	},
	"what cannot be merged is left as it is": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, acme)
		require.ErrorIs(t, s.Merge(ctx, ann, ann, noon, ""), crm.ErrInvalid)
		require.ErrorIs(t, s.Merge(ctx, ann, acme, noon, ""), crm.ErrInvalid)
		require.ErrorIs(t, s.Merge(ctx, ann, bob, noon, ""), crm.ErrNotFound)
		require.ErrorIs(t, s.Merge(ctx, bob, ann, noon, ""), crm.ErrNotFound)
	},
	"what was deleted long ago is purged": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Create(ctx, ann, email("ann@example.com"), noon, "")
		require.NoError(t, err)
		add(t, s, bob, acme)
		require.NoError(t, s.Associate(ctx, ann, acme, "", false, noon))
		_, err = s.AddToList(ctx, "vip", ann, noon)
		require.NoError(t, err)
		require.NoError(t, s.SetSubscription(ctx, ann, "news", "opted_in", noon))
		_, _, err = s.AddEvent(ctx, plan.Event{Type: "seen", Record: ann.String(), At: noon})
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, ann, noon))
		require.NoError(t, s.Delete(ctx, bob, noon.Add(time.Hour)))
		purged, err := s.Purge(ctx, noon, 0)
		require.NoError(t, err)
		require.Empty(t, purged)
		purged, err = s.Purge(ctx, noon.Add(time.Second), 10)
		require.NoError(t, err)
		require.Equal(t, []crm.Ref{ann}, purged)
		_, err = s.Get(ctx, ann)
		require.ErrorIs(t, err, crm.ErrNotFound)
		events, err := s.EventsOf(ctx, ann, 0)
		require.NoError(t, err)
		require.Empty(t, events)
		_, err = s.Get(ctx, bob)
		require.ErrorIs(t, err, crm.ErrDeleted)
	},
}
