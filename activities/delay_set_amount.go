package activities

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type delaySetAmountConfig struct {
	Duration     crm.Duration `json:"for" doc:"How long to wait: 20m, 3h, 2d, 1w or a combination such as 1d12h." required:"true"`
	BusinessDays bool         `json:"business_days_only" doc:"Do not count Saturdays and Sundays."`
}

// longestDelay is five years, with the leap days in them.
const longestDelay = (5*365 + 2) * 24 * time.Hour

var delaySetAmount = action.Define(action.Spec[delaySetAmountConfig]{
	ID:       "delay_set_amount",
	Category: action.Delay,
	Summary:  "Wait a set amount of time",
	Doc: `Counts from the arrival of the record. When the action is edited, those who wait in it leave at arrival plus the
new duration, at once when that is past.

Weeks and days are calendar days that keep the wall clock of the workflow's time zone, hours, minutes and seconds are
elapsed time on top of them. With ` + "`business_days_only`" + `, time on Saturdays and Sundays does not count: two days after Friday 15:00 is
Tuesday 15:00, and who arrives on a weekend starts on Monday at 00:00. Public holidays count as any day.

Unconfirmed, and so our design: days across a change of the clocks, arrival on a weekend, and five years at most.`,
	Example: "delay_set_amount: {for: 3d}",
	Local:   true,
	Check: func(cfg delaySetAmountConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.Duration.IsZero() {
			problems.Errorf(at, "out-of-range", "for: a delay of nothing is not a delay")
		}
		if cfg.Duration.Elapsed() > longestDelay {
			problems.Errorf(at, "out-of-range", "for: a delay of more than five years")
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg delaySetAmountConfig) (plan.Outcome, error) {
		zone, err := env.Zone(ctx)
		if err != nil {
			return plan.Outcome{}, err
		}
		return waitUntil(env, cfg.Duration.After(call.Arrived, zone, cfg.BusinessDays), zone), nil
	},
})
