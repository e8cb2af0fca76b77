package plan

import "time"

// Queueing asks whether it is an enrollment's turn to enter the first action of a workflow with a rate.
type Queueing struct {
	Workflow   string
	Enrollment string
	Limit      int           // so many enter
	Per        time.Duration // in any time of this length
	Now        time.Time
	Open       bool // nothing else keeps it from entering now
	Begun      bool // it stood at an action before: unless it has a place, it never had to wait
	Force      bool // an operator sends it in, whoever else waits
}

// Place is where an enrollment stands in the queue before the first action.
type Place struct {
	Entered bool      `json:"entered"`
	Due     time.Time `json:"due"` // when its turn is expected
}
