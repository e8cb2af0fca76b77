package publish

import (
	"context"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/plan"
)

// same are the actions of a plan that send the same: the one with that id, and those that do exactly what a hash says.
func same(in *plan.Plan, id, hash string) (ids []string) {
	for _, other := range slices.Sorted(maps.Keys(in.Nodes)) {
		if other == id || in.Nodes[other].Hash == hash {
			ids = append(ids, other)
		}
	}
	return ids
}

func (f *foreseeing) sends(in *plan.Plan, id string) bool { return f.Messages(in.Nodes[id].Kind) }

// ahead are the actions that people on a route could come to so far, and those that they can come to now. Whatever
// they are in the middle of is behind them.
func (f *foreseeing) ahead(way route) (before, now map[string]bool) {
	held := f.revisions[way.held].Plan
	switch {
	case way.waits:
		return reach(held, way.from), reach(f.after, way.to)
	case way.from == way.to:
		return beyond(held, way.from), beyond(f.after, way.to)
	default:
		return beyond(held, way.from), reach(f.after, way.to)
	}
}

// again returns the messages that people on a route can come to only by the edit, with the actions by which
// they may have got them already.
func (f *foreseeing) again(way route) map[string][]string {
	held := f.revisions[way.held].Plan
	ahead, now := f.ahead(way)
	once := map[string][]string{}
	for id := range now {
		if !f.sends(f.after, id) {
			continue
		}
		senders := same(held, "", f.after.Nodes[id].Hash)
		if slices.ContainsFunc(senders, func(sender string) bool { return ahead[sender] }) {
			continue
		}
		if !ahead[id] {
			senders = append(senders, id)
		}
		if len(senders) > 0 {
			once[id] = senders
		}
	}
	return once
}

// missed returns the messages that people on a route no longer come to, and the new ones that come in behind them.
func (f *foreseeing) missed(way route) (ids []string) {
	held := f.revisions[way.held].Plan
	ahead, now := f.ahead(way)
	for id := range ahead {
		still := slices.ContainsFunc(same(f.after, id, held.Nodes[id].Hash), func(other string) bool { return now[other] && f.sends(f.after, other) })
		if f.sends(held, id) && !still {
			ids = append(ids, id)
		}
	}
	for id, node := range f.after.Nodes {
		isNew := len(same(held, id, node.Hash)) == 0
		if isNew && way.to != "" && f.sends(f.after, id) && !now[id] && reach(f.after, id)[way.to] {
			ids = append(ids, id)
		}
	}
	return ids
}

// messages counts for each place who gets what twice or never.
func (f *foreseeing) messages(ctx context.Context) error {
	for way, on := range f.routes {
		place := f.places[way.from]
		for _, id := range f.missed(way) {
			place.Never = affect(place.Never, id, on.all)
		}
		for id, senders := range on.once {
			got := map[string]bool{}
			slices.Sort(senders)
			for _, sender := range slices.Compact(senders) {
				done, err := f.books.Done(ctx, f.after.Workflow, way.from, sender)
				if err != nil {
					return err
				}
				for _, enrollment := range done {
					got[enrollment] = true
				}
			}
			people := 0
			for _, enrollment := range on.ids {
				if got[enrollment] {
					people++
				}
			}
			place.Twice = affect(place.Twice, id, people)
		}
	}
	return nil
}

func affect(list []Affected, action string, people int) []Affected {
	if people == 0 {
		return list
	}
	i := slices.IndexFunc(list, func(one Affected) bool { return one.Action == action })
	if i < 0 {
		i, list = len(list), append(list, Affected{Action: action})
	}
	list[i].People += people
	return list
}

// reach are the actions that an enrollment may come to from one, itself among them.
func reach(in *plan.Plan, from string) map[string]bool {
	reached := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		node, there := in.Nodes[id]
		if !there || reached[id] {
			return
		}
		reached[id] = true
		for _, folded := range node.Folded {
			reached[folded] = true
		}
		for _, next := range steps(node) {
			visit(next)
		}
	}
	visit(from)
	return reached
}

// beyond are the actions that an enrollment may come to after one.
func beyond(in *plan.Plan, from string) map[string]bool {
	reached := map[string]bool{}
	for _, next := range steps(in.Nodes[from]) {
		maps.Copy(reached, reach(in, next))
	}
	return reached
}

// steps are where the ports of a node lead.
func steps(node plan.Node) (ids []string) {
	add := func(edge plan.Edge) {
		for at := &edge; at != nil; at = at.Else {
			ids = append(ids, at.To)
		}
	}
	add(node.Next)
	for _, edge := range node.Edges {
		add(edge)
	}
	return ids
}
