package crm

import (
	"slices"
	"strings"
	"time"
)

// relative is a time that a filter says in words, as in `this_month`. It goes with the present.
type relative struct {
	unit   string // day, week, month, …; "" = the present instant
	offset int    // how many of them later
}

// relativeUnits are the spans of days that have words. Weeks begin on Monday (semantics §1.6 leaves it open).
var relativeUnits = []string{"week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year"}

// relativeWords are all words for times.
func relativeWords() []string {
	words := []string{"now", "yesterday", "today", "tomorrow"}
	for _, unit := range relativeUnits {
		words = append(words, "last_"+unit, "this_"+unit, "next_"+unit)
	}
	return words
}

// readRelative reads one of the words; is is false for any other text.
func readRelative(text string) (word relative, is bool) {
	text = strings.TrimSpace(text)
	switch text {
	case "now":
		return relative{}, true
	case "yesterday":
		return relative{"day", -1}, true
	case "today":
		return relative{"day", 0}, true
	case "tomorrow":
		return relative{"day", 1}, true
	}
	which, unit, _ := strings.Cut(text, "_")
	offset, known := map[string]int{"last": -1, "this": 0, "next": 1}[which]
	return relative{unit, offset}, known && slices.Contains(relativeUnits, unit)
}

// moment is what the word stands for at an instant.
func (r relative) moment(now time.Time, zone *time.Location, fiscal time.Month) moment {
	day := DateOf(now, zone)
	if r.unit == "" {
		return moment{day: day, at: now}
	}
	first, last := r.days(day, fiscal)
	return moment{isDay: true, day: first, last: last}
}

// days are the first and the last day of the span that the word stands for on a day. fiscal is the month in which fiscal
// years begin; 0 is January.
func (r relative) days(day Date, fiscal time.Month) (first, last Date) {
	months := map[string]int{"month": 1, "quarter": 3, "year": 12, "fiscal_quarter": 3, "fiscal_year": 12}[r.unit]
	if months == 0 {
		days := 1
		if r.unit == "week" {
			days, day = 7, day.AddDays(-(int(day.Weekday())+6)%7)
		}
		first = day.AddDays(days * r.offset)
		return first, first.AddDays(days - 1)
	}
	begins := time.January
	if strings.HasPrefix(r.unit, "fiscal_") {
		begins = max(begins, fiscal)
	}
	into := (int(day.Month-begins) + 12) % months
	first = Date{day.Year, day.Month, 1}.AddMonths(months*r.offset - into)
	return first, first.AddMonths(months).AddDays(-1)
}
