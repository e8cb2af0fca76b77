package plan

import (
	"maps"
	"time"
)

// Revision is one published, numbered, immutable definition.
type Revision struct {
	Number    int               `json:"revision"`
	Workflow  string            `json:"workflow"`
	Plan      *Plan             `json:"plan"`
	Source    string            `json:"source"`            // the definition as its author wrote it
	InFlight  string            `json:"in_flight"`         // follow, pin or migrate: what people inside do
	Migrate   map[string]string `json:"migrate,omitempty"` // with migrate: node of the revision before → where its people go; "" = completed
	Published time.Time         `json:"published"`
	By        string            `json:"by,omitempty"`
	On        bool              `json:"on"`
}

// Policies for people who are inside when a revision is published.
const (
	InFlightFollow  = "follow"  // go on in the new revision
	InFlightPin     = "pin"     // finish in the old one
	InFlightMigrate = "migrate" // go on where the publisher's map says; who stands in no node of it follows
)

// Destination is where people go on who stand in a node of the revision before this one, or of one before that
// which is not there any more; "" = completed.
func (r Revision) Destination(node string) string {
	if to, mapped := r.Migrate[node]; mapped || node == "" {
		return to
	}
	if _, kept := r.Plan.Nodes[node]; kept {
		return node
	}
	return r.Plan.Moved[node]
}

// Follow walks over the revisions after the one that somebody is in, oldest first, and answers the plan to go on by:
// that of the last one before a revision which was published for those who come later, or nil when there is none.
// Its Moved holds for who takes exactly this way, also for nodes that are still there and that a map on the way
// empties (design §5, "Revisions").
func Follow(newer []Revision) *Plan {
	var to *Plan
	moved := map[string]string{}
	for _, revision := range newer {
		if revision.InFlight == InFlightPin {
			break
		}
		to = revision.Plan
		for from, at := range moved {
			moved[from] = revision.Destination(at)
		}
		for from, at := range revision.Migrate {
			if _, left := moved[from]; !left {
				moved[from] = at
			}
		}
	}
	for from, at := range moved {
		if from == at { // sent away and back again
			delete(moved, from)
		}
	}
	if len(moved) == 0 {
		return to
	}
	followed := *to
	followed.Moved = maps.Clone(to.Moved)
	if followed.Moved == nil {
		followed.Moved = map[string]string{}
	}
	maps.Copy(followed.Moved, moved)
	return &followed
}
