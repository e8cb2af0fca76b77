package importer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/activities"
	kinds "github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/schema"
	"go.yaml.in/yaml/v3"
)

const (
	// maxNesting is how deep branches stand in each other before what follows is written apart.
	maxNesting = 20
	// maxVisits limits a jump back, of which HubSpot has none by its rules.
	maxVisits = 100
)

// emitter writes the actions. A branch is always the last action of its block and all that follows it
// stands in its ports, so the end of a block is the end of a path, as in HubSpot. The first connection to
// an action is where it stands, later ones are jumps.
type emitter struct {
	*workflow
	placed int
	apart  []*action // to be written after the end of everything else
}

func (w *workflow) emit() *yaml.Node {
	e := &emitter{workflow: w}
	actions := list()
	if w.start == nil {
		actions.Style = yaml.FlowStyle
		return actions
	}
	e.apart = []*action{w.start}
	runsOn := false
	for len(e.apart) > 0 {
		next := e.apart[0]
		if e.apart = e.apart[1:]; next.place > 0 {
			continue
		}
		if runsOn { // what stands above must not run on into what is apart
			actions.Content = append(actions.Content, mapping(entry{"end", flow(mapping())}))
		}
		var block []*yaml.Node
		block, runsOn = e.block(nil, edge{to: string(next.ActionID)}, 0)
		actions.Content = append(actions.Content, block...)
	}
	return actions
}

func flow(node *yaml.Node) *yaml.Node {
	node.Style = yaml.FlowStyle
	return node
}

// block writes the path that a way from an action leads to, and tells whether it runs on into what stands
// after it.
func (e *emitter) block(from *action, way edge, depth int) (items []*yaml.Node, runsOn bool) {
	for {
		a := e.actions[way.to]
		if a == nil {
			return items, true
		}
		if a.place > 0 || way.jump && a.led || depth > maxNesting {
			jump, limited := e.jump(from, a)
			return append(items, jump), limited
		}
		e.placed++
		a.place = e.placed
		steps, passedOver := e.action(a)
		items = append(items, steps...)
		if a.ports == nil {
			from, way = a, a.next
			continue
		}
		then := mapping()
		for _, port := range a.ports {
			block, blockRunsOn := e.block(a, port.edge, depth+1)
			runsOn = runsOn || blockRunsOn
			if len(block) > 0 {
				then.Content = append(then.Content, str(port.name), list(block...))
			}
		}
		if len(then.Content) > 0 {
			last := steps[len(steps)-1]
			last.Content = append(last.Content, str("then"), then)
		}
		return items, runsOn || passedOver
	}
}

// jump writes a jump; one that closes a loop is limited.
func (e *emitter) jump(from, to *action) (node *yaml.Node, limited bool) {
	node = mapping(entry{"go_to", str(to.id)})
	limited = to.place > 0 && to.place <= from.place && e.leads(to, from)
	if limited {
		node.Content = append(node.Content, str("max_visits"), bare(fmt.Sprint(maxVisits)))
		e.warn("action %s jumps back to %s: the loop is limited to %d visits", from.ActionID, to.ActionID, maxVisits)
	}
	fold(node)
	e.apart = append(e.apart, to)
	return node, limited
}

// action writes one of HubSpot's actions: one use of a kind, or several after each other. Placeholders are
// passed over.
func (e *emitter) action(a *action) (items []*yaml.Node, passedOver bool) {
	steps, problem := e.stepsOf(a)
	if problem != nil && len(steps) == 0 {
		steps = one(a.kind.kind, mapping())
	}
	for i, step := range steps {
		id := a.id
		if i > 0 {
			id += "_then"
		}
		fold(step.config)
		var placeholder *yaml.Node
		if problem != nil {
			placeholder = boolean(true)
		}
		item := mapping(entry{"id", str(id)}, entry{"label", optional(a.title())}, entry{"placeholder", placeholder}, entry{step.kind, step.config})
		mapped := Mapped{Action: string(a.ActionID), Type: a.typeKey(), ID: id, Kind: step.kind}
		if problem == nil {
			e.report.Mapped = append(e.report.Mapped, mapped)
		} else {
			why := oneLine(problem)
			item.HeadComment = comment("Placeholder: "+why, source(a.raw))
			e.report.Placeholders = append(e.report.Placeholders, Placeholder{mapped, why})
			e.needIDs(a)
		}
		items = append(items, item)
	}
	return items, problem != nil
}

// stepsOf translates an action. The error says why it is a placeholder; steps that are there all the same
// hold what could be translated.
func (e *emitter) stepsOf(a *action) ([]step, error) {
	switch {
	case a.broken != nil:
		return nil, a.broken
	case a.kind.kind == otherType.kind && a.kind.read == nil:
		return nil, fmt.Errorf("the type of action %s is not known", quote(cmp.Or(a.typeKey(), "(none)")))
	case a.kind.read == nil && !built(a.kind.kind):
		return nil, errNotBuilt
	case a.kind.read == nil:
		return nil, errors.New("how HubSpot writes its fields is not known well enough to translate them")
	}
	steps, err := a.kind.read(e.workflow, a)
	for i := 0; err == nil && i < len(steps); i++ {
		err = steps[i].check()
	}
	return steps, err
}

// built tells whether there is a kind.
func built(id string) bool {
	return slices.ContainsFunc(activities.Kinds(), func(kind kinds.Kind) bool { return kind.ID == id })
}

// check reports what the kind has to say against the config.
func (s step) check() error {
	for _, kind := range activities.Kinds() {
		if kind.ID != s.kind {
			continue
		}
		return readable(s.config, func(config *schema.Node) schema.Diagnostics {
			_, problems := kind.Decode(config)
			return problems
		})
	}
	return errNotBuilt
}

// title is the subject that an action has, on one line and not longer than labels may be; none with tokens.
func (a *action) title() string {
	var fields struct {
		Subject text `json:"subject"`
	}
	if decode(a.Fields, &fields) != nil || strings.Contains(string(fields.Subject), "{") {
		return ""
	}
	runes := []rune(strings.Join(strings.Fields(string(fields.Subject)), " "))
	return string(runes[:min(len(runes), 200)])
}

// idFields are the fields of actions that hold ids of an account.
var idFields = []struct{ field, kind string }{
	{"user_ids", "user"}, {"userId", "user"}, {"team_ids", "team"}, {"list_id", "list"}, {"listId", "list"}, {"flow_id", "workflow"},
	{"email_content_id", "email"}, {"sequenceId", "sequence"}, {"subscriptionId", "subscription"},
}

// needIDs notes the ids that the action of a placeholder names.
func (e *emitter) needIDs(a *action) {
	var fields map[string]any
	if decode(a.Fields, &fields) == nil {
		for _, one := range idFields {
			for _, id := range texts(fields[one.field]) {
				e.need(one.kind, id, "")
			}
		}
	}
	var code struct {
		SecretNames []text `json:"secretNames"`
	}
	if decode(a.raw, &code) == nil {
		for _, name := range code.SecretNames {
			e.need("secret", string(name), "")
		}
	}
}

// texts are the texts in a value that is one or a list of them.
func texts(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		var found []string
		for _, one := range value {
			found = append(found, texts(one)...)
		}
		return found
	}
	return nil
}
