package definition

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Settings are what a definition says about all its actions (semantics §4.12).
type Settings struct {
	TimeZone   TimeZone     `json:"time_zone,omitzero" doc:"IANA zone of all times of the workflow, or a token such as {{ contact.time_zone }}; the account's, if left out."`
	Windows    []crm.Window `json:"windows,omitempty" doc:"Actions run only within these hours; delays and branches at any time."`
	PauseDates []PauseDate  `json:"pause_dates,omitempty" doc:"Days on which no action runs: 12-25 every year, 2027-08-16 once, {calendar: NAME} those of calendars/NAME.yaml."`
	Rate       *crm.Rate    `json:"rate,omitempty" doc:"How many enrollments enter the first action in a time."`
	OffAt      *LocalTime   `json:"off_at,omitempty" doc:"When the workflow switches itself off, as 2027-12-24T18:00 in its time zone."`
}

// PauseDate is a day on which no action runs, or all those of a calendar of the workspace.
type PauseDate struct {
	Day      crm.CalendarDay
	Calendar crm.CalendarName // when it names one
}

// UnmarshalNode reads a day or {calendar: NAME}.
func (p *PauseDate) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	if node.Kind != schema.Mapping {
		p.Day.UnmarshalNode(node, d)
		return
	}
	var named struct {
		Calendar crm.CalendarName `json:"calendar" doc:"Name of a calendar." required:"true"`
	}
	*d = append(*d, schema.Decode(node, &named)...)
	p.Calendar = named.Calendar
}

// MarshalJSON writes the source form.
func (p PauseDate) MarshalJSON() ([]byte, error) {
	if !p.Calendar.IsZero() {
		return json.Marshal(map[string]string{"calendar": p.Calendar.Text})
	}
	return json.Marshal(p.Day)
}

// Describe tells readers about the source form.
func (PauseDate) Describe() schema.Description {
	return schema.Description{Name: "calendar day or calendar", Doc: "12-25 for every year, 2027-08-16, or {calendar: NAME}.", Schema: map[string]any{
		"anyOf": []any{
			map[string]any{"type": "string"},
			map[string]any{
				"type": "object", "properties": map[string]any{"calendar": map[string]any{"type": "string"}},
				"required": []any{"calendar"}, "additionalProperties": false,
			},
		},
	}}
}

// LocalTime is a day with a time of day; the zone is the workflow's.
type LocalTime struct {
	Date crm.Date
	Time crm.TimeOfDay
}

// UnmarshalNode reads 2027-12-24T18:00.
func (l *LocalTime) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	date, clock, _ := strings.Cut(node.Value, "T")
	var dayErr, timeErr error
	l.Date, dayErr = crm.ParseDate(date)
	l.Time, timeErr = crm.ParseTimeOfDay(clock)
	if dayErr != nil || timeErr != nil || !node.IsScalar() {
		d.Errorf(node.Pos, "wrong-value", "%s is not a day and time: write 2027-12-24T18:00", node.What())
	}
}

// String writes the source form.
func (l LocalTime) String() string { return l.Date.String() + "T" + l.Time.String() }

// MarshalJSON writes the source form.
func (l LocalTime) MarshalJSON() ([]byte, error) { return json.Marshal(l.String()) }

// Describe tells readers about the source form.
func (LocalTime) Describe() schema.Description {
	return schema.Description{Name: "day and time", Doc: "2027-12-24T18:00, in the workflow's time zone.", Schema: map[string]any{
		"type": "string", "pattern": `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$`,
	}}
}

// opening is when actions may run, with the days of the calendars that the settings name.
func (s Settings) opening(in *Workspace) crm.Opening {
	opening := crm.Opening{Windows: s.Windows}
	for _, one := range s.PauseDates {
		switch {
		case one.Calendar.IsZero():
			opening.Paused = append(opening.Paused, one.Day)
		case in != nil && in.Calendars[one.Calendar.Text] != nil:
			opening.Paused = append(opening.Paused, in.Calendars[one.Calendar.Text].Days...)
		}
	}
	return opening
}

// zone is where times of the definition are read that are the same for all records.
func (f *File) zone(in *Workspace) *time.Location {
	for _, name := range []string{f.Settings.TimeZone.String(), in.zone()} {
		if zone, err := crm.LoadZone(name); err == nil && name != "" {
			return zone
		}
	}
	return time.UTC
}

// TimeZone is an IANA name, or a template whose tokens give one.
type TimeZone struct {
	Template crm.Template
	pos      schema.Pos
}

// UnmarshalNode reads a zone and reports one that does not exist.
func (z *TimeZone) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	z.pos = node.Pos
	z.Template.UnmarshalNode(node, d)
	if node.Kind == schema.String && !strings.Contains(node.Value, "{{") {
		checkZone(node, d)
	}
}

// checkZone reports a time zone that does not exist.
func checkZone(node *schema.Node, d *schema.Diagnostics) {
	if _, err := crm.LoadZone(node.Value); err != nil {
		d.Errorf(node.Pos, "unknown-time-zone", "there is no time zone %q", node.Value).Hint = "write an IANA name such as Europe/Rome"
	}
}

// IsZero tells whether no zone is given.
func (z TimeZone) IsZero() bool { return z.Template.IsZero() }

// String returns the source form.
func (z TimeZone) String() string { return z.Template.String() }

// MarshalJSON writes the source form.
func (z TimeZone) MarshalJSON() ([]byte, error) { return z.Template.MarshalJSON() }

// Describe tells readers about the source form.
func (TimeZone) Describe() schema.Description {
	return schema.Description{Name: "time zone", Doc: "An IANA name such as Europe/Rome, or a token.", Schema: map[string]any{"type": "string"}}
}
