package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type delayUntilTimeOfDayConfig struct {
	Time crm.TimeOfDay `json:"time" doc:"Wall-clock time in the workflow's time zone, as \"09:00\"." required:"true"`
}

var delayUntilTimeOfDay = action.Define(action.Spec[delayUntilTimeOfDayConfig]{
	ID:       "delay_until_time_of_day",
	Category: action.Delay,
	Summary:  "Wait until a time of day",
	Doc: `The next time the clocks show it: today, or tomorrow for who arrives at that time or after it. When the action is
edited, those who wait in it count anew from the edit.

Unconfirmed, and so our design: a time that spring skips is the first instant after the gap, of a time that autumn
repeats it is the first.`,
	Example: `delay_until_time_of_day: {time: "09:00"}`,
	Local:   true,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilTimeOfDayConfig) (plan.Outcome, error) {
		zone, err := env.Zone(ctx)
		if err != nil {
			return plan.Outcome{}, err
		}
		return waitUntil(env, crm.NextTimeOfDay(countFrom(call), cfg.Time, zone), zone), nil
	},
})
