package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type delayUntilDayOrTimeConfig struct {
	Days crm.Weekdays   `json:"days,omitempty" doc:"Days on which to go on, short or long; any day if left out."`
	Time *crm.TimeOfDay `json:"time,omitempty" doc:"Wall-clock time; without it, when the day begins."`
}

var delayUntilDayOrTime = action.Define(action.Spec[delayUntilDayOrTimeConfig]{
	ID:       "delay_until_day_or_time",
	Category: action.Delay,
	Summary:  "Wait until a day of the week, a time of day or both",
	Doc: `The older form of [delay_until_day_of_week](#delay_until_day_of_week), with days, and of
[delay_until_time_of_day](#delay_until_time_of_day), with a time alone, which it behaves as.`,
	Example: `delay_until_day_or_time: {days: [tuesday], time: "11:00"}`,
	Local:   true,
	Waits:   func(cfg delayUntilDayOrTimeConfig) bool { return len(cfg.Days) == 0 },
	Check: func(cfg delayUntilDayOrTimeConfig, at schema.Pos, problems *schema.Diagnostics) {
		if len(cfg.Days) == 0 && cfg.Time == nil {
			problems.Errorf(at, "missing-key", "there is nothing to wait for: days, time or both")
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilDayOrTimeConfig) (plan.Outcome, error) {
		zone, err := env.Zone(ctx)
		if err != nil {
			return plan.Outcome{}, err
		}
		if len(cfg.Days) == 0 {
			return waitUntil(env, crm.NextTimeOfDay(countFrom(call), *cfg.Time, zone), zone), nil
		}
		return waitUntil(env, crm.NextWeekday(countFrom(call), cfg.Days, cfg.Time, zone), zone), nil
	},
})
