package definition

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Enroll says what enrolls records: events, a filter that a record starts to match, or a schedule.
type Enroll struct {
	On       []Trigger   `json:"on,omitempty" doc:"Event triggers, alternatives of each other." min:"1"`
	If       *crm.Filter `json:"if,omitempty" doc:"Must hold at the instant of the event or of the scheduled run."`
	When     *crm.Filter `json:"when,omitempty" doc:"Filter trigger: a record that starts to match."`
	Schedule *Schedule   `json:"schedule,omitempty" doc:"Enrolls every record that matches if, at set times."`
	Webhook  *Webhook    `json:"webhook,omitempty" doc:"A call to /v1/webhooks/ID of the API enrolls the record that it is about."`
	Again    Again       `json:"again,omitzero" doc:"Whether a record may enter more than once." default:"never"`
	Leave    bool        `json:"leave_when_no_longer_matching,omitempty" doc:"Take a record out when it no longer matches when; who ceased to match before this was published stays."`
	Removes  Removes     `json:"remove_from,omitzero" doc:"Workflows that a record leaves when it enters this one: a list, or all."`
}

// Webhook finds the record that a call is about; what else the call says are properties of the event that enrolls it.
type Webhook struct {
	Match crm.PropertyName `json:"match" doc:"Property of the record, and field of the call, that finds it." required:"true"`
}

// Removes are the workflows that a record leaves when it enters another (semantics §2.6).
type Removes struct {
	All       bool
	Workflows []crm.WorkflowName
}

const removesAll = "all"

// UnmarshalNode reads `all` or a list of workflows.
func (r *Removes) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	switch node.Kind {
	case schema.String:
		if r.All = node.Value == removesAll; !r.All {
			d.NotAllowed(node, "remove_from", []string{removesAll})
		}
	case schema.List:
		*d = append(*d, schema.Decode(node, &r.Workflows)...)
	default:
		d.WrongType(node, "remove_from", "all or a list of workflows")
	}
}

// IsZero tells whether a record leaves no other workflow.
func (r Removes) IsZero() bool { return !r.All && len(r.Workflows) == 0 }

// MarshalJSON writes the source form.
func (r Removes) MarshalJSON() ([]byte, error) {
	if r.All {
		return json.Marshal(removesAll)
	}
	return json.Marshal(r.Workflows)
}

// Describe tells readers about the source form.
func (Removes) Describe() schema.Description {
	return schema.Description{Name: "workflows or all", Doc: "A list of workflows, or all.", Schema: map[string]any{
		"anyOf": []any{map[string]any{"enum": []any{removesAll}}, map[string]any{"type": "array"}},
	}}
}

// Trigger is an event that enrolls the record it happened to.
type Trigger struct {
	Event crm.EventType    `json:"event" doc:"Type of the event." required:"true"`
	Where *crm.EventFilter `json:"where,omitempty" doc:"Filter on the properties of the event."`
}

// Ways of re-enrollment (semantics §2.5).
const (
	AgainNever     = "never"      // once for ever
	AgainEachEvent = "each_event" // each time a trigger occurs
)

// Again is `never`, `each_event`, or the filters that re-enroll a record that starts to match one.
type Again struct {
	Mode    string // AgainNever, AgainEachEvent, or "" when there are filters
	Filters []crm.Filter
}

// UnmarshalNode reads a mode or a list of filters.
func (a *Again) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	switch node.Kind {
	case schema.String:
		if a.Mode = node.Value; a.Mode != AgainNever && a.Mode != AgainEachEvent {
			d.NotAllowed(node, "again", []string{AgainNever, AgainEachEvent})
		}
	case schema.List:
		*d = append(*d, schema.Decode(node, &a.Filters)...)
	default:
		d.WrongType(node, "again", "never, each_event or a list of filters")
	}
}

// MarshalJSON writes the source form.
func (a Again) MarshalJSON() ([]byte, error) {
	if len(a.Filters) > 0 {
		return json.Marshal(a.Filters)
	}
	return json.Marshal(a.Mode)
}

// Describe tells readers about the source form.
func (Again) Describe() schema.Description {
	return schema.Description{Name: "never, each_event or filters", Doc: "never, each_event, or the filters that re-enroll a record that starts to match one.", Schema: map[string]any{
		"anyOf": []any{map[string]any{"enum": []any{AgainNever, AgainEachEvent}}, map[string]any{"type": "array"}},
	}}
}

// Schedule enrolls at set times in the workflow's zone. Exactly one of Daily, Weekly, Monthly, Yearly
// and Property is set.
type Schedule struct {
	Daily     bool              `json:"daily,omitempty" doc:"Every day."`
	Weekly    crm.Weekdays      `json:"weekly,omitempty" doc:"On these weekdays."`
	Monthly   []MonthDay        `json:"monthly,omitempty" doc:"On these days of the month; the last day where a month is shorter."`
	Yearly    []crm.CalendarDay `json:"yearly,omitempty" doc:"On these days of the year, as 12-25."`
	Property  crm.PropertyName  `json:"property,omitzero" doc:"On the day in this date property of the record."`
	Offset    crm.Offset        `json:"offset,omitzero" doc:"Beside property: so long before (negative) or after it."`
	EveryYear bool              `json:"every_year,omitempty" doc:"Beside property: on its day in every year."`
	At        crm.TimeOfDay     `json:"at" doc:"Time of day." default:"00:00"`
	If        *crm.Filter       `json:"if,omitempty" doc:"The same as if beside schedule."`
}

// MonthDay is a day of the month: 1 to 31, `last_day`, or a weekday's position such as `first_monday`.
type MonthDay string

var positions = []string{"first", "second", "third", "fourth", "last"}

// UnmarshalNode reads a day of the month.
func (m *MonthDay) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	*m = MonthDay(node.Value)
	if day, err := strconv.Atoi(node.Value); err == nil && day >= 1 && day <= 31 || node.Value == "last_day" {
		return
	}
	position, weekday, _ := strings.Cut(node.Value, "_")
	if _, err := crm.ParseWeekday(weekday); err != nil || !slices.Contains(positions, position) {
		d.Errorf(node.Pos, "wrong-value", "%s is not a day of the month: write 1 to 31, last_day, or first_monday", node.What())
	}
}

// Describe tells readers about the source form.
func (MonthDay) Describe() schema.Description {
	return schema.Description{Name: "day of the month", Doc: "1 to 31, last_day, first_monday, last_friday.", Schema: map[string]any{"type": []any{"integer", "string"}}}
}
