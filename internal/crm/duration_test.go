package crm_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func duration(t testing.TB, text string) crm.Duration {
	t.Helper()
	d, err := crm.ParseDuration(text)
	require.NoError(t, err)
	return d
}

func TestDurationForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]crm.Duration{
		"90s": {Clock: 90 * time.Second}, "20m": {Clock: 20 * time.Minute}, "3h": {Clock: 3 * time.Hour}, "2d": {Days: 2}, "1w": {Days: 7},
		"1d12h": {Days: 1, Clock: 12 * time.Hour}, "1w2d3h4m5s": {Days: 9, Clock: 3*time.Hour + 4*time.Minute + 5*time.Second},
		"-3d": {Days: -3}, "-1d2h": {Days: -1, Clock: -2 * time.Hour}, "0d": {},
	} {
		require.Equal(t, want, duration(t, text), text)
		require.Equal(t, want, duration(t, want.String()), "%s is written as %s", text, want)
	}
	for _, text := range []string{"", "-", "3", "3 d", "d", "1.5h", "3days", "12h1d", "1d1d", "1D", "+1d", "--1d", "36526d", "99999999999h", "9223372036854775807s"} {
		_, err := crm.ParseDuration(text)
		require.ErrorIs(t, err, crm.ErrInvalid, text)
	}
}

func TestOnlyOffsetsAreNegative(t *testing.T) {
	t.Parallel()
	require.Equal(t, -3, mustDecode[crm.Offset](t, "-3d").Days)
	_, problems := decode[crm.Duration]("-3d")
	require.Len(t, problems, 1)
	encoded, err := json.Marshal([]any{duration(t, "36h"), crm.Offset{Duration: duration(t, "-1w")}})
	require.NoError(t, err)
	require.JSONEq(t, `["36h","-7d"]`, string(encoded))
}

func TestDaysKeepTheWallClockAndHoursElapse(t *testing.T) {
	t.Parallel()
	rome := zone(t, "Europe/Rome")
	for _, test := range []struct{ from, duration, want string }{
		{"2027-03-27T12:00:00+01:00", "1d", "2027-03-28T12:00:00+02:00"},
		{"2027-03-27T12:00:00+01:00", "24h", "2027-03-28T13:00:00+02:00"},
		{"2027-03-27T02:30:00+01:00", "1d", "2027-03-28T03:00:00+02:00"},   // into the gap
		{"2027-03-27T02:30:00+01:00", "2d", "2027-03-29T02:30:00+02:00"},   // over it
		{"2027-03-27T02:30:00+01:00", "1d1h", "2027-03-28T04:00:00+02:00"}, // days first
		{"2027-10-30T02:30:00+02:00", "1d", "2027-10-31T02:30:00+02:00"},   // the first of two
		{"2027-10-31T02:30:00+01:00", "1h", "2027-10-31T03:30:00+01:00"},
		{"2027-10-31T02:30:00+01:00", "20m", "2027-10-31T02:50:00+01:00"}, // not thrown back to the first 02:30
		{"2027-05-10T12:00:00+02:00", "-3d", "2027-05-07T12:00:00+02:00"},
		{"2027-05-10T12:00:00+02:00", "-1d12h", "2027-05-09T00:00:00+02:00"},
	} {
		got := duration(t, test.duration).After(instant(t, test.from), rome, false)
		require.Equal(t, test.want, got.Format(time.RFC3339), "%s + %s", test.from, test.duration)
	}
}

func TestBusinessDays(t *testing.T) {
	t.Parallel()
	rome := zone(t, "Europe/Rome")
	for _, test := range []struct{ from, duration, want string }{
		{"2027-05-14T15:00:00+02:00", "2d", "2027-05-18T15:00:00+02:00"}, // Friday to Tuesday
		{"2027-05-15T15:00:00+02:00", "1d", "2027-05-18T00:00:00+02:00"}, // Saturday counts from Monday 00:00
		{"2027-05-16T23:59:00+02:00", "2h", "2027-05-17T02:00:00+02:00"},
		{"2027-05-15T15:00:00+02:00", "0d", "2027-05-17T00:00:00+02:00"},
		{"2027-05-14T15:00:00+02:00", "8h", "2027-05-14T23:00:00+02:00"},
		{"2027-05-14T15:00:00+02:00", "10h", "2027-05-17T01:00:00+02:00"}, // nine hours are left on Friday
		{"2027-05-14T15:00:00+02:00", "9h", "2027-05-17T00:00:00+02:00"},  // never on a weekend
		{"2027-05-13T15:00:00+02:00", "1d12h", "2027-05-17T03:00:00+02:00"},
		{"2027-05-12T15:00:00+02:00", "5d", "2027-05-19T15:00:00+02:00"},
		{"2027-05-12T15:00:00+02:00", "120h", "2027-05-19T15:00:00+02:00"},
		{"2027-03-26T15:00:00+01:00", "1d", "2027-03-29T15:00:00+02:00"}, // clocks change on the weekend
	} {
		got := duration(t, test.duration).After(instant(t, test.from), rome, true)
		require.Equal(t, test.want, got.Format(time.RFC3339), "%s + %s", test.from, test.duration)
	}
}

// TestBusinessHoursAgreeWithCounting compares with a reference that goes minute by minute and counts
// only those from Monday to Friday.
func TestBusinessHoursAgreeWithCounting(t *testing.T) {
	t.Parallel()
	weekend := func(at time.Time) bool { return at.Weekday() == time.Saturday || at.Weekday() == time.Sunday }
	for _, name := range []string{"Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		location := zone(t, name)
		random := rand.New(rand.NewPCG(3, 4))
		for range 60 {
			from := time.Date(2027, 1, 1, 0, random.IntN(366*24*60), 0, 0, location)
			minutes := random.IntN(6 * 24 * 60)
			at := from
			for counted := 0; counted < minutes || weekend(at); at = at.Add(time.Minute) {
				if !weekend(at) {
					counted++
				}
			}
			got := crm.Duration{Clock: time.Duration(minutes) * time.Minute}.After(from, location, true)
			require.True(t, at.Equal(got), "%s + %d minutes: want %s, got %s", from, minutes, at, got)

			days := random.IntN(30)
			day := from
			if weekend(day) {
				for weekend(day) {
					day = day.AddDate(0, 0, 1)
				}
				day = crm.DateOf(day, location).In(location)
			}
			for counted := 0; counted < days; {
				if day = day.AddDate(0, 0, 1); !weekend(day) {
					counted++
				}
			}
			got = crm.Duration{Days: days}.After(from, location, true)
			require.Equal(t, crm.DateOf(day, location), crm.DateOf(got, location), "%s + %d days", from, days)
			require.False(t, weekend(got))
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"90s", "1d12h", "-3d", "1w2d3h4m5s", "0s", "36525d", "x", "9999999999s"} {
		f.Add(seed, int64(1_800_000_000), true)
	}
	rome := zone(f, "Europe/Rome")
	f.Fuzz(func(t *testing.T, text string, seconds int64, businessDays bool) {
		d, err := crm.ParseDuration(text)
		if err != nil {
			return
		}
		again, err := crm.ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, again)
		from := time.Unix(seconds%4_000_000_000, 0)
		at := d.After(from, rome, businessDays)
		if !d.Negative() {
			require.False(t, at.Before(from.Add(-time.Hour)), "at most an hour of a gap is lost")
		}
	})
}
