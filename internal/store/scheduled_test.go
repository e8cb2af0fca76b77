package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

// later is a change of a contact's stage that takes effect a day after it is noted.
func later(ref crm.Ref, stage string) crm.Scheduled {
	return crm.Scheduled{Ref: ref, Property: "stage", Value: stage, Noted: noon, Effective: noon.Add(24 * time.Hour), Source: "step"}
}

var scheduled = map[string]func(t *testing.T, s *store.Store){
	"a scheduled change is made once, by whoever comes first": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		add(t, s, ann, bob)
		for _, ref := range []crm.Ref{ann, bob} {
			require.NoError(t, s.Schedule(ctx, later(ref, "customer")))
		}
		found, there, err := s.Scheduled(ctx, ann, "stage")
		require.NoError(t, err)
		require.True(t, there)
		require.Equal(t, "customer", found.Value)
		var made atomic.Int64
		together(t, 8, func(int) error {
			count, err := s.TakeEffect(ctx, noon.Add(48*time.Hour))
			made.Add(int64(count))
			return err
		})
		require.EqualValues(t, 2, made.Load())
		versions, err := s.History(ctx, ann, "stage")
		require.NoError(t, err)
		require.Len(t, versions, 1)
		require.Equal(t, noon.Add(24*time.Hour), versions[0].At.UTC())
		_, there, err = s.Scheduled(ctx, ann, "stage")
		require.NoError(t, err)
		require.False(t, there)
	},
	"a scheduled change comes no sooner, and not after another change": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		add(t, s, ann, bob)
		require.NoError(t, s.Schedule(ctx, later(ann, "customer")))
		require.NoError(t, s.Schedule(ctx, later(bob, "customer")))
		require.NoError(t, s.Update(ctx, bob, map[string]string{"stage": "lead"}, noon.Add(time.Hour), "test"))
		count, err := s.TakeEffect(ctx, noon.Add(24*time.Hour-time.Microsecond))
		require.NoError(t, err)
		require.Zero(t, count)
		there, err := s.Unschedule(ctx, ann, "stage")
		require.NoError(t, err)
		require.True(t, there)
		count, err = s.TakeEffect(ctx, noon.Add(24*time.Hour))
		require.NoError(t, err)
		require.Zero(t, count)
		record, err := s.Get(ctx, bob)
		require.NoError(t, err)
		require.Equal(t, "lead", record.Properties["stage"])
	},
	"a scheduled change of a deleted record waits for it": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		add(t, s, ann)
		require.NoError(t, s.Schedule(ctx, later(ann, "customer")))
		require.NoError(t, s.Delete(ctx, ann, noon))
		require.ErrorIs(t, s.Schedule(ctx, later(ann, "lead")), crm.ErrDeleted)
		count, err := s.TakeEffect(ctx, noon.Add(48*time.Hour))
		require.NoError(t, err)
		require.Zero(t, count)
		require.NoError(t, s.Restore(ctx, ann))
		count, err = s.TakeEffect(ctx, noon.Add(48*time.Hour))
		require.NoError(t, err)
		require.Equal(t, 1, count)
		require.NoError(t, s.Schedule(ctx, later(ann, "lead")))
		require.NoError(t, s.Delete(ctx, ann, noon))
		_, err = s.Purge(ctx, noon.Add(time.Hour), 0)
		require.NoError(t, err)
		_, there, err := s.Scheduled(ctx, ann, "stage")
		require.NoError(t, err)
		require.False(t, there)
	},
	"only what a property can have is scheduled, and what it no longer can keeps nobody waiting": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		closed(t, s)
		add(t, s, ann, bob)
		require.ErrorIs(t, s.Schedule(ctx, later(ann, "partner")), crm.ErrInvalid)
		require.ErrorIs(t, s.Schedule(ctx, later(crm.Ref{Object: "contact", ID: "99"}, "lead")), crm.ErrNotFound)
		require.NoError(t, s.Schedule(ctx, later(ann, "lead")))
		require.NoError(t, s.Schedule(ctx, later(bob, "customer")))
		catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{
			{Name: "stage", Type: crm.TypeEnumeration, Options: []crm.Option{{Value: "customer"}}},
		}})
		_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
		require.NoError(t, err)
		count, err := s.TakeEffect(ctx, noon.Add(48*time.Hour))
		require.ErrorIs(t, err, crm.ErrInvalid)
		require.Equal(t, 1, count)
		_, there, err := s.Scheduled(ctx, ann, "stage")
		require.NoError(t, err)
		require.True(t, there, "nothing is lost")
	},
	"an audience is made by one, and by another when that one does not come back": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var makers atomic.Int64
		together(t, 8, func(worker int) error {
			_, mine, err := s.ClaimAudience(ctx, "meta/1", "vip", string(rune('a'+worker)), noon, noon.Add(time.Minute))
			if mine {
				makers.Add(1)
			}
			return err
		})
		require.EqualValues(t, 1, makers.Load())
		_, err := s.Audience(ctx, "meta/1", "vip")
		require.ErrorIs(t, err, crm.ErrNotFound)
		id, mine, err := s.ClaimAudience(ctx, "meta/1", "vip", "z", noon.Add(time.Minute), noon.Add(time.Hour))
		require.NoError(t, err)
		require.True(t, mine)
		require.Empty(t, id)
		require.NoError(t, s.KeepAudience(ctx, "meta/1", "vip", "238"))
		require.NoError(t, s.KeepAudience(ctx, "meta/1", "vip", "239"), "who comes late changes nothing")
		id, mine, err = s.ClaimAudience(ctx, "meta/1", "vip", "y", noon.Add(2*time.Hour), noon.Add(3*time.Hour))
		require.NoError(t, err)
		require.False(t, mine)
		require.Equal(t, "238", id)
		_, err = s.Audience(ctx, "meta/2", "vip")
		require.ErrorIs(t, err, crm.ErrNotFound)
	},
}
