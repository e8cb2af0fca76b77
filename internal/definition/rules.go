package definition

import (
	"slices"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Check reports everything that is wrong with a definition beyond what Read found (language §2). Inside
// a workspace all names are looked up there; outside (nil) none is, and only what the definition says
// itself is checked. What Compile would refuse is reported when nothing else is wrong.
func (f *File) Check(in *Workspace) schema.Diagnostics {
	if f.node == nil {
		return nil
	}
	c := f.checked(in, in.catalog())
	if f.sound && !c.found.HasErrors() {
		_, problems := Compile(f, in)
		c.found = append(c.found, problems...)
	}
	c.found.Sort()
	return c.found
}

// checker checks one definition.
type checker struct {
	file    *File
	in      *Workspace
	catalog *crm.Catalog
	flow    *flow
	found   schema.Diagnostics
	uses    []crm.PropertyUse
	lists   []crm.Reference // active ones, whose filters use properties too
}

// checked is a checker that has looked at everything by itself.
func (f *File) checked(in *Workspace, catalog *crm.Catalog) *checker {
	c := &checker{file: f, in: in, catalog: catalog, flow: newFlow(f.Actions)}
	c.checkObject()
	c.checkCenter()
	c.checkEnroll()
	c.checkSettings()
	c.checkActions()
	c.flow.checkReachable(f.Actions, &c.found)
	c.flow.checkCycles(&c.found)
	c.checkRules()
	return c
}

func (c *checker) checkObject() {
	if object := c.file.Object; !object.IsZero() {
		c.object(object.Text, object.Pos())
	}
}

// object reports a record type that is not declared. Outside a workspace it may be a custom one, unless it looks like
// a built-in one misspelt.
func (c *checker) object(name string, pos schema.Pos) {
	_, declared := c.catalog.Object(name)
	near := schema.Suggest(name, c.catalog.Objects())
	switch {
	case declared || c.catalog.IsOpen() && near == "":
		return
	case c.catalog.IsOpen():
		c.found.Warningf(pos, "unknown-object", "there is no built-in object %q", name).Suggest(name, c.catalog.Objects())
		return
	}
	c.found.Errorf(pos, "unknown-object", "there is no object %q; declare it in objects/", name).Suggest(name, c.catalog.Objects())
}

func (c *checker) checkEnroll() {
	enroll := c.file.Enroll
	var ways []string
	for _, way := range []struct {
		key   string
		given bool
	}{{"on", enroll.On != nil}, {"when", enroll.When != nil}, {"schedule", enroll.Schedule != nil}, {"webhook", enroll.Webhook != nil}} {
		if !way.given {
			continue
		}
		if ways = append(ways, way.key); len(ways) > 1 {
			c.found.Errorf(c.file.pos("enroll", way.key), "many-triggers", "%s cannot stand beside %s: a definition is enrolled by one of on, when, schedule and webhook", way.key, ways[0])
		}
	}
	if enroll.If != nil && enroll.On == nil && enroll.Schedule == nil && enroll.Webhook == nil {
		c.found.Errorf(c.file.pos("enroll", "if"), "no-trigger", "if needs on or schedule beside it").Hint = "a filter that enrolls records is written as when"
	}
	if enroll.Leave && enroll.When == nil {
		c.found.Warningf(c.file.pos("enroll", "leave_when_no_longer_matching"), "no-effect", "leave_when_no_longer_matching does nothing without when")
	}
	if enroll.Schedule != nil {
		c.checkSchedule(*enroll.Schedule)
	}
}

func (c *checker) checkSchedule(schedule Schedule) {
	pos := c.file.pos("enroll", "schedule")
	forms := 0
	for _, given := range []bool{schedule.Daily, schedule.Weekly != nil, schedule.Monthly != nil, schedule.Yearly != nil, !schedule.Property.IsZero()} {
		if given {
			forms++
		}
	}
	if forms != 1 {
		c.found.Errorf(pos, "wrong-schedule", "a schedule needs exactly one of daily, weekly, monthly, yearly and property")
	}
	if schedule.Property.IsZero() && (schedule.EveryYear || !schedule.Offset.IsZero()) {
		c.found.Errorf(pos, "wrong-schedule", "offset and every_year belong beside property")
	}
	if schedule.If != nil {
		c.found.Errorf(c.file.pos("enroll", "schedule", "if"), "wrong-schedule", "if is written once: here or beside schedule")
	}
	if property, declared := c.catalog.Property(c.file.Object.Text, schedule.Property.Text); declared && property.Type != crm.TypeDate && property.Type != crm.TypeDatetime {
		c.found.Errorf(schedule.Property.Pos(), "wrong-schedule", "%s is a %s, not a date", property.Name, property.Type)
	}
	for i, day := range schedule.Yearly {
		if day.Year != 0 {
			c.found.Errorf(c.file.item(i, "enroll", "schedule", "yearly"), "wrong-schedule", "%s: a day of every year has no year", day)
		}
	}
}

func (c *checker) checkSettings() {
	settings := c.file.Settings
	for i, window := range settings.Windows {
		if window.From.Compare(window.To) >= 0 {
			c.found.Errorf(c.file.item(i, "settings", "windows"), "wrong-window", "the window ends at %s, not after its start at %s", window.To, window.From).
				Hint = "a window over midnight is two windows"
		}
	}
	if since, closed := settings.opening(c.in).ClosedTooLong(); closed {
		c.found.Errorf(c.file.pos("settings"), "never-open", "from %s on no window opens for more than 400 days: no action would run", since)
	}
}

// checkActions checks each action by itself and in its place.
func (c *checker) checkActions() {
	if len(c.file.Actions) == 0 && c.file.node.Get("actions") != nil {
		c.found.Warningf(c.file.pos("actions"), "no-actions", "there are no actions: enrollments complete at once")
	}
	first := map[string]*Action{}
	for _, act := range c.flow.all {
		if act.ID != "" {
			if earlier := first[act.ID]; earlier != nil {
				c.found.Errorf(act.at("id"), "duplicate-id", "the id %q is already used in line %d", act.ID, earlier.at("id").Line)
			} else {
				first[act.ID] = act
			}
		}
		switch {
		case act.Placeholder && act.isUse():
			c.found.Warningf(act.Pos, "placeholder", "the action is a placeholder: it is passed over")
		case act.isUse():
			c.checkUse(act)
		case act.GoTo != "":
			c.checkTarget(act)
		}
	}
}

// checkTarget reports a jump to nowhere.
func (c *checker) checkTarget(jump *Action) {
	target := c.flow.byID[jump.GoTo]
	switch {
	case target == nil:
		c.found.Errorf(jump.at("go_to"), "unknown-action", "there is no action %q to go to", jump.GoTo).Suggest(jump.GoTo, c.ids())
	case !target.isUse():
		c.found.Errorf(jump.at("go_to"), "unknown-action", "%q is itself a jump or an end; go to an action", jump.GoTo)
	}
}

// ids are the ids of the actions that run.
func (c *checker) ids() []string {
	var ids []string
	for _, act := range c.flow.all {
		if act.isUse() && act.ID != "" {
			ids = append(ids, act.ID)
		}
	}
	return ids
}

// checkUse checks a use of a kind: where it stands, its ports, and what its config names.
func (c *checker) checkUse(act *Action) {
	if act.Kind.ID == "" {
		return
	}
	if object := c.file.Object.Text; object != "" && !act.Kind.Allows(object) {
		c.found.Errorf(act.key.Pos, "wrong-object", "%s works on %s, not on %s", act.Kind.ID, enumerate(act.Kind.Objects), object)
	}
	if act.sound || act.Kind.Category != action.Branch {
		ports := act.Kind.Ports(act.Config)
		for _, branch := range act.Then {
			if !slices.Contains(ports, branch.Port) {
				c.found.Errorf(branch.Pos, "unknown-port", "%s has no port %q; its ports: %s", act.Kind.ID, branch.Port, enumerate(ports)).
					Suggest(branch.Port, ports)
			}
		}
	}
	if act.Config != nil {
		c.checkConfig(act)
	}
}
