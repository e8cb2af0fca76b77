package activities

import (
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
)

// waitUntil answers a delay: go on at an instant, or at once when it is past.
func waitUntil(env *action.Env, until time.Time, zone *time.Location) plan.Outcome {
	if !until.After(env.Now()) {
		return plan.Outcome{}
	}
	return plan.Outcome{Until: until, Note: "until " + until.In(zone).Format("2006-01-02 15:04 ") + zone.String()}
}

// countFrom is when a delay to a day or a time of day starts to look ahead: on arrival, or when its
// action was edited since (semantics §4.5, "edited live").
func countFrom(call plan.Call) time.Time {
	if call.Edited.After(call.Arrived) {
		return call.Edited
	}
	return call.Arrived
}
