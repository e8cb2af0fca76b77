// Package plan is the contract between the compiler, the interpreter and the activities.
//
// It is data only, and the format only grows: plans, calls and outcomes written today are read from
// Temporal histories and from the store for years.
package plan

import (
	"encoding/json"
	"time"
)

// Ports that the interpreter and the compiler know by name; all others belong to a kind.
const (
	PortNext   = "next"   // an ordinary action went well
	PortFailed = "failed" // an action failed for good; falls through unless the author draws it
)

// Times that every node has unless it says otherwise, so that plans and histories need not.
const (
	Attempt = 45 * time.Second
	GiveUp  = 3 * 24 * time.Hour
)

// Exit reasons: why an enrollment ended.
const (
	ExitCompleted  = "completed"  // the path came to its end
	ExitEnded      = "ended"      // the author wrote `end`
	ExitWaiting    = "waiting"    // simulation only: nothing more can happen
	ExitGoalMet    = "goal_met"   // the goal's filter matched
	ExitSuppressed = "suppressed" // the suppression filter matched
	ExitUnenrolled = "unenrolled" // taken out by a person
	ExitRemoved    = "removed"    // taken out by another workflow
	ExitRefused    = "refused"    // never admitted
	ExitDeleted    = "deleted"    // the record is gone
	ExitMerged     = "merged"     // the record is a part of another now
)

// Plan is a definition in its compiled form. The plan that travels through a history is its Graph:
// configs and rules stay in the store and are found there by Hash.
type Plan struct {
	Workflow string            `json:"workflow"`
	Object   string            `json:"object"`
	Revision int               `json:"revision"`
	Hash     string            `json:"hash"` // of everything but Revision and Moved, so equal definitions have equal plans
	Start    Edge              `json:"start,omitzero"`
	Nodes    map[string]Node   `json:"nodes,omitempty"`
	Moved    map[string]string `json:"moved,omitempty"` // cumulative: deleted node → where its people go; "" = completed. In what load answers also nodes that a map empties
	Rules    *Rules            `json:"rules,omitempty"`
}

// Node is one action of a plan.
type Node struct {
	Kind    string          `json:"kind"` // also the activity's name
	Label   string          `json:"label,omitempty"`
	Hash    string          `json:"hash"`             // of kind and config: another hash means the action was edited
	Local   bool            `json:"local,omitempty"`  // touches only our store: runs as a local activity
	Queue   string          `json:"queue,omitempty"`  // task queue of its own, only for a channel with a limit
	Attempt time.Duration   `json:"attempt,omitzero"` // longest single attempt; 0 = Attempt
	GiveUp  time.Duration   `json:"give_up,omitzero"` // longest time over all attempts; 0 = GiveUp
	Next    Edge            `json:"next,omitzero"`    // where every port leads that Edges does not name
	Edges   map[string]Edge `json:"edges,omitempty"`  // the ports that the author drew
	Folded  []string        `json:"folded,omitempty"` // edits right behind this one, made in the same call
	Reads   []string        `json:"reads,omitempty"`  // actions whose outputs this one's tokens name
	Keep    bool            `json:"keep,omitempty"`   // a later action reads this one's output
	Config  json.RawMessage `json:"config,omitempty"` // defaults applied; in the store only
}

// Edge says where a port leads. The zero Edge completes the enrollment.
type Edge struct {
	To        string `json:"to,omitempty"`
	End       bool   `json:"end,omitempty"`        // leave with reason `ended`
	GoTo      bool   `json:"go_to,omitempty"`      // a jump, noted in the journal
	MaxVisits int    `json:"max_visits,omitempty"` // jump only while To was visited fewer times than this
	Else      *Edge  `json:"else,omitempty"`       // where to go when the visits are spent
}

// Edge returns where port leads.
func (n Node) Edge(port string) Edge {
	if edge, drawn := n.Edges[port]; drawn {
		return edge
	}
	return n.Next
}

// Graph returns the plan without configs and rules: what a history has to carry.
func (p *Plan) Graph() *Plan {
	graph := *p
	graph.Rules = nil
	graph.Nodes = make(map[string]Node, len(p.Nodes))
	for id, node := range p.Nodes {
		node.Config = nil
		graph.Nodes[id] = node
	}
	return &graph
}

// Rules are what a definition says about whole enrollments. Filters are in the form of the language
// (language.md §2), so that plan needs no knowledge of them.
type Rules struct {
	Name        string          `json:"name,omitempty"`
	Enroll      json.RawMessage `json:"enroll,omitempty"` // triggers: `on`, `if`, `when`, `schedule`
	Again       json.RawMessage `json:"again,omitempty"`  // "never", "each_event" or a list of filters
	Goal        json.RawMessage `json:"goal,omitempty"`
	Suppress    json.RawMessage `json:"suppress,omitempty"`
	LeaveOnMiss bool            `json:"leave_when_no_longer_matching,omitempty"`
	TimeZone    string          `json:"time_zone,omitempty"` // IANA name or a token; "" = the account's
	Settings    json.RawMessage `json:"settings,omitempty"`  // windows, pause dates, rate
	OffAt       time.Time       `json:"off_at,omitzero"`     // when the switch turns off by itself
	Needs       string          `json:"needs,omitempty"`     // property without which nobody is admitted
}

// OffAt is when the switch turns off by itself; zero = never.
func (p *Plan) OffAt() time.Time {
	if p == nil || p.Rules == nil {
		return time.Time{}
	}
	return p.Rules.OffAt
}
