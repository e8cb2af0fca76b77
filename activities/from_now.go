package activities

import (
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// fromNow is an instant that is counted from when an action runs (semantics §1.5, RELATIVE_DATETIME).
type fromNow struct {
	In   crm.Duration   `json:"in,omitzero" doc:"How long after the action runs."`
	Time *crm.TimeOfDay `json:"time,omitempty" doc:"Wall-clock time on that day."`
	Days crm.Weekdays   `json:"days,omitempty" doc:"Weekdays on which it may be; the first of them from that day on."`
}

// UnmarshalNode reads a mapping of which at least one key is given.
func (f *fromNow) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	type fields fromNow
	found := schema.Decode(node, (*fields)(f))
	if !found.HasErrors() && f.In.IsZero() && f.Time == nil && len(f.Days) == 0 {
		found.Errorf(node.Pos, "missing-key", "one of in, time and days is needed")
	}
	*problems = append(*problems, found...)
}

// Describe tells readers about the source form.
func (fromNow) Describe() schema.Description {
	text := map[string]any{"type": "string"}
	return schema.Description{
		Name: "from now", Doc: "How long after the action runs, and at which time of the day and on which weekdays: {in: 3d, time: \"09:00\", days: [mon]}.",
		Schema: map[string]any{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": map[string]any{
			"in": text, "time": text, "days": map[string]any{"type": "array", "items": text},
		}},
	}
}

// after is the instant, counted from now. What would be before now is on the next of the weekdays.
func (f fromNow) after(now time.Time, zone *time.Location) time.Time {
	from := f.In.After(now, zone, false)
	for n := range 9 { // within them every weekday comes with a time that is still ahead
		at := crm.Duration{Days: n}.After(from, zone, false)
		if f.Time != nil {
			at = crm.At(crm.DateOf(from, zone).AddDays(n), *f.Time, zone)
		}
		if f.Days.Has(at.In(zone).Weekday()) && !at.Before(now) {
			return at
		}
	}
	return from
}
