package testsuite_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

// chained is a workflow that an event enrolls in, every time, one that its step enrolls in by a filter and a goal ends,
// and one that enrolls anew whenever a property changes.
const chained = `
-- objects/contact.yaml --
object: contact
properties: [{name: annual_score, type: number}, {name: changes_seen, type: number}]
-- workflows/by-event.yaml --
workflow: by-event
object: contact
enroll: {on: [{event: page_viewed}], again: each_event}
actions:
  - {id: count, adjust_number_property: {property: annual_score, by: 1}}
  - {id: noted, edit_record: {set: {first_name: seen}}}
-- workflows/by-filter.yaml --
workflow: by-filter
object: contact
enroll: {when: {property: first_name, is: seen}}
goal: {property: lifecycle_stage, is: customer}
actions:
  - {id: long, delay_set_amount: {for: 30d}}
-- workflows/by-change.yaml --
workflow: by-change
object: contact
enroll: {when: {property: city, known: true}, again: each_event}
actions:
  - {id: count, adjust_number_property: {property: changes_seen, by: 1}}
`

// crowd is everybody who comes while workers are killed, by how far the test has brought them.
type crowd struct {
	*stage
	people []crm.Ref
	stages []int // of each
}

// comes is somebody new to whom everything happens at once, told twice as a careful sender does.
func (c *crowd) comes(tb testing.TB) {
	tb.Helper()
	who := crm.Ref{Object: "contact", ID: strconv.Itoa(len(c.people) + 1)}
	_, err := c.Books.Create(tb.Context(), who, map[string]string{"city": "Rome"}, time.Now(), "test")
	require.NoError(tb, err)
	c.views(tb, who, "first")
	c.people, c.stages = append(c.people, who), append(c.stages, 0)
}

func (c *crowd) views(tb testing.TB, who crm.Ref, id string) {
	tb.Helper()
	for n := range 2 {
		delivered, err := c.People.Deliver(tb.Context(), plan.Event{ID: id, Type: "page_viewed", Record: who.String()}, time.Now())
		require.NoError(tb, err)
		require.Equal(tb, n == 1, delivered.Duplicate)
	}
}

// move does the next thing to somebody whom the last one has brought where it had to, and tells whether that was all.
func (c *crowd) move(tb testing.TB, n int) (settled bool) {
	tb.Helper()
	who := c.people[n]
	in := func(workflow string, number int, exit string) bool {
		last, found, err := c.Books.LastEnrollment(tb.Context(), workflow, who.String())
		require.NoError(tb, err)
		return found && last.Number == number && last.Exit == exit
	}
	change := func(values map[string]string) {
		require.NoError(tb, c.Books.Update(tb.Context(), who, values, time.Now(), "test"))
	}
	switch c.stages[n] {
	case 0: // inside by what a step of another workflow wrote: the goal takes out
		if !in("by-event", 1, plan.ExitCompleted) || !in("by-filter", 1, "") || !in("by-change", 1, plan.ExitCompleted) {
			return false
		}
		change(map[string]string{"lifecycle_stage": "customer"})
		c.views(tb, who, "second")
	case 1: // out by the goal, and the second time through the others
		if !in("by-filter", 1, plan.ExitGoalMet) || !in("by-event", 2, plan.ExitCompleted) {
			return false
		}
		change(map[string]string{"city": "Oslo"})
	case 2:
		if !in("by-change", 2, plan.ExitCompleted) {
			return false
		}
	default:
		return true
	}
	c.stages[n]++
	return c.stages[n] > 2
}

// TestKilledWorkersEnrollOnceByEachTrigger kills -9 one of two workers, at random moments, while events and changes of
// records come in: whichever routes dies with decisions half done.
func TestKilledWorkersEnrollOnceByEachTrigger(t *testing.T) {
	t.Parallel()
	draw := chance(t)
	c := &crowd{stage: newStage(t, chained)}
	shell := c.shell(t, "")
	workers := []*process{shell.start(t, "worker"), shell.start(t, "worker")}
	for range *kills {
		moment := time.After(time.Duration(draw.IntN(1500)) * time.Millisecond) // any line
		for range 3 {
			c.comes(t)
			c.move(t, draw.IntN(len(c.people)))
		}
		<-moment
		n := draw.IntN(len(workers))
		workers[n].kill(t)
		c.comes(t)
		workers[n] = shell.start(t, "worker")
	}
	for n := range c.people {
		require.Eventually(t, func() bool { return c.move(t, n) }, convalescence, 20*time.Millisecond, "%s stays at %d", c.people[n], &c.stages[n])
	}
	require.Eventually(t, func() bool {
		pending, _, err := c.Books.Pending(t.Context())
		require.NoError(t, err)
		undone, _, _, err := c.Books.Undone(t.Context())
		require.NoError(t, err)
		return pending+undone == 0
	}, convalescence, 20*time.Millisecond)
	for _, who := range c.people {
		var all []string
		for _, workflow := range []string{"by-event", "by-filter", "by-change"} {
			enrollments, err := c.Books.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: workflow, Record: who.String()})
			require.NoError(t, err)
			for _, one := range enrollments {
				all = append(all, fmt.Sprint(workflow, " ", one.Number, " ", one.Exit))
			}
		}
		require.ElementsMatch(t, []string{
			"by-event 1 completed", "by-event 2 completed", "by-filter 1 goal_met", "by-change 1 completed", "by-change 2 completed",
		}, all, "%s: refused ones would be here as well", who)
		record, err := c.Books.Get(t.Context(), who)
		require.NoError(t, err)
		require.Equal(t, []string{"2", "2"}, []string{record.Property("annual_score"), record.Property("changes_seen")}, who)
	}
	t.Logf("%d people went through after %d kills", len(c.people), *kills)
}
