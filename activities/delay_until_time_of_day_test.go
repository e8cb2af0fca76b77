package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelayUntilTimeOfDay(t *testing.T) {
	t.Parallel()
	for clock, want := range map[string]time.Time{
		"10:30": monday.Add(90 * time.Minute),
		"09:00": monday.Add(24 * time.Hour), // at that time means tomorrow
		"08:59": monday.Add(24*time.Hour - time.Minute),
	} {
		t.Run(clock, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, newBench(t, `delay_until_time_of_day: {time: "`+clock+`"}`).ok().Until.UTC())
		})
	}
}

func TestDelayUntilTimeOfDayInTheSpringGap(t *testing.T) {
	t.Parallel()
	outcome := newBench(t, `delay_until_time_of_day: {time: "02:30"}`).ok(arrived(time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)))
	require.Equal(t, time.Date(2027, 3, 28, 1, 0, 0, 0, time.UTC), outcome.Until.UTC(), "03:00, the first instant after the gap")
}

func TestDelayUntilTimeOfDayCountsAnewWhenEdited(t *testing.T) {
	t.Parallel()
	b := newBench(t, `delay_until_time_of_day: {time: "10:30"}`)
	require.Equal(t, monday.Add(90*time.Minute+24*time.Hour), b.ok(edited(monday.Add(2*time.Hour))).Until.UTC())
	require.False(t, b.ok(asked(monday.Add(48*time.Hour))).Waits(), "the hour of the arrival's day is past")
}

func TestDelayUntilTimeOfDayCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_until_time_of_day: {time: 25:00}", "wrong-value")
	requireProblems(t, "delay_until_time_of_day: {}", "missing-key")
}
