package activities

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

func TestDelayUntilOffset(t *testing.T) {
	t.Parallel()
	b := newBench(t, `delay_until_offset: {date: 2027-01-10, offset: -3d, time: "09:00"}`)
	outcome := b.ok()
	require.Equal(t, monday.AddDate(0, 0, 3), outcome.Until.UTC())
	require.Empty(t, outcome.Event, "a day of the definition is followed by editing it")
	require.Equal(t, plan.Outcome{}, b.ok(func(call *plan.Call) { call.Now, call.Due = monday.AddDate(0, 0, 3), true }))

	b = newBench(t, `delay_until_offset: {property: seen, offset: 2h}`)
	b.set(map[string]string{"seen": "2027-01-05T10:30:00Z"})
	require.Equal(t, time.Date(2027, 1, 5, 12, 30, 0, 0, time.UTC), b.ok().Until.UTC(), "a datetime keeps its time")
}

func TestDelayUntilOffsetLeavesOutWhatHasPassed(t *testing.T) {
	t.Parallel()
	b := newBench(t, `delay_until_offset: {date: 2027-01-04, time: "08:59"}`)
	require.Equal(t, portPassed, b.ok().Port, "a minute before it entered")
	require.Equal(t, []string{"2027-01-04 08:59 Europe/Rome has passed: what belongs to it is left out"}, b.journal(plan.JournalWarning))

	b = newBench(t, `delay_until_offset: {date: 2027-01-06, time: "09:00"}`)
	due := monday.AddDate(0, 0, 2)
	require.Empty(t, b.ok(arrived(due.Add(time.Hour))).Port, "what is before may take an hour")
	require.Equal(t, portPassed, b.ok(arrived(due.Add(time.Hour+time.Minute))).Port)
	require.Equal(t, portPassed, b.ok(edited(due.Add(time.Minute))).Port, "an edit that puts it into the past")
}

func TestDelayUntilOffsetFollowsTheProperty(t *testing.T) {
	t.Parallel()
	b := newBench(t, `delay_until_offset: {property: renewal, offset: 1d, time: "09:00"}`)
	outcome := b.ok()
	require.Equal(t, plan.ChangeOf("renewal"), outcome.Event)
	require.True(t, outcome.Until.IsZero(), "while it is empty it waits for a value")

	follow := func(value string, at time.Time) plan.Outcome {
		require.NoError(t, b.store.Update(t.Context(), ada, map[string]string{"renewal": value}, at, "test"))
		return b.ok(func(call *plan.Call) { call.Now, call.Awaits = at, plan.ChangeOf("renewal") })
	}
	outcome = follow("2027-02-01", monday.Add(time.Hour))
	require.Equal(t, time.Date(2027, 2, 2, 8, 0, 0, 0, time.UTC), outcome.Until.UTC())
	require.Equal(t, plan.ChangeOf("renewal"), outcome.Event)
	require.Equal(t, time.Date(2027, 1, 11, 8, 0, 0, 0, time.UTC), follow("2027-01-10", monday.Add(2*time.Hour)).Until.UTC())
	require.Equal(t, portPassed, follow("2027-01-10", monday.AddDate(0, 0, 5)).Port+follow("2027-01-05", monday.AddDate(0, 0, 6)).Port, "into the past")
}

func TestDelayUntilOffsetOfEveryYear(t *testing.T) {
	t.Parallel()
	year := func(of int) func(*plan.Call) {
		return func(call *plan.Call) {
			call.Outputs = map[string]json.RawMessage{"a1": json.RawMessage(fmt.Sprintf(`{"year": %d}`, of))}
		}
	}
	rome, err := crm.LoadZone("Europe/Rome")
	require.NoError(t, err)
	b := newBench(t, `delay_until_offset: {property: renewal, every_year: true, offset: -3d}`)
	for value, until := range map[string]string{
		"1990-05-12": "2027-05-09", "1990-01-02": "2027-12-30", "1992-02-29": "2027-02-25", "2050-05-12": "2027-05-09", "1990-01-08": "2027-01-05",
	} {
		b.set(map[string]string{"renewal": value})
		outcome := b.ok()
		require.Equal(t, until, crm.DateOf(outcome.Until, rome).String(), value)
	}
	b.set(map[string]string{"renewal": "1990-05-12"})
	outcome := b.ok()
	require.JSONEq(t, `{"year": 2027}`, string(outcome.Output))
	outcome = b.ok(year(2027))
	require.JSONEq(t, `{"year": 2028}`, string(outcome.Output), "it comes again when its year is over")
	require.Equal(t, 2028, outcome.Until.Year())

	later := newBench(t, `delay_until_offset: {property: renewal, every_year: true}`, `delay_until_offset: {property: renewal, every_year: true, first: a1, offset: 2d}`)
	later.set(map[string]string{"renewal": "1990-01-03"})
	require.Equal(t, "2027-01-05", crm.DateOf(later.ok(year(2027)).Until, rome).String(), "the year of the first, whose day is over")
}

func TestDelayUntilOffsetOfWhat(t *testing.T) {
	t.Parallel()
	requireProblems(t, `delay_until_offset: {offset: 3d}`, "wrong-value")
	requireProblems(t, `delay_until_offset: {date: 2027-01-10, property: renewal}`, "wrong-value")
	requireProblems(t, `delay_until_offset: {date: 2027-01-10, every_year: true}`, "wrong-value")
}
