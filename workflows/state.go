package workflows

import (
	"encoding/json"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/workflow"
)

// The state is carried through every continue-as-new, so what grows in it is bounded.
const (
	maxPending = 50  // events kept for a later wait
	maxSeen    = 200 // event ids kept to recognise duplicates
	maxTook    = 20  // ids of consumed events kept, so that no second wait takes them
	maxPath    = 50  // visits kept for the query `path`
)

func (e *enrollment) note(ctx workflow.Context, event, port, detail string) {
	e.Noted++
	e.Notes = append(e.Notes, plan.Note{
		Number: e.Noted, At: workflow.Now(ctx), Node: e.Node, Visit: e.Visits[e.Node], Kind: e.plan.Nodes[e.Node].Kind, Event: event, Port: port, Detail: detail,
	})
}

// bounded drops the oldest of more than most.
func bounded[V any](values []V, most int) []V { return values[max(0, len(values)-most):] }

func set[V int | json.RawMessage](values map[string]V, key string, value V) map[string]V {
	if values == nil {
		values = map[string]V{}
	}
	values[key] = value
	return values
}
