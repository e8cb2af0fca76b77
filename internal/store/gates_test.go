package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// queue asks for enrollments of `welcome`, at most two of which enter in an hour.
type queue struct {
	t   *testing.T
	s   *store.Store
	per plan.Queueing
}

func newQueue(t *testing.T, s *store.Store) *queue {
	return &queue{t, s, plan.Queueing{Workflow: "welcome", Limit: 2, Per: time.Hour, Open: true}}
}

// ask asks after so many minutes, and answers "" or the minute of the expected turn.
func (q *queue) ask(minute int, name string, changes ...func(*plan.Queueing)) string {
	q.t.Helper()
	who := q.per
	who.Enrollment, who.Now = name, noon.Add(time.Duration(minute)*time.Minute)
	for _, change := range changes {
		change(&who)
	}
	var place plan.Place
	require.NoError(q.t, q.s.Tx(q.t.Context(), func(tx *store.Tx) (err error) {
		place, err = tx.Queue(q.t.Context(), who)
		return err
	}))
	if place.Entered {
		return ""
	}
	return fmt.Sprint(place.Due.Sub(noon).Minutes())
}

var gates = map[string]func(t *testing.T, s *store.Store){
	"a switch turns by itself": func(t *testing.T, s *store.Store) {
		ctx, later := t.Context(), noon.Add(time.Hour)
		require.ErrorIs(t, s.TurnSwitch(ctx, "welcome", plan.SwitchOff, later, noon), crm.ErrNotFound)
		publish(t, s, "welcome", "h1")
		require.ErrorIs(t, s.TurnSwitch(ctx, "welcome", "sideways", later, noon), crm.ErrInvalid)
		require.NoError(t, s.TurnSwitch(ctx, "welcome", plan.SwitchOff, later, noon))
		stands, err := s.Switch(ctx, "welcome")
		require.NoError(t, err)
		require.Equal(t, plan.SwitchOn, stands.At(later.Add(-time.Microsecond)))
		require.Equal(t, plan.SwitchOff, stands.At(later))
		require.NoError(t, s.TurnSwitch(ctx, "welcome", plan.SwitchDrain, later.Add(2*time.Hour), later.Add(time.Hour)))
		stands, err = s.Switch(ctx, "welcome")
		require.NoError(t, err)
		require.Equal(t, plan.SwitchOff, stands.At(later.Add(time.Hour)), "what it has turned to stays")
		workflows, err := s.Workflows(ctx)
		require.NoError(t, err)
		require.Equal(t, plan.SwitchDrain, workflows[0].At(later.Add(2*time.Hour)))
		require.NoError(t, s.SetSwitch(ctx, "welcome", plan.SwitchPause, noon))
		stands, err = s.Switch(ctx, "welcome")
		require.NoError(t, err)
		require.Equal(t, plan.Switch{Mode: plan.SwitchPause}, stands)
	},
	"a definition says when its switch turns off": func(t *testing.T, s *store.Store) {
		ctx, later := t.Context(), noon.Add(time.Hour)
		revise := func(hash string, off time.Time) plan.Switch {
			compiled := &plan.Plan{Workflow: "welcome", Object: "contact", Hash: hash, Rules: &plan.Rules{OffAt: off}}
			_, err := s.Publish(ctx, store.Publication{At: noon, Definitions: []plan.Revision{{Plan: compiled, On: true}}})
			require.NoError(t, err)
			stands, err := s.Switch(ctx, "welcome")
			require.NoError(t, err)
			return stands
		}
		turning := plan.Switch{Mode: plan.SwitchOn, Then: plan.SwitchOff, Turning: later}
		require.Equal(t, turning, revise("h1", later))
		require.NoError(t, s.SetSwitch(ctx, "welcome", plan.SwitchOn, noon))
		require.Equal(t, plan.Switch{Mode: plan.SwitchOn}, revise("h2", later), "what an operator said afterwards counts")
		turning.Turning = later.Add(time.Hour)
		require.Equal(t, turning, revise("h3", later.Add(time.Hour)), "until the definition says something else")
		require.Equal(t, plan.Switch{Mode: plan.SwitchOn}, revise("h4", time.Time{}))
	},
	"so many enter in a time, in the order in which they came": func(t *testing.T, s *store.Store) {
		q := newQueue(t, s)
		require.Empty(t, q.ask(0, "a"))
		require.Empty(t, q.ask(10, "b"))
		require.Equal(t, "60", q.ask(11, "c"))
		require.Equal(t, "70", q.ask(12, "d"))
		require.Equal(t, "120", q.ask(13, "e"))
		require.Equal(t, "130", q.ask(14, "f"))
		require.Equal(t, "70", q.ask(20, "d"), "who asks again keeps its place")
		require.Empty(t, q.ask(20, "a"), "who has entered has entered")
		require.Empty(t, q.ask(60, "c"))
		require.Empty(t, q.ask(70, "d"))
		require.Empty(t, q.ask(120, "e"))
		place, ahead, found, err := s.Place(t.Context(), "f")
		require.NoError(t, err)
		require.True(t, found)
		require.Zero(t, ahead)
		require.Equal(t, noon.Add(130*time.Minute), place.Due)
		_, _, found, err = s.Place(t.Context(), "e")
		require.NoError(t, err)
		require.False(t, found)
	},
	"who comes late does not make others exceed the rate": func(t *testing.T, s *store.Store) {
		q := newQueue(t, s)
		for i, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			q.ask(i, name)
		}
		// Nobody asked for five hours; then all come at once, in any order.
		entered := map[string]int{"a": 0, "b": 1}
		for minute := 300; len(entered) < 8; minute++ {
			for _, name := range []string{"h", "c", "g", "d", "f", "e"} {
				if _, in := entered[name]; !in && q.ask(minute, name) == "" {
					entered[name] = minute
				}
			}
			require.Less(t, minute, 600)
		}
		for minute := range 600 {
			within := 0
			for _, at := range entered {
				if at >= minute && at < minute+60 {
					within++
				}
			}
			require.LessOrEqual(t, within, 2, "%v", entered)
		}
		require.LessOrEqual(t, max(entered["c"], entered["d"], entered["e"], entered["f"], entered["g"], entered["h"]), 422, "%v: and no time is wasted", entered)
	},
	"who does not come keeps nobody": func(t *testing.T, s *store.Store) {
		q := newQueue(t, s)
		for i, name := range []string{"a", "b", "held", "d"} {
			q.ask(i, name)
		}
		require.Equal(t, "60", q.ask(4, "held"))
		require.NotEmpty(t, q.ask(61, "d", func(who *plan.Queueing) { who.Now = noon.Add(60 * time.Minute) }), "it is still on time")
		require.Empty(t, q.ask(62, "d"))
		require.Empty(t, q.ask(200, "held"))
	},
	"who leaves gives its place up": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add(t, s, ann)
		publish(t, s, "welcome", "h1")
		opened, err := s.OpenEnrollment(ctx, plan.Enrollment{Workflow: "welcome", Record: ann.String(), WorkflowID: "w", FirstRun: "r", Revision: 1, Started: noon})
		require.NoError(t, err)
		q := newQueue(t, s)
		q.ask(0, "a")
		q.ask(0, "b")
		require.Equal(t, "60", q.ask(1, opened.ID))
		require.NoError(t, s.CloseEnrollment(ctx, opened.ID, plan.Exit{Reason: plan.ExitUnenrolled}, noon))
		_, _, found, err := s.Place(ctx, opened.ID)
		require.NoError(t, err)
		require.False(t, found)
		require.Equal(t, "60", q.ask(2, "c"))
		require.Equal(t, "60", q.ask(2, "d"))
	},
	"another rate gives others turns": func(t *testing.T, s *store.Store) {
		q := newQueue(t, s)
		for i, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			q.ask(i, name)
		}
		q.per.Limit = 4
		require.Empty(t, q.ask(30, "c"), "two more may enter now")
		require.Empty(t, q.ask(30, "d"))
		require.Equal(t, "60", q.ask(31, "e"))
		require.Equal(t, "61", q.ask(61, "f", func(who *plan.Queueing) { who.Now = noon.Add(31 * time.Minute) }))
		q.per.Limit = 1
		require.Equal(t, "90", q.ask(62, "e"), "an hour after the last one")
	},
	"an operator and a window come first": func(t *testing.T, s *store.Store) {
		q := newQueue(t, s)
		closed := func(who *plan.Queueing) { who.Open = false }
		require.Equal(t, "0", q.ask(0, "a", closed))
		require.Empty(t, q.ask(5, "a"))
		q.ask(5, "b")
		require.Equal(t, "65", q.ask(6, "c"))
		require.Empty(t, q.ask(6, "d", func(who *plan.Queueing) { who.Force = true }))
		require.Empty(t, q.ask(7, "inside", func(who *plan.Queueing) { who.Begun = true }), "who was inside before there was a rate")
	},
	"many at once take one place after the other": func(t *testing.T, s *store.Store) {
		answers := make(chan error)
		for i := range 20 {
			go func() {
				answers <- s.Tx(t.Context(), func(tx *store.Tx) error {
					place, err := tx.Queue(t.Context(), plan.Queueing{
						Workflow: "welcome", Enrollment: fmt.Sprint(i), Limit: 5, Per: time.Hour, Now: noon, Open: true,
					})
					if err == nil && !place.Entered && !place.Due.After(noon) {
						return errors.New("asked to come again at once")
					}
					return err
				})
			}()
		}
		for range 20 {
			require.NoError(t, <-answers)
		}
		entered := 0
		for i := range 20 {
			if _, _, waits, err := s.Place(t.Context(), fmt.Sprint(i)); !waits {
				require.NoError(t, err)
				entered++
			}
		}
		require.Equal(t, 5, entered)
	},
}
