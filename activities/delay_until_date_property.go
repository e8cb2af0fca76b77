package activities

import (
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type delayUntilDatePropertyConfig struct {
	Property crm.PropertyName `json:"property" doc:"Date or datetime property of the enrolled record." required:"true"`
	Offset   crm.Offset       `json:"offset,omitzero" doc:"How long after that to go on, or with a minus before: 2h, -3d."`
	Time     *crm.TimeOfDay   `json:"time,omitempty" doc:"Wall-clock time on that day; without it a datetime keeps its own and a date is 00:00."`
	IfPast   string           `json:"if_past" doc:"What happens when that is past already; branch = the port passed." enum:"continue,end,branch" default:"continue"`
	IfEmpty  string           `json:"if_empty" doc:"What happens when the property has no value; wait = until it has one." enum:"continue,end,wait" default:"continue"`
	MaxWait  *crm.Duration    `json:"max_wait,omitempty" doc:"Beside if_empty: wait: longest wait for a value, after which the record goes on; as long as it takes if left out."`
	Follow   bool             `json:"follow_changes" doc:"Whether those who wait follow changes of the property; false = what it was on their arrival counts." default:"true"`
}

var delayUntilDateProperty = action.Define(action.Spec[delayUntilDatePropertyConfig]{
	ID:       "delay_until_date_property",
	Category: action.Delay,
	Summary:  "Wait until a date on the record",
	Doc: `A date is a calendar day, whatever the time zone. A datetime is an instant; with ` + "`time`" + ` its day in the workflow's zone counts. The offset
comes first, in calendar days that keep the wall clock and then in elapsed hours, and the time of day last.

Whether that is past is asked on arrival, after an edit of the action and after a change of the property, and never of a date that
comes while the record waits. What is past leaves a warning in the history, and with
` + "`if_past: branch`" + ` the record goes on at the port ` + "`passed`" + `.

` + "`max_wait`" + ` counts from the arrival, or from when the property was cleared; whoever has no value then goes on, with a warning.

Unconfirmed, and so our design: all of it but that a property with an offset and a time of day gives the instant. With
` + "`follow_changes`" + ` a record that waits goes by the new value, be it earlier or later, and by ` + "`if_empty`" + ` when the property is cleared. A text that
is no date counts as empty.`,
	Example:  `delay_until_date_property: {property: renewal_date, offset: -3d, time: "08:00"}`,
	Local:    true,
	Branches: func(cfg delayUntilDatePropertyConfig) []string { return ifPastPorts(cfg.IfPast) },
	Check: func(cfg delayUntilDatePropertyConfig, at schema.Pos, problems *schema.Diagnostics) {
		switch {
		case cfg.MaxWait == nil:
		case cfg.IfEmpty != "wait":
			problems.Errorf(at, "wrong-value", "max_wait: there is no wait for a value").Hint = "write if_empty: wait beside it"
		case cfg.MaxWait.IsZero():
			problems.Errorf(at, "out-of-range", "max_wait: a wait of nothing is not a wait").Hint = "leave max_wait out to wait as long as it takes"
		}
	},
	Waits: func(cfg delayUntilDatePropertyConfig) bool { return cfg.IfPast == "end" && cfg.IfEmpty != "continue" },
	Run:   runDelayUntilDateProperty,
})

func runDelayUntilDateProperty(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilDatePropertyConfig) (plan.Outcome, error) {
	zone, err := env.Zone(ctx)
	if err != nil {
		return plan.Outcome{}, err
	}
	text, changed, err := cfg.value(ctx, env, call)
	if err != nil {
		return plan.Outcome{}, err
	}
	until, found := cfg.until(env.Catalog.Typed(env.Record().Object, cfg.Property.Text, text), zone)
	if !found {
		return cfg.empty(env, call, text, changed, zone), nil
	}
	since := countFrom(call)
	if changed.After(since) {
		since = changed
	}
	outcome := waitFor(env, until, since, cfg.IfPast, zone)
	if outcome.Waits() && cfg.Follow {
		outcome.Event = plan.ChangeOf(cfg.Property.Text)
	}
	return outcome, nil
}

// Properties returns the property, which has to be a date.
func (c delayUntilDatePropertyConfig) Properties() []crm.PropertyUse {
	return []crm.PropertyUse{{Name: c.Property.Text, Operator: crm.ReadsDate, Pos: c.Property.Pos()}}
}

// value is the property's text and when it came to be. Who does not follow changes goes by what it was on arrival
// or, when it was empty then, by the first value after it.
func (c delayUntilDatePropertyConfig) value(ctx context.Context, env *action.Env, call plan.Call) (text string, since time.Time, err error) {
	record, err := env.Records.Get(ctx, env.Record())
	if err != nil {
		return "", time.Time{}, err
	}
	versions, err := env.Records.History(ctx, env.Record(), c.Property.Text)
	if err != nil || len(versions) == 0 { // of a property that the store computes there is no history
		return record.Property(c.Property.Text), time.Time{}, err
	}
	if c.Follow {
		return record.Property(c.Property.Text), versions[0].At, nil
	}
	for _, version := range slices.Backward(versions) {
		if version.At.After(call.Arrived) && text != "" {
			break
		}
		text, since = version.Value, version.At
	}
	return text, since, nil
}

// until is the instant that a value stands for; found is false when it is no date.
func (c delayUntilDatePropertyConfig) until(value any, zone *time.Location) (until time.Time, found bool) {
	switch value.(type) {
	case crm.Date, time.Time:
		return offsetFrom(value, c.Offset, c.Time, zone), true
	}
	return time.Time{}, false
}

// empty answers where there is no date.
func (c delayUntilDatePropertyConfig) empty(env *action.Env, call plan.Call, text string, cleared time.Time, zone *time.Location) plan.Outcome {
	name := c.Property.Text
	if c.IfEmpty == "wait" {
		outcome := plan.Outcome{Event: plan.ChangeOf(name), Note: "for a value of " + name}
		if c.MaxWait == nil {
			return outcome
		}
		since := call.Arrived
		if cleared.After(since) {
			since = cleared
		}
		if outcome.Until = c.MaxWait.After(since, zone, false); outcome.Until.After(env.Now()) {
			outcome.Note += ", " + waitUntil(env, outcome.Until, zone).Note
			return outcome
		}
	}
	if text == "" {
		env.Warn("%s has no %s", env.Record().Object, name)
	} else {
		env.Warn("%s is no date: %q", name, text)
	}
	if c.IfEmpty == "end" {
		return plan.Outcome{End: plan.ExitEnded}
	}
	return plan.Outcome{}
}
