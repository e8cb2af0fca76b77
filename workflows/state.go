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

	maxCarried = 1 << 20 // bytes of pending events; the server takes 2 MiB of state
)

func (e *enrollment) note(ctx workflow.Context, event, port, detail string) {
	e.Noted++
	e.Notes = append(e.Notes, plan.Note{
		Number: e.Noted, At: workflow.Now(ctx), Node: e.Node, Visit: e.Visits[e.Node], Kind: e.plan.Nodes[e.Node].Kind, Event: event, Port: port, Detail: detail,
	})
}

// lighten leaves behind the oldest events that are too large to be carried into a new run, which the server would refuse
// again and again. No history that was written without it is another with it: only the new run's input changes.
func (e *enrollment) lighten(ctx workflow.Context) {
	for len(e.Pending) > 0 {
		if text, err := json.Marshal(e.Pending); err == nil && len(text) <= maxCarried {
			return
		}
		e.note(ctx, plan.JournalWarning, "", "the event "+e.Pending[0].Type+" was left behind: together the events are too large to be carried on")
		e.Pending = e.Pending[1:]
	}
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
