package definition

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Settings are what a definition says about all its actions (semantics §4.12).
type Settings struct {
	TimeZone   TimeZone      `json:"time_zone,omitzero" doc:"IANA zone of all times of the workflow, or a token such as {{ contact.time_zone }}; the account's, if left out."`
	Windows    []Window      `json:"windows,omitempty" doc:"Actions run only within these hours; delays and branches at any time."`
	PauseDates []CalendarDay `json:"pause_dates,omitempty" doc:"Days on which no action runs: 12-25 every year, 2027-08-16 once."`
	Rate       *Rate         `json:"rate,omitempty" doc:"How many enrollments enter the first action in a time."`
}

// Window is a part of the day on some weekdays. Its end is the last moment to start.
type Window struct {
	Days crm.Weekdays  `json:"days,omitempty" doc:"Weekdays; every day, if left out."`
	From crm.TimeOfDay `json:"from" doc:"Start." required:"true"`
	To   crm.TimeOfDay `json:"to" doc:"End, later on the same day." required:"true"`
}

// Rate limits how many enrollments enter the first action.
type Rate struct {
	Limit int    `json:"limit" doc:"So many." required:"true" min:"1"`
	Per   Period `json:"per" doc:"In this time." required:"true"`
}

// Period is a duration that is longer than nothing.
type Period struct{ crm.Duration }

// UnmarshalNode reads a duration.
func (p *Period) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	before := len(*d)
	if p.Duration.UnmarshalNode(node, d); len(*d) == before && p.IsZero() {
		d.Errorf(node.Pos, "out-of-range", "the time has to be longer than nothing")
	}
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

// CalendarDay is a day of every year (Year 0) or of one.
type CalendarDay struct {
	Year  int
	Month time.Month
	Day   int
}

// UnmarshalNode reads 12-25 or 2027-08-16.
func (c *CalendarDay) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	text, everyYear := node.Value, len(node.Value) == len("12-25")
	if everyYear {
		text = "2024-" + text // a leap year
	}
	day, err := crm.ParseDate(text)
	if err != nil || !node.IsScalar() {
		d.Errorf(node.Pos, "wrong-value", "%s is not a day: write 12-25 for every year, or 2027-08-16", node.What())
		return
	}
	*c = CalendarDay{Year: day.Year, Month: day.Month, Day: day.Day}
	if everyYear {
		c.Year = 0
	}
}

// String writes the source form.
func (c CalendarDay) String() string {
	if c.Year == 0 {
		return fmt.Sprintf("%02d-%02d", int(c.Month), c.Day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", c.Year, int(c.Month), c.Day)
}

// MarshalJSON writes the source form.
func (c CalendarDay) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Describe tells readers about the source form.
func (CalendarDay) Describe() schema.Description {
	return schema.Description{Name: "calendar day", Doc: "12-25 for every year, or 2027-08-16.", Schema: map[string]any{"type": "string"}}
}

// On tells whether the day is d.
func (c CalendarDay) On(d crm.Date) bool {
	return (c.Year == 0 || c.Year == d.Year) && c.Month == d.Month && c.Day == d.Day
}

// maxClosed is how many days in a row a workflow's windows may be closed (semantics §4.12).
const maxClosed = 400

// closedTooLong returns the first day of more than maxClosed days without an open window, if there is
// one in this century.
func (s Settings) closedTooLong() (since crm.Date, found bool) {
	if len(s.PauseDates) == 0 {
		return crm.Date{}, false // a window opens every week
	}
	yearly, once := map[[2]int]bool{}, map[crm.Date]bool{}
	for _, day := range s.PauseDates {
		if day.Year == 0 {
			yearly[[2]int{int(day.Month), day.Day}] = true
		} else {
			once[crm.Date{Year: day.Year, Month: day.Month, Day: day.Day}] = true
		}
	}
	closed := 0
	for day := (crm.Date{Year: 2000, Month: 1, Day: 1}); day.Year < 2100; day = day.AddDays(1) {
		if !yearly[[2]int{int(day.Month), day.Day}] && !once[day] && s.opensOn(day.Weekday()) {
			closed = 0
			continue
		}
		if closed++; closed == 1 {
			since = day
		}
		if closed > maxClosed {
			return since, true
		}
	}
	return crm.Date{}, false
}

// opensOn tells whether a window opens on a weekday.
func (s Settings) opensOn(weekday time.Weekday) bool {
	for _, window := range s.Windows {
		if window.Days.Has(weekday) {
			return true
		}
	}
	return len(s.Windows) == 0
}
