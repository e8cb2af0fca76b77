package action

import (
	"fmt"

	"github.com/millrace/millrace/internal/plan"
)

func (e *Env) entry(kind Kind, event string) plan.Entry {
	return plan.Entry{
		Enrollment: e.call.Enrollment, Key: e.key, At: e.now, Node: e.call.Node, Kind: kind.ID, Event: event,
	}
}

// noted are the entries that the kind asked for; suffix tells attempts apart.
func (e *Env) noted(kind Kind, suffix string) []plan.Entry {
	entries := make([]plan.Entry, 0, len(e.notes))
	for i, note := range e.notes {
		entry := e.entry(kind, note.event)
		entry.Phase = fmt.Sprintf("%s/%d%s", note.event, i+1, suffix)
		entry.Detail = note.detail
		entries = append(entries, entry)
	}
	return entries
}

// entries are the journal's lines about an outcome (semantics §5.5).
func (e *Env) entries(kind Kind, outcome plan.Outcome) []plan.Entry {
	entries := e.noted(kind, "")
	result := e.entry(kind, plan.JournalSucceeded)
	result.Port, result.Detail = outcome.Port, outcome.Note
	if result.Port == "" {
		result.Port = plan.PortNext
	}
	switch {
	case outcome.End != "", len(e.notes) > 0 && e.notes[len(e.notes)-1].event == plan.JournalSkipped:
		return entries
	case outcome.Waits() && e.call.Event != nil:
		return entries
	case outcome.Waits() && e.call.Awaits != "" && e.call.Edited.IsZero() && outcome.Until.UnixMicro() == e.enrollment.Standing.Until.UnixMicro():
		return entries // asked again, it waits as before
	case outcome.Again && e.hold == e.enrollment.Standing.Hold && e.call.Node == e.enrollment.Standing.Node && outcome.Until.UnixMicro() == e.enrollment.Standing.Until.UnixMicro():
		return entries // asked again, it is held as before
	case outcome.Again && outcome.Until.IsZero():
		result.Event, result.Port = plan.JournalDelayRescheduled, ""
		result.Phase = fmt.Sprintf("%s@%d", result.Event, e.now.UnixMicro())
	case outcome.Again, outcome.Waits() && (e.call.Awaits != "" || !e.call.Edited.IsZero()):
		result.Event, result.Port = plan.JournalDelayRescheduled, ""
		result.Phase = fmt.Sprintf("%s@%d", result.Event, outcome.Until.Unix())
	case outcome.Waits():
		result.Event, result.Port = plan.JournalDelayStarted, ""
	case outcome.Port == plan.PortFailed:
		result.Event = plan.JournalFailed
	case kind.Category == Delay:
		result.Event = plan.JournalDelayEnded
	case kind.Category == Branch:
		result.Event = plan.JournalBranch
	}
	return append(entries, result)
}
