package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// noted are the changes that nobody has decided about, without their numbers.
func noted(t *testing.T, s *store.Store) []plan.Change {
	t.Helper()
	changes, err := s.Changes(t.Context(), 1000)
	require.NoError(t, err)
	last := int64(0)
	for i := range changes {
		require.Greater(t, changes[i].Seq, last, "in order")
		last, changes[i].Seq = changes[i].Seq, 0
	}
	return changes
}

var changes = map[string]func(t *testing.T, s *store.Store){
	"every write that can make a filter true or false is noted": func(t *testing.T, s *store.Store) {
		ctx := crm.WithCause(t.Context(), "w/contact/9/1/a/1")
		_, err := s.Create(ctx, ann, map[string]string{"city": "Rome"}, noon, "import")
		require.NoError(t, err)
		add(t, s, acme)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "", "score": "1"}, noon, "step"))
		_, _, err = s.AddEvent(ctx, plan.Event{ID: "e1", Type: "page_viewed", Record: ann.String(), At: noon})
		require.NoError(t, err)
		_, err = s.AddToList(ctx, "vip", ann, noon)
		require.NoError(t, err)
		_, err = s.RemoveFromList(ctx, "vip", ann)
		require.NoError(t, err)
		require.NoError(t, s.Associate(ctx, ann, acme, "", false, noon))
		require.NoError(t, s.SetSubscription(ctx, ann, "news", "opted_in", noon))
		opened, err := s.OpenEnrollment(ctx, plan.Enrollment{Workflow: "w", Record: ann.String(), WorkflowID: "enrollment/w/contact/51", FirstRun: "1", Started: noon})
		require.NoError(t, err)
		require.NoError(t, s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: plan.ExitGoalMet}, noon))
		require.NoError(t, s.Delete(ctx, ann, noon))
		require.NoError(t, s.Restore(ctx, ann))
		of := func(what, name, detail string) plan.Change {
			return plan.Change{Record: ann.String(), What: what, Name: name, Detail: detail, At: noon, Cause: "w/contact/9/1/a/1"}
		}
		created, set, off, restored := of(plan.ChangeCreated, "", ""), of(plan.ChangeSet, "", ""), of(plan.ChangeList, "vip", ""), of(plan.ChangeRestored, "", "")
		created.Values, set.Values = map[string]string{"city": "Rome"}, map[string]string{"city": "", "score": "1"}
		off.At, restored.At = time.Time{}, time.Time{}
		company := of(plan.ChangeAssociation, "contact", ann.String())
		company.Record = acme.String()
		require.Equal(t, []plan.Change{
			created,
			{Record: acme.String(), What: plan.ChangeCreated, Values: map[string]string{}, At: noon},
			set, of(plan.ChangeEvent, "page_viewed", "e1"), of(plan.ChangeList, "vip", ""), off,
			company, of(plan.ChangeAssociation, "company", acme.String()),
			of(plan.ChangeSubscription, "news", ""), of(plan.ChangeEntered, "w", opened.ID), of(plan.ChangeLeft, "w", plan.ExitGoalMet),
			of(plan.ChangeDeleted, "", ""), restored,
		}, noted(t, s))
	},
	"what changes nothing, and what is rolled back, is not noted": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""))
		event := plan.Event{ID: "e1", Type: "page_viewed", Record: ann.String(), At: noon}
		for range 2 {
			require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""))
			_, _, err := s.AddEvent(ctx, event)
			require.NoError(t, err)
			_, err = s.AddToList(ctx, "vip", ann, noon)
			require.NoError(t, err)
		}
		no := errors.New("no")
		require.ErrorIs(t, s.Tx(ctx, func(tx *store.Tx) error {
			require.NoError(t, tx.Update(ctx, ann, map[string]string{"city": "Oslo"}, noon, ""))
			return no
		}), no)
		require.Len(t, noted(t, s), 4)
	},
	"many changes of one transaction keep their order": func(t *testing.T, s *store.Store) {
		require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) error {
			for range 120 {
				if _, err := tx.Create(t.Context(), crm.Ref{Object: "contact"}, nil, noon, ""); err != nil {
					return err
				}
			}
			return nil
		}))
		found := noted(t, s)
		require.Len(t, found, 120)
		require.Equal(t, []string{"contact/1", "contact/120"}, []string{found[0].Record, found[119].Record})
		count, since, err := s.Pending(t.Context())
		require.NoError(t, err)
		require.Equal(t, 120, count)
		require.Equal(t, noon, since)
	},
	"who waits for changes is told when they are committed": func(t *testing.T, s *store.Store) {
		add(t, s, ann)
		<-s.Changed()
		require.NoError(t, s.Tx(t.Context(), func(*store.Tx) error { return nil }))
		select {
		case <-s.Changed():
			require.Fail(t, "nothing has changed")
		default:
		}
	},
	"a view stays as it was": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		require.NoError(t, s.View(ctx, func(view *store.View) error {
			_, err := view.Get(ctx, ann)
			require.NoError(t, err)
			require.NoError(t, s.Update(ctx, ann, map[string]string{"city": "Rome"}, noon, ""), "nobody waits for it")
			record, err := view.Get(ctx, ann)
			require.Empty(t, record.Property("city"))
			return err
		}))
		_, err := s.Get(context.WithoutCancel(ctx), ann)
		require.NoError(t, err)
	},
}

// enrolling is a decision that enrolls.
func enrolling(trigger string, bulk bool) plan.Intent {
	return plan.Intent{Act: plan.ActEnroll, Workflow: "w", Record: ann.String(), Trigger: trigger, Way: plan.WayEvent, Depth: 2, Bulk: bulk, At: noon,
		Event: &plan.Event{ID: "e1", Type: "page_viewed", Properties: map[string]any{"url": "/"}}}
}

var decisions = map[string]func(t *testing.T, s *store.Store){
	"a change leaves the queue with what follows from it": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann, bob)
		found, err := s.Changes(ctx, 1)
		require.NoError(t, err)
		first := store.Decision{
			Changes: []int64{found[0].Seq}, Intents: []plan.Intent{enrolling("page_viewed 1", false)},
			Matches: []plan.Match{{Workflow: "w", Filter: "f", Record: ann.String(), Matching: true, Look: noon}},
		}
		decided, err := s.Decide(ctx, first)
		require.NoError(t, err)
		require.True(t, decided)
		require.Len(t, noted(t, s), 1)
		first.Intents = []plan.Intent{enrolling("late", false)}
		decided, err = s.Decide(ctx, first)
		require.NoError(t, err)
		require.False(t, decided, "somebody else was quicker")
		due, err := s.Due(ctx, noon, 10)
		require.NoError(t, err)
		require.Equal(t, first.Matches, due)
		intents, err := s.Intents(ctx, noon, 10)
		require.NoError(t, err)
		require.Len(t, intents, 1)
		wanted := enrolling("page_viewed 1", false)
		wanted.Seq = intents[0].Seq
		require.Equal(t, wanted, intents[0])
		decided, err = s.Decide(ctx, store.Decision{Gone: []string{ann.String()}})
		require.NoError(t, err)
		require.True(t, decided)
		next, err := s.NextLook(ctx)
		require.NoError(t, err)
		require.Zero(t, next)
	},
	"a trigger enrolls a record once": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for n := range 2 {
			require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
				added, err := tx.AddIntent(ctx, enrolling("page_viewed 1", false))
				require.Equal(t, n == 0, added)
				return err
			}))
		}
		intents, err := s.Intents(ctx, noon, 10)
		require.NoError(t, err)
		require.Len(t, intents, 1)
		require.NoError(t, s.Finish(ctx, []store.Done{{Intent: intents[0]}}, noon))
		intents, err = s.Intents(ctx, noon, 10)
		require.NoError(t, err)
		require.Empty(t, intents)
		_, found, err := s.Intent(ctx, "w", ann.String(), "page_viewed 1")
		require.NoError(t, err)
		require.True(t, found, "admission asks for it later")
	},
	"what is many has a lane of its own, and what failed comes again later": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		leave := plan.Intent{Act: plan.ActUnenroll, Workflow: "w", Record: ann.String(), Enrollment: "w/contact/51/1", Reason: plan.ExitDeleted, At: noon}
		require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
			for _, intent := range []plan.Intent{enrolling("many", true), enrolling("new", false), leave} {
				if _, err := tx.AddIntent(ctx, intent); err != nil {
					return err
				}
			}
			return nil
		}))
		intents, err := s.Intents(ctx, noon, 10)
		require.NoError(t, err)
		require.Equal(t, []string{"new", ""}, []string{intents[0].Trigger, intents[1].Trigger})
		many, err := s.Many(ctx, 0, 0, noon, 10)
		require.NoError(t, err)
		require.Len(t, many, 1)
		require.Equal(t, "many", many[0].Trigger)
		require.NoError(t, s.Finish(ctx, []store.Done{{Intent: intents[0], Error: errors.New("away"), Again: noon.Add(time.Minute)}, {Intent: intents[1]}}, noon))
		undone, failing, last, err := s.Undone(ctx)
		require.NoError(t, err)
		require.Equal(t, []any{2, 1, "away"}, []any{undone, failing, last})
		now, err := s.Intents(ctx, noon, 10)
		require.NoError(t, err)
		require.Empty(t, now)
		later, err := s.Intents(ctx, noon.Add(time.Minute), 10)
		require.NoError(t, err)
		require.Len(t, later, 1)
		require.Equal(t, 1, later[0].Tries)
	},
	"one holds a lease until it ends": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		take := func(holder string, now time.Time) bool {
			held, err := s.Lease(ctx, "router", holder, now, now.Add(time.Minute))
			require.NoError(t, err)
			return held
		}
		require.True(t, take("a", noon))
		require.False(t, take("b", noon.Add(time.Second)))
		require.True(t, take("a", noon.Add(time.Second)))
		require.True(t, take("b", noon.Add(2*time.Minute)))
		require.NoError(t, s.Release(ctx, "router", "a"), "which it no longer has")
		require.False(t, take("a", noon.Add(2*time.Minute)))
		require.NoError(t, s.Release(ctx, "router", "b"))
		require.True(t, take("a", noon.Add(2*time.Minute)))
	},
	"a new filter trigger knows who matches already": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for id, city := range map[string]string{"1": "Rome", "2": "Oslo", "3": "Rome"} {
			_, err := s.Create(ctx, crm.Ref{Object: "contact", ID: id}, map[string]string{"city": city}, noon, "")
			require.NoError(t, err)
		}
		publish := func(when string, existing bool) store.Published {
			rules := &plan.Rules{Enroll: []byte(`{"when":` + when + `}`)}
			published, err := s.Publish(ctx, store.Publication{At: noon, EnrollExisting: existing, Definitions: []plan.Revision{{
				On: true, Plan: &plan.Plan{Workflow: "w", Object: "contact", Hash: when, Rules: rules},
			}}})
			require.NoError(t, err)
			return published
		}
		rome, oslo := `{"property":"city","is":"Rome"}`, `{"property":"city","is":"Oslo"}`
		require.Equal(t, map[string]int{"w": 2}, publish(rome, false).Existing)
		match, err := s.Match(ctx, "w", store.FilterKey([]byte(rome)), "contact/3")
		require.NoError(t, err)
		require.True(t, match.Matching)
		require.Equal(t, map[string]int{"w": 1}, publish(oslo, true).Existing)
		match, err = s.Match(ctx, "w", store.FilterKey([]byte(rome)), "contact/3")
		require.NoError(t, err)
		require.False(t, match.Matching, "the old filter is forgotten")
		many, err := s.Many(ctx, 0, 0, noon, 10)
		require.NoError(t, err)
		require.Equal(t, "contact/2", many[len(many)-1].Record)
	},
	"who waits until an instant is told of another time zone": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		publish := func(account string) []plan.Intent {
			_, err := s.Publish(ctx, store.Publication{At: noon, Account: []byte(account), Definitions: []plan.Revision{{
				On: true, Plan: &plan.Plan{Workflow: "w", Object: "contact", Hash: "h"},
			}}})
			require.NoError(t, err)
			intents, err := s.Many(ctx, 0, 0, noon, 10)
			require.NoError(t, err)
			return slices.DeleteFunc(intents, func(intent plan.Intent) bool { return intent.Act != plan.ActChanged })
		}
		publish(`{"time_zone":"Europe/Rome"}`)
		for _, ref := range []crm.Ref{ann, bob} {
			opened, err := s.OpenEnrollment(ctx, plan.Enrollment{Workflow: "w", Record: ref.String(), WorkflowID: plan.WorkflowID("w", ref.String()), Revision: 1, Started: noon})
			require.NoError(t, err)
			standing := plan.Standing{Enrollment: opened.ID, Node: "wait", Arrived: noon}
			if ref == ann {
				standing.Until = noon.Add(time.Hour)
			}
			require.NoError(t, s.Stand(ctx, standing))
		}
		require.Empty(t, publish(`{"time_zone":"Europe/Rome","gdpr":true}`))
		told := publish(`{"time_zone":"America/New_York"}`)
		require.Len(t, told, 1)
		require.Equal(t, "w/"+ann.String()+"/1", told[0].Enrollment)
	},
	"an edited list is asked anew, and nobody decides by the old one": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		edit := func(filter string) {
			list := crm.ActiveList{Name: "locals", Object: "contact"}
			require.NoError(t, list.Filter.UnmarshalJSON([]byte(filter)))
			catalog := crm.Builtin()
			catalog.Open = true
			catalog.AddList(list)
			_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: catalog})
			require.NoError(t, err)
		}
		edit(`{"property":"city","is":"Rome"}`)
		when := `{"not":{"list":"locals"}}`
		_, err := s.Publish(ctx, store.Publication{At: noon, Definitions: []plan.Revision{{
			On: true, Plan: &plan.Plan{Workflow: "w", Object: "contact", Hash: "h", Rules: &plan.Rules{Enroll: []byte(`{"when":` + when + `}`)}},
		}}})
		require.NoError(t, err)
		add(t, s, ann, bob)
		old, err := s.Catalog(ctx)
		require.NoError(t, err)
		found, err := s.Changes(ctx, 10)
		require.NoError(t, err)
		var anns []int64
		for _, change := range found {
			if change.Record == ann.String() {
				anns = append(anns, change.Seq)
			}
		}
		match := plan.Match{Workflow: "w", Filter: store.FilterKey([]byte(when)), Record: ann.String(), Matching: true}
		edit(`{"property":"city","is":"Oslo"}`)
		decided, err := s.Decide(ctx, store.Decision{Catalog: old, Changes: anns, Matches: []plan.Match{match}})
		require.NoError(t, err)
		require.False(t, decided)
		current, err := s.Catalog(ctx)
		require.NoError(t, err)
		decided, err = s.Decide(ctx, store.Decision{Catalog: current, Changes: anns})
		require.NoError(t, err)
		require.True(t, decided)
		edit(`{"property":"city","is":"Bern"}`)
		current, err = s.Catalog(ctx)
		require.NoError(t, err)
		asked := filter(t, when)
		key, err := store.EdgeKey([]byte(when), &asked, current)
		require.NoError(t, err)
		now, err := s.Match(ctx, "w", key, ann.String())
		require.NoError(t, err)
		require.True(t, now.Matching)
		now, err = s.Match(ctx, "w", key, bob.String())
		require.NoError(t, err)
		require.False(t, now.Matching, "a change of his is not decided about yet")
	},
}
