package definition

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// propertyUser is implemented by values of configs, and by configs themselves, that know best which
// properties they use: filters, targets, edits.
type propertyUser interface{ Properties() []crm.PropertyUse }

// referrer is implemented by values that hold references: filters.
type referrer interface{ References() []crm.Reference }

// tokenUser is implemented by values with tokens: templates, values.
type tokenUser interface{ Tokens() []crm.Token }

// outputter is implemented by configs that name outputs of their own.
type outputter interface{ Outputs() []action.Output }

// creator is implemented by configs that create records.
type creator interface {
	Creates() (object crm.ObjectName, gives func(property string) bool)
}

// Lacking is implemented by configs whose action needs something of the workspace's settings.
type Lacking interface {
	// Lacks tells what the settings lack for the action, "" when that is nothing.
	Lacks(account crm.Account) string
}

// checkConfig checks what the config of an action names.
func (c *checker) checkConfig(act *Action) {
	object := c.file.Object.Text
	for _, target := range targets(act.Config) {
		object = target.Object(object)
		c.properties(target, act)
	}
	if user, ok := act.Config.(propertyUser); ok {
		c.properties(user, act)
		object = "" // the config knows best
	}
	if creator, ok := act.Config.(creator); ok {
		created, gives := creator.Creates()
		for _, name := range c.catalog.Required(created.Text) {
			if !gives(name) {
				c.found.Errorf(created.Pos(), "missing-property", "%s needs a %s: the property is required", created.Text, name)
			}
		}
	}
	if user, ok := act.Config.(extender); ok && c.in != nil {
		c.extension(user)
	}
	if needy, ok := act.Config.(Lacking); ok && c.in != nil {
		if missing := needy.Lacks(c.in.Account); missing != "" {
			c.found.Errorf(act.key.Pos, "no-provider", "%s in %s", missing, WorkspaceFile)
		}
	}
	c.walk(act.Config, object, act)
}

// checkRules checks what the definition names outside its actions.
func (c *checker) checkRules() {
	f := c.file
	for _, part := range []any{f.Center, f.Enroll, f.Goal, f.Suppress, f.Settings} {
		c.walk(part, f.Object.Text, nil)
	}
}

// targets returns the targets among the fields of a config. Property names beside one are about its object.
func targets(config any) []crm.Target {
	var found []crm.Target
	v := reflect.ValueOf(config)
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if target, ok := v.Field(i).Interface().(crm.Target); ok {
			found = append(found, target)
		}
	}
	return found
}

// enumerate writes names into a message.
func enumerate(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// walk checks all names within a value. object is what property names are about, "" when somebody else
// checks them; act is the action that the value belongs to, or nil.
func (c *checker) walk(value any, object string, act *Action) {
	skip := map[any]bool{}
	schema.Walk(value, func(found any) {
		if skip[found] {
			return
		}
		switch found := found.(type) {
		case *crm.EventFilter: // its properties are those of the event
			skip[&found.Filter] = true
			c.references(found, act)
			return
		case *crm.Sort: // checked with its target
			skip[&found.Property] = true
			return
		case crm.Reference:
			c.reference(found, object, act)
			return
		}
		if user, ok := found.(tokenUser); ok {
			c.tokens(user, act)
		}
		if user, ok := found.(propertyUser); ok {
			c.properties(user, act)
		}
		if user, ok := found.(referrer); ok {
			c.references(user, act)
		}
	})
}

func (c *checker) references(user referrer, act *Action) {
	for _, one := range user.References() {
		c.reference(one, "", act)
	}
}

func (c *checker) tokens(user tokenUser, act *Action) {
	for _, token := range user.Tokens() {
		c.token(token, act)
	}
}

// reference reports a name of something that does not exist.
func (c *checker) reference(name crm.Reference, object string, act *Action) {
	kind, text := name.Target()
	if _, active := c.catalog.ActiveList(text); active && kind == "list" {
		c.lists = append(c.lists, name)
	}
	switch {
	case text == "":
	case kind == "action": // that an event answers
		if earlier := c.earlierAction(text, name.Pos(), act); earlier != nil && !earlier.Kind.Acts() {
			c.found.Errorf(name.Pos(), "wrong-source", "no event can answer %q: it is a %s", text, earlier.Kind.Category)
		}
	case kind == "property":
		if object != "" {
			c.property(crm.PropertyUse{Object: object, Name: text, Pos: name.Pos()})
		}
	case kind == "object":
		c.object(text, name.Pos())
	case kind == crm.ReferenceStaticList:
		c.staticList(text, object, name.Pos())
	case c.in != nil:
		if known, listed := c.in.names(kind); listed && !slices.Contains(known, text) {
			c.found.Errorf(name.Pos(), "unknown-"+kind, "there is no %s %q in the workspace", kind, text).Suggest(text, known)
			return
		}
		if act != nil {
			c.asset(kind, text, act)
		}
		if kind == "workflow" && act != nil && object != "" { // named by the action itself, not by a filter
			c.sameObject(text, name.Pos())
		}
	}
}

// staticList reports a list that is not there, whose filter says who is on it, or that is for another type of record
// (semantics §3.6).
func (c *checker) staticList(name, object string, pos schema.Pos) {
	if c.in == nil {
		return
	}
	list, found := c.in.Lists[name]
	switch {
	case !found:
		known, _ := c.in.names("list")
		c.found.Errorf(pos, "unknown-list", "there is no list %q in the workspace", name).Suggest(name, known)
	case list.Filter != nil:
		c.found.Errorf(pos, "active-list", "nobody is put on the list %q or taken off it: its filter says who is on it", name).
			Hint = "change what the filter asks about, or take the filter out of " + list.path
	case object != "" && list.Object.Text != object:
		c.found.Errorf(pos, "wrong-object", "the list %q is for records of %s, not of %s", name, list.Object.Text, object)
	}
}

// sameObject reports a workflow for another type of record than this one.
func (c *checker) sameObject(workflow string, pos schema.Pos) {
	if ours, theirs := c.file.Object.Text, c.in.Definition(workflow).Object.Text; theirs != "" && theirs != ours {
		c.found.Errorf(pos, "wrong-object", "the workflow %s is about a %s, not a %s", workflow, theirs, ours)
	}
}

// asset checks what only the sender of an e-mail or message can tell of its tokens: the record, the
// outputs of actions and the event. The others are reported with the workspace, but the definition uses their properties.
func (c *checker) asset(kind, name string, act *Action) {
	before := len(c.found)
	for _, token := range c.in.tokens(kind, name) {
		known := len(c.found)
		c.token(token, act)
		if !ofSender(token) {
			c.found = c.found[:known]
		}
	}
	for i := before; i < len(c.found); i++ {
		c.found[i].Message += " (sent by " + act.ID + " of " + c.file.Workflow.Text + ")"
	}
}

// ofSender tells whether a token of an e-mail depends on the workflow that sends it.
func ofSender(token crm.Token) bool {
	return slices.Contains([]string{"record", "actions", "event"}, token.Path[0])
}

// earlierAction reports an action that does not exist, or that cannot have run before act.
func (c *checker) earlierAction(id string, pos schema.Pos, act *Action) *Action {
	earlier := c.flow.byID[id]
	switch {
	case earlier == nil || !earlier.isUse():
		c.found.Errorf(pos, "unknown-action", "there is no action %q", id).Suggest(id, c.ids())
		return nil
	case act != nil && !c.flow.runsBefore(earlier, act):
		c.found.Errorf(pos, "not-before", "the action %q never runs before this one", id)
	}
	return earlier
}

// properties checks the properties that a value uses.
func (c *checker) properties(user propertyUser, act *Action) {
	for _, use := range user.Properties() {
		if use.Object == "" {
			use.Object = c.file.Object.Text
		}
		if use.Pos.Line == 0 && act != nil {
			use.Pos = keyPos(act.config, use.Name, act.key.Pos)
		}
		c.property(use)
	}
}

// keyPos is where a key stands anywhere within a node, or otherwise.
func keyPos(node *schema.Node, key string, otherwise schema.Pos) schema.Pos {
	for _, field := range node.Fields {
		if field.Key.Value == key {
			return field.Key.Pos
		}
		if pos := keyPos(field.Value, key, otherwise); pos != otherwise {
			return pos
		}
	}
	return otherwise
}

// Properties that every record has beside the declared ones.
var everywhere = []string{"id", "created_at", "updated_at"}

// property reports a property that does not exist, and a use that its declaration forbids. Outside a
// workspace no property is looked up: what a built-in declaration forbids there is only a warning.
func (c *checker) property(use crm.PropertyUse) {
	c.uses = append(c.uses, use)
	before := len(c.found)
	defer func() {
		for i := before; i < len(c.found) && c.catalog.IsOpen(); i++ {
			c.found[i].Severity = schema.Warning
		}
	}()
	object, declared := c.catalog.Object(use.Object)
	property, known := object.Property(use.Name)
	switch {
	case known && use.Operator == crm.Writes:
		c.checkWrite(use, property)
	case known:
		use.Check(property, &c.found)
	case c.catalog.IsOpen() || !declared || slices.Contains(everywhere, use.Name):
	default:
		c.found.Errorf(use.Pos, "unknown-property", "%s has no property %q", use.Object, use.Name).Suggest(use.Name, propertyNames(object))
	}
}

func propertyNames(object crm.Object) []string {
	var names []string
	for _, property := range object.Properties {
		names = append(names, property.Name)
	}
	return names
}

// checkWrite reports a property that cannot be written, and values that it cannot have.
func (c *checker) checkWrite(use crm.PropertyUse, property crm.Property) {
	if !property.Writable() {
		c.found.Errorf(use.Pos, "read-only", "%s of %s is read-only", use.Name, use.Object)
		return
	}
	for _, operand := range use.Operands {
		if _, err := property.Canonical(operand); err != nil {
			_, reason, _ := strings.Cut(err.Error(), crm.ErrInvalid.Error()+": ")
			c.found.Errorf(use.Pos, "wrong-value", "%s: %s", use.Name, reason).Suggest(operand, optionValues(property))
		}
	}
}

func optionValues(property crm.Property) []string {
	var values []string
	for _, option := range property.Options {
		values = append(values, option.Value)
	}
	return values
}

// Names that tokens start with, beside objects (language §2).
var tokenRoots = []string{"record", "owner", "actions", "event", "now", "account"}

var (
	ownerFields   = []string{"id", "name", "first_name", "last_name", "email", "team"}
	accountFields = []string{"name", "time_zone", "sender"}
)

// token reports a token that can never resolve.
func (c *checker) token(token crm.Token, act *Action) {
	root, rest := token.Path[0], token.Path[1:]
	object := root
	c.computed(token)
	switch root {
	case "now":
		return
	case "event":
		c.eventToken(token)
		return
	case "actions":
		c.outputToken(token, act)
		return
	case "owner":
		c.field(token, "owner", ownerFields)
		return
	case "account":
		c.field(token, "account", accountFields)
		return
	case "record":
		object = c.file.Object.Text
	}
	_, declared := c.catalog.Object(object)
	switch {
	case !declared && object != c.file.Object.Text:
		c.found.Errorf(token.Pos, "unknown-token", "{{ %s }} can never resolve: there is no %q", token, root).
			Suggest(root, append(c.catalog.Objects(), tokenRoots...))
	case len(rest) > 0:
		c.property(crm.PropertyUse{Object: object, Name: rest[0], Pos: token.Pos})
	}
}

// computed reports a token with an index in the place of a name that is looked up, as in contact[x]: what
// it reads is known only when it is too late to check it and to send it along. Indexes within values are
// fine, as in actions.a.list[0].
func (c *checker) computed(token crm.Token) {
	names := 2 // contact.email
	switch token.Path[0] {
	case "now", "event":
		return
	case "actions":
		names = 3 // actions.a.output
	}
	if token.Cut && len(token.Path) < names {
		c.found.Errorf(token.Pos, "computed-token", "{{ %s[…] }} cannot be checked: what stands in the brackets has to be a name in quotes", token).
			Hint = "choose between names with {% if %} or {% case %}"
	}
}

func (c *checker) field(token crm.Token, what string, fields []string) {
	if len(token.Path) > 1 && !slices.Contains(fields, token.Path[1]) {
		c.found.Errorf(token.Pos, "unknown-token", "{{ %s }} can never resolve: the fields of %s: %s", token, what, enumerate(fields)).
			Suggest(token.Path[1], fields)
	}
}

// eventToken warns of a token about the event that enrolled the record where nothing that enrolls has one.
func (c *checker) eventToken(token crm.Token) {
	if c.file.Enroll.On == nil {
		c.found.Warningf(token.Pos, "no-event", "{{ %s }}: no event enrolls this workflow, so it is empty unless somebody starts an enrollment with one", token).
			Hint = "what a delay_until_event waited for is {{ actions.ID.matched_event }}"
	}
}

// outputToken checks a token actions.ID.OUTPUT.
func (c *checker) outputToken(token crm.Token, act *Action) {
	if len(token.Path) < 2 {
		if !token.Cut {
			c.found.Errorf(token.Pos, "unknown-token", "{{ actions }} can never resolve: name an action and its output").Hint = "as in {{ actions.ID.OUTPUT }}"
		}
		return
	}
	earlier := c.earlierAction(token.Path[1], token.Pos, act)
	if earlier == nil || !earlier.sound || len(token.Path) < 3 {
		return
	}
	outputs := earlier.outputs()
	if user, ok := earlier.Config.(extender); ok {
		name, _ := user.Extends()
		if c.in == nil || c.in.Extensions[name.Text] == nil {
			return // what it answers is not known
		}
		for _, output := range c.in.Extensions[name.Text].Outputs {
			outputs = append(outputs, output.Name)
		}
	}
	if !slices.Contains(outputs, token.Path[2]) {
		c.found.Errorf(token.Pos, "unknown-token", "{{ %s }} can never resolve: the outputs of %s: %s", token, earlier.ID, enumerate(outputs)).
			Suggest(token.Path[2], outputs)
	}
}

// outputs are the names of what the action leaves for later tokens.
func (a *Action) outputs() []string {
	outputs := a.Kind.Outputs
	if own, ok := a.Config.(outputter); ok {
		outputs = append(slices.Clone(outputs), own.Outputs()...)
	}
	names := map[string]bool{}
	for _, output := range outputs {
		names[output.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}
