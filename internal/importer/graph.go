package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// action is one of HubSpot's actions in its place.
type action struct {
	actionDocument
	id        string // here
	kind      actionType
	broken    error  // why the document could not be read whole
	ports     []port // of a branch; nil for other actions
	next      edge
	reachable bool
	led       bool // a reachable STANDARD connection leads here
	place     int  // in the definition, from 1; 0 = not there yet
}

// edge is a way to an action, "" for the end of the path.
type edge struct {
	to   string
	jump bool // GOTO: the action stands elsewhere
}

// port leads from a branch.
type port struct {
	name  string
	edge  edge
	entry *branchEntry // nil = where those go who took no other branch
}

// edges are all ways on from an action.
func (a *action) edges() []edge {
	edges := []edge{a.next}
	for _, port := range a.ports {
		edges = append(edges, port.edge)
	}
	return slices.DeleteFunc(edges, func(e edge) bool { return e.to == "" })
}

// readActions reads all actions and finds which of them can be reached.
func (w *workflow) readActions() {
	ids := unique{}
	for i, raw := range w.document.Actions {
		a := &action{}
		if a.broken = decode(raw, &a.actionDocument); a.broken != nil {
			var frame struct {
				ActionID     text `json:"actionId"`
				Type         text `json:"type"`
				ActionTypeID text `json:"actionTypeId"`
			}
			var onward struct {
				Connection *connection `json:"connection"`
			}
			_, _ = decode(raw, &frame), decode(raw, &onward) // as far as they can be read
			a.actionDocument = actionDocument{ActionID: frame.ActionID, Type: frame.Type, ActionTypeID: frame.ActionTypeID, Connection: onward.Connection}
		}
		a.raw = raw
		id := string(a.ActionID)
		if id == "" || w.actions[id] != nil {
			w.lose(fmt.Sprintf("action %s (number %d of the list) has no id of its own", quote(id), i+1), raw)
			continue
		}
		a.kind = actionTypes[a.typeKey()]
		if a.kind.kind == "" {
			a.kind = otherType
			if strings.HasPrefix(a.typeKey(), "1-") {
				a.kind = extensionType
			}
		}
		a.id = ids.name(a.kind.stem+"_"+underscored(id), "_")
		w.connect(a)
		w.actions[id] = a
		w.ordered = append(w.ordered, a)
	}
	w.reach()
}

// structures are the types of action that are not known by an id.
var structures = []string{"STATIC_BRANCH", "LIST_BRANCH", "AB_TEST_BRANCH", "CUSTOM_CODE", "WEBHOOK"}

// typeKey is the key of the action's type in the table, inferred where it is left out.
func (a *action) typeKey() string {
	switch {
	case slices.Contains(structures, string(a.Type)):
		return string(a.Type)
	case a.ActionTypeID != "":
		return string(a.ActionTypeID)
	case len(a.StaticBranches) > 0:
		return "STATIC_BRANCH"
	case len(a.ListBranches) > 0:
		return "LIST_BRANCH"
	case len(a.TestBranches) > 0:
		return "AB_TEST_BRANCH"
	case a.SourceCode != "":
		return "CUSTOM_CODE"
	case a.WebhookURL != "":
		return "WEBHOOK"
	}
	return string(a.Type)
}

// connect finds the ways on from an action.
func (w *workflow) connect(a *action) {
	other := func(name string) { a.ports = append(a.ports, port{name: name, edge: a.DefaultBranch.edge()}) }
	names := unique{}
	switch a.typeKey() {
	case "STATIC_BRANCH":
		w.connectValues(a, names)
		other("default")
	case "LIST_BRANCH":
		for i := range a.ListBranches {
			branch := &a.ListBranches[i]
			a.ports = append(a.ports, port{portName(names, string(branch.BranchName), i), branch.edge(), branch})
		}
		other("none_met")
	case "AB_TEST_BRANCH":
		for i := range a.TestBranches {
			branch := &a.TestBranches[i]
			a.ports = append(a.ports, port{portName(names, string(branch.BranchName), i), branch.edge(), branch})
		}
	default:
		a.next = a.Connection.edge()
	}
}

// connectValues finds the ways on from a branch by value: of two branches for one value the first is taken.
func (w *workflow) connectValues(a *action, names unique) {
	seen := map[text]bool{}
	for i := range a.StaticBranches {
		branch := &a.StaticBranches[i]
		switch {
		case branch.BranchValue == "":
			w.lose(fmt.Sprintf("action %s: the branch for the empty value is never taken: nothing takes the default", a.ActionID), nil)
		case seen[branch.BranchValue]:
			w.lose(fmt.Sprintf("action %s: the second branch for %s is never taken", a.ActionID, quote(string(branch.BranchValue))), nil)
		default:
			a.ports = append(a.ports, port{portName(names, string(branch.BranchValue), i), branch.edge(), branch})
		}
		seen[branch.BranchValue] = true
	}
}

// reserved names of ports.
var reserved = []string{"failed", "next", "default", "none_met"}

// portName turns the title of a branch into a name that no other branch of the action has.
func portName(names unique, title string, index int) string {
	base := slug(title, 80)
	if base == "" || slices.Contains(reserved, base) {
		base = strings.TrimPrefix(fmt.Sprintf("%s-branch-%d", base, index+1), "-")
	}
	return names.name(base, "-")
}

// first returns the action that the flow starts with, nil when there is none.
func (w *workflow) first() *action {
	if start := w.actions[string(w.document.StartActionID)]; start != nil || len(w.ordered) == 0 {
		return start
	}
	led := map[string]bool{}
	for _, a := range w.ordered {
		for _, edge := range a.edges() {
			led[edge.to] = true
		}
	}
	start := w.ordered[0]
	if at := slices.IndexFunc(w.ordered, func(a *action) bool { return !led[string(a.ActionID)] }); at >= 0 {
		start = w.ordered[at]
	}
	w.warn("the flow does not say with which action it starts; %s is taken", start.ActionID)
	return start
}

// reach marks the actions that can be reached, and reports ways that lead nowhere.
func (w *workflow) reach() {
	w.start = w.first()
	if w.start == nil {
		return
	}
	w.start.led = true
	for queue := []*action{w.start}; len(queue) > 0; queue = queue[1:] {
		a := queue[0]
		if a.reachable {
			continue
		}
		a.reachable = true
		for _, edge := range a.edges() {
			to := w.actions[edge.to]
			if to == nil {
				w.warn("action %s leads to %s, which does not exist: the path ends there", a.ActionID, quote(edge.to))
				continue
			}
			to.led = to.led || !edge.jump
			queue = append(queue, to)
		}
	}
	for _, a := range w.ordered {
		if !a.reachable {
			w.lose(fmt.Sprintf("action %s cannot be reached", a.ActionID), a.raw)
		}
	}
}

// leads tells whether there is a way from one action to another.
func (w *workflow) leads(from, to *action) bool {
	seen := map[*action]bool{}
	for stack := []*action{from}; len(stack) > 0; {
		a := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if a == to {
			return true
		}
		if seen[a] {
			continue
		}
		seen[a] = true
		for _, edge := range a.edges() {
			if next := w.actions[edge.to]; next != nil {
				stack = append(stack, next)
			}
		}
	}
	return false
}

// lose warns about a part of the flow that is not in the definition, and keeps it in a comment.
func (w *workflow) lose(warning string, raw json.RawMessage) {
	w.warn("%s", warning)
	w.lost = append(w.lost, "", "Left out: "+warning)
	if raw != nil {
		w.lost = append(w.lost, source(raw))
	}
}
