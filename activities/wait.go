package activities

import (
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// waitUntil answers a delay: go on at an instant, or at once when it is past.
func waitUntil(env *action.Env, until time.Time, zone *time.Location) plan.Outcome {
	if !until.After(env.Now()) {
		return plan.Outcome{}
	}
	return plan.Outcome{Until: until, Note: "until " + wallClock(until, zone)}
}

// waitFor answers a delay to an instant that stands since another one: the arrival, or when an edit made it what
// it is. What was past then continues, ends or branches, as the author says (semantics §4.3).
func waitFor(env *action.Env, until, since time.Time, ifPast string, zone *time.Location) plan.Outcome {
	if until.After(since) {
		return waitUntil(env, until, zone)
	}
	env.Warn("%s is past", wallClock(until, zone))
	switch ifPast {
	case "end":
		return plan.Outcome{End: plan.ExitEnded}
	case "branch":
		return plan.Outcome{Port: portPassed}
	}
	return plan.Outcome{}
}

// ifPastPorts are the ports of a delay to an instant beside `next`.
func ifPastPorts(ifPast string) []string {
	if ifPast == "branch" {
		return []string{portPassed}
	}
	return nil
}

// wallClock writes an instant as people in a zone read it.
func wallClock(at time.Time, zone *time.Location) string {
	return at.In(zone).Format("2006-01-02 15:04 ") + zone.String()
}

// countFrom is when a delay to a day or a time of day starts to look ahead: on arrival, or when its
// action was edited since (semantics §4.5, "edited live").
func countFrom(call plan.Call) time.Time {
	if call.Edited.After(call.Arrived) {
		return call.Edited
	}
	return call.Arrived
}

// offsetFrom is the instant that lies an offset after a day or an instant, at a time of day where one is given.
func offsetFrom(center any, offset crm.Offset, clock *crm.TimeOfDay, zone *time.Location) (at time.Time) {
	if day, is := center.(crm.Date); is {
		at = day.AddDays(offset.Days).In(zone).Add(offset.Clock)
	} else {
		at = offset.After(center.(time.Time), zone, false)
	}
	if clock != nil {
		at = crm.At(crm.DateOf(at, zone), *clock, zone)
	}
	return at
}
