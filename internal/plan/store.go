package plan

import "time"

// Standing is where an enrollment is right now, kept beside the journal so that lists and `why` need
// no Temporal query.
type Standing struct {
	Enrollment string    `json:"enrollment"`
	Node       string    `json:"node,omitempty"`
	Kind       string    `json:"kind,omitempty"`
	Arrived    time.Time `json:"arrived,omitzero"`
	Until      time.Time `json:"until,omitzero"`
	Awaits     string    `json:"awaits,omitempty"`
	LastError  string    `json:"last_error,omitempty"`
	Plan       string    `json:"plan,omitempty"` // hash of the plan it follows
	Hold       string    `json:"hold,omitempty"` // what keeps it from its action: one of the constants below
}

// What keeps an enrollment from its next action.
const (
	HoldPause  = "pause"  // the workflow's switch
	HoldWindow = "window" // its windows and pause dates
	HoldRate   = "rate"   // others come first
)

// Enrollment is a row of our own enrollment ledger: Temporal forgets closed executions after its
// retention, we do not.
type Enrollment struct {
	ID         string    `json:"enrollment"` // welcome/contact/51/3
	Workflow   string    `json:"workflow"`
	Record     string    `json:"record"`
	Number     int       `json:"number"` // 3: the third of that record there
	WorkflowID string    `json:"workflow_id"`
	FirstRun   string    `json:"first_run"`
	Trigger    string    `json:"trigger,omitempty"`
	Event      *Event    `json:"event,omitempty"` // what enrolled it: tokens `event.…`
	Revision   int       `json:"revision"`
	Started    time.Time `json:"started"`
	Closed     time.Time `json:"closed,omitzero"`
	Exit       string    `json:"exit,omitempty"` // "" while open
	ExitNode   string    `json:"exit_node,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	Standing   Standing  `json:"standing,omitzero"`
	Depth      int       `json:"depth,omitempty"`    // of the chain of workflows that set each other off
	Converted  time.Time `json:"converted,omitzero"` // when the goal was met, inside or afterwards
}

// Message is one thing that left, or would have left, the house: a line of the outbox.
type Message struct {
	Key     string    `json:"key"` // idempotency key of the send
	At      time.Time `json:"at"`
	Node    string    `json:"node,omitempty"`
	Channel string    `json:"channel"` // email, webhook, …
	From    string    `json:"from,omitempty"`
	To      string    `json:"to"`
	Subject string    `json:"subject,omitempty"`
	Body    string    `json:"body,omitempty"`
}
