package crm

import "time"

// Scheduled is a change of a property that takes effect at an instant.
type Scheduled struct {
	Ref       Ref
	Property  string
	Value     string    // in canonical text
	Noted     time.Time // a change of the property after this one makes it void
	Effective time.Time
	Source    string // for the history of the property
}

// NonMarketingFrom is the day from which a contact that is made non-marketing today is one: the first of the next month
// or the day on which the account renews, whichever comes first (semantics §3.6).
func (a Account) NonMarketingFrom(today Date) Date {
	first := Date{today.Year, today.Month, 1}.AddMonths(1)
	for day := today.AddDays(1); day.Compare(first) < 0; day = day.AddDays(1) {
		if a.Renewal.On(day) {
			return day
		}
	}
	return first
}
