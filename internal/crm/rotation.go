package crm

import (
	"slices"
	"time"
)

// Share is somebody among whom work is spread.
type Share struct {
	User   string
	Weight int  // how much of the work, compared with the others; at least 1
	Away   bool // takes nothing at present
}

// Rotation remembers how often each user was chosen. It is kept for one action of one workflow, so two actions do not
// share fairness (semantics §3.4, rotate_record_to_owner).
type Rotation struct {
	Roster string         `json:"roster"` // digest of what the author wrote: another one starts all counts anew
	Counts map[string]int `json:"counts"`
}

// Next chooses who is next: of those who are not away the one with the least work for his weight, the first of equals.
// The past is not made up for: who comes new, or comes back, starts level with whoever has the least. "" = nobody.
func (r *Rotation) Next(roster string, shares []Share) string {
	if r.Roster != roster || r.Counts == nil {
		*r = Rotation{Roster: roster, Counts: map[string]int{}}
		for _, one := range shares {
			r.Counts[one.User] = 0
		}
	}
	present := slices.DeleteFunc(slices.Clone(shares), func(one Share) bool { return one.Away })
	if len(present) == 0 {
		return ""
	}
	known := slices.DeleteFunc(slices.Clone(present), func(one Share) bool { _, counted := r.Counts[one.User]; return !counted })
	if len(known) > 0 {
		r.level(shares, slices.MinFunc(known, r.compare))
	}
	next := slices.MinFunc(present, r.compare)
	r.Counts[next.User]++
	return next.User
}

// level raises who is away or new to the work of somebody who is here.
func (r *Rotation) level(shares []Share, least Share) {
	for _, one := range shares {
		if _, counted := r.Counts[one.User]; (!counted || one.Away) && r.compare(one, least) < 0 {
			r.Counts[one.User] = r.Counts[least.User] * one.Weight / least.Weight
		}
	}
}

// compare orders users by their work for their weight.
func (r *Rotation) compare(a, b Share) int {
	return r.Counts[a.User]*b.Weight - r.Counts[b.User]*a.Weight
}

// Absence is a time in which a user takes no work: whole days, both included.
type Absence struct {
	From Date `json:"from" doc:"First day." required:"true"`
	To   Date `json:"to" doc:"Last day." required:"true"`
}

// IsAway tells whether a user is absent on the day that an instant shows in zone.
func (u User) IsAway(at time.Time, zone *time.Location) bool {
	day := DateOf(at, zone)
	return slices.ContainsFunc(u.Away, func(one Absence) bool { return day.Compare(one.From) >= 0 && day.Compare(one.To) <= 0 })
}
