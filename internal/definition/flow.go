package definition

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// flow is how enrollments move through the actions of a definition.
type flow struct {
	all   []*Action           // in the order of the source
	place map[*Action]int     // in that order
	next  map[*Action]*Action // the action after this one: in its block, else after the one that owns the block
	byID  map[string]*Action
}

func newFlow(actions Block) *flow {
	f := &flow{place: map[*Action]int{}, next: map[*Action]*Action{}, byID: map[string]*Action{}}
	f.add(actions, nil)
	return f
}

func (f *flow) add(block Block, after *Action) {
	for i, act := range block {
		next := after
		if i+1 < len(block) {
			next = block[i+1]
		}
		f.place[act], f.next[act] = len(f.all), next
		f.all = append(f.all, act)
		if act.ID != "" && f.byID[act.ID] == nil {
			f.byID[act.ID] = act
		}
		for _, branch := range act.Then {
			f.add(branch.Block, next)
		}
	}
}

// entry is the action that a port's block starts with.
func (f *flow) entry(owner *Action, branch Branch) *Action {
	if len(branch.Block) > 0 {
		return branch.Block[0]
	}
	return f.next[owner]
}

// steps are the actions that an enrollment may come to from act. An undrawn `failed` leads nowhere new:
// it falls through, but nobody wrote that an action runs only after a failure.
func (f *flow) steps(act *Action) []*Action {
	var steps []*Action
	switch {
	case act.End:
	case !act.isUse():
		steps = append(steps, f.byID[act.GoTo])
		if act.MaxVisits > 0 {
			steps = append(steps, f.next[act])
		}
	default:
		for _, branch := range act.Then {
			steps = append(steps, f.entry(act, branch))
		}
		if act.fallsThrough() {
			steps = append(steps, f.next[act])
		}
	}
	return slices.DeleteFunc(steps, func(step *Action) bool { return step == nil })
}

// fallsThrough tells whether one of the action's ports but `failed` has no block. An action that could
// not be read has unknown ports, so it does.
func (a *Action) fallsThrough() bool {
	if a.Placeholder || !a.sound {
		return true
	}
	return slices.ContainsFunc(a.Kind.Ports(a.Config), func(port string) bool {
		return port != plan.PortFailed && !slices.ContainsFunc(a.Then, func(branch Branch) bool { return branch.Port == port })
	})
}

// waits tells whether nobody passes the action without a pause. A delay whose config could not be read, or is yet to
// be written, is given the benefit of the doubt.
func (a *Action) waits() bool {
	return a.Kind.Category == action.Delay && (!a.sound || a.Kind.Waits(a.Config))
}

// reach returns the actions that can be reached from those given, which are among them.
func (f *flow) reach(from ...*Action) map[*Action]bool {
	reached := map[*Action]bool{}
	for len(from) > 0 {
		act := from[len(from)-1]
		from = from[:len(from)-1]
		if !reached[act] {
			reached[act] = true
			from = append(from, f.steps(act)...)
		}
	}
	return reached
}

// runsBefore tells whether an enrollment that comes to act may have run earlier before.
func (f *flow) runsBefore(earlier, act *Action) bool { return f.reach(f.steps(earlier)...)[act] }

// checkReachable reports actions that nobody can come to, the first of each run of them.
func (f *flow) checkReachable(actions Block, d *schema.Diagnostics) {
	if len(actions) == 0 {
		return
	}
	reached := f.reach(actions[0])
	var check func(Block)
	check = func(block Block) {
		reported := false
		for _, act := range block {
			if !reached[act] && !reported {
				problem := d.Errorf(act.Pos, "unreachable", "nobody can come to this action")
				problem.Hint = "the actions before it always lead elsewhere"
				reported = true
			}
			if reached[act] {
				reported = false
				for _, branch := range act.Then {
					check(branch.Block)
				}
			}
		}
	}
	check(actions)
}

// checkCycles reports the jumps that close a circle in which nobody ever waits.
func (f *flow) checkCycles(d *schema.Diagnostics) {
	for _, jump := range f.all {
		target := f.byID[jump.GoTo]
		if jump.isUse() || jump.End || target == nil || jump.MaxVisits > 0 || f.place[target] > f.place[jump] {
			continue
		}
		if path := f.hasten(target, jump); path != nil {
			problem := d.Errorf(jump.at("go_to"), "cycle", "this closes a circle without a wait: %s", strings.Join(append(path, target.ID), " → "))
			problem.Hint = "put a delay that always waits into the circle, such as delay_set_amount, or max_visits beside go_to"
		}
	}
}

// hasten returns the ids on a way between two actions on which nobody waits and no jump is limited, or nil.
func (f *flow) hasten(from, to *Action) []string {
	came := map[*Action]*Action{from: nil}
	for queue := []*Action{from}; len(queue) > 0; queue = queue[1:] {
		act := queue[0]
		if act == to {
			var path []string
			for ; act != nil; act = came[act] {
				if act.isUse() {
					path = append(path, act.ID)
				}
			}
			slices.Reverse(path)
			return path
		}
		if act.waits() || act.MaxVisits > 0 {
			continue
		}
		for _, step := range f.steps(act) {
			if _, seen := came[step]; !seen {
				came[step] = act
				queue = append(queue, step)
			}
		}
	}
	return nil
}
