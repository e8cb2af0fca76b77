package definition

import (
	"slices"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
)

// maxFolded is how many edits go into the call of the one before them.
const maxFolded = 20

// fold joins runs of adjacent edits of our own store into the call of the first: one event in an enrollment's
// history for all of them (design §5). Only an edit that nothing else leads to, that no later action reads from
// and whose failure falls through can be folded, so nobody can tell by what happens. What the folded ones read travels
// with the call of the first.
func (c *compiler) fold(compiled *plan.Plan) {
	ways := waysIn(compiled)
	foldable := func(id string) bool {
		node, found := compiled.Nodes[id]
		kind := c.flow.byID[id]
		return found && kind != nil && kind.Kind.Effect == action.Edits && node.Local && len(node.Edges) == 0
	}
	folded := map[string]bool{}
	for _, act := range c.flow.all {
		first, found := compiled.Nodes[act.ID]
		if !found || folded[act.ID] || !foldable(act.ID) {
			continue
		}
		for len(first.Folded) < maxFolded {
			next := first.Next
			if next.To == "" || next.GoTo || ways[next.To] != 1 || !foldable(next.To) || compiled.Nodes[next.To].Keep || next.To == act.ID {
				break
			}
			if slices.ContainsFunc(compiled.Nodes[next.To].Reads, func(id string) bool { return id == act.ID || folded[id] }) {
				break
			}
			first.Folded = append(first.Folded, next.To)
			first.Reads = append(first.Reads, compiled.Nodes[next.To].Reads...)
			folded[next.To] = true
			first.Next = compiled.Nodes[next.To].Next
		}
		slices.Sort(first.Reads)
		first.Reads = slices.Compact(first.Reads)
		compiled.Nodes[act.ID] = first
	}
}

// waysIn counts the edges that lead to each node.
func waysIn(compiled *plan.Plan) map[string]int {
	ways := map[string]int{}
	count := func(edge plan.Edge) {
		for at := &edge; at != nil; at = at.Else {
			ways[at.To]++
		}
	}
	count(compiled.Start)
	for _, node := range compiled.Nodes {
		count(node.Next)
		for _, edge := range node.Edges {
			count(edge)
		}
	}
	return ways
}
