package definition

import (
	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Center is the day that a workflow is about: its actions run so long before or after it (semantics §4.13).
type Center struct {
	Date      crm.Date         `json:"date,omitzero" doc:"A day, the same for all records."`
	Property  crm.PropertyName `json:"property,omitzero" doc:"Or a date property of the record; who has no value is not admitted."`
	EveryYear bool             `json:"every_year,omitempty" doc:"Beside property: on its day of every year; after its last action a record waits for the next year's first."`
}

// Moment is when an action runs, by the center of its workflow.
type Moment struct {
	Before crm.Duration   `json:"before,omitzero" doc:"So long before it."`
	After  crm.Duration   `json:"after,omitzero" doc:"Or so long after it; neither is the day itself."`
	Time   *crm.TimeOfDay `json:"time,omitempty" doc:"Wall-clock time on that day."`
}

// offset is the moment as a time after the center.
func (m Moment) offset() crm.Offset {
	if !m.Before.IsZero() {
		return crm.Offset{Duration: m.Before.Neg()}
	}
	return crm.Offset{Duration: m.After}
}

// String says the moment to people.
func (m Moment) String() string {
	text := "on the day"
	switch {
	case !m.Before.IsZero():
		text = m.Before.String() + " before"
	case !m.After.IsZero():
		text = m.After.String() + " after"
	}
	if m.Time != nil {
		text += " at " + m.Time.String()
	}
	return text
}

// kindOfMoment is the kind that `at` beside an action becomes.
const kindOfMoment = "delay_until_offset"

// atNode is the node in which people wait for an action's moment; an id of an action has no dot.
func (a *Action) atNode() string { return a.ID + ".at" }

// first is the node at which people come to the action.
func (a *Action) first() string {
	if a.At != nil {
		return a.atNode()
	}
	return a.ID
}

// moment is the node that waits for an action's moment. Who comes too late goes on to the next action with a moment.
func (c *compiler) moment(act *Action) plan.Node {
	center := c.file.Center
	config := map[string]any{"offset": act.At.offset()}
	if act.At.Time != nil {
		config["time"] = act.At.Time
	}
	if !center.Date.IsZero() {
		config["date"] = center.Date
	} else {
		config["property"] = center.Property
	}
	node := plan.Node{
		Kind: kindOfMoment, Label: act.At.String(), Next: plan.Edge{To: act.ID},
		Edges: map[string]plan.Edge{"passed": c.edge(c.nextMoment(act))},
	}
	if center.EveryYear {
		config["every_year"] = true
		first := c.nextMoment(nil)
		node.Reads = []string{first.atNode()}
		if act != first {
			config["first"] = first.atNode()
		}
	}
	kind, _ := findKind(c.file.kinds, kindOfMoment)
	node.Config = mustJSON(config)
	node.Hash = digest([]byte(node.Kind), node.Config)
	node.Local, node.Attempt, node.GiveUp = kind.Local, kind.Attempt, kind.GiveUp
	return node
}

// nextMoment is the action with a moment that comes next after one, or first after nil; nil when there is none.
func (c *compiler) nextMoment(after *Action) *Action {
	found := after == nil
	for _, act := range c.file.Actions {
		if found && act.At != nil && act.runs() {
			return act
		}
		found = found || act == after
	}
	return nil
}

// last is where the path leads that comes to its end: out, or to the first moment of the next year.
func (c *compiler) last() plan.Edge {
	if c.file.Center != nil && c.file.Center.EveryYear {
		if first := c.nextMoment(nil); first != nil {
			return plan.Edge{To: first.atNode(), GoTo: true}
		}
	}
	return plan.Edge{}
}

// checkCenter checks the center and the moments of the actions.
func (c *checker) checkCenter() {
	center := c.file.Center
	if center == nil {
		for _, act := range c.flow.all {
			if act.At != nil {
				c.found.Errorf(act.keyAt("at"), "no-center", "at needs to know what it is before or after").Hint = "write center: {date: 2027-12-24} or center: {property: NAME} beside object"
			}
		}
		return
	}
	if center.Date.IsZero() == center.Property.IsZero() {
		c.found.Errorf(c.file.pos("center"), "wrong-center", "a center is either a date or a property")
	}
	if center.EveryYear && center.Property.IsZero() {
		c.found.Errorf(c.file.pos("center", "every_year"), "wrong-center", "every_year belongs beside property")
	}
	if property, declared := c.catalog.Property(c.file.Object.Text, center.Property.Text); declared && property.Type != crm.TypeDate && property.Type != crm.TypeDatetime {
		c.found.Errorf(center.Property.Pos(), "wrong-center", "%s is a %s, not a date", property.Name, property.Type)
	}
	if len(c.file.Actions) > 0 && c.file.Actions[0].At == nil {
		c.found.Errorf(c.file.Actions[0].Pos, "no-moment", "the first action of a workflow with a center needs at").Hint = `write when it runs, as in at: {before: 3d, time: "09:00"}`
	}
	c.checkMoments()
}

func (c *checker) checkMoments() {
	top := map[*Action]bool{}
	var before *Action
	for _, act := range c.file.Actions {
		top[act] = true
		if act.At == nil {
			continue
		}
		if before != nil && act.At.sooner(*before.At) {
			c.found.Errorf(act.keyAt("at"), "wrong-order", "%s comes before %s, and stands after it", act.At, before.At).Hint = "write the actions in the order in which they run"
		}
		before = act
	}
	for _, act := range c.flow.all {
		switch {
		case act.At != nil && !top[act]:
			c.found.Errorf(act.keyAt("at"), "wrong-place", "at cannot stand within a block").Hint = "put the branch behind the wait: what follows an action with at runs with it"
		case act.At != nil && !act.At.Before.IsZero() && !act.At.After.IsZero():
			c.found.Errorf(act.keyAt("at"), "wrong-value", "write either before or after")
		case act.Kind.Category == action.Delay && act.Kind.ID != kindOfMoment:
			c.found.Errorf(act.key.Pos, "delay-with-center", "%s cannot stand in a workflow with a center", act.Kind.ID).Hint = "write at beside the action that it is for"
		}
	}
}

// sooner tells whether a moment is on an earlier day than another, or earlier on the same.
func (m Moment) sooner(than Moment) bool {
	a, b := m.offset(), than.offset()
	if m.Time == nil || than.Time == nil {
		return a.Elapsed() < b.Elapsed() && (m.Time == nil && than.Time == nil || a.Days < b.Days)
	}
	return a.Days < b.Days || a.Days == b.Days && m.Time.Compare(*than.Time) < 0
}
