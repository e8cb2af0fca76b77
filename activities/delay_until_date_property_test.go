package activities

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
)

// setAt changes a property of Ada at an instant.
func (b *bench) setAt(at time.Time, name, value string) {
	b.t.Helper()
	require.NoError(b.t, b.store.Update(b.t.Context(), ada, map[string]string{name: value}, at, "test"))
}

func TestDelayUntilDateProperty(t *testing.T) {
	t.Parallel()
	rome := func(day, hour, minute int) time.Time { return time.Date(2027, 1, day, hour-1, minute, 0, 0, time.UTC) }
	tests := []struct {
		name, config string
		want         time.Time
	}{
		{"a date is 00:00 in the zone", "{property: renewal}", rome(20, 0, 0)},
		{"the time of day", `{property: renewal, time: "08:30"}`, rome(20, 8, 30)},
		{"days before", `{property: renewal, offset: -3d, time: "08:00"}`, rome(17, 8, 0)},
		{"weeks after", `{property: renewal, offset: 1w}`, rome(27, 0, 0)},
		{"hours before a date", "{property: renewal, offset: -1d6h}", rome(18, 18, 0)},
		{"hours first, then the time of day", `{property: renewal, offset: -6h, time: "12:00"}`, rome(19, 12, 0)},
		{"a datetime keeps its own time", "{property: seen}", time.Date(2027, 1, 20, 23, 30, 0, 0, time.UTC)},
		{"a datetime and an offset", "{property: seen, offset: -1d2h}", time.Date(2027, 1, 19, 21, 30, 0, 0, time.UTC)},
		{"the day of a datetime is that of the zone", `{property: seen, time: "08:00"}`, rome(21, 8, 0)},
		{"a computed property", "{property: created_at, offset: 1d}", monday.Add(24 * time.Hour)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "delay_until_date_property: "+test.config)
			b.set(map[string]string{"renewal": "2027-01-20", "seen": "2027-01-20T23:30:00Z"})
			require.Equal(t, test.want, b.ok().Until.UTC())
		})
	}
}

func TestDelayUntilDatePropertyInThePast(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		"{property: renewal}",
		`{property: renewal, offset: 3d, time: "09:00"}`, // the very instant
	} {
		b := newBench(t, "delay_until_date_property: "+config)
		b.set(map[string]string{"renewal": "2027-01-01"})
		require.Equal(t, plan.Outcome{}, b.ok())
		require.Len(t, b.journal(plan.JournalWarning), 1)
	}
	b := newBench(t, "delay_until_date_property: {property: renewal, if_past: end}")
	b.set(map[string]string{"renewal": "2027-01-01"})
	require.Equal(t, plan.ExitEnded, b.ok().End)
	require.Equal(t, []string{"2027-01-01 00:00 Europe/Rome is past"}, b.journal(plan.JournalWarning))

	later := newBench(t, "delay_until_date_property: {property: renewal, offset: 1w, if_past: end}")
	later.set(map[string]string{"renewal": "2027-01-01"})
	require.True(t, later.ok().Waits(), "past is the final instant, not the property")
}

func TestDelayUntilDatePropertyIsEmpty(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal}")
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"contact has no renewal"}, b.journal(plan.JournalWarning))

	ending := newBench(t, "delay_until_date_property: {property: renewal, if_empty: end}")
	require.Equal(t, plan.ExitEnded, ending.ok().End)

	waiting := newBench(t, "delay_until_date_property: {property: renewal, if_empty: wait}")
	outcome := waiting.ok()
	require.Equal(t, plan.ChangeOf("renewal"), outcome.Event)
	require.Zero(t, outcome.Until, "as long as it takes")
	require.Equal(t, []string{"for a value of renewal"}, waiting.journal(plan.JournalDelayStarted))
	waiting.setAt(monday.Add(time.Hour), "renewal", "2027-01-06")
	require.Equal(t, monday.Add(39*time.Hour), waiting.ok(changed(monday.Add(time.Hour))).Until.UTC())
	require.Equal(t, []string{"until 2027-01-06 00:00 Europe/Rome"}, waiting.journal(plan.JournalDelayRescheduled))
}

func TestDelayUntilDatePropertyThatIsNoDate(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: anniversary, if_empty: end}").outside()
	b.set(map[string]string{"anniversary": "in spring"})
	require.Equal(t, plan.ExitEnded, b.ok().End)
	require.Equal(t, []string{`anniversary is no date: "in spring"`}, b.journal(plan.JournalWarning))

	undeclared := newBench(t, "delay_until_date_property: {property: anniversary}").outside()
	undeclared.set(map[string]string{"anniversary": "2027-01-06"})
	require.Equal(t, monday.Add(40*time.Hour), undeclared.ok().Until.UTC(), "a value that looks like a date is one, in UTC")
}

// changed asks a wait again because the property that it follows has changed.
func changed(now time.Time) func(*plan.Call) {
	return func(call *plan.Call) { call.Now, call.Awaits = now, plan.ChangeOf("renewal") }
}

func TestDelayUntilDatePropertyFollowsChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal, if_past: end, if_empty: wait}")
	b.set(map[string]string{"renewal": "2027-01-20"})
	outcome := b.ok()
	require.Equal(t, time.Date(2027, 1, 19, 23, 0, 0, 0, time.UTC), outcome.Until.UTC())
	require.Equal(t, plan.ChangeOf("renewal"), outcome.Event, "so that it is told of changes of this property, and asked when due")

	noon := monday.Add(3 * time.Hour)
	b.setAt(noon, "renewal", "2027-01-10")
	require.Equal(t, time.Date(2027, 1, 9, 23, 0, 0, 0, time.UTC), b.ok(changed(noon)).Until.UTC(), "earlier")
	b.setAt(noon.Add(time.Hour), "renewal", "2027-02-10")
	require.Equal(t, time.Date(2027, 2, 9, 23, 0, 0, 0, time.UTC), b.ok(changed(noon.Add(time.Hour))).Until.UTC(), "later")
	require.Equal(t, []string{"until 2027-01-10 00:00 Europe/Rome", "until 2027-02-10 00:00 Europe/Rome"}, b.journal(plan.JournalDelayRescheduled))
	b.ok(changed(noon.Add(2 * time.Hour)))
	require.Len(t, b.journal(plan.JournalDelayRescheduled), 2, "asked again for nothing, it says nothing")
	b.setAt(noon.Add(3*time.Hour), "renewal", "")
	require.Zero(t, b.ok(changed(noon.Add(3*time.Hour))).Until, "cleared")
	b.setAt(noon.Add(4*time.Hour), "renewal", "2027-01-03")
	require.Equal(t, plan.ExitEnded, b.ok(changed(noon.Add(4*time.Hour))).End, "moved into the past")
}

func TestDelayUntilDatePropertyWhenDue(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal, if_past: end}")
	b.set(map[string]string{"renewal": "2027-01-06"})
	end := b.ok().Until
	require.Equal(t, plan.Outcome{}, b.ok(due(end)), "a date that comes is not past")
	require.Equal(t, plan.Outcome{}, b.ok(due(end.Add(72*time.Hour))), "nor after an outage")
	require.Equal(t, plan.Outcome{}, b.ok(changed(end.Add(time.Hour))), "nor when a change of something else is told too late")
	b.setAt(end.Add(-time.Minute), "renewal", "2027-01-08")
	require.Equal(t, end.Add(48*time.Hour).UTC(), b.ok(due(end)).Until.UTC(), "a change that nobody told of counts when due")
}

func TestDelayUntilDatePropertyOnArrival(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal, follow_changes: false, if_empty: wait}")
	require.Equal(t, plan.ChangeOf("renewal"), b.ok().Event, "there is no value yet")
	b.setAt(monday.Add(time.Hour), "renewal", "2027-01-10")
	outcome := b.ok(changed(monday.Add(time.Hour)))
	require.Equal(t, time.Date(2027, 1, 9, 23, 0, 0, 0, time.UTC), outcome.Until.UTC())
	require.Empty(t, outcome.Event)
	for i, value := range []string{"2027-01-20", "", "2027-01-05"} {
		at := monday.Add(time.Duration(2+i) * time.Hour)
		b.setAt(at, "renewal", value)
		require.Equal(t, outcome.Until, b.ok(edited(at)).Until, "the first value stays, also when the action is asked again")
	}
	later := b.ok(arrived(monday.Add(2 * time.Hour)))
	require.Equal(t, time.Date(2027, 1, 19, 23, 0, 0, 0, time.UTC), later.Until.UTC(), "who arrives later goes by what it is then")
}

func TestDelayUntilDatePropertyEdited(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal, if_past: end}")
	b.set(map[string]string{"renewal": "2027-01-06"})
	require.True(t, b.ok(edited(monday.Add(time.Hour))).Waits())
	require.Equal(t, plan.ExitEnded, b.ok(edited(monday.Add(72*time.Hour))).End, "the date that an edit makes may be past")
}

func TestDelayUntilDatePropertyOfADeletedRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal}")
	require.NoError(t, b.store.Delete(t.Context(), ada, monday))
	require.Equal(t, plan.ExitDeleted, b.ok().End)
}

func TestDelayUntilDatePropertyCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_until_date_property: {}", "missing-key")
	requireProblems(t, "delay_until_date_property: {property: renewal, offset: soon}", "wrong-value")
	requireProblems(t, "delay_until_date_property: {property: renewal, if_empty: fail}", "not-allowed")
	source := "workflow: w\nobject: contact\nactions:\n  - id: a\n    delay_until_date_property: {property: PROPERTY}\n"
	for property, code := range map[string]string{"email": "wrong-value", "nothing": "unknown-property", "became_customer_at": ""} {
		var codes string
		for _, problem := range inWorkspace(t, source, "PROPERTY", property) {
			codes += problem.Code
		}
		require.Equal(t, code, codes, property)
	}
}

func TestDelayUntilDatePropertyNeedsNoDeclarationOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	file, problems := definition.Read("w.yaml", []byte("workflow: w\nobject: contact\nactions:\n  - {id: a, delay_until_date_property: {property: anything}}\n"), Kinds())
	require.Empty(t, append(problems, file.Check(nil)...))
	config, err := json.Marshal(file.Actions[0].Config)
	require.NoError(t, err)
	require.JSONEq(t, `{"property":"anything","if_past":"continue","if_empty":"continue","follow_changes":true}`, string(config))
}

func TestDelayUntilDatePropertyBranchesWhenItIsPast(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal, if_past: branch}")
	b.set(map[string]string{"renewal": "2027-01-01"})
	require.Equal(t, plan.Outcome{Port: "passed"}, b.ok())
	b.setAt(monday.Add(time.Hour), "renewal", "2027-01-06")
	end := b.ok(changed(monday.Add(time.Hour))).Until
	require.Empty(t, b.ok(due(end)).Port, "a date that comes is not past")
	source := "workflow: w\nobject: contact\nactions:\n  - id: a\n    delay_until_date_property: {property: became_customer_at, if_past: WHAT}\n    then: {passed: [{end: {}}]}\n"
	require.Empty(t, inWorkspace(t, source, "WHAT", "branch"))
	require.Equal(t, "unknown-port", inWorkspace(t, source, "WHAT", "continue")[0].Code)
}

func TestDelayUntilDatePropertyWaitsForAValueAtMostSoLong(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_date_property: {property: renewal, if_empty: wait, max_wait: 10d}")
	outcome := b.ok()
	require.Equal(t, plan.ChangeOf("renewal"), outcome.Event)
	require.Equal(t, monday.AddDate(0, 0, 10), outcome.Until.UTC())
	require.Equal(t, []string{"for a value of renewal, until 2027-01-14 09:00 Europe/Rome"}, b.journal(plan.JournalDelayStarted))
	require.Equal(t, plan.Outcome{}, b.ok(due(outcome.Until)))
	require.Equal(t, []string{"contact has no renewal"}, b.journal(plan.JournalWarning))

	cleared := newBench(t, "delay_until_date_property: {property: renewal, if_empty: wait, max_wait: 10d}")
	cleared.set(map[string]string{"renewal": "2027-02-20"})
	cleared.ok()
	at := monday.AddDate(0, 0, 20)
	cleared.setAt(at, "renewal", "")
	require.Equal(t, at.AddDate(0, 0, 10), cleared.ok(changed(at)).Until.UTC(), "it counts from when the value went")

	requireProblems(t, "delay_until_date_property: {property: renewal, max_wait: 10d}", "wrong-value")
	requireProblems(t, "delay_until_date_property: {property: renewal, if_empty: wait, max_wait: 0d}", "out-of-range")
}
