package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelayUntilDayOrTime(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	tests := []struct {
		name, config string
		want         time.Duration // after Monday, nine o'clock
	}{
		{"day and time", `{days: [tue], time: "11:00"}`, day + 2*time.Hour},
		{"the same day before the time", `{days: [mon], time: "11:00"}`, 2 * time.Hour},
		{"the same day after the time", `{days: [mon], time: "08:00"}`, 7*day - time.Hour},
		{"time alone", `{time: "11:00"}`, 2 * time.Hour},
		{"time alone, past today", `{time: "08:00"}`, day - time.Hour},
		{"time alone, right now", `{time: "09:00"}`, day},
		{"days alone", `{days: [wed, fri]}`, 39 * time.Hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, monday.Add(test.want), newBench(t, "delay_until_day_or_time: "+test.config).ok().Until.UTC())
		})
	}
}

func TestDelayUntilDayOrTimeLeavesNow(t *testing.T) {
	t.Parallel()
	require.False(t, newBench(t, `delay_until_day_or_time: {days: [mon], time: "09:00"}`).ok(arrived(monday.Add(30*time.Second))).Waits(), "within the minute")
	require.False(t, newBench(t, "delay_until_day_or_time: {days: [mon]}").ok().Waits(), "on the day")
}

func TestDelayUntilDayOrTimeCountsAnewWhenEdited(t *testing.T) {
	t.Parallel()
	b := newBench(t, `delay_until_day_or_time: {time: "10:30"}`)
	require.Equal(t, monday.Add(90*time.Minute+24*time.Hour), b.ok(edited(monday.Add(2*time.Hour))).Until.UTC())
	require.False(t, b.ok(asked(monday.Add(48*time.Hour))).Waits(), "the hour of the arrival's day is past")
}

func TestDelayUntilDayOrTimeCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_until_day_or_time: {}", "missing-key")
	requireProblems(t, "delay_until_day_or_time: {days: []}", "missing-key")
	requireProblems(t, "delay_until_day_or_time: {days: [someday]}", "wrong-value")
}
