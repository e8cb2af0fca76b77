package plan

import (
	"encoding/json"
	"time"
)

// Names that both sides of the border between workflow and activities use.
const (
	WorkflowType = "Enrollment"
	TaskQueue    = "millrace"

	ActivityAdmit  = "admit"
	ActivityLoad   = "load"
	ActivityClose  = "close"
	ActivityFailed = "failed"

	SignalEvent    = "event"
	SignalChanged  = "changed"
	SignalUnenroll = "unenroll"

	UpdatePause    = "pause"
	UpdateResume   = "resume"
	UpdateUnenroll = "unenroll"
	UpdateSkipWait = "skip_wait"
	UpdateMove     = "move"

	QueryStatus = "status"
	QueryPath   = "path"

	AttributeWorkflow = "MillraceWorkflow"
	AttributeRecord   = "MillraceRecord"
	AttributeObject   = "MillraceObject"
	AttributeRevision = "MillraceRevision"
	AttributeTrigger  = "MillraceTrigger"
	AttributeOutcome  = "MillraceOutcome"
)

// ChannelQueue is the task queue of a channel with a limit.
func ChannelQueue(channel string) string { return TaskQueue + "-" + channel }

// WorkflowID is the Temporal workflow id of record's enrollment in workflow. It is the same for
// every enrollment of that record there, so at most one can be open.
func WorkflowID(workflow, record string) string { return "enrollment/" + workflow + "/" + record }

// State is everything an enrollment knows: the input of its Temporal workflow, the answer to the
// query `status` and what continue-as-new carries over. Who starts one by hand gives `workflow` and
// `record` only.
type State struct {
	Workflow string `json:"workflow"`
	Record   string `json:"record"`
	Trigger  string `json:"trigger,omitempty"` // what enrolled the record; "" = manual
	Event    *Event `json:"event,omitempty"`   // the event that enrolled it

	Enrollment string                     `json:"enrollment,omitempty"`
	Plan       string                     `json:"plan,omitempty"` // hash of the plan in hand
	Revision   int                        `json:"revision,omitempty"`
	Version    int                        `json:"version,omitempty"` // of the interpreter; never goes down
	Node       string                     `json:"node,omitempty"`
	Arrived    time.Time                  `json:"arrived,omitzero"`
	Edited     time.Time                  `json:"edited,omitzero"`
	Until      time.Time                  `json:"until,omitzero"`     // absolute deadline of the present wait
	Awaits     string                     `json:"awaits,omitempty"`   // event type that this visit waits for
	Listening  time.Time                  `json:"listening,omitzero"` // when an edit changed that type
	Paused     bool                       `json:"paused,omitempty"`   // held by an operator
	Asked      string                     `json:"asked,omitempty"`    // Hash of the present node as it was last asked
	Visits     map[string]int             `json:"visits,omitempty"`   // by node
	Steps      int                        `json:"steps,omitempty"`    // node visits since the start of the enrollment
	Pending    []Event                    `json:"pending,omitempty"`  // received, not yet awaited; bounded
	Seen       []string                   `json:"seen,omitempty"`     // ids of events received; bounded
	Took       []string                   `json:"took,omitempty"`     // ids of events that waits consumed; bounded
	Outputs    map[string]json.RawMessage `json:"outputs,omitempty"`  // by action id, of nodes with Keep
	Path       []Visited                  `json:"path,omitempty"`     // the last visits; bounded
	Notes      []Note                     `json:"notes,omitempty"`    // for the journal, sent with the next call
	Noted      int                        `json:"noted,omitempty"`    // notes made so far
}

// Visited is one visit on the path that an enrollment took.
type Visited struct {
	Node string    `json:"node"`
	Port string    `json:"port,omitempty"`
	At   time.Time `json:"at"`
}

// Exit is the result of an enrollment.
type Exit struct {
	Reason string `json:"reason"`
	Node   string `json:"node,omitempty"` // where it left
	Detail string `json:"detail,omitempty"`
}

// AdmitRequest asks whether a record may enter.
type AdmitRequest struct {
	WorkflowID string    `json:"workflow_id"`
	FirstRun   string    `json:"first_run"` // together with WorkflowID it names the enrollment: asked twice, answered the same
	Workflow   string    `json:"workflow"`
	Record     string    `json:"record"`
	Trigger    string    `json:"trigger,omitempty"`
	Event      *Event    `json:"event,omitempty"`
	Now        time.Time `json:"now"`
}

// Admission answers an AdmitRequest; Refused is a typed reason such as `wrong-id`, Detail a sentence.
type Admission struct {
	Enrollment string `json:"enrollment,omitempty"`
	Refused    string `json:"refused,omitempty"`
	Detail     string `json:"detail,omitempty"`
	Plan       *Plan  `json:"plan,omitempty"`
	Version    int    `json:"version"`
}

// LoadRequest asks for the plan to follow by somebody who holds Plan.
type LoadRequest struct {
	Enrollment string    `json:"enrollment"`
	Workflow   string    `json:"workflow"`
	Plan       string    `json:"plan"`
	Revision   int       `json:"revision"`
	Known      bool      `json:"known"` // the plan is in hand: answer "unchanged" when it is the one to follow
	Now        time.Time `json:"now"`
}

// Loaded answers a LoadRequest. Plan is nil when the plan in hand is the one to follow.
type Loaded struct {
	Plan    *Plan `json:"plan,omitempty"`
	Version int   `json:"version"`
}

// CloseRequest ends an enrollment in our own books.
type CloseRequest struct {
	Enrollment string    `json:"enrollment,omitempty"`
	WorkflowID string    `json:"workflow_id"`
	FirstRun   string    `json:"first_run"`
	Workflow   string    `json:"workflow"`
	Record     string    `json:"record"`
	Exit       Exit      `json:"exit"`
	Steps      int       `json:"steps"`
	Now        time.Time `json:"now"`
	Notes      []Note    `json:"notes,omitempty"`
}

// Failure is why a call failed for good.
type Failure struct {
	Call    Call      `json:"call"`
	Kind    string    `json:"kind"`
	Reason  string    `json:"reason"` // typed: no-address, gave-up, …
	Message string    `json:"message"`
	Now     time.Time `json:"now"`
}

// Move is the argument of the update `move`.
type Move struct {
	Node string `json:"node"`
}

// Unenroll is the argument of the signal and of the update `unenroll`.
type Unenroll struct {
	Reason string `json:"reason,omitempty"` // an exit reason; "" = unenrolled
	Detail string `json:"detail,omitempty"`
}
