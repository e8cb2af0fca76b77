package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type delayUntilEventConfig struct {
	Event    crm.EventType   `json:"event" doc:"Type of the event, as in page_viewed." required:"true"`
	Where    crm.EventFilter `json:"where,omitzero" doc:"Filter on the event's properties."`
	Source   crm.ActionID    `json:"source,omitzero" doc:"Earlier action that the event answers: the e-mail that is opened."`
	MaxWait  *crm.Duration   `json:"max_wait,omitempty" doc:"Longest wait; as long as it takes if left out."`
	LookBack crm.Duration    `json:"look_back,omitzero" doc:"Let events count that happened up to so long before the arrival."`
}

var delayUntilEvent = action.Define(action.Spec[delayUntilEventConfig]{
	ID:       "delay_until_event",
	Category: action.Delay,
	Summary:  "Wait until an event happens",
	Doc: `Goes on by the port ` + "`event`" + ` with the first matching event and by ` + "`timeout`" + ` after ` + "`max_wait`" + `, which counts from the arrival. An
event that happens at the very end of the wait counts.

Events count from the arrival on, with ` + "`look_back`" + ` from earlier on, and with ` + "`source`" + ` from the moment that action was done. An
event that names the step it answers has to name that action; one that names none counts by its time. When an edit changes the
event's type, events count from the edit on; a ` + "`max_wait`" + ` shortened below the time already spent ends the wait at once.

A change of a property of the record is the event ` + "`property_changed`" + `, with the properties ` + "`name`" + ` and ` + "`value`" + `, and
` + "`property_changed:NAME`" + ` is that of one property. The completion of a task that ` + "`create_task`" + ` made is ` + "`task_completed`" + `.

Unconfirmed, and so our design: events are compared by the time they happened, not by the time they were received; the
matched event's properties are an output; the names of these events.`,
	Example: "delay_until_event: {event: email_opened, source: welcome, max_wait: 3d}",
	Ports:   []string{"event", "timeout"},
	Outputs: []action.Output{
		{Name: "hs_event_criteria_met", Type: "bool", Doc: "Whether the event happened in time."},
		{Name: "matched_event", Type: "json", Doc: "Its properties."},
	},
	Local: true,
	Check: func(cfg delayUntilEventConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.MaxWait != nil && cfg.MaxWait.IsZero() {
			problems.Errorf(at, "out-of-range", "max_wait: a wait of nothing is not a wait").Hint = "leave max_wait out to wait as long as it takes"
		}
	},
	Run: runDelayUntilEvent,
})

func runDelayUntilEvent(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilEventConfig) (plan.Outcome, error) {
	wait, err := newEventWait(ctx, env, call, cfg)
	if err != nil {
		return plan.Outcome{}, err
	}
	if call.Event != nil {
		event := crm.Event{ID: call.Event.ID, Type: call.Event.Type, At: call.Event.At, Source: call.Event.Source, Properties: call.Event.Properties}
		if matched, err := wait.matches(ctx, event); err != nil || matched {
			return happened(event, err)
		}
		return wait.outcome(), nil
	}
	events, err := env.Records.Events(ctx, env.Record(), cfg.Event.Text, wait.since, env.Now())
	if err != nil {
		return plan.Outcome{}, err
	}
	for _, event := range events {
		if matched, err := wait.matches(ctx, event); err != nil || matched {
			return happened(event, err)
		}
	}
	if call.Due || !wait.deadline.IsZero() && !wait.deadline.After(env.Now()) {
		return timedOut, nil
	}
	return wait.outcome(), nil
}

var timedOut = plan.Outcome{Port: "timeout", Output: json.RawMessage(`{"hs_event_criteria_met":false}`)}

func happened(event crm.Event, err error) (plan.Outcome, error) {
	if err != nil {
		return plan.Outcome{}, err
	}
	output, err := json.Marshal(map[string]any{"hs_event_criteria_met": true, "matched_event": event.Properties})
	if err != nil {
		return plan.Outcome{}, fmt.Errorf("output of event %s: %w", event.ID, err)
	}
	return plan.Outcome{Port: "event", Took: event.ID, Output: output, Note: event.Type}, nil
}

// eventWait is one visit's wait for an event.
type eventWait struct {
	delayUntilEventConfig
	env      *action.Env
	since    time.Time
	deadline time.Time // zero = never
	source   string    // key of the step that the event answers; "" = any
	took     []string  // events that earlier waits consumed
	zone     *time.Location
}

func newEventWait(ctx context.Context, env *action.Env, call plan.Call, cfg delayUntilEventConfig) (eventWait, error) {
	zone, err := env.Zone(ctx)
	if err != nil {
		return eventWait{}, err
	}
	wait := eventWait{delayUntilEventConfig: cfg, env: env, zone: zone, took: call.Took}
	wait.since = cfg.LookBack.Neg().After(call.Arrived, zone, false)
	if !cfg.Source.IsZero() {
		sent, key, found, err := env.SentAt(ctx, cfg.Source.Text)
		if err != nil {
			return eventWait{}, err
		}
		wait.source = key
		if found {
			wait.since = sent
		}
	}
	listening := call.Listening
	if call.Awaits != "" && call.Awaits != cfg.Event.Text {
		listening = call.Edited
	}
	if listening.After(wait.since) {
		wait.since = listening
	}
	if cfg.MaxWait != nil {
		wait.deadline = cfg.MaxWait.After(call.Arrived, zone, false)
	}
	return wait, nil
}

func (w eventWait) outcome() plan.Outcome {
	note := "for " + w.Event.Text
	if !w.deadline.IsZero() {
		note += ", " + waitUntil(w.env, w.deadline, w.zone).Note
	}
	outcome := timedOut // what it is when somebody ends the wait
	outcome.Event, outcome.Since, outcome.Until, outcome.Note = w.Event.Text, w.since, w.deadline, note
	return outcome
}

func (w eventWait) matches(ctx context.Context, event crm.Event) (bool, error) {
	at := event.At
	if at.IsZero() {
		at = w.env.Now()
	}
	taken := event.ID != "" && slices.Contains(w.took, event.ID)
	late := !w.deadline.IsZero() && at.After(w.deadline)
	if event.Type != w.Event.Text || at.Before(w.since) || late || taken || !w.answers(event.Source) {
		return false, nil
	}
	if w.Where.IsZero() {
		return true, nil
	}
	return w.env.MatchEvent(ctx, w.Where.Filter, event)
}

// answers tells whether an event's source is the awaited step, or one recipient's part of it.
func (w eventWait) answers(source string) bool {
	return w.source == "" || source == "" || source == w.source || strings.HasPrefix(source, w.source+"/")
}
