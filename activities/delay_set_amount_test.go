package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestDelaySetAmount(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, config string
		from, want   time.Time
	}{
		{"elapsed time", "{for: 90m}", monday, monday.Add(90 * time.Minute)},
		{"calendar days keep the wall clock over a change of the clocks", "{for: 1d}",
			time.Date(2027, 3, 27, 11, 0, 0, 0, time.UTC), time.Date(2027, 3, 28, 10, 0, 0, 0, time.UTC)},
		{"hours come after days", "{for: 1d12h}", monday, monday.Add(36 * time.Hour)},
		{"Friday and two business days is Tuesday", "{for: 2d, business_days_only: true}",
			time.Date(2027, 1, 8, 14, 0, 0, 0, time.UTC), time.Date(2027, 1, 12, 14, 0, 0, 0, time.UTC)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			outcome := newBench(t, "delay_set_amount: "+test.config).ok(arrived(test.from))
			require.True(t, test.want.Equal(outcome.Until), outcome.Until)
			require.Empty(t, outcome.Port)
		})
	}
}

func TestDelaySetAmountCountsFromArrivalWhenEdited(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_set_amount: {for: 3h}")
	require.Equal(t, monday.Add(3*time.Hour), b.ok(edited(monday.Add(time.Hour))).Until.UTC())
	require.False(t, b.ok(edited(monday.Add(4*time.Hour))).Waits(), "shortened below the elapsed: leaves now")
}

func TestDelaySetAmountSaysUntilWhen(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_set_amount: {for: 1h}")
	b.ok()
	require.Equal(t, []string{"until 2027-01-04 10:00 Europe/Rome"}, b.journal(plan.JournalDelayStarted))
}

func TestDelaySetAmountGoesOnWhereActionsAreSwitchedOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_set_amount: {for: 1h}")
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	require.True(t, b.ok().Waits())
}

func TestDelaySetAmountCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_set_amount: {for: 0m}", "out-of-range")
	requireProblems(t, "delay_set_amount: {for: -1d}", "wrong-value")
	requireProblems(t, "delay_set_amount: {for: 1827d}")
	requireProblems(t, "delay_set_amount: {for: 1827d1m}", "out-of-range")
	requireProblems(t, "delay_set_amount: {}", "missing-key")
}
