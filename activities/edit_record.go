package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type editRecordConfig struct {
	Set         assignments        `json:"set,omitempty" doc:"Properties and their new values."`
	Append      assignments        `json:"append,omitempty" doc:"Options to add to multiple-choice properties."`
	Remove      assignments        `json:"remove,omitempty" doc:"Options to take from multiple-choice properties."`
	Copy        copies             `json:"copy,omitempty" doc:"Properties and the properties of the enrolled record to copy from."`
	Clear       []crm.PropertyName `json:"clear,omitempty" doc:"Properties to empty."`
	FromNow     instants           `json:"from_now,omitempty" doc:"Dates and times to set, counted from when the action runs."`
	Increment   assignments        `json:"increment,omitempty" doc:"Number properties and how much to add."`
	On          crm.Target         `json:"on,omitzero" doc:"Records to change; the enrolled record if left out."`
	OnlyIfEmpty bool               `json:"only_if_empty" doc:"Leave properties as they are that have a value."`
}

var editRecord = action.Define(action.Spec[editRecordConfig]{
	ID:       "edit_record",
	Category: action.CRM,
	Summary:  "Set, copy, clear or adjust properties",
	Doc: `Changes one or more properties of the enrolled record or of associated ones: of all of them, unless ` + "`on`" + ` narrows them. Either
everything changes or nothing. Values may be tokens; one single token keeps its type.

` + "`append`" + ` and ` + "`remove`" + ` work on multiple-choice properties. ` + "`copy`" + ` reads the enrolled record: text to text, numbers to numbers and text,
dates and times to each other (a date becomes midnight UTC, a time its day in UTC), true and false to text, options to text or to a
property that has all of them. To add what is copied, append a token: ` + "`append: {interests: \"{{ contact.hobbies }}\"}`" + `. ` + "`increment`" + ` counts an empty property as 0. ` + "`only_if_empty`" + ` is asked of each property of each record.

` + "`from_now`" + ` sets a date or time that is counted from when the action runs: ` + "`in`" + ` so long, at the given time of that day, on the first of the
given weekdays from then on. A token does too, as in ` + "`{{ now | plus_time: 3, 'days' }}`" + `. A date property gets the day in the workflow's time zone.

A value that does not fit, an unknown property and a read-only one fail the action (` + "`invalid-value`" + `). Without a record to change it is skipped.

Unconfirmed, and so our design: several properties in one action, that an equal value is no change and leaves no version, copying an empty property empties the other, the copies
that involve options, ` + "`only_if_empty`" + `, skipping, and the output.`,
	Example: `edit_record: {set: {lifecycle_stage: customer}, append: {interests: [skiing]}, on: {associated: contact}}`,
	Outputs: []action.Output{{Name: "updated_ids", Type: "json", Doc: "References of the records, as in [company/7]; at most 100."}},
	Local:   true,
	Effect:  action.Edits,
	Check:   checkEditRecord,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg editRecordConfig) (plan.Outcome, error) {
		records, err := cfg.On.Resolve(ctx, env.Records, env.Catalog, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if len(records) == 0 {
			env.Note(plan.JournalSkipped, "no target record")
			return plan.Outcome{}, nil
		}
		edit, err := cfg.resolve(ctx, env)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		updated := []string{}
		for _, record := range records {
			changed, err := edit.apply(ctx, env, record, call.Key())
			if err != nil {
				return plan.Outcome{}, failure(err)
			}
			if changed {
				updated = append(updated, record.Ref.String())
			}
		}
		output, err := json.Marshal(map[string][]string{"updated_ids": updated[:min(len(updated), maxUpdated)]})
		return plan.Outcome{Output: output, Note: fmt.Sprintf("changed %d", len(updated))}, err
	},
})

// maxUpdated is how many references the output holds, which travels through the history.
const maxUpdated = 100

// Properties returns the properties that the action writes and copies.
func (c editRecordConfig) Properties() []crm.PropertyUse {
	var uses []crm.PropertyUse
	for _, list := range []assignments{c.Set, c.Append, c.Remove, c.Increment} {
		for _, one := range list {
			uses = append(uses, writes(c.On.Associated.Text, one.Property, one.Value))
		}
	}
	for _, one := range c.FromNow {
		uses = append(uses, crm.PropertyUse{Object: c.On.Associated.Text, Name: one.Property.Text, Operator: crm.Writes, Pos: one.Property.Pos()})
	}
	for _, one := range c.Copy {
		uses = append(uses,
			crm.PropertyUse{Object: c.On.Associated.Text, Name: one.Property.Text, Operator: crm.Writes, Pos: one.Property.Pos()},
			crm.PropertyUse{Name: one.Value.Text, Pos: one.Value.Pos()})
	}
	for _, name := range c.Clear {
		uses = append(uses, crm.PropertyUse{Object: c.On.Associated.Text, Name: name.Text, Operator: crm.Writes, Pos: name.Pos()})
	}
	return uses
}

// writes is the use of a property that is set to a value.
func writes(object string, property crm.PropertyName, value crm.Value) crm.PropertyUse {
	use := crm.PropertyUse{Object: object, Name: property.Text, Operator: crm.Writes, Pos: property.Pos()}
	if literal, known := value.Literal(); known {
		use.Operands = []string{crm.Text(literal)}
	}
	return use
}

func checkEditRecord(cfg editRecordConfig, at schema.Pos, problems *schema.Diagnostics) {
	written := slices.Concat(cfg.Set.names(), cfg.Append.names(), cfg.Remove.names(), cfg.Increment.names(), cfg.Copy.names(), cfg.FromNow.names(), cfg.Clear)
	if len(written) == 0 {
		problems.Errorf(at, "missing-key", "nothing to change: set, append, remove, copy, clear, from_now or increment")
	}
	checkTwice(written, problems)
	for _, one := range cfg.Increment {
		checkNumber(one.Property.Text, one.Value, problems)
	}
	if cfg.OnlyIfEmpty && len(cfg.Clear)+len(cfg.Remove) > 0 {
		problems.Errorf(at, "wrong-value", "only_if_empty: clear and remove have nothing to do where there is no value")
	}
}

// byProperty is a mapping from properties to something each, in source order.
type byProperty[V any, P interface {
	*V
	schema.Unmarshaler
	schema.Describer
}] []struct {
	Property crm.PropertyName
	Value    V
}

type (
	assignments = byProperty[crm.Value, *crm.Value]
	instants    = byProperty[fromNow, *fromNow]
	copies      = byProperty[crm.PropertyName, *crm.PropertyName] // where each is copied from
)

// names are the properties.
func (b byProperty[V, P]) names() []crm.PropertyName {
	names := make([]crm.PropertyName, len(b))
	for i, one := range b {
		names[i] = one.Property
	}
	return names
}

// UnmarshalNode reads a mapping.
func (b *byProperty[V, P]) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	if node.Kind != schema.Mapping {
		problems.WrongType(node, "", "a mapping with properties as its keys")
		return
	}
	*b = make(byProperty[V, P], len(node.Fields))
	for i, field := range node.Fields {
		(*b)[i].Property.UnmarshalNode(field.Key, problems)
		P(&(*b)[i].Value).UnmarshalNode(field.Value, problems)
	}
}

// MarshalJSON writes the source form.
func (b byProperty[V, P]) MarshalJSON() ([]byte, error) {
	values := make(map[string]V, len(b))
	for _, one := range b {
		values[one.Property.Text] = one.Value
	}
	return json.Marshal(values)
}

// Describe tells readers about the source form.
func (byProperty[V, P]) Describe() schema.Description {
	return schema.Description{
		Name: "mapping to " + P(new(V)).Describe().Name, Doc: "A mapping with properties as its keys.",
		Schema: map[string]any{"type": "object", "additionalProperties": schema.JSONSchema(reflect.TypeFor[V]())},
	}
}

// edit is what to change, with every token resolved.
type edit struct {
	onlyIfEmpty    bool
	values         map[string]string // set, copied and cleared, in canonical form
	append, remove map[string][]string
	increment      map[string]crm.Number
}

// resolve computes the new values, which are the same for every record.
func (c editRecordConfig) resolve(ctx context.Context, env *action.Env) (edit, error) {
	object := c.On.Object(env.Record().Object)
	for _, use := range c.Properties() {
		if use.Operator != crm.Writes {
			continue
		}
		if err := writable(env.Catalog, object, use.Name); err != nil {
			return edit{}, err
		}
	}
	result := edit{onlyIfEmpty: c.OnlyIfEmpty, values: map[string]string{}, increment: map[string]crm.Number{}}
	for _, one := range c.Set {
		value, err := env.Value(ctx, one.Value)
		if err != nil {
			return edit{}, err
		}
		if result.values[one.Property.Text], err = env.Catalog.Canonical(object, one.Property.Text, value); err != nil {
			return edit{}, err
		}
	}
	for _, name := range c.Clear {
		if slices.Contains(env.Catalog.Required(object), name.Text) {
			return edit{}, action.Permanent("invalid-value", "property %s is required", name.Text)
		}
		result.values[name.Text] = ""
	}
	if err := c.reckoned(ctx, env, object, result.values); err != nil {
		return edit{}, err
	}
	for _, one := range c.Increment {
		amount, err := number(ctx, env, one.Property.Text, one.Value)
		if err != nil {
			return edit{}, err
		}
		result.increment[one.Property.Text] = amount
	}
	var err error
	if result.append, err = options(ctx, env, object, c.Append); err != nil {
		return edit{}, err
	}
	if result.remove, err = options(ctx, env, object, c.Remove); err != nil {
		return edit{}, err
	}
	return result, c.copied(ctx, env, object, result.values)
}

// reckoned adds the dates and times that are counted from now.
func (c editRecordConfig) reckoned(ctx context.Context, env *action.Env, object string, values map[string]string) error {
	zone, err := env.Zone(ctx)
	if err != nil {
		return err
	}
	for _, one := range c.FromNow {
		name := one.Property.Text
		property, declared := env.Catalog.Property(object, name)
		if declared && property.Type != crm.TypeDate && property.Type != crm.TypeDatetime {
			return action.Permanent("invalid-value", "property %s is a %s, not a date", name, property.Type)
		}
		if values[name], err = env.Catalog.Canonical(object, name, one.Value.after(env.Now(), zone).In(zone)); err != nil {
			return err
		}
	}
	return nil
}

// options resolves the options to append or to remove.
func options(ctx context.Context, env *action.Env, object string, list assignments) (map[string][]string, error) {
	result := map[string][]string{}
	for _, one := range list {
		property, declared := env.Catalog.Property(object, one.Property.Text)
		if declared && !(property.Type == crm.TypeEnumeration && property.Multiple) {
			return nil, action.Permanent("invalid-value", "property %s does not take several options", one.Property.Text)
		}
		value, err := env.Value(ctx, one.Value)
		if err != nil {
			return nil, err
		}
		text, err := env.Catalog.Canonical(object, one.Property.Text, value)
		if err != nil {
			return nil, err
		}
		result[one.Property.Text] = crm.SplitOptions(text)
	}
	return result, nil
}

// copied adds the values that are copied from the enrolled record.
func (c editRecordConfig) copied(ctx context.Context, env *action.Env, object string, values map[string]string) error {
	if len(c.Copy) == 0 {
		return nil
	}
	source, err := env.Records.Get(ctx, env.Record())
	if err != nil {
		return err
	}
	for _, one := range c.Copy {
		from, known := env.Catalog.Property(source.Object, one.Value.Text)
		to, declared := env.Catalog.Property(object, one.Property.Text)
		if known && declared && !slices.Contains(copyable[cmp.Or(from.Type, crm.TypeString)], cmp.Or(to.Type, crm.TypeString)) {
			return action.Permanent("invalid-value", "property %s: a %s cannot be copied to a %s", one.Property.Text, from.Type, to.Type)
		}
		value := env.Catalog.Typed(source.Object, one.Value.Text, source.Property(one.Value.Text))
		if values[one.Property.Text], err = env.Catalog.Canonical(object, one.Property.Text, value); err != nil {
			return err
		}
	}
	return nil
}

// copyable says which types a property's value may be copied to (semantics §3.4).
var copyable = map[crm.PropertyType][]crm.PropertyType{
	crm.TypeString:      {crm.TypeString, crm.TypePhoneNumber},
	crm.TypePhoneNumber: {crm.TypeString, crm.TypePhoneNumber},
	crm.TypeNumber:      {crm.TypeNumber, crm.TypeString},
	crm.TypeDate:        {crm.TypeDate, crm.TypeDatetime},
	crm.TypeDatetime:    {crm.TypeDate, crm.TypeDatetime},
	crm.TypeBool:        {crm.TypeBool, crm.TypeString},
	crm.TypeEnumeration: {crm.TypeEnumeration, crm.TypeString},
	crm.TypeJSON:        {crm.TypeJSON},
}

// apply changes one record, and tells whether there was anything to change.
func (e edit) apply(ctx context.Context, env *action.Env, record crm.Record, source string) (changed bool, err error) {
	leave := func(name string) bool { return e.onlyIfEmpty && record.Properties[name] != "" }
	values := map[string]string{}
	for name, text := range e.values {
		values[name] = text
	}
	for name, options := range e.append {
		values[name] = strings.Join(append(crm.SplitOptions(record.Properties[name]), options...), ";")
	}
	for name, options := range e.remove {
		left := slices.DeleteFunc(crm.SplitOptions(record.Properties[name]), func(option string) bool { return slices.Contains(options, option) })
		values[name] = strings.Join(left, ";")
	}
	maps.DeleteFunc(values, func(name, _ string) bool { return leave(name) })
	if len(values) > 0 {
		changed = true
		if err := env.Records.Update(ctx, record.Ref, values, env.Now(), source); err != nil {
			return false, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.increment)) {
		if leave(name) {
			continue
		}
		changed = true
		if _, err := env.Records.Increment(ctx, record.Ref, name, e.increment[name], env.Now(), source); err != nil {
			return false, err
		}
	}
	return changed, nil
}

// writable returns a permanent error when an action must not write a property.
func writable(catalog *crm.Catalog, object, name string) error {
	property, declared := catalog.Property(object, name)
	switch {
	case !declared && !catalog.IsOpen():
		return action.Permanent("invalid-value", "%s has no property %s", object, name)
	case declared && !property.Writable():
		return action.Permanent("invalid-value", "property %s is read-only", name)
	}
	return nil
}
