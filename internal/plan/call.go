package plan

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Call asks an action which way and when. It is the input of a kind's activity.
type Call struct {
	Enrollment string                     `json:"enrollment"` // welcome/contact/51/3
	Plan       string                     `json:"plan"`       // hash of the plan in hand
	Node       string                     `json:"node"`
	Visit      int                        `json:"visit"`            // 1 for the first visit of this node
	Arrived    time.Time                  `json:"arrived,omitzero"` // left out in JSON when it is Now
	Edited     time.Time                  `json:"edited,omitzero"`  // when a reload first showed another Hash of this node
	Now        time.Time                  `json:"now"`
	Event      *Event                     `json:"event,omitempty"`    // the event that woke the wait
	Due        bool                       `json:"due,omitempty"`      // the wait's deadline has come: answer for good
	Force      bool                       `json:"force,omitempty"`    // an operator skipped the wait for a window
	Outputs    map[string]json.RawMessage `json:"outputs,omitempty"`  // by action id: what Node.Reads names
	Visits     map[string]int             `json:"visits,omitempty"`   // how often the nodes of Node.Reads were visited
	Awaits     string                     `json:"awaits,omitempty"`   // event type that this visit waited for until now
	Listening  time.Time                  `json:"listening,omitzero"` // when an edit changed that type; zero = since the arrival
	Took       []string                   `json:"took,omitempty"`     // ids of events that earlier waits consumed
	Notes      []Note                     `json:"notes,omitempty"`    // what the interpreter did since the last call
}

// MarshalJSON leaves out what Now says too: a call stands in histories.
func (c Call) MarshalJSON() ([]byte, error) {
	type fields Call
	if c.Arrived.Equal(c.Now) {
		c.Arrived = time.Time{}
	}
	return json.Marshal(fields(c))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Call) UnmarshalJSON(text []byte) error {
	type fields Call
	if err := json.Unmarshal(text, (*fields)(c)); err != nil {
		return err
	}
	if c.Arrived.IsZero() {
		c.Arrived = c.Now
	}
	return nil
}

// Key names this visit of this node for ever: it neither contains a run id nor an attempt, so that
// retries, resets and continue-as-new find the same ledger row (design §5).
func (c Call) Key() string {
	return c.Enrollment + "/" + c.Node + "/" + strconv.Itoa(c.Visit)
}

// Workflow is the id of the definition that the enrollment belongs to.
func (c Call) Workflow() string { return strings.SplitN(c.Enrollment, "/", 2)[0] }

// Record is the enrolled record, as in contact/51.
func (c Call) Record() string {
	parts := strings.Split(c.Enrollment, "/")
	if len(parts) < 4 {
		return ""
	}
	return strings.Join(parts[1:len(parts)-1], "/")
}

// EnrollmentOf is the enrollment of a step's key, "" when it is no such key.
func EnrollmentOf(key string) string {
	parts := strings.Split(key, "/")
	if len(parts) < 6 {
		return ""
	}
	return strings.Join(parts[:4], "/")
}

// Outcome answers a Call. The zero Outcome follows the port `next` at once.
type Outcome struct {
	Port   string          `json:"port,omitempty"`
	Until  time.Time       `json:"until,omitzero"`  // wait; when due, follow Port (or see Event, Again)
	Event  string          `json:"event,omitempty"` // wake for events of this type; Until (zero = never) asks a last time
	Since  time.Time       `json:"since,omitzero"`  // events before this instant do not count
	Took   string          `json:"took,omitempty"`  // id of the event that this answer consumes (semantics §4.6)
	Again  bool            `json:"again,omitempty"` // ask the same node again at Until
	End    string          `json:"end,omitempty"`   // leave the workflow for this reason
	Output json.RawMessage `json:"output,omitempty"`
	Note   string          `json:"note,omitempty"` // for the journal and the author's eyes
}

// Waits tells whether the enrollment has to wait before it moves.
func (o Outcome) Waits() bool { return o.Again || o.Event != "" || !o.Until.IsZero() }

// Event is something that happened to a record. Without an id it is never a duplicate; without a
// time it happened when it was received.
type Event struct {
	ID         string         `json:"id,omitempty"`
	Type       string         `json:"type"`
	At         time.Time      `json:"at,omitzero"`
	Record     string         `json:"record,omitempty"`
	Source     string         `json:"source,omitempty"` // key of the step it answers: the e-mail that was opened
	Properties map[string]any `json:"properties,omitempty"`
	By         string         `json:"-"` // who told it, for our books alone
}

// Values returns the event's properties; a missing event has none.
func (e *Event) Values() map[string]any {
	if e == nil {
		return nil
	}
	return e.Properties
}

// Entry is one line of the journal. Entries are unique by Key and Phase, so that a repeated attempt
// writes none twice.
type Entry struct {
	Enrollment string    `json:"enrollment,omitempty"`
	Key        string    `json:"key,omitempty"`   // of the step; the enrollment's id for entries about the enrollment
	Phase      string    `json:"phase,omitempty"` // "" = Event
	At         time.Time `json:"at"`
	Node       string    `json:"node,omitempty"`
	Kind       string    `json:"kind,omitempty"`
	Event      string    `json:"event"` // one of the constants below
	Port       string    `json:"port,omitempty"`
	Detail     string    `json:"detail,omitempty"`
}

// Note is a journal entry on its way from the interpreter, which writes nothing itself: it travels with
// the next call.
type Note struct {
	Number int       `json:"number"` // within the enrollment
	At     time.Time `json:"at"`
	Node   string    `json:"node,omitempty"`
	Visit  int       `json:"visit,omitempty"`
	Kind   string    `json:"kind,omitempty"`
	Event  string    `json:"event"`
	Port   string    `json:"port,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// Entry is the journal's form of the note.
func (n Note) Entry(enrollment string) Entry {
	key := Call{Enrollment: enrollment, Node: n.Node, Visit: n.Visit}.Key()
	return Entry{
		Enrollment: enrollment, Key: key, Phase: n.Event + "#" + strconv.Itoa(n.Number), At: n.At, Node: n.Node, Kind: n.Kind, Event: n.Event, Port: n.Port, Detail: n.Detail,
	}
}

// Event types of the journal (semantics §5.5).
const (
	JournalEnrolled         = "enrolled"
	JournalBlocked          = "enrollment_blocked"
	JournalReEnrolled       = "re_enrolled"
	JournalUnenrolled       = "unenrolled"
	JournalGoalMet          = "goal_met"
	JournalCompleted        = "completed"
	JournalStarted          = "action_started"
	JournalSucceeded        = "action_succeeded"
	JournalFailed           = "action_failed"
	JournalUnknown          = "action_unknown" // cut in the middle of its send: nobody can say whether it left
	JournalSkipped          = "action_skipped"
	JournalRetrying         = "action_retrying"
	JournalDelayStarted     = "delay_started"
	JournalDelayRescheduled = "delay_rescheduled"
	JournalDelayEnded       = "delay_ended"
	JournalBranch           = "branch_taken"
	JournalGoTo             = "goto"
	JournalMoved            = "moved"
	JournalWarning          = "warning"
	JournalWebhook          = "webhook_response"
	JournalConsole          = "console" // a line that the author's code wrote
)

// States of a ledger row.
const (
	LedgerStarted = "started" // the outside call may have happened
	LedgerRefused = "refused" // the other side cleanly said no: nothing happened, may be tried again
	LedgerDone    = "done"    // it happened; Result says what came of it
	LedgerWaiting = "waiting" // it happened, and an event is to complete it; Result says how that is waited for
	LedgerUnknown = "unknown" // it was cut in the middle and must not be repeated
	LedgerFailed  = "failed"  // it will never happen
)

// LedgerRow remembers one outside effect under its idempotency key.
type LedgerRow struct {
	Key    string          `json:"key"`
	State  string          `json:"state"`
	At     time.Time       `json:"at"`
	Result json.RawMessage `json:"result,omitempty"`
}
