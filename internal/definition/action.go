package definition

import (
	"regexp"
	"slices"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/schema"
)

// Block is a list of actions that run one after the other.
type Block []*Action

// Action is one item of a block: a use of a kind, a jump (`go_to`), or the end (`end: {}`).
type Action struct {
	ID          string
	Label       string
	Comment     string
	At          *Moment     // when it runs, in a workflow with a center
	Placeholder bool        // saved without its details: it is passed over
	Kind        action.Kind // of a use; its ID is "" when the kind is not known
	Config      any         // of the kind's type, defaults applied
	GoTo        string      // of a jump: the action it leads to
	MaxVisits   int         // of a jump: it falls through once the target was visited so often; 0 = no limit
	End         bool
	Then        []Branch
	Pos         schema.Pos

	beside *schema.Node   // the keys beside the kind
	others []schema.Field // the kind, and what is no key of an action
	key    *schema.Node   // the kind's key; nil when there is none
	config *schema.Node
	sound  bool // kind and config were read without an error
}

// Branch is the block that the author drew at a port.
type Branch struct {
	Port  string
	Pos   schema.Pos
	Block Block
}

// each calls visit with every action of the block and of the blocks within, in the order of the source.
func (b Block) each(visit func(*Action)) {
	for _, act := range b {
		visit(act)
		for _, branch := range act.Then {
			branch.Block.each(visit)
		}
	}
}

// UnmarshalNode reads the shape of the actions; resolve reads their kinds.
func (b *Block) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	if node.Kind != schema.List && node.Kind != schema.Null {
		d.WrongType(node, "", "a list of actions")
		return
	}
	for _, item := range node.Items {
		if item.Kind != schema.Mapping {
			d.WrongType(item, "", "an action: a mapping with a kind")
			continue
		}
		*b = append(*b, readAction(item, d))
	}
}

// Describe tells readers about the source form.
func (Block) Describe() schema.Description {
	return schema.Description{Name: "list of actions", Doc: "Actions, one after the other.", Schema: map[string]any{
		"type": "array", "items": map[string]any{"$ref": "#/$defs/action"},
	}}
}

// frame is what stands beside the kind of an action.
type frame struct {
	ID          string           `json:"id,omitempty" doc:"Unique in the definition, and stable across revisions: it is the join key for people inside."`
	Label       string           `json:"label,omitempty" doc:"Name shown to people." max:"200"`
	Comment     string           `json:"comment,omitempty" doc:"For other authors." max:"5000"`
	At          *Moment          `json:"at,omitempty" doc:"In a workflow with a center: when it runs. What follows runs with it, up to the next at."`
	Then        map[string]Block `json:"then,omitempty" doc:"Blocks by port; a port without one falls through to the next action."`
	Placeholder bool             `json:"placeholder,omitempty" doc:"Saved without its details; it is passed over, and cannot be pushed in a workflow that is on."`
	GoTo        string           `json:"go_to,omitempty" doc:"Jump to the action with this id, in place of a kind."`
	MaxVisits   int              `json:"max_visits,omitzero" doc:"Beside go_to: the jump falls through once its target was visited so often." min:"1" max:"10000"`
	End         *struct{}        `json:"end,omitempty" doc:"Leave the workflow, in place of a kind."`
}

// frameKeys are the keys of frame, for messages.
var frameKeys = []string{"id", "label", "comment", "at", "then", "placeholder", "go_to", "max_visits", "end"}

func readAction(node *schema.Node, d *schema.Diagnostics) *Action {
	act := &Action{Pos: node.Pos, beside: &schema.Node{Kind: schema.Mapping, Pos: node.Pos}}
	for _, field := range node.Fields {
		if slices.Contains(frameKeys, field.Key.Value) {
			act.beside.Fields = append(act.beside.Fields, field)
		} else {
			act.others = append(act.others, field)
		}
	}
	var beside frame
	*d = append(*d, schema.Decode(act.beside, &beside)...)
	act.ID, act.Label, act.Comment, act.Placeholder = beside.ID, beside.Label, beside.Comment, beside.Placeholder
	act.At = beside.At
	act.GoTo, act.MaxVisits, act.End = beside.GoTo, beside.MaxVisits, act.beside.Get("end") != nil
	if then := act.beside.Get("then"); then != nil {
		for _, port := range then.Fields {
			act.Then = append(act.Then, Branch{Port: port.Key.Value, Pos: port.Key.Pos, Block: beside.Then[port.Key.Value]})
		}
	}
	return act
}

// at is where the value of a key beside the kind stands, or the action.
func (a *Action) at(key string) schema.Pos {
	if value := a.beside.Get(key); value != nil {
		return value.Pos
	}
	return a.Pos
}

// keyAt is where a key beside the kind stands, or the action.
func (a *Action) keyAt(key string) schema.Pos {
	for _, field := range a.beside.Fields {
		if field.Key.Value == key {
			return field.Key.Pos
		}
	}
	return a.Pos
}

// isUse tells whether the action is a use of a kind, not a jump or the end.
func (a *Action) isUse() bool { return a.beside.Get("go_to") == nil && !a.End }

// runs tells whether the action becomes a node of the plan.
func (a *Action) runs() bool { return a.isUse() && !a.Placeholder }

var actionID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$`)

// resolve finds the action's kind and reads its config.
func (a *Action) resolve(kinds []action.Kind, d *schema.Diagnostics) {
	if a.ID != "" && !actionID.MatchString(a.ID) {
		d.Errorf(a.at("id"), "wrong-id", "%q cannot be an id: use up to 100 letters, digits, underscores and hyphens", a.ID)
	}
	if !a.isUse() {
		a.checkJump(d)
		return
	}
	if a.ID == "" {
		d.Errorf(a.Pos, "missing-key", `the key "id" is missing`)
	}
	if a.beside.Get("max_visits") != nil {
		d.Errorf(a.keyAt("max_visits"), "unknown-key", "max_visits belongs beside go_to")
	}
	a.pickKind(kinds, d)
	if a.Placeholder || a.Kind.ID == "" {
		return
	}
	config, problems := a.Kind.Decode(a.config)
	a.Config, a.sound = config, !problems.HasErrors()
	*d = append(*d, problems...)
}

// checkJump reports what cannot stand beside `go_to` and `end`.
func (a *Action) checkJump(d *schema.Diagnostics) {
	what := "go_to"
	if a.End {
		what = "end"
	}
	for _, field := range append(slices.Clone(a.beside.Fields), a.others...) {
		switch key := field.Key; {
		case key.Value == what, slices.Contains([]string{"id", "label", "comment"}, key.Value), what == "go_to" && key.Value == "max_visits":
		default:
			d.Errorf(key.Pos, "unknown-key", "%q cannot stand beside %s", key.Value, what)
		}
	}
	if !a.End && a.GoTo == "" && a.beside.Get("go_to").Kind == schema.Null {
		d.WrongType(a.beside.Get("go_to"), "go_to", "the id of an action")
	}
}

// pickKind finds the kind among the keys that are not of frame.
func (a *Action) pickKind(kinds []action.Kind, d *schema.Diagnostics) {
	ids := kindIDs(kinds)
	for _, field := range a.others {
		kind, known := findKind(kinds, field.Key.Value)
		switch {
		case known && a.key == nil:
			a.Kind, a.key, a.config = kind, field.Key, field.Value
		case known:
			d.Errorf(field.Key.Pos, "many-kinds", "an action has one kind; this one is already %s", a.key.Value)
		case len(a.others) == 1 && !a.Placeholder:
			problem := d.Errorf(field.Key.Pos, "unknown-kind", "unknown kind %q", field.Key.Value)
			if problem.Suggest(field.Key.Value, append(ids, frameKeys...)); problem.Hint == "" {
				problem.Hint = "`millrace kinds` lists them"
			}
		case !a.Placeholder:
			d.UnknownKey(field.Key, frameKeys)
		}
	}
	if len(a.others) == 0 && !a.Placeholder {
		d.Errorf(a.Pos, "missing-kind", "the action has no kind").Hint = "write what it does, as in `send_email: {email: welcome}`"
	}
}

func kindIDs(kinds []action.Kind) []string {
	var ids []string
	for _, kind := range kinds {
		ids = append(ids, kind.ID)
	}
	return ids
}

// findKind finds a kind by its id or an earlier one.
func findKind(kinds []action.Kind, id string) (action.Kind, bool) {
	for _, kind := range kinds {
		if kind.ID == id || slices.Contains(kind.Aliases, id) {
			return kind, true
		}
	}
	return action.Kind{}, false
}
