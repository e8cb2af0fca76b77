package crm

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// office is Monday to Friday with a break at noon, closed at Christmas.
var office = Opening{
	Windows: []Window{
		{Days: Weekdays{1, 2, 3, 4, 5}, From: TimeOfDay{9, 0}, To: TimeOfDay{12, 0}},
		{Days: Weekdays{1, 2, 3, 4, 5}, From: TimeOfDay{14, 0}, To: TimeOfDay{18, 0}},
	},
	Paused: []CalendarDay{{Month: 12, Day: 25}, {Year: 2027, Month: 3, Day: 29}},
}

func TestOpening(t *testing.T) {
	t.Parallel()
	rome, err := LoadZone("Europe/Rome")
	require.NoError(t, err)
	for name, test := range map[string]struct{ due, at string }{
		"inside":                       {"2027-03-02T10:00", "2027-03-02T10:00"},
		"at its start":                 {"2027-03-02T09:00", "2027-03-02T09:00"},
		"the last minute":              {"2027-03-02T18:00", "2027-03-02T18:00"},
		"before":                       {"2027-03-02T06:00", "2027-03-02T09:05"},
		"between two":                  {"2027-03-02T13:00", "2027-03-02T14:05"},
		"after":                        {"2027-03-02T18:01", "2027-03-03T09:05"},
		"Friday evening":               {"2027-03-05T19:00", "2027-03-08T09:05"},
		"a weekend within the hours":   {"2027-03-06T10:30", "2027-03-08T10:30"},
		"a weekend in the break":       {"2027-03-06T13:00", "2027-03-08T09:05"},
		"a weekend in the evening":     {"2027-03-06T20:00", "2027-03-08T09:05"},
		"a pause date":                 {"2027-03-29T15:00", "2027-03-30T15:00"},
		"the weekend before a pause":   {"2027-03-27T15:00", "2027-03-30T15:00"},
		"Friday evening before one":    {"2027-03-26T20:00", "2027-03-30T09:05"},
		"a pause of every year":        {"2028-12-25T11:00", "2028-12-26T11:00"},
		"that day in another year":     {"2028-03-29T15:00", "2028-03-29T15:00"},
		"the evening before Christmas": {"2028-12-22T20:00", "2028-12-26T09:05"},
	} {
		due, err := time.ParseInLocation("2006-01-02T15:04", test.due, rome)
		require.NoError(t, err, name)
		at, found := office.Next(due, rome, 1.0/3)
		require.True(t, found, name)
		require.Equal(t, test.at, at.Format("2006-01-02T15:04"), name)
	}
	require.True(t, openAt(Opening{}, time.Now(), rome), "without windows and pause dates it is always open")
}

func openAt(o Opening, at time.Time, zone *time.Location) bool {
	next, found := o.Next(at, zone, 0.5)
	return found && next.Equal(at)
}

func TestSpreadStaysWithinAShortWindow(t *testing.T) {
	t.Parallel()
	short := Opening{Windows: []Window{{From: TimeOfDay{9, 0}, To: TimeOfDay{9, 5}}}}
	for _, draw := range []float64{0, 0.5, 0.999999} {
		at, found := short.Next(time.Date(2027, 3, 2, 6, 0, 0, 0, time.UTC), time.UTC, draw)
		require.True(t, found)
		require.True(t, openAt(short, at, time.UTC), "%s", at)
	}
}

func TestOpeningThatNeverOpens(t *testing.T) {
	t.Parallel()
	closed := Opening{Windows: []Window{{Days: Weekdays{1}, From: TimeOfDay{9, 0}, To: TimeOfDay{10, 0}}}}
	for day := (Date{2027, 1, 1}); day.Year < 2030; day = day.AddDays(1) {
		closed.Paused = append(closed.Paused, CalendarDay(day))
	}
	_, found := closed.Next(time.Date(2027, 3, 2, 6, 0, 0, 0, time.UTC), time.UTC, 0)
	require.False(t, found)
	since, found := closed.ClosedTooLong()
	require.True(t, found)
	require.Equal(t, Date{2026, 12, 29}, since, "the day after the last Monday before")
}

// TestOpeningIsWhatAWalkMinuteByMinuteFinds compares random openings and instants with a walk that looks at every minute
// of the clock, on days on which the clocks change among others.
func TestOpeningIsWhatAWalkMinuteByMinuteFinds(t *testing.T) {
	t.Parallel()
	draws := rand.New(rand.NewPCG(7, 4))
	days := []time.Time{
		time.Date(2027, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2027, 10, 31, 0, 0, 0, 0, time.UTC), // Rome
		time.Date(2027, 3, 14, 0, 0, 0, 0, time.UTC), time.Date(2027, 11, 7, 0, 0, 0, 0, time.UTC), // New York
		time.Date(2027, 4, 4, 0, 0, 0, 0, time.UTC), time.Date(2027, 10, 3, 0, 0, 0, 0, time.UTC), // Lord Howe: half an hour
		time.Date(2028, 2, 28, 0, 0, 0, 0, time.UTC), time.Date(2027, 12, 30, 0, 0, 0, 0, time.UTC),
	}
	for range 3000 {
		zone, err := LoadZone([]string{"Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Beirut", "UTC"}[draws.IntN(6)])
		require.NoError(t, err)
		due := days[draws.IntN(len(days))].Add(time.Duration(draws.IntN(6*24*60)-3*24*60) * time.Minute)
		opening, draw := randomOpening(draws, due), draws.Float64()
		at, found := opening.Next(due, zone, draw)
		wanted, ever := walkOf(opening, due, zone, draw)
		require.Equal(t, ever, found, "%+v due %s", opening, due.In(zone))
		require.True(t, wanted.Equal(at), "%+v due %s: %s, not %s", opening, due.In(zone), at, wanted.In(zone))
		again, _ := opening.Next(at, zone, draws.Float64())
		require.True(t, again.Equal(at), "who comes when told comes into an open window: %+v due %s: %s, then %s", opening, due.In(zone), at, again)
	}
}

func randomOpening(draws *rand.Rand, near time.Time) (o Opening) {
	for range draws.IntN(4) {
		var window Window
		for day := range 7 {
			if draws.IntN(3) > 0 {
				window.Days = append(window.Days, Weekday(day))
			}
		}
		from := draws.IntN(24*60 - 2)
		if draws.IntN(3) == 0 {
			from = 60 + draws.IntN(120) // where the clocks change
		}
		to := from + 1 + draws.IntN(min(24*60-1-from, []int{20, 120, 24 * 60}[draws.IntN(3)]))
		window.From, window.To = TimeOfDay{from / 60, from % 60}, TimeOfDay{to / 60, to % 60}
		o.Windows = append(o.Windows, window)
	}
	for range draws.IntN(5) {
		day := CalendarDay(DateOf(near, time.UTC).AddDays(draws.IntN(8) - 3))
		day.Year *= draws.IntN(2)
		o.Paused = append(o.Paused, day)
	}
	return o
}

// walkOf finds by looking at every minute what Next computes. It knows the rules as the semantics tell them: a wall clock,
// weekdays, days that are paused, windows of minutes.
func walkOf(o Opening, due time.Time, zone *time.Location, draw float64) (time.Time, bool) {
	allowed := func(at time.Time) (windows []Window) {
		local := at.In(zone)
		for _, day := range o.Paused {
			if (day.Year == 0 || day.Year == local.Year()) && day.Month == local.Month() && day.Day == local.Day() {
				return nil
			}
		}
		if len(o.Windows) == 0 {
			return []Window{{To: TimeOfDay{23, 59}}}
		}
		for _, window := range o.Windows {
			if window.Days.Has(local.Weekday()) {
				windows = append(windows, window)
			}
		}
		return windows
	}
	inside := func(at time.Time) (Window, bool) {
		for _, window := range allowed(at) {
			if len(o.Windows) == 0 {
				return window, true
			}
			if from, to := window.bounds(DateOf(at, zone), zone); !at.Before(from) && at.Before(to) {
				return window, true
			}
		}
		return Window{}, false
	}
	if _, open := inside(due); open {
		return due, true
	}
	for at := due.Truncate(time.Minute); at.Before(due.AddDate(0, 0, 60)); at = at.Add(time.Minute) {
		if at.Before(due) {
			continue
		}
		window, open := inside(at)
		if !open {
			continue
		}
		if len(allowed(due)) == 0 {
			if same := wallClock(DateOf(at, zone), clockOf(due.In(zone)), zone); !same.Before(at) {
				if _, open := inside(same); open {
					return same, true
				}
			}
		}
		return at.Add(window.delay(DateOf(at, zone), zone, draw)), true
	}
	return time.Time{}, false
}
