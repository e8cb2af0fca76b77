package action

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// gates are what may keep an enrollment from its action for a time.
type gates struct {
	Windows    []crm.Window      `json:"windows" doc:"When actions run."`
	PauseDates []crm.CalendarDay `json:"pause_dates" doc:"Days on which none does."`
	Rate       *crm.Rate         `json:"rate" doc:"How many enter."`
}

// readGates reads plan.Rules.Settings.
func readGates(text json.RawMessage) (read gates, err error) {
	if len(text) == 0 {
		return read, nil
	}
	node, problems := schema.Parse("settings.json", text)
	if !problems.HasErrors() {
		problems = schema.Decode(node, &read)
	}
	if problems.HasErrors() {
		return read, fmt.Errorf("%s", problems[0].Message)
	}
	return read, nil
}

// gates asks the switch, the queue of a workflow with a rate, and the windows, in this order. A switch that is off is
// asked last: who waits for a window is skipped only if it is still off when the window opens (semantics §2.10, §4.12,
// §5.7).
func (e *Env) gates(ctx context.Context, kind Kind) (*plan.Outcome, error) {
	stands, err := e.books.Switch(ctx, e.call.Workflow())
	if err != nil {
		return nil, err
	}
	mode := stands.At(e.now)
	switch {
	case mode == plan.SwitchStop:
		e.Note(plan.JournalSkipped, "the workflow is stopped")
		return &plan.Outcome{End: plan.ExitUnenrolled}, nil
	case mode == plan.SwitchPause && kind.Category != Delay:
		return e.held(plan.HoldPause, e.turn(stands), "the workflow is paused"), nil
	}
	open, err := e.open(ctx, kind)
	if err != nil {
		return nil, err
	}
	if answer, err := e.queue(ctx, kind, open); err != nil || answer != nil {
		return answer, err
	}
	if open.After(e.now) {
		zone, err := e.Zone(ctx)
		return e.held(plan.HoldWindow, open, "actions run from "+open.In(zone).Format("2006-01-02 15:04 ")+zone.String()), err
	}
	if mode == plan.SwitchOff && kind.Acts() {
		e.Note(plan.JournalSkipped, "the workflow is switched off")
		return &plan.Outcome{}, nil
	}
	return nil, nil
}

// held is the answer of a gate that is closed: ask again at an instant, or when somebody tells (zero).
func (e *Env) held(hold string, until time.Time, why string) *plan.Outcome {
	e.hold = hold
	return &plan.Outcome{Again: true, Until: until, Note: why}
}

// turn is when a switch turns by itself, zero when it does not.
func (e *Env) turn(stands plan.Switch) time.Time {
	if stands.Turning.After(e.now) {
		return stands.Turning
	}
	return time.Time{}
}

// open is when the windows let the action start: now, or later. Delays and branches are let through, and so is what
// an operator sends on. Who is held goes on when he was told on arrival, however often he is asked meanwhile.
func (e *Env) open(ctx context.Context, kind Kind) (time.Time, error) {
	if !kind.Acts() || e.call.Force {
		return e.now, nil
	}
	if told, err := e.opening(ctx, e.call.Arrived); err != nil || told.After(e.now) {
		return told, err
	}
	return e.opening(ctx, e.now)
}

func (e *Env) opening(ctx context.Context, due time.Time) (time.Time, error) {
	opening := crm.Opening{Windows: e.rules.Windows, Paused: e.rules.PauseDates}
	if len(opening.Windows) == 0 && len(opening.Paused) == 0 {
		return due, nil
	}
	zone, err := e.Zone(ctx)
	if err != nil {
		return time.Time{}, err
	}
	at, found := opening.Next(due, zone, e.draw())
	if !found {
		return time.Time{}, Permanent("never-open", "no window of the workflow opens for two years")
	}
	return at, nil
}

// draw is a number from 0 to 1 that belongs to this step, so that the same question has the same answer.
func (e *Env) draw() float64 {
	sum := sha256.Sum256([]byte(e.key + "\x00" + strconv.FormatInt(e.seed, 10)))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// queue keeps who has come to the first action until it is its turn. Who got there by another way was never in the
// queue, and is let through.
func (e *Env) queue(ctx context.Context, kind Kind, open time.Time) (*plan.Outcome, error) {
	rate := e.rules.Rate
	if rate == nil || e.call.Node != e.rules.start || e.tx == nil {
		return nil, nil
	}
	place, err := e.tx.Queue(ctx, plan.Queueing{
		Workflow: e.call.Workflow(), Enrollment: e.call.Enrollment, Limit: rate.Limit, Per: rate.Per.Elapsed(),
		Now: e.now, Open: !open.After(e.now), Begun: e.enrollment.Standing.Node != "", Force: e.call.Force,
	})
	if err != nil || place.Entered {
		return nil, err
	}
	if kind.Acts() {
		if place.Due, err = e.opening(ctx, place.Due); err != nil {
			return nil, err
		}
	}
	zone, err := e.Zone(ctx)
	return e.held(plan.HoldRate, place.Due, fmt.Sprintf("%s enter: its turn is expected at %s", rate, place.Due.In(zone).Format("2006-01-02 15:04:05 ")+zone.String())), err
}
