package activities

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

func (b *bench) happened(event plan.Event) {
	b.t.Helper()
	event.Record = ada.String()
	_, _, err := b.store.AddEvent(b.t.Context(), event)
	require.NoError(b.t, err)
}

func woken(event plan.Event) func(*plan.Call) {
	return func(call *plan.Call) {
		call.Event = &event
		if event.At.After(call.Now) {
			call.Now = event.At
		}
	}
}

func due(now time.Time) func(*plan.Call) {
	return func(call *plan.Call) { call.Now, call.Due = now, true }
}

func viewed(at time.Time, url string) plan.Event {
	return plan.Event{Type: "page_viewed", At: at, Properties: map[string]any{"url": url}}
}

const waitForPrice = "delay_until_event: {event: page_viewed, where: {property: url, is: /price}, max_wait: 3d}"

func TestDelayUntilEventWaits(t *testing.T) {
	t.Parallel()
	outcome := newBench(t, waitForPrice).ok()
	require.Equal(t, "page_viewed", outcome.Event)
	require.Equal(t, monday, outcome.Since.UTC())
	require.Equal(t, monday.Add(72*time.Hour), outcome.Until.UTC())
	require.Equal(t, "timeout", outcome.Port)

	forEver := newBench(t, "delay_until_event: {event: page_viewed}").ok()
	require.Zero(t, forEver.Until)
}

func TestDelayUntilEventThatWakes(t *testing.T) {
	t.Parallel()
	b := newBench(t, waitForPrice)
	outcome := b.ok(woken(viewed(monday.Add(time.Hour), "/price")))
	require.Equal(t, "event", outcome.Port)
	require.JSONEq(t, `{"hs_event_criteria_met":true,"matched_event":{"url":"/price"}}`, string(outcome.Output))

	for name, event := range map[string]plan.Event{
		"another page":           viewed(monday.Add(time.Hour), "/home"),
		"another type":           {Type: "form_submitted", At: monday.Add(time.Hour), Properties: map[string]any{"url": "/price"}},
		"before arrival":         viewed(monday.Add(-time.Millisecond), "/price"),
		"after the longest wait": viewed(monday.Add(73*time.Hour), "/price"),
	} {
		outcome := b.ok(woken(event))
		require.Equal(t, "page_viewed", outcome.Event, name)
		require.Equal(t, monday.Add(72*time.Hour), outcome.Until.UTC(), name)
	}
	require.Equal(t, "event", b.ok(woken(viewed(monday.Add(72*time.Hour), "/price"))).Port, "at the very end")
}

func TestDelayUntilEventThatHappenedBeforeTheSignal(t *testing.T) {
	t.Parallel()
	b := newBench(t, waitForPrice)
	b.happened(viewed(monday.Add(-time.Hour), "/price"))
	require.Equal(t, "page_viewed", b.ok().Event, "before the arrival it does not count")
	b.happened(viewed(monday.Add(time.Hour), "/price"))
	require.Equal(t, "event", b.ok(asked(monday.Add(2*time.Hour))).Port, "asked anew, it looks into the store")

	back := newBench(t, "delay_until_event: {event: page_viewed, look_back: 2h}")
	back.happened(viewed(monday.Add(-time.Hour), "/"))
	require.Equal(t, "event", back.ok().Port)
}

func TestDelayUntilEventWhenDue(t *testing.T) {
	t.Parallel()
	b := newBench(t, waitForPrice)
	end := monday.Add(72 * time.Hour)
	outcome := b.ok(due(end))
	require.Equal(t, "timeout", outcome.Port)
	require.False(t, outcome.Waits())
	require.JSONEq(t, `{"hs_event_criteria_met":false}`, string(outcome.Output))

	b.happened(viewed(end, "/price"))
	require.Equal(t, "event", b.ok(due(end)).Port, "the event beats the timer")
}

func TestDelayUntilEventAfterALongOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t, waitForPrice)
	b.happened(viewed(monday.Add(80*time.Hour), "/price"))
	require.Equal(t, "timeout", b.ok(due(monday.Add(100*time.Hour))).Port, "it came too late")
}

func TestDelayUntilEventEdited(t *testing.T) {
	t.Parallel()
	b := newBench(t, waitForPrice)
	b.happened(viewed(monday.Add(time.Hour), "/price"))
	another := func(call *plan.Call) { call.Awaits = "form_submitted" }
	outcome := b.ok(edited(monday.Add(2*time.Hour)), another)
	require.Equal(t, "page_viewed", outcome.Event)
	require.Equal(t, monday.Add(2*time.Hour), outcome.Since.UTC(), "another type listens from the edit on")
	same := func(call *plan.Call) { call.Awaits = "page_viewed" }
	require.Equal(t, "event", b.ok(edited(monday.Add(2*time.Hour)), same).Port, "the same type still counts from the arrival")
	listening := func(call *plan.Call) { call.Listening = monday.Add(2 * time.Hour) }
	outcome = b.ok(edited(monday.Add(3*time.Hour)), same, listening)
	require.Equal(t, monday.Add(2*time.Hour), outcome.Since.UTC(), "and a type that was changed before from that edit")
	require.Equal(t, monday.Add(72*time.Hour), outcome.Until.UTC(), "the longest wait counts from the arrival")
	require.Equal(t, "timeout", b.ok(edited(monday.Add(80*time.Hour)), another).Port, "shortened below the elapsed")
}

func TestDelayUntilEventOfASource(t *testing.T) {
	t.Parallel()
	b := newBench(t, "send_email: {email: welcome}", "delay_until_event: {event: email_opened, source: a1, max_wait: 1d}")
	step := "w/contact/51/1/a1/1"
	require.NoError(t, b.store.PutLedger(t.Context(), plan.LedgerRow{Key: step, State: plan.LedgerDone, At: monday.Add(-time.Hour)}))
	visited := func(call *plan.Call) { call.Visits = map[string]int{"a1": 1} }
	opened := func(source string, at time.Time) func(*plan.Call) {
		return woken(plan.Event{Type: "email_opened", At: at, Source: source})
	}
	require.Equal(t, monday.Add(-time.Hour), b.ok(visited).Since.UTC())
	for name, source := range map[string]string{"the step": step, "one recipient of it": step + "/ada@example.com", "no source": ""} {
		require.Equal(t, "event", b.ok(visited, opened(source, monday.Add(-time.Minute))).Port, name)
	}
	for name, source := range map[string]string{"another step": "w/contact/51/1/b/1", "another visit": step + "0"} {
		require.Equal(t, "email_opened", b.ok(visited, opened(source, monday)).Event, name)
	}
	require.Equal(t, "email_opened", b.ok(visited, opened(step, monday.Add(-2*time.Hour))).Event, "before the send")
}

func TestDelayUntilEventLeavesItsOutputWhenSomebodyEndsTheWait(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{"hs_event_criteria_met":false}`, string(newBench(t, waitForPrice).ok().Output))
}

func TestDelayUntilEventTakesEachEventOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_event: {event: page_viewed, look_back: 1h}")
	b.happened(plan.Event{ID: "1", Type: "page_viewed", At: monday.Add(-time.Minute)})
	require.Equal(t, "1", b.ok().Took)
	taken := func(call *plan.Call) { call.Took = []string{"1"} }
	require.True(t, b.ok(taken).Waits(), "an earlier wait consumed it")
	require.True(t, b.ok(taken, woken(plan.Event{ID: "1", Type: "page_viewed", At: monday})).Waits())
	b.happened(plan.Event{ID: "2", Type: "page_viewed", At: monday.Add(-time.Second)})
	b.happened(plan.Event{ID: "3", Type: "page_viewed", At: monday.Add(-2 * time.Second)})
	require.Equal(t, "3", b.ok(taken).Took, "the first one that matches")
}

func TestDelayUntilEventThatIsDeliveredLate(t *testing.T) {
	t.Parallel()
	b := newBench(t, "delay_until_event: {event: page_viewed, look_back: 1h, max_wait: 1d}")
	late := func(at time.Duration) func(*plan.Call) {
		return func(call *plan.Call) {
			call.Event, call.Now = &plan.Event{Type: "page_viewed", At: monday.Add(at)}, monday.Add(time.Hour)
		}
	}
	require.Equal(t, "event", b.ok(late(-time.Hour)).Port, "it happened just within the look-back")
	require.True(t, b.ok(late(-time.Hour-time.Millisecond)).Waits())
}

func TestDelayUntilEventOfAChange(t *testing.T) {
	t.Parallel()
	again := func(now time.Time) func(*plan.Call) {
		return func(call *plan.Call) { call.Now, call.Awaits = now, plan.EventChanged }
	}
	b := newBench(t, "delay_until_event: {event: property_changed, where: {all: [{property: name, is: plan}, {property: value, is: gold}]}, max_wait: 3d}")
	require.Equal(t, plan.EventChanged, b.ok().Event)
	b.setAt(monday.Add(time.Hour), "plan", "silver")
	require.True(t, b.ok(again(monday.Add(time.Hour))).Waits(), "another value")
	b.setAt(monday.Add(2*time.Hour), "city", "gold")
	require.True(t, b.ok(again(monday.Add(2*time.Hour))).Waits(), "another property")
	require.Empty(t, b.journal(plan.JournalDelayRescheduled))
	b.setAt(monday.Add(3*time.Hour), "plan", "gold")
	outcome := b.ok(again(monday.Add(3 * time.Hour)))
	require.Equal(t, "event", outcome.Port)
	require.JSONEq(t, `{"hs_event_criteria_met":true,"matched_event":{"name":"plan","value":"gold"}}`, string(outcome.Output))
	require.NotEmpty(t, outcome.Took)

	one := newBench(t, "delay_until_event: {event: property_changed:plan}")
	require.Equal(t, plan.ChangeOf("plan"), one.ok().Event)
	one.setAt(monday.Add(time.Hour), "city", "Rome")
	require.True(t, one.ok(asked(monday.Add(time.Hour))).Waits())
	one.setAt(monday.Add(time.Hour), "plan", "gold")
	require.Equal(t, "event", one.ok(asked(monday.Add(time.Hour))).Port)
}

func TestDelayUntilEventOfATaskThatAStepCreated(t *testing.T) {
	t.Parallel()
	b := newBench(t, "create_task: {title: Call}", "delay_until_event: {event: task_completed, source: a1, max_wait: 1d}")
	wait := b.call
	b.call.Node, b.kind = "a1", "create_task"
	var made struct{ Task crm.Ref }
	require.NoError(t, json.Unmarshal(b.ok().Output, &made))
	b.call, b.kind = wait, "delay_until_event"
	visited := func(call *plan.Call) { call.Visits = map[string]int{"a1": 1} }
	require.True(t, b.ok(visited).Waits())

	other, err := b.store.Create(t.Context(), crm.Ref{Object: crm.ObjectTask}, map[string]string{"title": "By hand"}, monday, "command line")
	require.NoError(t, err)
	b.associate(other.Ref, "")
	complete := func(task crm.Ref, at time.Time) {
		require.NoError(t, b.store.Update(t.Context(), task, map[string]string{crm.TaskStatus: crm.TaskCompleted}, at, "command line"))
	}
	complete(other.Ref, monday.Add(time.Minute))
	require.True(t, b.ok(visited, asked(monday.Add(time.Hour))).Waits(), "another task of the same contact")
	complete(made.Task, monday.Add(time.Hour))
	outcome := b.ok(visited, asked(monday.Add(time.Hour)))
	require.Equal(t, "event", outcome.Port)
	require.JSONEq(t, `{"hs_event_criteria_met":true,"matched_event":{"task":"task/1","title":"Call"}}`, string(outcome.Output))
}

func TestDelayUntilEventOfASourceThatFailed(t *testing.T) {
	t.Parallel()
	b := newBench(t, "send_email: {email: welcome}", "delay_until_event: {event: email_opened, source: a1, max_wait: 1d}")
	visited := func(call *plan.Call) { call.Visits = map[string]int{"a1": 1} }
	require.Equal(t, monday, b.ok(visited).Since.UTC(), "nothing was sent: events count from the arrival")
}

func TestDelayUntilEventCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "delay_until_event: {}", "missing-key")
	requireProblems(t, "delay_until_event: {event: a, max_wait: soon}", "wrong-value")
	requireProblems(t, "delay_until_event: {event: a, max_wait: 0s}", "out-of-range")
}
