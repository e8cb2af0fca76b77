package crm_test

import (
	"fmt"
	"testing"
	"time"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func date(t testing.TB, text string) crm.Date {
	t.Helper()
	day, err := crm.ParseDate(text)
	require.NoError(t, err)
	return day
}

func timeOfDay(t testing.TB, text string) crm.TimeOfDay {
	t.Helper()
	at, err := crm.ParseTimeOfDay(text)
	require.NoError(t, err)
	return at
}

func TestAtResolvesGapsAndOverlaps(t *testing.T) {
	t.Parallel()
	tests := []struct{ zone, date, time, want string }{
		{"Europe/Rome", "2027-03-28", "01:59", "2027-03-28T01:59:00+01:00"},
		{"Europe/Rome", "2027-03-28", "02:00", "2027-03-28T03:00:00+02:00"},
		{"Europe/Rome", "2027-03-28", "02:30", "2027-03-28T03:00:00+02:00"},
		{"Europe/Rome", "2027-03-28", "03:00", "2027-03-28T03:00:00+02:00"},
		{"Europe/Rome", "2027-10-31", "01:59", "2027-10-31T01:59:00+02:00"},
		{"Europe/Rome", "2027-10-31", "02:30", "2027-10-31T02:30:00+02:00"},
		{"Europe/Rome", "2027-10-31", "03:00", "2027-10-31T03:00:00+01:00"},
		{"America/New_York", "2027-03-14", "02:30", "2027-03-14T03:00:00-04:00"},
		{"America/New_York", "2027-11-07", "01:30", "2027-11-07T01:30:00-04:00"},
		{"America/New_York", "2027-11-07", "02:00", "2027-11-07T02:00:00-05:00"},
		{"Australia/Lord_Howe", "2027-10-03", "02:15", "2027-10-03T02:30:00+11:00"}, // a gap of 30 minutes
		{"Australia/Lord_Howe", "2027-04-04", "01:45", "2027-04-04T01:45:00+11:00"},
		{"Australia/Lord_Howe", "2027-04-04", "02:00", "2027-04-04T02:00:00+10:30"},
		{"Asia/Kathmandu", "2027-03-28", "02:30", "2027-03-28T02:30:00+05:45"},
		{"America/Sao_Paulo", "2018-11-04", "00:00", "2018-11-04T01:00:00-02:00"}, // midnight in a gap
		{"Pacific/Apia", "2011-12-30", "12:00", "2011-12-31T00:00:00+14:00"},      // a day that never was
	}
	for _, test := range tests {
		got := crm.At(date(t, test.date), timeOfDay(t, test.time), zone(t, test.zone))
		require.Equal(t, test.want, got.Format(time.RFC3339), "%s %s %s", test.zone, test.date, test.time)
	}
}

// TestAtAgreesWithTheClock steps through a year by quarters of an hour: At finds the first instant that
// shows a wall-clock time, and for one that is never shown the first instant after it.
func TestAtAgreesWithTheClock(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"} {
		location := zone(t, name)
		first := map[string]time.Time{}
		start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		for quarter := range 366 * 24 * 4 {
			at := start.Add(time.Duration(quarter) * 15 * time.Minute).In(location)
			if shown := at.Format("2006-01-02 15:04"); first[shown].IsZero() {
				first[shown] = at
			}
		}
		for day := date(t, "2027-01-02"); day.Compare(date(t, "2027-12-31")) < 0; day = day.AddDays(1) {
			for minute := 0; minute < 24*60; minute += 15 {
				wanted := crm.TimeOfDay{Hour: minute / 60, Minute: minute % 60}
				at := crm.At(day, wanted, location)
				if expected, shown := first[day.String()+" "+wanted.String()]; shown {
					require.True(t, expected.Equal(at), "%s %s %s", name, day, wanted)
				} else {
					require.Less(t, at.Add(-time.Minute).Format("2006-01-02 15:04"), day.String()+" "+wanted.String())
					require.Greater(t, at.Format("2006-01-02 15:04"), day.String()+" "+wanted.String())
				}
			}
		}
	}
}

func TestNextTimeOfDay(t *testing.T) {
	t.Parallel()
	rome := zone(t, "Europe/Rome")
	for from, want := range map[string]string{
		"2027-05-10T06:59:59Z": "2027-05-10T09:00:00+02:00",
		"2027-05-10T07:00:00Z": "2027-05-11T09:00:00+02:00", // at the time means tomorrow
		"2027-05-10T07:00:30Z": "2027-05-11T09:00:00+02:00",
		"2027-05-10T23:30:00Z": "2027-05-11T09:00:00+02:00", // already the 11th in Rome
		"2027-03-27T20:00:00Z": "2027-03-28T09:00:00+02:00", // clocks change in between
	} {
		got := crm.NextTimeOfDay(instant(t, from), timeOfDay(t, "09:00"), rome)
		require.Equal(t, want, got.Format(time.RFC3339), from)
	}
}

func TestNextWeekday(t *testing.T) {
	t.Parallel()
	rome := zone(t, "Europe/Rome")
	nine := timeOfDay(t, "09:00")
	tests := []struct {
		from, days string
		time       *crm.TimeOfDay
		want       string
	}{
		{"2027-05-11T12:00:00+02:00", "[mon, thu]", nil, "2027-05-13T00:00:00+02:00"}, // Tuesday
		{"2027-05-13T12:34:56+02:00", "[mon, thu]", nil, "2027-05-13T12:34:56+02:00"}, // a selected day leaves now
		{"2027-05-13T08:00:00+02:00", "[mon, thu]", &nine, "2027-05-13T09:00:00+02:00"},
		{"2027-05-13T09:00:00+02:00", "[mon, thu]", &nine, "2027-05-13T09:00:00+02:00"},
		{"2027-05-13T09:00:59+02:00", "[mon, thu]", &nine, "2027-05-13T09:00:59+02:00"}, // within the minute
		{"2027-05-13T09:01:00+02:00", "[mon, thu]", &nine, "2027-05-17T09:00:00+02:00"},
		{"2027-05-13T09:01:00+02:00", "[Thursday]", &nine, "2027-05-20T09:00:00+02:00"}, // a week later
		{"2027-05-12T23:30:00Z", "[thu]", nil, "2027-05-13T01:30:00+02:00"},             // Thursday in Rome
	}
	for _, test := range tests {
		days := mustDecode[crm.Weekdays](t, test.days)
		got := crm.NextWeekday(instant(t, test.from), days, test.time, rome)
		require.Equal(t, test.want, got.In(rome).Format(time.RFC3339), "%s %s", test.from, test.days)
	}
}

func TestMonthsEndOnTheirLastDay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from   string
		months int
		want   string
	}{
		{"2027-01-31", 1, "2027-02-28"}, {"2028-01-31", 1, "2028-02-29"}, {"2027-12-31", 2, "2028-02-29"},
		{"2027-03-31", -1, "2027-02-28"}, {"2028-02-29", 12, "2029-02-28"}, {"2027-05-10", 14, "2028-07-10"},
	} {
		require.Equal(t, test.want, date(t, test.from).AddMonths(test.months).String())
	}
}

func TestCalendarTypesReadTheirForms(t *testing.T) {
	t.Parallel()
	require.Equal(t, crm.TimeOfDay{Hour: 9}, mustDecode[crm.TimeOfDay](t, `"9:00"`))
	for _, wrong := range []string{`"24:00"`, `"09:60"`, `"9"`, `"9am"`, `"09:00:00"`, `[1]`, `"-1:00"`, `"+1:00"`} {
		_, problems := decode[crm.TimeOfDay](wrong)
		require.Len(t, problems, 1, wrong)
	}
	for _, wrong := range []string{"2027-13-01", "2027-5-1", "0000-01-01", "tomorrow"} {
		_, problems := decode[crm.Date](wrong)
		require.Len(t, problems, 1, wrong)
	}
	for _, right := range []string{"mon", "Monday", "MON", "monday"} {
		require.Equal(t, crm.Weekday(time.Monday), mustDecode[crm.Weekday](t, right))
	}
	_, problems := decode[crm.Weekdays]("[mon, funday]")
	require.Equal(t, 7, problems[0].Column)
}

func TestLoadZone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Rome", "", "UTC"} {
		_, err := crm.LoadZone(name)
		require.NoError(t, err, name)
	}
	for _, name := range []string{"Local", "Rome", "../etc/passwd", "Europe/Rome "} {
		_, err := crm.LoadZone(name)
		require.ErrorIs(t, err, crm.ErrInvalid, name)
	}
}

func ExampleNextWeekday() {
	monday := time.Date(2027, 5, 10, 12, 0, 0, 0, time.UTC)
	fmt.Println(crm.NextWeekday(monday, crm.Weekdays{crm.Weekday(time.Thursday)}, nil, time.UTC))
	// Output: 2027-05-13 00:00:00 +0000 UTC
}
