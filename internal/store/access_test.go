package store_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// createKey makes an API key.
func createKey(t *testing.T, s *store.Store, key store.Key) (made store.Key, text string, err error) {
	t.Helper()
	err = s.Tx(t.Context(), func(tx *store.Tx) error { made, text, err = tx.CreateKey(t.Context(), key); return err })
	return made, text, err
}

var access = map[string]func(t *testing.T, s *store.Store){
	"an API key is known by its text, which is not kept, until it is revoked": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		made, text, err := createKey(t, s, store.Key{Name: "shop", Roles: []crm.Role{crm.RoleEnroll}, User: "zoe", Created: noon, CreatedBy: "max"})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(text, "mrk_"+made.ID+"_"))
		known, err := s.KeyByText(ctx, text)
		require.NoError(t, err)
		require.Equal(t, made, known)
		keys, err := s.Keys(ctx)
		require.NoError(t, err)
		require.Equal(t, []store.Key{made}, keys)
		for _, wrong := range []string{"", "mrk_", "mrk_" + made.ID, text[:len(text)-1], text + "A", strings.TrimPrefix(text, "mrk_"), "mrk_\x00_a", "mrk_other_" + text[len(text)-26:]} {
			_, err := s.KeyByText(ctx, wrong)
			require.ErrorIs(t, err, crm.ErrNotFound, "%q", wrong)
		}
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			revoked, err := tx.RevokeKey(ctx, "shop", noon.Add(time.Hour))
			require.Equal(t, noon.Add(time.Hour), revoked.Revoked)
			return err
		}))
		_, err = s.KeyByText(ctx, text)
		require.ErrorIs(t, err, crm.ErrNotFound)
		require.ErrorIs(t, s.Tx(ctx, func(tx *store.Tx) error { _, err := tx.RevokeKey(ctx, "shop", noon); return err }), crm.ErrNotFound)
	},
	"a name of an API key is given once, and a key needs a name and a role": func(t *testing.T, s *store.Store) {
		key := store.Key{Name: "shop", Roles: []crm.Role{crm.RoleView}, Created: noon}
		_, _, err := createKey(t, s, key)
		require.NoError(t, err)
		_, _, err = createKey(t, s, key)
		require.ErrorIs(t, err, store.ErrExists)
		_, _, err = createKey(t, s, store.Key{Name: "none", Created: noon})
		require.ErrorIs(t, err, crm.ErrInvalid)
		_, _, err = createKey(t, s, store.Key{Roles: key.Roles, Created: noon})
		require.ErrorIs(t, err, crm.ErrInvalid)
	},
	"the audit log tells the newest first and what failed": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		set := store.Deed{At: noon, Actor: "zoe", Via: "api", Action: store.DeedSetRecord, Subject: "contact/51", Before: json.RawMessage(`{"city":""}`), After: json.RawMessage(`{"city":"Rome"}`)}
		enroll := store.Deed{At: noon.Add(time.Second), Actor: "max", Via: "cli", Action: store.DeedEnroll, Subject: "welcome/contact/51"}
		numbers, err := s.Audit(ctx, set, enroll)
		require.NoError(t, err)
		require.NoError(t, s.AuditFailed(ctx, numbers[1], "no server"))
		set.Seq, enroll.Seq, enroll.Failed = numbers[0], numbers[1], "no server"
		for _, test := range []struct {
			filter store.DeedFilter
			want   []store.Deed
		}{
			{store.DeedFilter{}, []store.Deed{enroll, set}},
			{store.DeedFilter{Limit: 1}, []store.Deed{enroll}},
			{store.DeedFilter{Before: numbers[1]}, []store.Deed{set}},
			{store.DeedFilter{Actor: "zoe"}, []store.Deed{set}},
			{store.DeedFilter{Action: store.DeedEnroll}, []store.Deed{enroll}},
			{store.DeedFilter{Subject: "contact/51"}, []store.Deed{set}},
			{store.DeedFilter{Subject: "contact/52"}, nil},
		} {
			deeds, err := s.Deeds(ctx, test.filter)
			require.NoError(t, err)
			require.Equal(t, test.want, deeds, "%+v", test.filter)
		}
	},
	"what a stream brought and cannot be an event is kept once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		one := store.RejectedEvent{At: noon, Origin: "kafka/events/0/17", Reason: "malformed", Detail: "it is not JSON",
			Header: map[string]string{"content-type": "text/plain"}, Content: []byte("\x00\xff{"), Events: []string{}}
		for range 2 {
			require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error { return tx.AddRejected(ctx, one) }))
		}
		kept, err := s.RejectedEvents(ctx, 0, 0)
		require.NoError(t, err)
		require.Len(t, kept, 1)
		one.Seq = kept[0].Seq
		require.Equal(t, one, kept[0])

		one.Reason, one.Detail, one.Sent, one.Events = "was", "nothing", noon.Add(time.Hour), []string{"contact/51 17"}
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error { return tx.SetRejected(ctx, one) }))
		sent, err := s.Rejected(ctx, one.Seq)
		require.NoError(t, err)
		require.Equal(t, one, sent)
		_, err = s.Rejected(ctx, one.Seq+1)
		require.ErrorIs(t, err, crm.ErrNotFound)
		none, err := s.RejectedEvents(ctx, one.Seq, 0)
		require.NoError(t, err)
		require.Empty(t, none, "pages go on before a number")
	},
	"a line of the audit log may be told what came of it": func(t *testing.T, s *store.Store) {
		numbers, err := s.Audit(t.Context(), store.Deed{At: noon, Actor: "zoe", Via: "cli", Action: store.DeedPrune, Subject: "database"})
		require.NoError(t, err)
		require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) error {
			return tx.AuditBecame(t.Context(), numbers[0], json.RawMessage(`{"audit":7}`))
		}))
		deeds, err := s.Deeds(t.Context(), store.DeedFilter{Action: store.DeedPrune})
		require.NoError(t, err)
		require.JSONEq(t, `{"audit":7}`, string(deeds[0].After))
	},
	"an event tells who sent it": func(t *testing.T, s *store.Store) {
		event := happened(ann.String(), "page_viewed")
		event.By = "key shop"
		_, _, err := s.AddEvent(t.Context(), event)
		require.NoError(t, err)
		events, err := s.EventsOf(t.Context(), ann, 0)
		require.NoError(t, err)
		require.Equal(t, "key shop", events[0].By)
	},
}

var group = map[string]func(t *testing.T, s *store.Store){
	"many writes share transactions, and each is told of its own commit": func(t *testing.T, s *store.Store) {
		transactions := make(chan *store.Tx, 1000)
		shared := s.NewGroup()
		errs := make(chan error, 100)
		for i := range 100 {
			go func() {
				err := shared.Do(t.Context(), func(tx *store.Tx) error {
					transactions <- tx
					_, _, err := tx.AddEvent(t.Context(), happened(contact(i+1).String(), "page_viewed"))
					return err
				})
				if err == nil {
					var found []crm.Event
					if found, err = s.EventsOf(t.Context(), contact(i+1), 0); len(found) != 1 {
						t.Errorf("event %d is not there when its writer is told so", i)
					}
				}
				errs <- err
			}()
		}
		for range 100 {
			require.NoError(t, <-errs)
		}
		different := map[*store.Tx]bool{}
		for len(transactions) > 0 {
			different[<-transactions] = true
		}
		require.Less(t, len(different), 100)
	},
	"a write that fails takes nothing with it": func(t *testing.T, s *store.Store) {
		shared := s.NewGroup()
		start, results := make(chan struct{}), make(chan error, 3)
		begun := make(chan struct{}, 10)
		go func() { // holds the group until the others have come
			results <- shared.Do(t.Context(), func(*store.Tx) error { begun <- struct{}{}; <-start; return nil })
		}()
		<-begun
		outcome := func(record string, fail error) chan error {
			done := make(chan error, 1)
			go func() {
				done <- shared.Do(t.Context(), func(tx *store.Tx) error {
					if _, _, err := tx.AddEvent(t.Context(), happened(record, "page_viewed")); err != nil {
						return err
					}
					return fail
				})
			}()
			return done
		}
		good, bad, other := outcome("contact/1", nil), outcome("contact/2", crm.ErrInvalid), outcome("contact/3", nil)
		close(start)
		require.NoError(t, <-results)
		require.NoError(t, <-good)
		require.ErrorIs(t, <-bad, crm.ErrInvalid)
		require.NoError(t, <-other)
		for i, want := range []int{1, 0, 1} {
			events, err := s.EventsOf(t.Context(), contact(i+1), 0)
			require.NoError(t, err)
			require.Len(t, events, want)
		}
	},
	"a caller who has gone writes nothing": func(t *testing.T, s *store.Store) {
		gone, leave := context.WithCancel(t.Context())
		leave()
		err := s.NewGroup().Do(gone, func(*store.Tx) error { t.Error("written"); return nil })
		require.ErrorIs(t, err, context.Canceled)
	},
	"an attempt that fails is undone, and the transaction goes on": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			require.NoError(t, tx.Try(ctx, func() error { _, err := tx.Create(ctx, ann, nil, noon, ""); return err }))
			require.ErrorIs(t, tx.Try(ctx, func() error {
				_, err := tx.Create(ctx, bob, nil, noon, "")
				require.NoError(t, err)
				return crm.ErrInvalid
			}), crm.ErrInvalid)
			_, err := tx.Create(ctx, acme, nil, noon, "")
			return err
		}))
		_, err := s.Get(ctx, bob)
		require.ErrorIs(t, err, crm.ErrNotFound)
		for _, ref := range []crm.Ref{ann, acme} {
			_, err := s.Get(ctx, ref)
			require.NoError(t, err)
		}
	},
}

func happened(record, eventType string) plan.Event {
	return plan.Event{ID: eventType, Record: record, Type: eventType, At: noon}
}
