package crm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones are known on machines without them

	"github.com/millrace/millrace/internal/schema"
)

var zones sync.Map // name → *time.Location

// LoadZone returns the time zone with an IANA name such as Europe/Rome; "" is UTC. The zone of the
// machine ("Local") is refused, since results must not depend on where they are computed.
func LoadZone(name string) (*time.Location, error) {
	if zone, loaded := zones.Load(name); loaded {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, invalidf("%q is not a time zone: write an IANA name such as Europe/Rome", clip(name))
	}
	zones.Store(name, zone)
	return zone, nil
}

// Date is a calendar day, in no zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads an ISO date such as 2027-05-10.
func ParseDate(text string) (Date, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil || at.Year() < 1 {
		return Date{}, invalidf("%q is not a date: write it as 2027-05-10", clip(text))
	}
	return DateOf(at, time.UTC), nil
}

// DateOf returns the day that t shows in zone.
func DateOf(t time.Time, zone *time.Location) Date {
	year, month, day := t.In(zone).Date()
	return Date{year, month, day}
}

// AddDays returns the day n days later.
func (d Date) AddDays(n int) Date {
	return DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC), time.UTC)
}

// DaysUntil returns how many days later other is.
func (d Date) DaysUntil(other Date) int {
	return int(other.In(time.UTC).Sub(d.In(time.UTC)) / (24 * time.Hour))
}

// AddMonths returns the same day n months later; in a shorter month the last day (semantics §4.7).
func (d Date) AddMonths(n int) Date {
	first := DateOf(time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC), time.UTC)
	return first.AddDays(min(d.Day, daysIn(first.Year, first.Month)) - 1)
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
}

// Compare returns -1 when d is before other, 0 on the same day, 1 when it is after.
func (d Date) Compare(other Date) int {
	return cmp.Or(cmp.Compare(d.Year, other.Year), cmp.Compare(d.Month, other.Month), cmp.Compare(d.Day, other.Day))
}

// In returns the first instant of the day in zone.
func (d Date) In(zone *time.Location) time.Time { return At(d, TimeOfDay{}, zone) }

// IsZero tells whether the date is missing.
func (d Date) IsZero() bool { return d == Date{} }

// String writes the ISO form.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// MarshalJSON writes the ISO form; null for a missing date.
func (d Date) MarshalJSON() ([]byte, error) {
	if d.IsZero() {
		return []byte("null"), nil
	}
	return jsonText(d.String())
}

// Describe tells readers about the source form.
func (Date) Describe() schema.Description {
	return schema.Description{Name: "date", Doc: "A calendar day, as 2027-05-10.", Schema: asText(`^\d{4}-\d{2}-\d{2}$`)}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Date) UnmarshalJSON(data []byte) (err error) {
	var text string
	if err := json.Unmarshal(data, &text); err != nil || text == "" {
		return err
	}
	*d, err = ParseDate(text)
	return err
}

// UnmarshalNode reads an ISO date.
func (d *Date) UnmarshalNode(node *schema.Node, diagnostics *schema.Diagnostics) {
	scalar(d, node, diagnostics, ParseDate)
}

// TimeOfDay is a wall-clock time, to the minute.
type TimeOfDay struct{ Hour, Minute int }

// ParseTimeOfDay reads a time such as 09:00.
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	hour, minute, found := strings.Cut(text, ":")
	h, hourErr := strconv.Atoi(hour)
	m, minuteErr := strconv.Atoi(minute)
	if !found || !isDigits(hour+minute) || len(hour) > 2 || len(minute) != 2 || hourErr != nil || minuteErr != nil || h > 23 || m > 59 {
		return TimeOfDay{}, invalidf("%q is not a time of day: write it as \"09:00\"", clip(text))
	}
	return TimeOfDay{h, m}, nil
}

// Describe tells readers about the source form.
func (TimeOfDay) Describe() schema.Description {
	return schema.Description{Name: "time of day", Doc: `A wall-clock time, as "09:00".`, Schema: asText(`^\d{1,2}:\d{2}$`)}
}

// Compare returns -1 when t is before other, 0 when they are equal, 1 when it is after.
func (t TimeOfDay) Compare(other TimeOfDay) int {
	return cmp.Or(cmp.Compare(t.Hour, other.Hour), cmp.Compare(t.Minute, other.Minute))
}

// String writes the form 09:00.
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t.Hour, t.Minute) }

// MarshalText writes the form 09:00.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalNode reads a time of day.
func (t *TimeOfDay) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	scalar(t, node, d, ParseTimeOfDay)
}

// Weekday is a day of the week.
type Weekday time.Weekday

// ParseWeekday reads a day's English name, short or long, in any case: mon, Monday.
func ParseWeekday(text string) (Weekday, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := strings.ToLower(text); name == strings.ToLower(day.String()) || name == strings.ToLower(day.String()[:3]) {
			return Weekday(day), nil
		}
	}
	return 0, invalidf("%q is not a weekday: write monday or mon", clip(text))
}

// String writes the long lower-case name.
func (w Weekday) String() string { return strings.ToLower(time.Weekday(w).String()) }

// MarshalText writes the long lower-case name.
func (w Weekday) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalNode reads a weekday.
func (w *Weekday) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	scalar(w, node, d, ParseWeekday)
}

// Describe tells readers about the source form.
func (Weekday) Describe() schema.Description {
	return schema.Description{Name: "weekday", Doc: "A day of the week, short or long: mon, monday.", Schema: asText("")}
}

// Weekdays is a set of weekdays; the empty set stands for every day.
type Weekdays []Weekday

// Has tells whether day is in the set.
func (w Weekdays) Has(day time.Weekday) bool {
	for _, one := range w {
		if time.Weekday(one) == day {
			return true
		}
	}
	return len(w) == 0
}

// At returns the instant at which zone's clocks show time on date. A time that a spring gap skips
// becomes the first instant after the gap; of a time that autumn repeats, the first (semantics §4.7).
func At(date Date, time TimeOfDay, zone *time.Location) time.Time {
	return wallClock(date, clock{time.Hour, time.Minute, 0, 0}, zone)
}

// clock is a wall-clock time to the nanosecond.
type clock struct{ hour, minute, second, nanosecond int }

func clockOf(t time.Time) clock {
	return clock{t.Hour(), t.Minute(), t.Second(), t.Nanosecond()}
}

func wallClock(date Date, c clock, zone *time.Location) time.Time {
	guess := time.Date(date.Year, date.Month, date.Day, c.hour, c.minute, c.second, c.nanosecond, zone)
	wanted := time.Date(date.Year, date.Month, date.Day, c.hour, c.minute, c.second, c.nanosecond, time.UTC)
	start, end := guess.ZoneBounds()
	if shown := shownIn(guess); !shown.Equal(wanted) { // in a gap: time.Date chose one of its sides
		if shown.Before(wanted) {
			return end.In(zone)
		}
		return start.In(zone)
	}
	if !start.IsZero() { // in an overlap the clocks showed the same before the change
		_, offset := start.Add(-1).Zone()
		if earlier := wanted.Add(-time.Duration(offset) * time.Second); earlier.Before(start) {
			return earlier.In(zone)
		}
	}
	return guess
}

// shownIn returns the wall clock that t shows, as if it were UTC.
func shownIn(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// NextTimeOfDay returns the next instant after from at which zone's clocks show t: today's or, at or
// after it, tomorrow's (semantics §4.5).
func NextTimeOfDay(from time.Time, t TimeOfDay, zone *time.Location) time.Time {
	today := DateOf(from, zone)
	if at := At(today, t, zone); at.After(from) {
		return at
	}
	return At(today.AddDays(1), t, zone)
}

// NextWeekday returns when somebody who arrives at from leaves on one of days (semantics §4.5). With
// a time: at that time, and from itself within the minute that the time names. Without: from itself on
// one of the days, else the start of the next.
func NextWeekday(from time.Time, days Weekdays, t *TimeOfDay, zone *time.Location) time.Time {
	today := DateOf(from, zone)
	for n := range 8 {
		date := today.AddDays(n)
		if !days.Has(date.Weekday()) {
			continue
		}
		if t == nil {
			if n == 0 {
				return from
			}
			return date.In(zone)
		}
		at := At(date, *t, zone)
		if at.After(from) {
			return at
		}
		if from.Sub(at) < time.Minute {
			return from
		}
	}
	return from // not reached: within eight days every weekday comes with a time still ahead
}

func isWeekend(day time.Weekday) bool { return day == time.Saturday || day == time.Sunday }
