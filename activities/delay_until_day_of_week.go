package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type delayUntilDayOfWeekConfig struct {
	Days crm.Weekdays   `json:"days" doc:"Days on which to go on, short or long: [mon, thursday]." required:"true" min:"1"`
	Time *crm.TimeOfDay `json:"time,omitempty" doc:"Wall-clock time on that day; without it, when the day begins."`
}

var delayUntilDayOfWeek = action.Define(action.Spec[delayUntilDayOfWeekConfig]{
	ID:       "delay_until_day_of_week",
	Category: action.Delay,
	Summary:  "Wait until a day of the week",
	Doc: `The earliest of the days. With a time, who arrives on one of them before that time leaves the same day, within its
minute at once, and later on the next of the days. When the action is edited, those who wait in it count anew from the edit.

Who comes on such a day may not wait at all, so in a circle it needs another delay or ` + "`max_visits`" + ` beside it.

Unconfirmed, and so our design: without a time, who arrives on one of the days leaves at once, everybody else at 00:00.`,
	Example: `delay_until_day_of_week: {days: [monday, thursday], time: "09:00"}`,
	Local:   true,
	Waits:   func(delayUntilDayOfWeekConfig) bool { return false }, // who comes back within the minute leaves again
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilDayOfWeekConfig) (plan.Outcome, error) {
		zone, err := env.Zone(ctx)
		if err != nil {
			return plan.Outcome{}, err
		}
		return waitUntil(env, crm.NextWeekday(countFrom(call), cfg.Days, cfg.Time, zone), zone), nil
	},
})
