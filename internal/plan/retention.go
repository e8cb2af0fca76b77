package plan

import "time"

// Pruning removes what is kept no longer, page by page: the state of a Temporal workflow of the type PruningType, which a
// schedule starts with an empty one.
type Pruning struct {
	At      time.Time        `json:"at,omitzero"`       // ages are counted up to here; zero = the start of the Temporal workflow
	Stage   int              `json:"stage,omitempty"`   // how many kinds of things are done with
	Age     time.Time        `json:"age,omitzero"`      // of the last thing that was looked at in this stage
	Seq     int64            `json:"seq,omitempty"`     // its number
	Removed map[string]int64 `json:"removed,omitempty"` // how many of each kind, so far
	Done    bool             `json:"done,omitempty"`
}

// Names of the pruning.
const (
	PruningType   = "Pruning"
	ActivityPrune = "prune"
)
