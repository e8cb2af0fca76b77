package definition

import "github.com/millrace/millrace/internal/plan"

// fallThrough are the ports that lead on when nothing special happened, in the order in which a deleted
// action's people take them.
var fallThrough = []string{plan.PortNext, "timeout", "none_met", "default"}

// Moved says where people go who stand in an action that the new revision no longer has: to the first
// surviving action along the old plan's fall-through, or, as "", to the end (design §5). It is
// cumulative, so that it holds for people who come from any earlier revision: destinations in
// old.Moved that were deleted themselves are followed on. migrate is the publisher's map, which goes before; nil =
// there is none. old is nil for the first revision.
func Moved(old, new *plan.Plan, migrate map[string]string) map[string]string {
	if old == nil {
		return nil
	}
	destination := func(id string) string {
		if to, mapped := migrate[id]; mapped {
			return to
		}
		return survivor(old, new, id)
	}
	moved := map[string]string{}
	for id, to := range old.Moved {
		if _, back := new.Nodes[id]; !back {
			moved[id] = destination(to)
		}
	}
	for id := range old.Nodes {
		if _, kept := new.Nodes[id]; !kept {
			moved[id] = destination(id)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	return moved
}

// survivor follows the old plan from an action to the first that is still there. Those that were folded into an
// action come after it.
func survivor(old, new *plan.Plan, id string) string {
	for range len(old.Nodes) + 1 {
		for _, one := range append([]string{id}, old.Nodes[id].Folded...) {
			if _, kept := new.Nodes[one]; kept {
				return one
			}
		}
		if id == "" {
			break
		}
		id = passedOn(old.Nodes[id]).To
	}
	return "" // the end, or a circle of deleted actions
}

// passedOn is where an action's people go when nothing special happened.
func passedOn(node plan.Node) plan.Edge {
	for _, port := range fallThrough {
		if edge, drawn := node.Edges[port]; drawn {
			return edge
		}
	}
	return node.Next
}
