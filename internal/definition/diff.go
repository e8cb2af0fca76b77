package definition

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/millrace/millrace/internal/plan"
)

// Changes are what a new revision of a workflow changes.
type Changes struct {
	Actions []Change `json:"actions"` // in the order of the new revision, and then those that are removed
	Beside  []string `json:"beside"`  // what else of the definition differs: name, goal, settings, …
}

// Change is what becomes of one action.
type Change struct {
	ID     string        `json:"id"`
	Kind   string        `json:"kind"`
	How    []string      `json:"how"`    // added, removed, edited, moved
	Fields []FieldChange `json:"fields"` // of an edited action
	To     string        `json:"to"`     // where the people of a removed one go; "" = they complete
}

// FieldChange is a field of a config with its values, nil where it has none.
type FieldChange struct {
	Name string `json:"name"`
	Old  any    `json:"old"`
	New  any    `json:"new"`
}

// Ways in which an action changes.
const (
	Added     = "added"
	Removed   = "removed"
	Edited    = "edited"
	Relocated = "moved" // to another block, or to another place in its own
)

// Diff tells what a definition changes of the revision before it. compiled is its plan, with Moved.
func Diff(before plan.Revision, file *File, compiled *plan.Plan) Changes {
	changes := Changes{Actions: []Change{}, Beside: []string{}}
	earlier, _ := Read("before.yaml", []byte(before.Source), file.kinds) // it was sound when it was published
	relocated := relocated(earlier.Actions, file.Actions)
	for _, id := range Order(compiled) {
		node := compiled.Nodes[id]
		old, known := before.Plan.Nodes[id]
		change := Change{ID: id, Kind: node.Kind, How: []string{}, Fields: []FieldChange{}}
		switch {
		case !known:
			change.How = append(change.How, Added)
		case old.Hash != node.Hash:
			change.How, change.Fields = append(change.How, Edited), fieldChanges(old, node)
		}
		if known && relocated[id] {
			change.How = append(change.How, Relocated)
		}
		if len(change.How) > 0 {
			changes.Actions = append(changes.Actions, change)
		}
	}
	for _, id := range Order(before.Plan) {
		if _, kept := compiled.Nodes[id]; !kept {
			removed := Change{ID: id, Kind: before.Plan.Nodes[id].Kind, How: []string{Removed}, Fields: []FieldChange{}, To: compiled.Moved[id]}
			changes.Actions = append(changes.Actions, removed)
		}
	}
	changes.Beside = append(changes.Beside, besides(before.Plan, compiled)...)
	if len(changes.Actions)+len(changes.Beside) == 0 && before.Plan.Hash != compiled.Hash {
		changes.Beside = append(changes.Beside, "jumps, ends or what is sent")
	}
	return changes
}

// fieldChanges compares two configs key by key.
func fieldChanges(old, new plan.Node) []FieldChange {
	if old.Kind != new.Kind {
		return []FieldChange{{"kind", old.Kind, new.Kind}}
	}
	changes := []FieldChange{}
	before, after := object(old.Config), object(new.Config)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !reflect.DeepEqual(before[name], after[name]) {
			changes = append(changes, FieldChange{name, before[name], after[name]})
		}
	}
	return changes
}

func object(text json.RawMessage) map[string]any {
	fields := map[string]any{}
	_ = json.Unmarshal(text, &fields) // a config is an object, written by the compiler
	return fields
}

// besides names what differs beside the actions, as authors write it.
func besides(old, new *plan.Plan) (names []string) {
	before, after := object(mustJSON(old.Rules)), object(mustJSON(new.Rules))
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(before[name], after[name]) {
			names = append(names, name)
		}
	}
	labels, quotas := false, false
	for id, node := range new.Nodes {
		earlier, known := old.Nodes[id]
		labels = labels || known && earlier.Label != node.Label
		quotas = quotas || known && earlier.Queue != node.Queue
	}
	if labels {
		names = append(names, "labels")
	}
	if quotas {
		names = append(names, "quotas")
	}
	return names
}

// spot is where an action stands in its source: the nth of a block.
type spot struct {
	owner, port string
	nth         int
}

func spots(block Block, owner, port string, into map[string]spot) {
	for nth, act := range block {
		if act.isUse() {
			into[act.ID] = spot{owner, port, nth}
		}
		for _, branch := range act.Then {
			spots(branch.Block, act.ID, branch.Port, into)
		}
	}
}

// relocated are the actions that stand in another block than before, and the fewest of each block that explain its
// new order.
func relocated(old, new Block) map[string]bool {
	before, after, moved := map[string]spot{}, map[string]spot{}, map[string]bool{}
	spots(old, "", "", before)
	spots(new, "", "", after)
	blocks := map[spot][]string{} // by owner and port
	for id, now := range after {
		was, known := before[id]
		_, left := after[was.owner]
		_, came := before[now.owner]
		replaced := was.owner != "" && now.owner != "" && !left && !came // under another id
		switch here := (spot{owner: now.owner, port: now.port}); {
		case !known:
		case was.port == now.port && (was.owner == now.owner || replaced):
			blocks[here] = append(blocks[here], id)
		default:
			moved[id] = true
		}
	}
	for _, ids := range blocks {
		slices.SortFunc(ids, func(a, b string) int { return after[a].nth - after[b].nth })
		for _, id := range outOfOrder(ids, func(id string) int { return before[id].nth }) {
			moved[id] = true
		}
	}
	return moved
}

// outOfOrder are the fewest ids without which the places of the others rise.
func outOfOrder(ids []string, place func(string) int) (out []string) {
	length, previous := make([]int, len(ids)), make([]int, len(ids)) // of the longest rising row that ends here
	best := -1
	for i := range ids {
		length[i], previous[i] = 1, -1
		for j := range i {
			if place(ids[j]) < place(ids[i]) && length[j]+1 > length[i] {
				length[i], previous[i] = length[j]+1, j
			}
		}
		if best < 0 || length[i] > length[best] {
			best = i
		}
	}
	kept := map[int]bool{}
	for ; best >= 0; best = previous[best] {
		kept[best] = true
	}
	for i, id := range ids {
		if !kept[i] {
			out = append(out, id)
		}
	}
	return out
}
