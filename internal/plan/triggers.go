package plan

import (
	"encoding/json"
	"time"
)

// Triggers are Rules.Enroll as it is read back: what enrolls records by itself.
type Triggers struct {
	On         []EventTrigger  `json:"on,omitempty"`
	If         json.RawMessage `json:"if,omitempty"`
	When       json.RawMessage `json:"when,omitempty"`
	Schedule   json.RawMessage `json:"schedule,omitempty"`
	Webhook    json.RawMessage `json:"webhook,omitempty"`
	RemoveFrom json.RawMessage `json:"remove_from,omitempty"` // a list of workflows, or "all"
}

// EventTrigger is an event that enrolls the record it happened to.
type EventTrigger struct {
	Event string          `json:"event"`
	Where json.RawMessage `json:"where,omitempty"`
}

// Triggers reads what enrolls records; missing rules have none.
func (r *Rules) Triggers() (triggers Triggers, err error) {
	if r != nil && len(r.Enroll) > 0 {
		err = json.Unmarshal(r.Enroll, &triggers)
	}
	return triggers, err
}

// AgainNever tells whether a record enters once for ever.
func (r *Rules) AgainNever() bool {
	return r == nil || len(r.Again) == 0 || string(r.Again) == `"never"`
}

// AgainFilters are the filters that re-enroll a record that starts to match one. There are none when re-enrollment is
// off, or each trigger re-enrolls.
func (r *Rules) AgainFilters() (filters []json.RawMessage, err error) {
	if r != nil && len(r.Again) > 0 && r.Again[0] == '[' {
		err = json.Unmarshal(r.Again, &filters)
	}
	return filters, err
}

// Intent is something that was decided and is to be done at Temporal, once.
type Intent struct {
	Seq        int64
	Act        string // one of the constants below
	Workflow   string
	Record     string
	Trigger    string // of an enrollment: what enrolls, unique by workflow and record
	Way        string // of an enrollment: how that came about, one of the constants below
	Enrollment string // that is to leave or to wake
	Event      *Event
	Reason     string // of a leave
	Detail     string
	Depth      int  // of the chain of workflows that set each other off
	Bulk       bool // one of many: gives way to others
	At         time.Time
	Tries      int
	Error      string // of the last try
}

// Acts of an Intent.
const (
	ActEnroll   = "enroll"
	ActUnenroll = "unenroll"
	ActEvent    = "event"    // tell an enrollment of an event
	ActChanged  = "changed"  // tell an enrollment that what it follows has changed
	ActSchedule = "schedule" // make a workflow's schedule at Temporal what its newest revision says
)

// Ways in (semantics §2.2).
const (
	WayEvent    = "event"
	WayFilter   = "filter"   // the record started to match
	WayAgain    = "again"    // it started to match a re-enrollment trigger
	WaySchedule = "schedule" // it matched when the time came
	WayExisting = "existing" // it matched when the trigger was published
	WayWebhook  = "webhook"
)

// Match is what a filter that enrolls said of a record, and when to look again.
type Match struct {
	Workflow string
	Filter   string // digest of its source
	Record   string
	Matching bool
	Look     time.Time // zero = when something changes
}
