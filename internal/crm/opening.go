package crm

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// Spread is the band after an opening over which actions are spread that waited for it (semantics §4.12).
const Spread = 15 * time.Minute

// Opening says when actions may run. Without windows it is the whole day; the zero Opening is always open.
type Opening struct {
	Windows []Window      `json:"windows,omitempty"`
	Paused  []CalendarDay `json:"pause_dates,omitempty"` // no window opens on them
}

// Window is a part of the day on some weekdays. The minute that To names is the last in which an action starts.
type Window struct {
	Days Weekdays  `json:"days,omitempty" doc:"Weekdays; every day, if left out."`
	From TimeOfDay `json:"from" doc:"Start." required:"true"`
	To   TimeOfDay `json:"to" doc:"End, later on the same day: the last minute in which an action starts." required:"true"`
}

// CalendarDay is a day of every year (Year 0) or of one.
type CalendarDay struct {
	Year  int
	Month time.Month
	Day   int
}

// Next answers when an action may run that is due at an instant: then, or later (semantics §4.12).
//
//   - on a day on which no window opens, at a time of day at which one is open on the next day with any: at that time of
//     that day;
//   - before, between and after windows: at the next opening, and so much later as draw, a number from 0 to 1, says
//     of Spread, or of the window where it is shorter.
//
// What it answers is open, so asked about that it answers the same. found is false when no window opens for two years.
func (o Opening) Next(due time.Time, zone *time.Location, draw float64) (at time.Time, found bool) {
	today := DateOf(due, zone)
	if !o.opens(today) {
		for n := 1; n <= 2*366; n++ {
			if date := today.AddDays(n); o.opens(date) {
				return o.sameTime(due, date, zone, draw), true
			}
		}
		return time.Time{}, false
	}
	for n := range 2*366 + 1 {
		date := today.AddDays(n)
		if !o.opens(date) {
			continue
		}
		if opening, window, open := o.next(due, date, zone); open {
			return due, true
		} else if !opening.IsZero() {
			return opening.Add(window.delay(date, zone, draw)), true
		}
	}
	return time.Time{}, false
}

// opens tells whether a window opens on a day.
func (o Opening) opens(date Date) bool {
	for _, day := range o.Paused {
		if day.On(date) {
			return false
		}
	}
	for _, window := range o.Windows {
		if window.Days.Has(date.Weekday()) {
			return true
		}
	}
	return len(o.Windows) == 0
}

// next is the first opening after an instant on a day that opens, or whether it is open at that instant.
func (o Opening) next(after time.Time, date Date, zone *time.Location) (opening time.Time, window Window, open bool) {
	if len(o.Windows) == 0 {
		start := date.In(zone)
		return start, Window{To: TimeOfDay{23, 59}}, !after.Before(start)
	}
	for _, one := range o.Windows {
		if !one.Days.Has(date.Weekday()) {
			continue
		}
		from, to := one.bounds(date, zone)
		if !after.Before(from) && after.Before(to) {
			return time.Time{}, one, true
		}
		if after.Before(from) && (opening.IsZero() || from.Before(opening)) {
			opening, window = from, one
		}
	}
	return opening, window, false
}

// sameTime is the time of day of an instant on another day, if a window is open then; else that day's first opening.
func (o Opening) sameTime(due time.Time, date Date, zone *time.Location, draw float64) time.Time {
	same := wallClock(date, clockOf(due.In(zone)), zone)
	if _, _, open := o.next(same, date, zone); open {
		return same
	}
	opening, window, _ := o.next(date.In(zone).Add(-time.Nanosecond), date, zone)
	return opening.Add(window.delay(date, zone, draw))
}

// bounds are the first instant of the window on a day, and the first after it.
func (w Window) bounds(date Date, zone *time.Location) (from, to time.Time) {
	return At(date, w.From, zone), At(date, w.To, zone).Add(time.Minute)
}

// delay is a part of Spread, to the second, that ends within the window.
func (w Window) delay(date Date, zone *time.Location, draw float64) time.Duration {
	from, to := w.bounds(date, zone)
	band := min(Spread, to.Add(-time.Minute).Sub(from))
	return time.Duration(draw * float64(band)).Truncate(time.Second)
}

// UnmarshalNode reads 12-25 or 2027-08-16.
func (c *CalendarDay) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	day, err := parseCalendarDay(node.Value)
	if err != nil || !node.IsScalar() {
		d.Errorf(node.Pos, codeWrongValue, "%s is not a day: write 12-25 for every year, or 2027-08-16", node.What())
		return
	}
	*c = day
}

func parseCalendarDay(text string) (CalendarDay, error) {
	everyYear := len(text) == len("12-25")
	if everyYear {
		text = "2024-" + text // a leap year
	}
	day, err := ParseDate(text)
	if everyYear {
		day.Year = 0
	}
	return CalendarDay(day), err
}

// IsZero tells whether the day is missing.
func (c CalendarDay) IsZero() bool { return c == CalendarDay{} }

// String writes the source form.
func (c CalendarDay) String() string {
	if c.Year == 0 {
		return fmt.Sprintf("%02d-%02d", int(c.Month), c.Day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", c.Year, int(c.Month), c.Day)
}

// MarshalText writes the source form.
func (c CalendarDay) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (c *CalendarDay) UnmarshalText(text []byte) (err error) {
	*c, err = parseCalendarDay(string(text))
	return err
}

// Describe tells readers about the source form.
func (CalendarDay) Describe() schema.Description {
	return schema.Description{Name: "calendar day", Doc: "12-25 for every year, or 2027-08-16.", Schema: map[string]any{"type": "string"}}
}

// On tells whether the day is d.
func (c CalendarDay) On(d Date) bool {
	return (c.Year == 0 || c.Year == d.Year) && c.Month == d.Month && c.Day == d.Day
}

// maxClosed is how many days in a row windows may be closed (semantics §4.12).
const maxClosed = 400

// ClosedTooLong returns the first day of more than 400 days without an open window, if there is one in this century.
func (o Opening) ClosedTooLong() (since Date, found bool) {
	if len(o.Paused) == 0 {
		return Date{}, false // a window opens every week
	}
	yearly, once := map[[2]int]bool{}, map[Date]bool{}
	for _, day := range o.Paused {
		if day.Year == 0 {
			yearly[[2]int{int(day.Month), day.Day}] = true
		} else {
			once[Date(day)] = true
		}
	}
	weekly, closed := Opening{Windows: o.Windows}, 0
	for day := (Date{Year: 2000, Month: 1, Day: 1}); day.Year < 2100; day = day.AddDays(1) {
		if !yearly[[2]int{int(day.Month), day.Day}] && !once[day] && weekly.opens(day) {
			closed = 0
			continue
		}
		if closed++; closed == 1 {
			since = day
		}
		if closed > maxClosed {
			return since, true
		}
	}
	return Date{}, false
}
