package activities

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestDelayUntilCalendarDate(t *testing.T) {
	t.Parallel()
	b := newBench(t, `delay_until_calendar_date: {date: 2027-01-06, time: "09:00"}`)
	require.Equal(t, monday.Add(48*time.Hour), b.ok().Until.UTC())
	require.Equal(t, []string{"until 2027-01-06 09:00 Europe/Rome"}, b.journal(plan.JournalDelayStarted))

	midnight := newBench(t, "delay_until_calendar_date: {date: 2027-01-06}").ok()
	require.Equal(t, monday.Add(39*time.Hour), midnight.Until.UTC(), "when the day begins in Rome")
}

func TestDelayUntilCalendarDateInThePast(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_calendar_date: {date: 2026-12-24}")
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"2026-12-24 00:00 Europe/Rome is past"}, b.journal(plan.JournalWarning))
	require.Len(t, b.journal(plan.JournalDelayEnded), 1)

	ending := newBench(t, "delay_until_calendar_date: {date: 2026-12-24, if_past: end}")
	require.Equal(t, plan.ExitEnded, ending.ok().End)
	require.Equal(t, []string{"2026-12-24 00:00 Europe/Rome is past"}, ending.journal(plan.JournalWarning))
	branching := newBench(t, "delay_until_calendar_date: {date: 2026-12-24, if_past: branch}")
	require.Equal(t, plan.Outcome{Port: "passed"}, branching.ok())
	now := newBench(t, `delay_until_calendar_date: {date: 2027-01-04, time: "09:00", if_past: end}`)
	require.Equal(t, plan.ExitEnded, now.ok().End, "the very instant counts as past")
}

func TestDelayUntilCalendarDateThatComesWhileWaitingIsNotPast(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_calendar_date: {date: 2027-01-06, if_past: end}")
	require.Equal(t, plan.Outcome{}, b.ok(asked(monday.Add(96*time.Hour))), "asked late, after an outage")
	require.Empty(t, b.journal(plan.JournalWarning))
}

func TestDelayUntilCalendarDateEdited(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_calendar_date: {date: 2027-01-06, if_past: end}")
	require.True(t, b.ok(edited(monday.Add(time.Hour))).Waits())
	require.Equal(t, plan.ExitEnded, b.ok(edited(monday.Add(96*time.Hour))).End, "edited to a date that is past by then")
}

func TestDelayUntilCalendarDateGoesOnWhereActionsAreSwitchedOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_calendar_date: {date: 2027-01-06}")
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	require.True(t, b.ok().Waits())
}

func TestDelayUntilCalendarDateCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_until_calendar_date: {}", "missing-key")
	requireProblems(t, "delay_until_calendar_date: {date: 2027-02-30}", "wrong-value")
	requireProblems(t, "delay_until_calendar_date: {date: 2027-05-10, time: 25:00}", "wrong-value")
	requireProblems(t, "delay_until_calendar_date: {date: 2027-05-10, if_past: wait}", "not-allowed")
}

// TestContributingShowsACalendarDate keeps the walk through a new action true.
func TestContributingShowsACalendarDate(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../CONTRIBUTING.md")
	require.NoError(t, err)
	source, err := os.ReadFile("delay_until_calendar_date.go")
	require.NoError(t, err)
	require.Contains(t, string(guide), string(source))
}
