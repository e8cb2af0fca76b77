package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type delayUntilOffsetConfig struct {
	Date      crm.Date         `json:"date,omitzero" doc:"A day, the same for all records."`
	Property  crm.PropertyName `json:"property,omitzero" doc:"Or a date or datetime property of the record."`
	EveryYear bool             `json:"every_year,omitempty" doc:"Beside property: its day of every year, whatever the year in it."`
	First     crm.ActionID     `json:"first,omitzero" doc:"Beside every_year: the earlier wait that says which year it is about."`
	Offset    crm.Offset       `json:"offset,omitzero" doc:"How long after that to go on, or with a minus before."`
	Time      *crm.TimeOfDay   `json:"time,omitempty" doc:"Wall-clock time on that day; without it a datetime keeps its own and a date is 00:00."`
}

// portPassed is where who comes too late goes on.
const portPassed = "passed"

// lateness is how late who was inside all the time may come: what is before may have taken it.
const lateness = time.Hour

var delayUntilOffset = action.Define(action.Spec[delayUntilOffsetConfig]{
	ID:       "delay_until_offset",
	Category: action.Delay,
	Summary:  "Wait until so long before or after the day that a workflow is about",
	Doc: `What ` + "`at`" + ` beside an action of a workflow with a ` + "`center`" + ` becomes; it can be written by itself as well. The offset comes first, in calendar
days and then in elapsed hours, and the time of day last.

Nothing is done late: who enters after that time, for whom a change of the property puts it into the past, or who comes there more
than an hour late, goes on at the port ` + "`passed`" + `, with a warning in the history. Who waits follows the property, to an earlier or a later
date, and while it is empty until it has a value.

With ` + "`every_year`" + ` it is about the next time that the day comes, today among them, and on later visits about the year after the last one. 29 February is the
28th in other years. With ` + "`first`" + ` it is about the year that the named wait was about.

Unconfirmed, and so our design: that what has passed is skipped, the hour, what happens to an empty property, and that a record stays
inside from one year to the next.`,
	Example: `delay_until_offset: {property: renewal_date, offset: -3d, time: "09:00"}`,
	Ports:   []string{plan.PortNext, portPassed},
	Outputs: []action.Output{{Name: "year", Type: string(crm.TypeNumber), Doc: "The year that it was about, with every_year."}},
	Local:   true,
	Waits:   func(delayUntilOffsetConfig) bool { return false },
	Check: func(cfg delayUntilOffsetConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.Date.IsZero() == cfg.Property.IsZero() {
			problems.Errorf(at, "wrong-value", "write either date or property")
		}
		if cfg.EveryYear && cfg.Property.IsZero() {
			problems.Errorf(at, "wrong-value", "every_year belongs beside property")
		}
	},
	Run: runDelayUntilOffset,
})

// Properties returns the property, which has to be a date.
func (c delayUntilOffsetConfig) Properties() []crm.PropertyUse {
	if c.Property.IsZero() {
		return nil
	}
	return []crm.PropertyUse{{Name: c.Property.Text, Operator: crm.ReadsDate, Pos: c.Property.Pos()}}
}

func runDelayUntilOffset(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilOffsetConfig) (plan.Outcome, error) {
	zone, err := env.Zone(ctx)
	if err != nil {
		return plan.Outcome{}, err
	}
	center, changed, err := cfg.center(ctx, env)
	if err != nil {
		return plan.Outcome{}, err
	}
	var outcome plan.Outcome
	if cfg.EveryYear && center != nil {
		year := cfg.year(call, center, zone)
		center = inYear(center, year, zone)
		if outcome.Output, err = json.Marshal(map[string]int{"year": year}); err != nil {
			return plan.Outcome{}, fmt.Errorf("encoding a year: %w", err)
		}
	}
	if !cfg.Property.IsZero() {
		outcome.Event = plan.ChangeOf(cfg.Property.Text)
	}
	if center == nil {
		outcome.Note = "for a value of " + cfg.Property.Text
		return outcome, nil
	}
	until := offsetFrom(center, cfg.Offset, cfg.Time, zone)
	switch {
	case until.Before(env.Enrolled()), until.Before(call.Arrived.Add(-lateness)), until.Before(changed), until.Before(call.Edited):
		env.Warn("%s has passed: what belongs to it is left out", wallClock(until, zone))
		outcome.Port, outcome.Event = portPassed, ""
	case until.After(env.Now()):
		outcome.Until, outcome.Note = until, "until "+wallClock(until, zone)
	default:
		outcome.Event = ""
	}
	return outcome, nil
}

// center is the day or the instant that the offset counts from, as crm.Date or time.Time, and when it came to be that;
// nil when the record has none.
func (c delayUntilOffsetConfig) center(ctx context.Context, env *action.Env) (center any, changed time.Time, err error) {
	if c.Property.IsZero() {
		return c.Date, time.Time{}, nil
	}
	record, err := env.Records.Get(ctx, env.Record())
	if err != nil {
		return nil, time.Time{}, err
	}
	versions, err := env.Records.History(ctx, env.Record(), c.Property.Text)
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(versions) > 0 {
		changed = versions[0].At
	}
	switch value := env.Catalog.Typed(env.Record().Object, c.Property.Text, record.Property(c.Property.Text)).(type) {
	case crm.Date, time.Time:
		return value, changed, nil
	}
	return nil, changed, nil
}

// year is which year's day the wait is about.
func (c delayUntilOffsetConfig) year(call plan.Call, center any, zone *time.Location) int {
	source := call.Node
	if !c.First.IsZero() {
		source = c.First.Text
	}
	var last struct {
		Year int `json:"year"`
	}
	switch known := json.Unmarshal(call.Outputs[source], &last) == nil && last.Year > 0; {
	case known && source == call.Node:
		return last.Year + 1
	case known:
		return last.Year
	}
	today := crm.DateOf(call.Arrived, zone)
	if dayOf(inYear(center, today.Year, zone), zone).Compare(today) < 0 {
		return today.Year + 1
	}
	return today.Year
}

// inYear is the same day in another year; 29 February is the 28th where there is none.
func inYear(center any, year int, zone *time.Location) any {
	day := dayOf(center, zone)
	moved := day.AddMonths(12 * (year - day.Year))
	if at, is := center.(time.Time); is {
		return crm.Duration{Days: day.DaysUntil(moved)}.After(at, zone, false)
	}
	return moved
}

func dayOf(center any, zone *time.Location) crm.Date {
	if at, is := center.(time.Time); is {
		return crm.DateOf(at, zone)
	}
	return center.(crm.Date)
}
