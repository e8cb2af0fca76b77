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
	Schedule   *Schedule       `json:"schedule,omitempty"`
	Webhook    *Webhook        `json:"webhook,omitempty"`
	RemoveFrom json.RawMessage `json:"remove_from,omitempty"` // a list of workflows, or "all"
}

// EventTrigger is an event that enrolls the record it happened to.
type EventTrigger struct {
	Event string          `json:"event"`
	Where json.RawMessage `json:"where,omitempty"`
}

// Schedule enrolls at set times; its fields are in the form of the language.
type Schedule struct {
	Daily     bool     `json:"daily,omitempty"`
	Weekly    []string `json:"weekly,omitempty"`
	Monthly   []string `json:"monthly,omitempty"`
	Yearly    []string `json:"yearly,omitempty"`
	Property  string   `json:"property,omitempty"`
	Offset    string   `json:"offset,omitempty"`
	EveryYear bool     `json:"every_year,omitempty"`
	At        string   `json:"at"`
}

// Webhook enrolls whom a call from elsewhere is about.
type Webhook struct {
	Match string `json:"match"` // property of the record, and of the payload, that finds it
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
	Depth      int   // of the chain of workflows that set each other off
	Bulk       bool  // one of many: gives way to others
	Job        int64 // which enrolls it; 0 = none
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
	WayForce    = "force" // a step of another workflow enrolls also who was there before
)

// Match is what a filter that enrolls said of a record, and when to look again.
type Match struct {
	Workflow string
	Filter   string // digest of its source
	Record   string
	Matching bool
	Look     time.Time // zero = when something changes
}

// Bulk enrolls the records that a workflow's schedule is about at one time, page by page: the state of a Temporal workflow
// of the type BulkType, which a schedule starts with Workflow alone.
type Bulk struct {
	Workflow string    `json:"workflow"`
	At       time.Time `json:"at,omitzero"`      // the time that has come; zero = when the Temporal workflow started
	Cursor   string    `json:"cursor,omitempty"` // id of the last record that was looked at
	Done     bool      `json:"done,omitempty"`
	Matched  int       `json:"matched"` // records that matched so far, and were handed on to be enrolled
}

// Names of the bulk enrollment.
const (
	BulkType     = "BulkEnrollment"
	ActivityPage = "page"
)
