package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// run is the conformance suite: what every database behind the store has to do. open returns an empty store
// that is closed when the test ends.
func run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, group := range []map[string]func(t *testing.T, s *store.Store){
		transactions, records, uniqueness, calculations, merges, imports, associations, lists, users, events, waiting, workspace, ledger, journal,
		enrollments, outbox, badInput, concurrency, filters, gates, bulks, usage, access, group, changes, decisions, seedings, retention, scheduled,
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, open(t))
			})
		}
	}
}

var (
	noon  = time.Date(2027, 5, 10, 12, 0, 0, 123456000, time.UTC)
	ann   = crm.Ref{Object: "contact", ID: "51"}
	bob   = crm.Ref{Object: "contact", ID: "52"}
	acme  = crm.Ref{Object: "company", ID: "7"}
	other = crm.Ref{Object: "company", ID: "8"}
)

func add(t *testing.T, s *store.Store, refs ...crm.Ref) {
	t.Helper()
	for _, ref := range refs {
		_, err := s.Create(t.Context(), ref, nil, noon, "import")
		require.NoError(t, err)
	}
}

// closed gives the store a catalog that knows what is declared and nothing else.
func closed(t *testing.T, s *store.Store) {
	t.Helper()
	catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{
		{Name: "email"},
		{Name: "score", Type: crm.TypeNumber},
		{Name: "born", Type: crm.TypeDate},
		{Name: "stage", Type: crm.TypeEnumeration, Options: []crm.Option{{Value: "lead"}, {Value: "customer"}}},
		{Name: "seen", Type: crm.TypeDatetime, ReadOnly: true},
	}})
	_, err := s.Publish(t.Context(), store.Publication{At: noon, Catalog: catalog})
	require.NoError(t, err)
}

var transactions = map[string]func(t *testing.T, s *store.Store){
	"a failed transaction leaves nothing": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		failure := errors.New("no")
		err := s.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.Create(ctx, ann, nil, noon, "")
			require.NoError(t, err)
			_, err = tx.Get(ctx, ann)
			require.NoError(t, err, "a transaction sees what it wrote")
			_, err = s.Get(ctx, ann)
			require.ErrorIs(t, err, crm.ErrNotFound, "nobody else does")
			return failure
		})
		require.ErrorIs(t, err, failure)
		_, err = s.Get(ctx, ann)
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
	"a panic rolls back and frees the writer": func(t *testing.T, s *store.Store) {
		require.Panics(t, func() {
			_ = s.Tx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Create(t.Context(), ann, nil, noon, "")
				require.NoError(t, err)
				panic("no")
			})
		})
		add(t, s, ann)
	},
	"a cancelled transaction leaves nothing": func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.Create(ctx, ann, nil, noon, "")
			cancel()
			return err
		})
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.Get(t.Context(), ann)
		require.ErrorIs(t, err, crm.ErrNotFound)
		add(t, s, ann)
	},
	"a closed store answers errors": func(t *testing.T, s *store.Store) {
		require.NoError(t, s.Close())
		_, err := s.Get(t.Context(), ann)
		require.ErrorContains(t, err, "reading record contact/51")
		require.ErrorContains(t, s.Delete(t.Context(), ann, noon), "beginning a transaction")
		_, err = s.Health(t.Context())
		require.Error(t, err)
	},
	"health reports migrations": func(t *testing.T, s *store.Store) {
		health, err := s.Health(t.Context())
		require.NoError(t, err)
		require.False(t, health.Pending())
		require.Positive(t, health.Latest)
	},
}

var records = map[string]func(t *testing.T, s *store.Store){
	"a record is created, read and changed": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		created, err := s.Create(ctx, ann, map[string]string{"email": "ann@example.com", "city": ""}, noon, "import")
		require.NoError(t, err)
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, created, got)
		require.Equal(t, crm.Record{
			Ref: ann, Properties: map[string]string{"email": "ann@example.com"}, Created: noon, Updated: noon, Version: 1, Source: "import",
		}, got)

		later := noon.Add(time.Hour)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"email": "", "city": "Rome"}, later, "step"))
		got, err = s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"city": "Rome"}, got.Properties)
		require.Equal(t, later, got.Updated)
		require.Equal(t, 2, got.Version)

		history, err := s.History(ctx, ann, "email")
		require.NoError(t, err)
		require.Equal(t, []crm.PropertyVersion{{At: later, Source: "step"}, {Value: "ann@example.com", At: noon, Source: "import"}}, history)
	},
	"an equal value leaves no trace": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		_, err := s.Create(ctx, ann, map[string]string{"score": "5"}, noon, "import")
		require.NoError(t, err)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"score": "5.0", "email": ""}, noon.Add(time.Hour), "step"))
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, noon, got.Updated)
		require.Equal(t, 1, got.Version)
		history, err := s.History(ctx, ann, "score")
		require.NoError(t, err)
		require.Len(t, history, 1)
	},
	"values are checked by the catalog": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		_, err := s.Create(ctx, ann, map[string]string{"born": "2027-05-10T10:00:00+02:00", "score": "1e2"}, noon, "")
		require.NoError(t, err)
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"born": "2027-05-10", "score": "100"}, got.Properties)
		for property, value := range map[string]string{"score": "many", "stage": "guest", "shoe_size": "44", "seen": "2027-05-10T10:00:00Z"} {
			err := s.Update(ctx, ann, map[string]string{"email": "new@example.com", property: value}, noon, "")
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorContains(t, err, property)
		}
		got, err = s.Get(ctx, ann)
		require.NoError(t, err)
		require.NotContains(t, got.Properties, "email", "a change is whole or not at all")
		_, err = s.Create(ctx, acme, nil, noon, "")
		require.ErrorIs(t, err, crm.ErrInvalid, "an object that is not declared")
	},
	"numbers are given out once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		next := func() string {
			record, err := s.Create(ctx, crm.Ref{Object: "deal"}, nil, noon, "")
			require.NoError(t, err)
			return record.ID
		}
		require.Equal(t, "1", next())
		require.Equal(t, "2", next())
		add(t, s, crm.Ref{Object: "deal", ID: "40"}, crm.Ref{Object: "deal", ID: "007"}, crm.Ref{Object: "deal", ID: "9223372036854775807"}, crm.Ref{Object: "deal", ID: "3"})
		require.Equal(t, "41", next())
	},
	"creating twice is refused, upserting changes": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		_, created, err := s.Upsert(ctx, ann, map[string]string{"email": "a@example.com"}, noon, "api")
		require.NoError(t, err)
		require.True(t, created)
		_, err = s.Create(ctx, ann, nil, noon, "")
		require.ErrorIs(t, err, store.ErrExists)
		record, created, err := s.Upsert(ctx, ann, map[string]string{"seen": "2027-05-10T10:00:00Z"}, noon.Add(time.Hour), "api")
		require.NoError(t, err)
		require.False(t, created)
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, got, record)
		require.Equal(t, map[string]string{"email": "a@example.com", "seen": "2027-05-10T10:00:00Z"}, got.Properties)
	},
	"a deleted record is hidden until it is restored": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, acme)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""))
		require.NoError(t, s.Associate(ctx, ann, acme, "", false, noon))
		require.NoError(t, s.Delete(ctx, ann, noon))
		_, err := s.Get(ctx, ann)
		require.ErrorIs(t, err, crm.ErrDeleted)
		require.ErrorIs(t, s.Update(ctx, ann, map[string]string{"city": "Oslo"}, noon, ""), crm.ErrDeleted)
		require.ErrorIs(t, s.Delete(ctx, ann, noon), crm.ErrDeleted)
		_, err = s.Create(ctx, ann, nil, noon, "")
		require.ErrorIs(t, err, crm.ErrDeleted)
		_, _, err = s.Upsert(ctx, ann, nil, noon, "")
		require.ErrorIs(t, err, crm.ErrDeleted)
		associated, err := s.Associated(ctx, acme, "contact")
		require.NoError(t, err)
		require.Empty(t, associated)
		listed, err := s.List(ctx, "contact", "", 0)
		require.NoError(t, err)
		require.Empty(t, listed)

		require.NoError(t, s.Restore(ctx, ann))
		require.NoError(t, s.Restore(ctx, ann))
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, "Rome", got.Properties["city"])
		associated, err = s.Associated(ctx, acme, "contact")
		require.NoError(t, err)
		require.Len(t, associated, 1)
	},
	"what is not there is not found": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Get(ctx, ann)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.ErrorIs(t, s.Update(ctx, ann, nil, noon, ""), crm.ErrNotFound)
		require.ErrorIs(t, s.Delete(ctx, ann, noon), crm.ErrNotFound)
		require.ErrorIs(t, s.Restore(ctx, ann), crm.ErrNotFound)
		_, err = s.Increment(ctx, ann, "score", crm.NumberOf(1), noon, "")
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
	"increments are exact": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		add(t, s, ann)
		tenth, err := crm.ParseNumber("0.1")
		require.NoError(t, err)
		for range 3 {
			_, err = s.Increment(ctx, ann, "score", tenth, noon, "step")
			require.NoError(t, err)
		}
		sum, err := s.Increment(ctx, ann, "score", crm.NumberOf(-1), noon, "step")
		require.NoError(t, err)
		require.Equal(t, "-0.7", sum.String())
		for _, property := range []string{"email", "shoe_size", "seen"} {
			_, err = s.Increment(ctx, ann, property, tenth, noon, "step")
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
	},
	"listing goes page by page in the order of numbers": func(t *testing.T, s *store.Store) {
		for _, id := range []string{"10", "9", "b", "1", "100", "a2"} {
			add(t, s, crm.Ref{Object: "contact", ID: id})
		}
		add(t, s, acme)
		var ids []string
		for after := ""; ; {
			page, err := s.List(t.Context(), "contact", after, 2)
			require.NoError(t, err)
			for _, record := range page {
				ids = append(ids, record.ID)
			}
			if len(page) < 2 {
				break
			}
			after = page[1].ID
		}
		require.Equal(t, []string{"1", "9", "b", "10", "a2", "100"}, ids)
	},
}

var associations = map[string]func(t *testing.T, s *store.Store){
	"associations go both ways": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, bob, acme, other)
		require.NoError(t, s.Associate(ctx, ann, other, "", false, noon.Add(-time.Hour)))
		require.NoError(t, s.Associate(ctx, ann, acme, "employer", true, noon))
		require.NoError(t, s.Associate(ctx, bob, acme, "", false, noon))
		require.NoError(t, s.Associate(ctx, ann, acme, "billing", false, noon.Add(time.Hour)), "keeps primary, labels and age")
		got, err := s.Associated(ctx, ann, "company")
		require.NoError(t, err)
		require.Equal(t, []crm.Association{
			{Ref: acme, Labels: []string{"employer", "billing"}, Primary: true, Created: noon},
			{Ref: other, Labels: []string{}, Created: noon.Add(-time.Hour)},
		}, got)
		got, err = s.Associated(ctx, acme, "contact")
		require.NoError(t, err)
		require.Equal(t, []crm.Association{
			{Ref: ann, Labels: []string{"employer", "billing"}, Created: noon},
			{Ref: bob, Labels: []string{}, Created: noon},
		}, got)
	},
	"a record has one primary record of a type": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, acme, other)
		require.NoError(t, s.Associate(ctx, ann, acme, "", true, noon))
		require.NoError(t, s.Associate(ctx, ann, other, "", true, noon))
		got, err := s.Associated(ctx, ann, "company")
		require.NoError(t, err)
		require.Equal(t, other, got[0].Ref)
		require.True(t, got[0].Primary)
		require.False(t, got[1].Primary)
	},
	"a label or the whole association is removed": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, acme)
		require.NoError(t, s.Associate(ctx, ann, acme, "employer", false, noon))
		require.NoError(t, s.Dissociate(ctx, acme, ann, "employer"))
		require.NoError(t, s.Dissociate(ctx, acme, ann, "employer"))
		got, err := s.Associated(ctx, ann, "company")
		require.NoError(t, err)
		require.Equal(t, []crm.Association{{Ref: acme, Labels: []string{}, Created: noon}}, got)
		require.NoError(t, s.Dissociate(ctx, ann, acme, ""))
		got, err = s.Associated(ctx, acme, "contact")
		require.NoError(t, err)
		require.Empty(t, got)
	},
	"only records that are there are associated": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.ErrorIs(t, s.Associate(ctx, ann, acme, "", false, noon), crm.ErrNotFound)
		require.ErrorIs(t, s.Associate(ctx, ann, ann, "", false, noon), crm.ErrInvalid)
	},
	"a subscription has three states": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		for _, want := range []string{"opted_in", "opted_out", ""} {
			require.NoError(t, s.SetSubscription(ctx, ann, "newsletter", want, noon))
			state, err := s.Subscription(ctx, ann, "newsletter")
			require.NoError(t, err)
			require.Equal(t, want, state)
		}
		require.ErrorIs(t, s.SetSubscription(ctx, ann, "newsletter", "perhaps", noon), crm.ErrInvalid)
		require.ErrorIs(t, s.SetSubscription(ctx, bob, "newsletter", "opted_in", noon), crm.ErrNotFound)
	},
	"an address keeps what it wants to get": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		consent := crm.Consent{Channel: crm.ChannelEmail, Address: "Ann@Example.com", Subscription: "news", State: crm.OptedOut, LegalBasis: "NON_GDPR", Explanation: "asked us"}
		require.NoError(t, s.SetConsent(ctx, consent, noon))
		found, err := s.Consent(ctx, crm.ChannelEmail, "ann@example.com", "news")
		require.NoError(t, err)
		require.Equal(t, "opted_out NON_GDPR asked us", found.State+" "+found.LegalBasis+" "+found.Explanation)
		state := func(ref crm.Ref) string {
			state, err := s.Subscription(ctx, ref, "news")
			require.NoError(t, err)
			return state
		}
		contacts := make([]crm.Ref, 120) // more than one statement looks for
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			for i := range contacts {
				record, err := tx.Create(ctx, crm.Ref{Object: "contact"}, map[string]string{"email": fmt.Sprintf("%d@example.com", i), "mobile_phone": "+39 06 1"}, noon, "test")
				if err != nil {
					return err
				}
				contacts[i] = record.Ref
			}
			return nil
		}))
		require.NoError(t, s.Update(ctx, contacts[7], map[string]string{"email": "ann@example.com"}, noon, "test"))
		require.Equal(t, "opted_out", state(contacts[7]))
		require.Empty(t, state(contacts[8]))
		require.NoError(t, s.SetConsent(ctx, crm.Consent{Channel: crm.ChannelSMS, Address: "+39 06 1", Subscription: "news", State: crm.OptedIn}, noon))
		require.Equal(t, "opted_out", state(contacts[7]), "an opt-out of one address holds")
		require.Equal(t, "opted_in", state(contacts[8]))
		require.NoError(t, s.Update(ctx, contacts[7], map[string]string{"email": "other@example.com"}, noon, "test"))
		require.Equal(t, "opted_in", state(contacts[7]))
		for _, bad := range []crm.Consent{
			{Channel: crm.ChannelEmail, Subscription: "news"}, {Channel: "smoke", Address: "a", Subscription: "news"},
			{Channel: crm.ChannelEmail, Address: "a", Subscription: "news", State: "perhaps"}, {Channel: crm.ChannelSMS, Address: "none", Subscription: "news"},
		} {
			require.ErrorIs(t, s.SetConsent(ctx, bad, noon), crm.ErrInvalid)
		}
	},
}

var lists = map[string]func(t *testing.T, s *store.Store){
	"records come on lists and leave them": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, bob)
		_, err := s.Publish(ctx, store.Publication{At: noon, Lists: []string{"vip", "empty"}})
		require.NoError(t, err)
		added, err := s.AddToList(ctx, "vip", ann, noon)
		require.NoError(t, err)
		require.True(t, added)
		added, err = s.AddToList(ctx, "vip", ann, noon)
		require.NoError(t, err)
		require.False(t, added)
		_, err = s.AddToList(ctx, "vip", bob, noon)
		require.NoError(t, err)
		on, err := s.InList(ctx, ann, "vip")
		require.NoError(t, err)
		require.True(t, on)

		got, err := s.Lists(ctx, noon, time.UTC)
		require.NoError(t, err)
		require.Equal(t, []store.List{{Name: "empty"}, {Name: "vip", Size: 2}}, got)
		members, err := s.ListMembers(ctx, "vip", ann.String(), 0)
		require.NoError(t, err)
		require.Equal(t, []crm.Ref{bob}, members)

		removed, err := s.RemoveFromList(ctx, "vip", ann)
		require.NoError(t, err)
		require.True(t, removed)
		removed, err = s.RemoveFromList(ctx, "vip", ann)
		require.NoError(t, err)
		require.False(t, removed)
		on, err = s.InList(ctx, ann, "vip")
		require.NoError(t, err)
		require.False(t, on)
		_, err = s.AddToList(ctx, "vip", crm.Ref{Object: "contact", ID: "404"}, noon)
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
}

var users = map[string]func(t *testing.T, s *store.Store){
	"users are found by id and address, teams by id": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		people := []crm.User{
			{ID: "zoe", Name: "Zoe", Email: "Zoe@Example.com", Active: true, Team: "support", Teams: []string{"sales"}, Away: []crm.Absence{{From: crm.Date{Year: 2027, Month: 8, Day: 2}, To: crm.Date{Year: 2027, Month: 8, Day: 3}}}, Roles: []crm.Role{crm.RoleView, crm.RoleEdit}},
			{ID: "max", Name: "Max", Active: true, Team: "sales", Teams: []string{"sales"}},
			{ID: "eve", Name: "Eve", Email: "eve@example.com", Team: "sales"},
		}
		require.NoError(t, s.SetUsers(ctx, people, []string{"sales", "night-shift"}))
		for _, id := range []string{"zoe", "zoe@example.COM"} {
			user, err := s.User(ctx, id)
			require.NoError(t, err)
			require.Equal(t, people[0], user)
		}
		members, err := s.Team(ctx, "sales")
		require.NoError(t, err)
		require.Equal(t, []crm.User{people[1], people[2], people[0]}, members)
		members, err = s.Team(ctx, "night-shift")
		require.NoError(t, err)
		require.Empty(t, members)

		for _, id := range []string{"", "nobody", "nobody@example.com"} {
			_, err = s.User(ctx, id)
			require.ErrorIs(t, err, crm.ErrNotFound)
			_, err = s.Team(ctx, id)
			require.ErrorIs(t, err, crm.ErrNotFound)
		}
		require.NoError(t, s.SetUsers(ctx, people[2:], nil))
		_, err = s.User(ctx, "zoe")
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
}

var events = map[string]func(t *testing.T, s *store.Store){
	"events are found by record, type and time": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i := range 4 {
			_, added, err := s.AddEvent(ctx, plan.Event{
				Type: "page_viewed", Record: "contact/51", At: noon.Add(time.Duration(3-i) * time.Minute), Source: "key",
				Properties: map[string]any{"page": strconv.Itoa(3 - i)},
			})
			require.NoError(t, err)
			require.True(t, added)
		}
		_, _, err := s.AddEvent(ctx, plan.Event{Type: "email_opened", Record: "contact/51", At: noon})
		require.NoError(t, err)
		got, err := s.Events(ctx, ann, "page_viewed", noon.Add(time.Minute), noon.Add(2*time.Minute))
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, crm.Event{
			ID: got[0].ID, Type: "page_viewed", Record: ann, At: noon.Add(time.Minute), Source: "key", Properties: map[string]any{"page": "1"},
		}, got[0])
		require.Equal(t, map[string]any{"page": "2"}, got[1].Properties)
		newest, err := s.EventsOf(ctx, ann, 1)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"page": "3"}, newest[0].Properties)
		none, err := s.Events(ctx, bob, "page_viewed", time.Time{}, noon.Add(time.Hour))
		require.NoError(t, err)
		require.Empty(t, none)
	},
	"an id makes an event unique for its record": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		event := plan.Event{ID: "1", Type: "page_viewed", Record: "contact/51", At: noon}
		for i, want := range []bool{true, false} {
			stored, added, err := s.AddEvent(ctx, event)
			require.NoError(t, err)
			require.Equal(t, want, added, "time %d", i)
			require.Equal(t, event, stored)
		}
		event.Record = "contact/52"
		_, added, err := s.AddEvent(ctx, event)
		require.NoError(t, err)
		require.True(t, added)
	},
	"an event without an id is never a duplicate": func(t *testing.T, s *store.Store) {
		event := plan.Event{Type: "page_viewed", Record: "contact/51", At: noon}
		ids := map[string]bool{}
		for range 3 {
			stored, added, err := s.AddEvent(t.Context(), event)
			require.NoError(t, err)
			require.True(t, added)
			require.GreaterOrEqual(t, len(stored.ID), 26)
			ids[stored.ID] = true
		}
		require.Len(t, ids, 3)
	},
	"an event needs record, type and time": func(t *testing.T, s *store.Store) {
		for _, event := range []plan.Event{
			{Type: "page_viewed", At: noon},
			{Record: "contact/51", At: noon},
			{Type: "page_viewed", Record: "contact/51"},
			{Type: "page_viewed", Record: "contact", At: noon},
			{Type: "page_viewed", Record: "contact/51", At: noon, Properties: map[string]any{"f": func() {}}},
		} {
			_, _, err := s.AddEvent(t.Context(), event)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
	},
}

// compiled is a plan of one node whose config tells the versions apart.
func compiled(workflow, hash string) *plan.Plan {
	return &plan.Plan{
		Workflow: workflow, Object: "contact", Hash: hash, Start: plan.Edge{To: "a"},
		Nodes: map[string]plan.Node{"a": {Kind: "send_email", Hash: hash, Config: json.RawMessage(`{"email":"` + hash + `"}`)}},
		Rules: &plan.Rules{Name: workflow, Again: json.RawMessage(`"never"`)},
	}
}

func publish(t *testing.T, s *store.Store, workflow, hash string) store.Published {
	t.Helper()
	published, err := s.Publish(t.Context(), store.Publication{At: noon, By: "ann", Definitions: []plan.Revision{
		{Plan: compiled(workflow, hash), Source: "workflow: " + workflow, On: true},
	}})
	require.NoError(t, err)
	return published
}

var workspace = map[string]func(t *testing.T, s *store.Store){
	"a changed plan is a new revision": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, found, err := s.LatestRevision(ctx, "welcome")
		require.NoError(t, err)
		require.False(t, found)

		first := publish(t, s, "welcome", "h1")
		want := compiled("welcome", "h1")
		want.Revision = 1
		require.Equal(t, []plan.Revision{{
			Number: 1, Workflow: "welcome", Plan: want, Source: "workflow: welcome", InFlight: plan.InFlightFollow, Published: noon, By: "ann", On: true,
		}}, first.Revisions)
		require.Empty(t, first.Unchanged)

		again := publish(t, s, "welcome", "h1")
		require.Empty(t, again.Revisions)
		require.Equal(t, []string{"welcome"}, again.Unchanged)

		publish(t, s, "welcome", "h2")
		publish(t, s, "welcome", "h1")
		latest, found, err := s.LatestRevision(ctx, "welcome")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, 3, latest.Number)
		require.Equal(t, 3, latest.Plan.Revision)
		all, err := s.Revisions(ctx, "welcome")
		require.NoError(t, err)
		require.Len(t, all, 3)
		require.Equal(t, first.Revisions[0], all[0])
		require.Equal(t, latest, all[2])
		after, err := s.RevisionsAfter(ctx, "welcome", 1)
		require.NoError(t, err)
		require.Equal(t, all[1:], after)
		second, err := s.Revision(ctx, "welcome", 2)
		require.NoError(t, err)
		require.Equal(t, "h2", second.Plan.Hash)
		_, err = s.Revision(ctx, "welcome", 4)
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
	"an equal plan keeps its own moves": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i, hash := range []string{"h1", "h2", "h1"} {
			moved := compiled("welcome", hash)
			moved.Moved = map[string]string{"gone": strconv.Itoa(i)}
			_, err := s.Publish(ctx, store.Publication{At: noon, Definitions: []plan.Revision{{Plan: moved, InFlight: plan.InFlightPin}}})
			require.NoError(t, err)
			latest, _, err := s.LatestRevision(ctx, "welcome")
			require.NoError(t, err)
			require.Equal(t, moved.Moved, latest.Plan.Moved)
			require.Equal(t, i+1, latest.Plan.Revision)
			require.Equal(t, plan.InFlightPin, latest.InFlight)
		}
	},
	"a revision keeps the map of its publisher": func(t *testing.T, s *store.Store) {
		publish(t, s, "welcome", "h1")
		migrate := map[string]string{"a": "b", "c": ""}
		_, err := s.Publish(t.Context(), store.Publication{At: noon, Definitions: []plan.Revision{
			{Plan: compiled("welcome", "h2"), InFlight: plan.InFlightMigrate, Migrate: migrate},
		}})
		require.NoError(t, err)
		revisions, err := s.Revisions(t.Context(), "welcome")
		require.NoError(t, err)
		require.Nil(t, revisions[0].Migrate)
		require.Equal(t, plan.InFlightMigrate, revisions[1].InFlight)
		require.Equal(t, migrate, revisions[1].Migrate)
	},
	"a plan is found by its hash": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		publish(t, s, "welcome", "h1")
		publish(t, s, "goodbye", "h1")
		found, err := s.PlanByHash(ctx, "h1")
		require.NoError(t, err)
		require.JSONEq(t, `{"email":"h1"}`, string(found.Nodes["a"].Config))
		require.JSONEq(t, `"never"`, string(found.Rules.Again))
		for _, workflow := range []string{"welcome", "goodbye"} {
			revision, _, err := s.LatestRevision(ctx, workflow)
			require.NoError(t, err)
			require.Equal(t, workflow, revision.Plan.Workflow, "whatever other workflow has an equal plan")
		}
		_, err = s.PlanByHash(ctx, "h2")
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
	"the switch belongs to the operator": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, err := s.Switch(ctx, "welcome")
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.ErrorIs(t, s.SetSwitch(ctx, "welcome", plan.SwitchOn, noon), crm.ErrNotFound)
		publish(t, s, "welcome", "h1")
		stands, err := s.Switch(ctx, "welcome")
		require.NoError(t, err)
		require.Equal(t, plan.Switch{Mode: plan.SwitchOn}, stands)
		require.ErrorIs(t, s.SetSwitch(ctx, "welcome", "sideways", noon), crm.ErrInvalid)
		require.NoError(t, s.SetSwitch(ctx, "welcome", plan.SwitchOff, noon))
		published := publish(t, s, "welcome", "h2")
		require.False(t, published.Revisions[0].On)
		workflows, err := s.Workflows(ctx)
		require.NoError(t, err)
		require.Equal(t, []store.Overview{{Workflow: "welcome", Switch: plan.SwitchOff, Revision: 2, Published: noon}}, workflows)
	},
	"files are replaced as a whole": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		binary := []byte{0, 0xff, 1}
		set := func(files map[string][]byte) {
			_, err := s.Publish(ctx, store.Publication{At: noon, Assets: files})
			require.NoError(t, err)
		}
		set(map[string][]byte{"emails/a.md": []byte("one"), "emails/b.md": []byte("one"), "empty": nil, "logo.png": binary})
		set(map[string][]byte{"emails/a.md": []byte("two"), "empty": {}, "logo.png": binary})
		_, err := s.Publish(ctx, store.Publication{At: noon})
		require.NoError(t, err, "nothing given, nothing changed")
		for path, want := range map[string]string{"emails/a.md": "two", "empty": "", "logo.png": string(binary)} {
			content, found, err := s.Asset(ctx, path)
			require.NoError(t, err)
			require.True(t, found, path)
			require.Equal(t, want, string(content))
		}
		_, found, err := s.Asset(ctx, "emails/b.md")
		require.NoError(t, err)
		require.False(t, found)
		hashes, err := s.Assets(ctx)
		require.NoError(t, err)
		require.Len(t, hashes, 3)
		require.Equal(t, "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3", hashes["emails/a.md"])
		set(map[string][]byte{})
		hashes, err = s.Assets(ctx)
		require.NoError(t, err)
		require.Empty(t, hashes)
	},
	"settings, catalog and users are published": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		account, err := s.Account(ctx)
		require.NoError(t, err)
		require.JSONEq(t, `{}`, string(account))
		catalog, err := s.Catalog(ctx)
		require.NoError(t, err)
		require.True(t, catalog.IsOpen(), "before the first publication")

		declared := crm.Builtin()
		declared.Add(crm.Object{Name: "vessel", Properties: crm.Properties{{Name: "length", Type: crm.TypeNumber}}})
		_, err = s.Publish(ctx, store.Publication{
			At: noon, Account: json.RawMessage(`{"time_zone": "Europe/Rome"}`), Catalog: declared,
			Users: []crm.User{{ID: "zoe"}}, Teams: []string{"sales"},
		})
		require.NoError(t, err)
		account, err = s.Account(ctx)
		require.NoError(t, err)
		require.JSONEq(t, `{"time_zone": "Europe/Rome"}`, string(account))
		catalog, err = s.Catalog(ctx)
		require.NoError(t, err)
		require.Equal(t, declared, catalog)
		again, err := s.Catalog(ctx)
		require.NoError(t, err)
		require.Same(t, catalog, again)
		_, err = s.User(ctx, "zoe")
		require.NoError(t, err)
	},
	"task queues are remembered for those who wait there": func(t *testing.T, s *store.Store) {
		publish := func(queues ...string) []string {
			one := compiled("welcome", strings.Join(queues, " "))
			for _, queue := range queues {
				one.Nodes[queue] = plan.Node{Kind: "send_email", Queue: queue}
			}
			_, err := s.Publish(t.Context(), store.Publication{At: noon, Definitions: []plan.Revision{{Plan: one}}})
			require.NoError(t, err)
			found, err := s.Queues(t.Context())
			require.NoError(t, err)
			return found
		}
		none, err := s.Queues(t.Context())
		require.NoError(t, err)
		require.Empty(t, none)
		require.Equal(t, []string{"millrace-sms"}, publish("millrace-sms"))
		require.Equal(t, []string{"millrace-email", "millrace-sms"}, publish("millrace-email"))
		require.Equal(t, []string{"millrace-email", "millrace-sms"}, publish("millrace-sms"))
	},
	"a publication is all or nothing": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, bad := range []store.Publication{
			{},
			{At: noon, Account: json.RawMessage(`{`)},
			{At: noon, Definitions: []plan.Revision{{}}},
			{At: noon, Definitions: []plan.Revision{{Plan: compiled("welcome", "")}}},
		} {
			bad.Assets = map[string][]byte{"a": []byte("a")}
			bad.Definitions = append([]plan.Revision{{Plan: compiled("goodbye", "h")}}, bad.Definitions...)
			_, err := s.Publish(ctx, bad)
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		assets, err := s.Assets(ctx)
		require.NoError(t, err)
		require.Empty(t, assets)
		workflows, err := s.Workflows(ctx)
		require.NoError(t, err)
		require.Empty(t, workflows)
	},
	"a rolled back publication is forgotten": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		err := s.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.Publish(ctx, store.Publication{At: noon, Catalog: crm.NewCatalog(), Definitions: []plan.Revision{{Plan: compiled("welcome", "h1")}}})
			require.NoError(t, err)
			_, _, err = tx.LatestRevision(ctx, "welcome")
			require.NoError(t, err)
			catalog, err := tx.Catalog(ctx)
			require.NoError(t, err)
			require.False(t, catalog.IsOpen())
			return errors.New("no")
		})
		require.Error(t, err)
		publish(t, s, "welcome", "h2")
		latest, _, err := s.LatestRevision(ctx, "welcome")
		require.NoError(t, err)
		require.Equal(t, "h2", latest.Plan.Nodes["a"].Hash)
		catalog, err := s.Catalog(ctx)
		require.NoError(t, err)
		require.True(t, catalog.IsOpen())
	},
}

var ledger = map[string]func(t *testing.T, s *store.Store){
	"what is done stays done": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		_, found, err := s.LedgerRow(ctx, "key")
		require.NoError(t, err)
		require.False(t, found)
		done := plan.LedgerRow{Key: "key", State: plan.LedgerDone, At: noon.Add(time.Minute), Result: json.RawMessage(`{"port":"next"}`)}
		for _, row := range []plan.LedgerRow{
			{Key: "key", State: plan.LedgerStarted, At: noon},
			{Key: "key", State: plan.LedgerRefused, At: noon},
			{Key: "key", State: plan.LedgerStarted, At: noon},
			done,
			{Key: "key", State: plan.LedgerDone, At: noon.Add(time.Hour)},
		} {
			require.NoError(t, s.PutLedger(ctx, row))
		}
		err = s.PutLedger(ctx, plan.LedgerRow{Key: "key", State: plan.LedgerStarted, At: noon})
		require.ErrorContains(t, err, "it is done")
		row, found, err := s.LedgerRow(ctx, "key")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, done, row)
	},
}

var journal = map[string]func(t *testing.T, s *store.Store){
	"entries are unique by key and phase and keep their order": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		enrolled := plan.Entry{Enrollment: "welcome/contact/51/1", At: noon, Event: plan.JournalEnrolled, Detail: "manual"}
		sent := plan.Entry{
			Enrollment: "welcome/contact/51/1", Key: "welcome/contact/51/1/mail/1", Phase: "action_succeeded/2", At: noon.Add(-time.Hour),
			Node: "mail", Kind: "send_email", Event: plan.JournalSucceeded, Port: "next", Detail: "sent",
		}
		require.NoError(t, s.WriteJournal(ctx, enrolled, sent))
		repeated := enrolled
		repeated.Detail = "written later"
		require.NoError(t, s.WriteJournal(ctx, repeated, sent))
		require.NoError(t, s.WriteJournal(ctx))
		got, err := s.Journal(ctx, "welcome/contact/51/1")
		require.NoError(t, err)
		enrolled.Key, enrolled.Phase = "welcome/contact/51/1", plan.JournalEnrolled
		require.Equal(t, []plan.Entry{enrolled, sent}, got)
	},
	"a record's journal covers all its enrollments": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i, enrollment := range []string{
			"welcome/contact/51/1", "welcome/contact/5/1", "welcome/contact/510/1", "welcome2/contact/51/1",
			"enrollment/welcome/contact/51/run", "welcome/contact/51/2", "enrollment/welcome/contact/510/run",
		} {
			require.NoError(t, s.WriteJournal(ctx, plan.Entry{Enrollment: enrollment, At: noon, Event: "e", Detail: strconv.Itoa(i)}))
		}
		got, err := s.JournalOf(ctx, "welcome", "contact/51")
		require.NoError(t, err)
		details := make([]string, len(got))
		for i, entry := range got {
			details[i] = entry.Detail
		}
		require.Equal(t, []string{"0", "4", "5"}, details)
	},
}

// entering is an enrollment as admission asks for it.
func entering(workflow string, ref crm.Ref, run string) plan.Enrollment {
	return plan.Enrollment{
		Workflow: workflow, Record: ref.String(), WorkflowID: plan.WorkflowID(workflow, ref.String()), FirstRun: run,
		Trigger: "event", Event: &plan.Event{Type: "page_viewed", At: noon, Properties: map[string]any{"page": "/"}}, Revision: 2, Started: noon,
	}
}

var enrollments = map[string]func(t *testing.T, s *store.Store){
	"a job keeps what came of each": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		added, err := s.AddJob(ctx, store.Job{Workflow: "welcome", Operation: "move", Argument: "b", Selection: "--at a", By: "ann", Began: noon}, []string{"e1", "e2", "e3"})
		require.NoError(t, err)
		other, err := s.AddJob(ctx, store.Job{Workflow: "welcome", Operation: "pause", Began: noon}, []string{"e1"})
		require.NoError(t, err)
		require.Greater(t, other.ID, added.ID)
		job, err := s.Job(ctx, added.ID)
		require.NoError(t, err)
		require.Equal(t, store.Job{ID: added.ID, Workflow: "welcome", Operation: "move", Argument: "b", Selection: "--at a", By: "ann", Began: noon}, job)
		_, err = s.Job(ctx, other.ID+1)
		require.ErrorIs(t, err, crm.ErrNotFound)

		refused := store.JobPart{Part: 2, Enrollment: "e2", Done: noon, Result: store.PartRefused, Detail: "it does not wait"}
		require.NoError(t, s.FinishPart(ctx, job.ID, refused))
		again := refused
		again.Result, again.Detail = store.PartDone, ""
		require.NoError(t, s.FinishPart(ctx, job.ID, again), "what is done stays as it is")
		require.ErrorIs(t, s.FinishPart(ctx, job.ID, store.JobPart{Part: 1}), crm.ErrInvalid)
		toDo, err := s.JobParts(ctx, job.ID, true)
		require.NoError(t, err)
		require.Equal(t, []store.JobPart{{Part: 1, Enrollment: "e1"}, {Part: 3, Enrollment: "e3"}}, toDo)
		parts, err := s.JobParts(ctx, job.ID, false)
		require.NoError(t, err)
		require.Equal(t, []store.JobPart{{Part: 1, Enrollment: "e1"}, refused, {Part: 3, Enrollment: "e3"}}, parts)
	},
	"who stands somewhere and did something": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i, test := range []struct{ at, did, event string }{
			{"wait", "mail", plan.JournalSucceeded}, {"wait", "mail", plan.JournalFailed}, {"wait", "mail", plan.JournalUnknown},
			{"wait", "other", plan.JournalSucceeded}, {"rest", "mail", plan.JournalSucceeded}, {"wait", "mail", plan.JournalSucceeded},
		} {
			opened, err := s.OpenEnrollment(ctx, entering("welcome", crm.Ref{Object: "contact", ID: strconv.Itoa(i)}, "run"))
			require.NoError(t, err)
			require.NoError(t, s.Stand(ctx, plan.Standing{Enrollment: opened.ID, Node: test.at}))
			for _, visit := range []string{"1", "2"} {
				key := opened.ID + "/" + test.did + "/" + visit
				require.NoError(t, s.WriteJournal(ctx, plan.Entry{Enrollment: opened.ID, Key: key, At: noon, Node: test.did, Event: test.event}))
			}
		}
		require.NoError(t, s.CloseEnrollment(ctx, "welcome/contact/5/1", plan.Exit{Reason: plan.ExitCompleted}, noon))
		ids, err := s.Done(ctx, "welcome", "wait", "mail")
		require.NoError(t, err)
		require.Equal(t, []string{"welcome/contact/0/1", "welcome/contact/2/1"}, ids)
	},
	"enrollments are numbered by record and workflow": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		before, err := s.EnrolledBefore(ctx, "welcome", ann.String())
		require.NoError(t, err)
		require.False(t, before)
		require.NoError(t, s.RefuseEnrollment(ctx, entering("welcome", ann, "run-0")))
		before, err = s.EnrolledBefore(ctx, "welcome", ann.String())
		require.NoError(t, err)
		require.False(t, before, "a refused attempt is none")

		first, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-1"))
		require.NoError(t, err)
		want := entering("welcome", ann, "run-1")
		want.ID, want.Number, want.Standing.Enrollment = "welcome/contact/51/1", 1, "welcome/contact/51/1"
		require.Equal(t, want, first)
		for _, again := range []func() (plan.Enrollment, error){
			func() (plan.Enrollment, error) { return s.OpenEnrollment(ctx, entering("welcome", ann, "run-1")) },
			func() (plan.Enrollment, error) { return s.Enrollment(ctx, first.ID) },
		} {
			got, err := again()
			require.NoError(t, err)
			require.Equal(t, first, got)
		}
		second, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-2"))
		require.NoError(t, err)
		require.Equal(t, "welcome/contact/51/2", second.ID)
		elsewhere, err := s.OpenEnrollment(ctx, entering("goodbye", ann, "run-3"))
		require.NoError(t, err)
		require.Equal(t, "goodbye/contact/51/1", elsewhere.ID)

		last, found, err := s.LastEnrollment(ctx, "welcome", ann.String())
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, second, last)
		_, found, err = s.LastEnrollment(ctx, "welcome", bob.String())
		require.NoError(t, err)
		require.False(t, found)
		_, err = s.Enrollment(ctx, "welcome/contact/51/3")
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
	"a refused attempt is listed and stays refused": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		attempt := entering("welcome", ann, "run-1")
		attempt.Detail = "suppressed: on a list"
		for range 2 {
			require.NoError(t, s.RefuseEnrollment(ctx, attempt))
		}
		refused, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-1"))
		require.NoError(t, err)
		require.Equal(t, plan.ExitRefused, refused.Exit)
		require.Equal(t, noon, refused.Closed)
		require.Equal(t, "suppressed: on a list", refused.Detail)
		require.Zero(t, refused.Number)
		require.Equal(t, "enrollment/welcome/contact/51/run-1", refused.ID)
		byRun, found, err := s.EnrollmentByRun(ctx, refused.WorkflowID, "run-1")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, refused, byRun)
		_, found, err = s.EnrollmentByRun(ctx, refused.WorkflowID, "run-2")
		require.NoError(t, err)
		require.False(t, found)
		_, found, err = s.LastEnrollment(ctx, "welcome", ann.String())
		require.NoError(t, err)
		require.False(t, found)
	},
	"closing twice keeps the first exit": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		opened, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-1"))
		require.NoError(t, err)
		require.NoError(t, s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: plan.ExitGoalMet, Node: "a", Detail: "d"}, noon.Add(time.Hour)))
		require.NoError(t, s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: plan.ExitCompleted}, noon.Add(2*time.Hour)))
		require.NoError(t, s.Stand(ctx, plan.Standing{Enrollment: opened.ID, Node: "late"}))
		got, err := s.Enrollment(ctx, opened.ID)
		require.NoError(t, err)
		opened.Closed, opened.Exit, opened.ExitNode, opened.Detail = noon.Add(time.Hour), plan.ExitGoalMet, "a", "d"
		opened.Converted = opened.Closed
		require.Equal(t, opened, got)
		require.ErrorIs(t, s.CloseEnrollment(ctx, "welcome/contact/51/9", plan.Exit{}, noon), crm.ErrNotFound)
	},
	"runs that ended behind our back are closed": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		lost, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-1"))
		require.NoError(t, err)
		kept, err := s.OpenEnrollment(ctx, entering("welcome", bob, "run-1"))
		require.NoError(t, err)
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			if err := tx.CloseLost(ctx, kept.WorkflowID, "run-1", noon); err != nil {
				return err
			}
			return tx.CloseLost(ctx, lost.WorkflowID, "run-2", noon)
		}))
		lost, err = s.Enrollment(ctx, lost.ID)
		require.NoError(t, err)
		require.Equal(t, plan.ExitUnenrolled, lost.Exit)
		kept, err = s.Enrollment(ctx, kept.ID)
		require.NoError(t, err)
		require.Empty(t, kept.Exit)
	},
	"it is known where an enrollment stands": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		opened, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-1"))
		require.NoError(t, err)
		standing := plan.Standing{
			Enrollment: opened.ID, Node: "wait", Kind: "delay_until_event", Arrived: noon, Until: noon.Add(time.Hour),
			Awaits: "page_viewed", LastError: "none", Plan: "h1",
		}
		require.NoError(t, s.Stand(ctx, standing))
		got, err := s.Enrollment(ctx, opened.ID)
		require.NoError(t, err)
		require.Equal(t, standing, got.Standing)
		require.NoError(t, s.Stand(ctx, plan.Standing{Enrollment: opened.ID, Node: "next"}))
		got, err = s.Enrollment(ctx, opened.ID)
		require.NoError(t, err)
		require.Equal(t, plan.Standing{Enrollment: opened.ID, Node: "next"}, got.Standing)
		require.NoError(t, s.Stand(ctx, plan.Standing{Enrollment: "nobody/contact/1/1"}))
	},
	"enrollments are listed by what is asked": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var ids []string
		for i := range 5 {
			opened, err := s.OpenEnrollment(ctx, entering("welcome", crm.Ref{Object: "contact", ID: strconv.Itoa(i)}, "run"))
			require.NoError(t, err)
			require.NoError(t, s.Stand(ctx, plan.Standing{Enrollment: opened.ID, Node: []string{"a", "b"}[i%2]}))
			ids = append(ids, opened.ID)
		}
		require.NoError(t, s.CloseEnrollment(ctx, ids[2], plan.Exit{Reason: plan.ExitCompleted}, noon))
		require.NoError(t, s.RefuseEnrollment(ctx, entering("welcome", ann, "run")))
		for name, c := range map[string]struct {
			filter store.EnrollmentFilter
			want   []string
		}{
			"all":        {store.EnrollmentFilter{}, []string{"enrollment/welcome/contact/51/run", ids[4], ids[3], ids[2], ids[1], ids[0]}},
			"workflow":   {store.EnrollmentFilter{Workflow: "goodbye"}, nil},
			"open":       {store.EnrollmentFilter{Workflow: "welcome", OpenOnly: true}, []string{ids[4], ids[3], ids[1], ids[0]}},
			"node":       {store.EnrollmentFilter{Workflow: "welcome", Node: "a", OpenOnly: true}, []string{ids[4], ids[0]}},
			"record":     {store.EnrollmentFilter{Record: "contact/3"}, []string{ids[3]}},
			"first page": {store.EnrollmentFilter{OpenOnly: true, Limit: 3}, []string{ids[4], ids[3], ids[1]}},
			"next page":  {store.EnrollmentFilter{OpenOnly: true, Limit: 3, After: ids[1]}, []string{ids[0]}},
		} {
			found, err := s.Enrollments(ctx, c.filter)
			require.NoError(t, err)
			var got []string
			for _, enrollment := range found {
				got = append(got, enrollment.ID)
			}
			require.Equal(t, c.want, got, name)
		}
	},
	"people inside are counted by where they stand": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var ids []string
		for i := range 6 {
			opened, err := s.OpenEnrollment(ctx, entering("welcome", crm.Ref{Object: "contact", ID: strconv.Itoa(i)}, "run"))
			require.NoError(t, err)
			ids = append(ids, opened.ID)
		}
		for i, place := range []store.Place{{Node: "a", Plan: "h1"}, {Node: "a", Plan: "h2"}, {Node: "a", Plan: "h2"}, {Node: "b", Plan: "h2"}, {Node: "b", Plan: "h2"}} {
			require.NoError(t, s.Stand(ctx, plan.Standing{Enrollment: ids[i], Node: place.Node, Plan: place.Plan}))
		}
		require.NoError(t, s.CloseEnrollment(ctx, ids[4], plan.Exit{Reason: plan.ExitCompleted}, noon))
		require.NoError(t, s.RefuseEnrollment(ctx, entering("welcome", ann, "run")))
		places, err := s.Inside(ctx, "welcome")
		require.NoError(t, err)
		require.Equal(t, []store.Place{{People: 1}, {Node: "a", Plan: "h1", People: 1}, {Node: "a", Plan: "h2", People: 2}, {Node: "b", Plan: "h2", People: 1}}, places)
		places, err = s.Inside(ctx, "goodbye")
		require.NoError(t, err)
		require.Empty(t, places)
	},
	"membership comes from the enrollments": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		member := func() crm.Membership {
			membership, err := s.Membership(ctx, ann, "welcome")
			require.NoError(t, err)
			return membership
		}
		require.NoError(t, s.RefuseEnrollment(ctx, entering("welcome", ann, "run-0")))
		require.Equal(t, crm.Membership{}, member())
		for i, c := range []struct {
			exit string
			want crm.Membership
		}{
			{plan.ExitUnenrolled, crm.Membership{Ever: true}},
			{plan.ExitGoalMet, crm.Membership{Ever: true, GoalMet: true}},
			{plan.ExitEnded, crm.Membership{Ever: true, GoalMet: true, Completed: true}},
		} {
			opened, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run-1"+strconv.Itoa(i)))
			require.NoError(t, err)
			require.True(t, member().Active)
			require.NoError(t, s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: c.exit}, noon))
			require.Equal(t, c.want, member())
		}
	},
}

var outbox = map[string]func(t *testing.T, s *store.Store){
	"messages are kept once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		first := plan.Message{Key: "k1", At: noon, Node: "mail", Channel: "email", From: "us@example.com", To: "ann@example.com", Subject: "Hi", Body: "Hello"}
		second := plan.Message{Key: "k2", At: noon.Add(time.Hour), Channel: "webhook", To: "https://example.com"}
		repeated := first
		repeated.Body = "Hello again"
		for _, message := range []plan.Message{first, second, repeated} {
			require.NoError(t, s.AddMessage(ctx, message))
		}
		all, err := s.Outbox(ctx, time.Time{}, 0)
		require.NoError(t, err)
		require.Equal(t, []plan.Message{first, second}, all)
		late, err := s.Outbox(ctx, noon.Add(time.Minute), 5)
		require.NoError(t, err)
		require.Equal(t, []plan.Message{second}, late)
		one, err := s.Outbox(ctx, time.Time{}, 1)
		require.NoError(t, err)
		require.Equal(t, []plan.Message{first}, one)
	},
}

var badInput = map[string]func(t *testing.T, s *store.Store){
	"any legible text comes back unchanged": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		for _, text := range []string{"🧨 émoji 👩‍👩‍👧", "مرحبا \u200fשלום", "'; DROP TABLE records; --", "$1 ? %s \\ \" \x01\u2028", strings.Repeat("é", 65_000)} {
			require.NoError(t, s.Update(ctx, ann, map[string]string{"message": text}, noon, text))
			got, err := s.Get(ctx, ann)
			require.NoError(t, err)
			require.Equal(t, text, got.Properties["message"])
		}
		long := strings.Repeat("long ", 1_000_000)
		require.NoError(t, s.AddMessage(ctx, plan.Message{Key: "k", At: noon, Channel: "email", To: "a", Body: long}))
		messages, err := s.Outbox(ctx, noon, 0)
		require.NoError(t, err)
		require.Equal(t, long, messages[0].Body)
		_, _, err = s.AddEvent(ctx, plan.Event{Type: "t", Record: "contact/51", At: noon, Properties: map[string]any{"x": long, "nul": "a\x00b", "half": "a\xffb"}})
		require.NoError(t, err)
		stored, err := s.Events(ctx, ann, "t", noon, noon)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"x": long, "nul": "a\x00b", "half": "a\uFFFDb"}, stored[0].Properties)
	},
	"names and values that are not text are refused": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		for _, bad := range []string{"a\x00b", "a\xffb", strings.Repeat("a", 5000)} {
			_, err := s.Create(ctx, crm.Ref{Object: "contact", ID: bad}, nil, noon, "")
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorIs(t, s.Update(ctx, ann, map[string]string{bad: "x"}, noon, ""), crm.ErrInvalid)
			_, _, err = s.AddEvent(ctx, plan.Event{ID: bad, Type: "t", Record: "contact/51", At: noon})
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorIs(t, s.PutLedger(ctx, plan.LedgerRow{Key: bad, State: "done", At: noon}), crm.ErrInvalid)
			require.ErrorIs(t, s.WriteJournal(ctx, plan.Entry{Enrollment: bad, At: noon, Event: "e"}), crm.ErrInvalid)
			_, err = s.OpenEnrollment(ctx, entering("welcome"+bad, ann, "run"))
			require.ErrorIs(t, err, crm.ErrInvalid)
			_, err = s.Publish(ctx, store.Publication{At: noon, Assets: map[string][]byte{bad: nil}})
			require.ErrorIs(t, err, crm.ErrInvalid)
			_, err = s.AddToList(ctx, bad, ann, noon)
			require.ErrorIs(t, err, crm.ErrInvalid)
			require.ErrorIs(t, s.SetUsers(ctx, []crm.User{{ID: bad}}, nil), crm.ErrInvalid)
		}
		for _, bad := range []string{"a\x00b", "a\xffb", strings.Repeat("a", 5000)} {
			_, err := s.Get(ctx, crm.Ref{Object: "contact", ID: bad})
			require.True(t, errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrInvalid), "%v", err)
		}
		for _, ref := range []crm.Ref{{Object: "contact", ID: "5/1"}, {Object: "contact/5", ID: "1"}, {Object: "contact", ID: " "}, {ID: "1"}} {
			_, err := s.Create(ctx, ref, nil, noon, "")
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		for _, values := range []map[string]string{{"": "x"}, {"message": "a\x00b"}, {"message": "a\xffb"}} {
			require.ErrorIs(t, s.Update(ctx, ann, values, noon, ""), crm.ErrInvalid)
		}
	},
	"texts for people are mended": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		require.NoError(t, s.WriteJournal(ctx, plan.Entry{Enrollment: "w/contact/1/1", At: noon, Event: "e", Detail: "a\x00b\xffc"}))
		entries, err := s.Journal(ctx, "w/contact/1/1")
		require.NoError(t, err)
		require.Equal(t, "a\uFFFDb\uFFFDc", entries[0].Detail)
	},
}

// together runs work on several goroutines at once.
func together(t *testing.T, workers int, work func(worker int) error) {
	t.Helper()
	failures := make([]error, workers)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() { failures[worker] = work(worker) })
	}
	group.Wait()
	require.NoError(t, errors.Join(failures...))
}

var concurrency = map[string]func(t *testing.T, s *store.Store){
	"no increment is lost": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		together(t, 4, func(int) error {
			for range 25 {
				if _, err := s.Increment(ctx, ann, "score", crm.NumberOf(1), noon, "step"); err != nil {
					return err
				}
			}
			return nil
		})
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, "100", got.Properties["score"])
		require.Equal(t, 101, got.Version)
	},
	"concurrent publishers get revisions of their own": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		together(t, 4, func(worker int) error {
			for i := range 5 {
				_, err := s.Publish(ctx, store.Publication{
					At: noon, Assets: map[string][]byte{"a": fmt.Append(nil, worker)},
					Definitions: []plan.Revision{{Plan: compiled("welcome", fmt.Sprint(worker, i))}},
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		all, err := s.Revisions(ctx, "welcome")
		require.NoError(t, err)
		require.Len(t, all, 20)
		for i, revision := range all {
			require.Equal(t, i+1, revision.Number)
		}
	},
	"one run is admitted once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ids := make([]string, 8)
		together(t, len(ids), func(worker int) error {
			opened, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run"))
			ids[worker] = opened.ID
			return err
		})
		for _, id := range ids {
			require.Equal(t, "welcome/contact/51/1", id)
		}
	},
	"one of many equal events is new": func(t *testing.T, s *store.Store) {
		for _, id := range []string{"1", "2", "3"} {
			var added atomic.Int32
			together(t, 8, func(int) error {
				_, isNew, err := s.AddEvent(t.Context(), plan.Event{ID: id, Type: "t", Record: "contact/51", At: noon})
				if isNew {
					added.Add(1)
				}
				return err
			})
			require.EqualValues(t, 1, added.Load())
		}
	},
	"runs of one record get numbers of their own": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		numbers := make([]int, 16)
		together(t, len(numbers), func(worker int) error {
			opened, err := s.OpenEnrollment(ctx, entering("welcome", ann, strconv.Itoa(worker)))
			numbers[worker] = opened.Number
			return err
		})
		slices.Sort(numbers)
		for i, number := range numbers {
			require.Equal(t, i+1, number)
		}
	},
	"once ever is once ever": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, record := range []crm.Ref{ann, bob, acme} {
			together(t, 8, func(worker int) error {
				return s.Tx(ctx, func(tx *store.Tx) error {
					before, err := tx.EnrolledBefore(ctx, "welcome", record.String())
					if err != nil || before {
						return err
					}
					_, err = tx.OpenEnrollment(ctx, entering("welcome", record, strconv.Itoa(worker)))
					return err
				})
			})
		}
		all, err := s.Enrollments(ctx, store.EnrollmentFilter{Workflow: "welcome"})
		require.NoError(t, err)
		require.Len(t, all, 3)
	},
	"an effect of one key happens once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		for key := range 5 {
			row := plan.LedgerRow{Key: strconv.Itoa(key), State: plan.LedgerDone, At: noon}
			together(t, 8, func(int) error {
				return s.Tx(ctx, func(tx *store.Tx) error {
					_, found, err := tx.LedgerRow(ctx, row.Key)
					if err != nil || found {
						return err
					}
					if _, err := tx.Increment(ctx, ann, "score", crm.NumberOf(1), noon, row.Key); err != nil {
						return err
					}
					return tx.PutLedger(ctx, row)
				})
			})
		}
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, "5", got.Properties["score"])
	},
	"what a transaction read of a record is not changed by others": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		together(t, 8, func(worker int) error {
			for range 5 {
				err := s.Tx(ctx, func(tx *store.Tx) error {
					record, err := tx.Get(ctx, ann)
					if err != nil {
						return err
					}
					return tx.Update(ctx, ann, map[string]string{"tags": record.Properties["tags"] + strconv.Itoa(worker)}, noon, "")
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		got, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Len(t, got.Properties["tags"], 40)
	},
	"records get numbers of their own": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		ids := make([]string, 16)
		together(t, len(ids), func(worker int) error {
			record, err := s.Create(ctx, crm.Ref{Object: "deal"}, nil, noon, "")
			ids[worker] = record.ID
			return err
		})
		slices.Sort(ids)
		require.Len(t, slices.Compact(ids), 16)
		next, err := s.Create(ctx, crm.Ref{Object: "deal"}, nil, noon, "")
		require.NoError(t, err)
		require.Equal(t, "17", next.ID)
	},
	"one of many creates a record, the others change it": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for _, id := range []string{"x", "y", "7"} {
			var created atomic.Int32
			together(t, 8, func(worker int) error {
				_, isNew, err := s.Upsert(ctx, crm.Ref{Object: "contact", ID: id}, map[string]string{strconv.Itoa(worker): "here"}, noon, "")
				if isNew {
					created.Add(1)
				}
				return err
			})
			require.EqualValues(t, 1, created.Load())
			got, err := s.Get(ctx, crm.Ref{Object: "contact", ID: id})
			require.NoError(t, err)
			require.Len(t, got.Properties, 8)
		}
	},
	"no label is lost, and one record is primary": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, acme, other)
		together(t, 8, func(worker int) error {
			from, to := ann, acme
			if worker%2 == 1 {
				from, to = to, from
			}
			return errors.Join(
				s.Associate(ctx, from, to, strconv.Itoa(worker), true, noon),
				s.Associate(ctx, ann, []crm.Ref{acme, other}[worker%2], "", true, noon),
				s.Dissociate(ctx, to, from, strconv.Itoa(worker+100)))
		})
		for _, way := range [][2]crm.Ref{{ann, acme}, {acme, ann}} {
			got, err := s.Associated(ctx, way[0], way[1].Object)
			require.NoError(t, err)
			found := slices.IndexFunc(got, func(a crm.Association) bool { return a.Ref == way[1] })
			require.Len(t, got[found].Labels, 8)
		}
		companies, err := s.Associated(ctx, ann, "company")
		require.NoError(t, err)
		require.True(t, companies[0].Primary)
		require.False(t, companies[1].Primary)
	},
	"who enters by a revision is inside when the next one is published": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		publish(t, s, "welcome", "0")
		const revisions = 10
		inside := make([]map[string]bool, revisions+2)
		var over atomic.Bool
		together(t, 5, func(worker int) error {
			if worker == 0 {
				defer over.Store(true)
				for number := 2; number <= revisions+1; number++ {
					_, err := s.Publish(ctx, store.Publication{At: noon, Definitions: []plan.Revision{{Plan: compiled("welcome", strconv.Itoa(number))}}})
					if err != nil {
						return err
					}
					open, err := s.Enrollments(ctx, store.EnrollmentFilter{OpenOnly: true})
					if err != nil {
						return err
					}
					inside[number] = map[string]bool{}
					for _, enrollment := range open {
						inside[number][enrollment.ID] = true
					}
				}
				return nil
			}
			for i := 0; !over.Load(); i++ {
				err := s.Tx(ctx, func(tx *store.Tx) error {
					latest, _, err := tx.LatestRevision(ctx, "welcome")
					if err != nil {
						return err
					}
					runtime.Gosched()
					e := entering("welcome", crm.Ref{Object: "contact", ID: fmt.Sprint(worker, "-", i)}, "run")
					e.Revision = latest.Number
					_, err = tx.OpenEnrollment(ctx, e)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		all, err := s.Enrollments(ctx, store.EnrollmentFilter{})
		require.NoError(t, err)
		for _, enrollment := range all {
			for number := enrollment.Revision + 1; number <= revisions+1; number++ {
				require.True(t, inside[number][enrollment.ID], "%s entered by revision %d, was not there at %d", enrollment.ID, enrollment.Revision, number)
			}
		}
	},
	"who waits has seen what came, or is told": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		const pairs = 40
		awaited := func(pair int) string { return []string{"page_viewed", plan.ChangeOf("city")}[pair%2] }
		record := func(pair int) crm.Ref { return crm.Ref{Object: "contact", ID: strconv.Itoa(pair)} }
		enrollments := make([]string, pairs)
		for pair := range pairs {
			add(t, s, record(pair))
			opened, err := s.OpenEnrollment(ctx, entering("welcome", record(pair), "run"))
			require.NoError(t, err)
			enrollments[pair] = opened.ID
		}
		wait := func(ctx context.Context, tx *store.Tx, pair int) (bool, error) {
			seen, err := tx.Events(ctx, record(pair), awaited(pair), noon, noon)
			if err != nil {
				return false, err
			}
			return len(seen) > 0, tx.Stand(ctx, plan.Standing{Enrollment: enrollments[pair], Node: "wait", Awaits: awaited(pair)})
		}
		happen := func(ctx context.Context, tx *store.Tx, pair int) (bool, error) {
			var err error
			if pair%2 == 0 {
				_, _, err = tx.AddEvent(ctx, plan.Event{Type: awaited(pair), Record: record(pair).String(), At: noon})
			} else {
				err = tx.Update(ctx, record(pair), map[string]string{"city": "Rome"}, noon, "")
			}
			if err != nil {
				return false, err
			}
			told, err := tx.Waiting(ctx)
			return len(told) > 0, err
		}
		var heard [pairs][2]bool
		together(t, 2*pairs, func(worker int) error {
			pair, side := worker/2, worker%2
			return s.Tx(ctx, func(tx *store.Tx) (err error) {
				heard[pair][side], err = []func(context.Context, *store.Tx, int) (bool, error){wait, happen}[side](ctx, tx, pair)
				return err
			})
		})
		for pair := range pairs {
			require.True(t, heard[pair][0] || heard[pair][1], "%s was neither seen nor told", awaited(pair))
		}
	},
	"everybody takes turns": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		shares := []crm.Share{{User: "zoe", Weight: 1}, {User: "max", Weight: 2}, {User: "eve", Weight: 1, Away: true}}
		var taken sync.Map
		together(t, 12, func(worker int) error {
			user, err := s.Rotate(ctx, "w/rotate", "roster", shares)
			taken.Store(worker, user)
			return err
		})
		counts := map[any]int{}
		taken.Range(func(_, user any) bool { counts[user]++; return true })
		require.Equal(t, map[any]int{"zoe": 4, "max": 8}, counts)
		next, err := s.Rotate(ctx, "w/rotate", "another roster", shares)
		require.NoError(t, err)
		require.Equal(t, "zoe", next)
	},
	"users are replaced as a whole": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		together(t, 8, func(worker int) error {
			crew := []crm.User{{ID: "zoe", Name: strconv.Itoa(worker), Team: "sales"}, {ID: strconv.Itoa(worker), Team: "sales"}}
			return s.SetUsers(ctx, crew, []string{"sales"})
		})
		members, err := s.Team(ctx, "sales")
		require.NoError(t, err)
		require.Len(t, members, 2)
		require.Equal(t, members[0].Name, members[1].ID)
	},
	"a journal's lines are written once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		lines := make([]plan.Entry, 20)
		for i := range lines {
			lines[i] = plan.Entry{Enrollment: "welcome/contact/51/1", Key: strconv.Itoa(i), At: noon, Event: "e"}
		}
		together(t, 8, func(int) error { return s.WriteJournal(ctx, lines...) })
		got, err := s.Journal(ctx, "welcome/contact/51/1")
		require.NoError(t, err)
		require.Len(t, got, len(lines))
	},
	"closers agree on one exit": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		opened, err := s.OpenEnrollment(ctx, entering("welcome", ann, "run"))
		require.NoError(t, err)
		exits := make([]string, 8)
		together(t, len(exits), func(worker int) error {
			exit := strconv.Itoa(worker)
			if err := s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: exit, Node: exit, Detail: exit}, noon); err != nil {
				return err
			}
			closed, err := s.Enrollment(ctx, opened.ID)
			exits[worker] = closed.Exit + closed.ExitNode + closed.Detail
			return err
		})
		require.Len(t, slices.Compact(exits), 1)
		require.Equal(t, strings.Repeat(exits[0][:1], 3), exits[0])
	},
	"transactions read outside of themselves": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		together(t, 40, func(int) error {
			return s.Tx(ctx, func(*store.Tx) error {
				_, err := s.Account(ctx)
				return err
			})
		})
	},
	"readers do not wait for a writer": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			if err := tx.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""); err != nil {
				return err
			}
			together(t, 8, func(int) error {
				record, err := s.Get(ctx, ann)
				if err == nil && record.Properties["city"] != "" {
					return errors.New("saw what was not committed")
				}
				return err
			})
			return nil
		}))
		record, err := s.Get(ctx, ann)
		require.NoError(t, err)
		require.Equal(t, "Rome", record.Properties["city"])
	},
}
