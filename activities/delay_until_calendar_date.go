package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type delayUntilCalendarDateConfig struct {
	Date   crm.Date      `json:"date" doc:"Day on which to go on." required:"true"`
	Time   crm.TimeOfDay `json:"time" doc:"Wall-clock time in the workflow's time zone." default:"00:00"`
	IfPast string        `json:"if_past" doc:"What happens to who arrives at that time or later; branch = the port passed." enum:"continue,end,branch" default:"continue"`
}

var delayUntilCalendarDate = action.Define(action.Spec[delayUntilCalendarDateConfig]{
	ID:       "delay_until_calendar_date",
	Category: action.Delay,
	Summary:  "Wait until a date",
	Doc: `Everybody goes on at the same instant. When the action is edited, those who wait in it go on at the new one.

A time that a change of the clocks skips is the first instant after the gap, and one that comes twice is its first.

Unconfirmed, and so our design: the time of day when none is given, the change of the clocks, and that who arrives too late
goes on at once, with a warning in the history, leaves with ` + "`if_past: end`" + `, or takes the port ` + "`passed`" + ` with ` + "`if_past: branch`" + `.`,
	Example:  `delay_until_calendar_date: {date: 2027-05-10, time: "09:00"}`,
	Local:    true,
	Branches: func(cfg delayUntilCalendarDateConfig) []string { return ifPastPorts(cfg.IfPast) },
	Waits:    func(cfg delayUntilCalendarDateConfig) bool { return cfg.IfPast == "end" },
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilCalendarDateConfig) (plan.Outcome, error) {
		zone, err := env.Zone(ctx)
		if err != nil {
			return plan.Outcome{}, err
		}
		return waitFor(env, crm.At(cfg.Date, cfg.Time, zone), countFrom(call), cfg.IfPast, zone), nil
	},
})
