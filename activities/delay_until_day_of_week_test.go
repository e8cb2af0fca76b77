package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/definition"
)

func TestDelayUntilDayOfWeek(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	tests := []struct {
		name, config string
		from         time.Time
		want         time.Duration // after from
	}{
		{"Monday and Thursday, on a Tuesday", `{days: [mon, thursday], time: "09:00"}`, monday.Add(day), 2 * day},
		{"the same day before the time", `{days: [mon], time: "10:00"}`, monday, time.Hour},
		{"the same day after the time", `{days: [mon], time: "08:00"}`, monday, 7*day - time.Hour},
		{"without a time, when the day begins", `{days: [tue]}`, monday, 15 * time.Hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			outcome := newBench(t, "delay_until_day_of_week: "+test.config).ok(arrived(test.from))
			require.Equal(t, test.from.Add(test.want), outcome.Until.UTC())
		})
	}
}

func TestDelayUntilDayOfWeekLeavesNow(t *testing.T) {
	t.Parallel()
	require.False(t, newBench(t, `delay_until_day_of_week: {days: [mon], time: "09:00"}`).ok(arrived(monday.Add(30*time.Second))).Waits(), "within the minute")
	require.False(t, newBench(t, `delay_until_day_of_week: {days: [mon]}`).ok().Waits(), "on the day")
}

func TestDelayUntilDayOfWeekCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_until_day_of_week: {days: []}", "out-of-range")
	requireProblems(t, "delay_until_day_of_week: {days: [mo]}", "wrong-value")
}

// TestDelayUntilDayOfWeekIsNoPauseInACircle has people come back on the day, and within the minute.
func TestDelayUntilDayOfWeekIsNoPauseInACircle(t *testing.T) {
	t.Parallel()
	for config, refused := range map[string]bool{
		"delay_until_day_of_week: {days: [mon]}":                                       true,
		`delay_until_day_of_week: {days: [mon], time: "09:00"}`:                        true,
		`delay_until_time_of_day: {time: "09:00"}`:                                     false,
		"delay_until_event: {event: page_viewed}":                                      false,
		"delay_until_day_or_time: {days: [mon]}":                                       true,
		`delay_until_day_or_time: {time: "09:00"}`:                                     false,
		"delay_until_calendar_date: {date: 2027-05-10}":                                true,
		"delay_until_calendar_date: {date: 2027-05-10, if_past: end}":                  false,
		"delay_until_date_property: {property: renewal}":                               true,
		"delay_until_date_property: {property: renewal, if_past: end}":                 true,
		"delay_until_date_property: {property: renewal, if_past: end, if_empty: wait}": false,
	} {
		file, problems := definition.Read("w.yaml", []byte("workflow: w\nobject: contact\nactions:\n  - {id: day, "+config+"}\n  - {go_to: day}\n"), Kinds())
		require.Empty(t, problems)
		require.Equal(t, refused, file.Check(nil).HasErrors(), config)
	}
}
