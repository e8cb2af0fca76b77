package definition

import (
	"cmp"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/plan"
)

// Order lists the actions of a plan as people come to them: each after those that lead to it, jumps back
// aside, and what follows a branch after all its blocks.
func Order(compiled *plan.Plan) []string {
	var ids []string // the last first
	seen := map[string]bool{"": true}
	var visit func(edge plan.Edge)
	visit = func(edge plan.Edge) {
		if edge.Else != nil {
			visit(*edge.Else)
		}
		node, there := compiled.Nodes[edge.To]
		if !there || seen[edge.To] {
			return
		}
		seen[edge.To] = true
		visit(node.Next)
		ports := slices.SortedFunc(maps.Keys(node.Edges), func(a, b string) int { return cmp.Or(late(b)-late(a), cmp.Compare(b, a)) })
		for _, port := range ports {
			visit(node.Edges[port])
		}
		for _, folded := range slices.Backward(node.Folded) {
			ids = append(ids, folded)
		}
		ids = append(ids, edge.To)
	}
	visit(compiled.Start)
	slices.Reverse(ids)
	return ids
}

// late puts what is drawn for the rest behind what has a name.
func late(port string) int { return slices.Index(fallThrough, port) }
