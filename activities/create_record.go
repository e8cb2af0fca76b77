package activities

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type createRecordConfig struct {
	ObjectType  crm.ObjectName      `json:"object_type" doc:"Type of the new record." required:"true"`
	Values      assignments         `json:"properties,omitempty" doc:"Properties and their values; the required ones of the type are needed."`
	Owner       assignee            `json:"owner,omitzero" doc:"Who owns it; nobody if left out."`
	Associate   bool                `json:"associate_to_enrolled" doc:"Associate it with the enrolled record." default:"true"`
	Label       label               `json:"label,omitzero" doc:"Label of that association."`
	Associated  []copiedAssociation `json:"copy_associations,omitempty" doc:"Records associated with the enrolled one with which to associate it too."`
	Deduplicate *deduplication      `json:"dedupe,omitempty" doc:"Take the record that has the same value of a unique property, if there is one."`
}

type deduplication struct {
	Property crm.PropertyName `json:"property" doc:"Unique property among those that are given." required:"true"`
}

var createRecord = action.Define(action.Spec[createRecordConfig]{
	ID:       "create_record",
	Category: action.CRM,
	Summary:  "Create a record, or find the one that is there",
	Doc: `Creates a record of any type, associated with the enrolled one. ` + "`copy_associations`" + ` associates it also with records that the enrolled
one is associated with, under the same labels. ` + "`owner: {owner: hubspot_owner_id}`" + ` takes the owner of the enrolled record.

With ` + "`dedupe`" + ` the record that has the same value of a unique property is taken if there is one: it is associated and otherwise left as it
is. Without, a value that another record has fails the action (` + "`duplicate-value`" + `).

A missing required property (` + "`missing-value`" + `), a value that does not fit and an unknown or read-only property (` + "`invalid-value`" + `) fail the action
as well. So does a record that this very workflow created and that would create another of its type (` + "`infinite-loop`" + `): the action is left
out, and the enrollment goes on.

Unconfirmed, and so our design: ` + "`dedupe`" + ` and leaving what was found as it is, an owner who is unknown being nobody, labels that are copied, the
outputs.`,
	Example: `create_record: {object_type: deal, properties: {name: "{{ contact.company }}: trial", stage: new}, owner: {owner: hubspot_owner_id}, copy_associations: [{type: company}]}`,
	Outputs: []action.Output{
		{Name: "record", Type: "string", Doc: "Reference of the record, as in deal/7."},
		{Name: "created", Type: "bool", Doc: "False when it was there already."},
		{Name: "properties", Type: "json", Doc: "Its values, but those of more than 1,000 characters."},
	},
	Local:  true,
	Effect: action.Edits,
	Check:  checkCreateRecord,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg createRecordConfig) (plan.Outcome, error) {
		enrolled, err := env.Records.Get(ctx, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if enrolled.Object == cfg.ObjectType.Text && strings.HasPrefix(enrolled.Source, call.Workflow()+"/") {
			return plan.Outcome{}, action.Permanent("infinite-loop", "this workflow created %s and would create another %s", enrolled.Ref, enrolled.Object)
		}
		values, err := cfg.resolve(ctx, env)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		record, created, err := cfg.findOrCreate(ctx, env, values, call.Key())
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		if err := cfg.associate(ctx, env, record.Ref); err != nil {
			return plan.Outcome{}, failure(err)
		}
		output, err := json.Marshal(map[string]any{"record": record.Ref, "created": created, "properties": shown(env.Catalog, record)})
		note := "created " + record.Ref.String()
		if !created {
			note = "found " + record.Ref.String()
		}
		return plan.Outcome{Output: output, Note: note}, err
	},
})

func checkCreateRecord(cfg createRecordConfig, at schema.Pos, problems *schema.Diagnostics) {
	checkTwice(cfg.Values.names(), problems)
	if cfg.Deduplicate != nil && !cfg.gives(cfg.Deduplicate.Property.Text) {
		problems.Errorf(cfg.Deduplicate.Property.Pos(), "missing-key", "dedupe: %s is not among the properties", cfg.Deduplicate.Property.Text)
	}
	if cfg.Label.Text != "" && !cfg.Associate {
		problems.Errorf(at, "wrong-value", "label: there is no association without associate_to_enrolled")
	}
}

// checkTwice reports properties that are written twice.
func checkTwice(written []crm.PropertyName, problems *schema.Diagnostics) {
	seen := map[string]bool{}
	for _, name := range written {
		if seen[name.Text] {
			problems.Errorf(name.Pos(), "duplicate-property", "property %s is changed twice", name.Text)
		}
		seen[name.Text] = true
	}
}

func (c createRecordConfig) gives(property string) bool {
	return property == crm.OwnerProperty && c.Owner != (assignee{}) ||
		slices.ContainsFunc(c.Values.names(), func(name crm.PropertyName) bool { return name.Text == property })
}

// Creates returns the type of the new record and what is given of it.
func (c createRecordConfig) Creates() (object crm.ObjectName, gives func(property string) bool) {
	return c.ObjectType, c.gives
}

// Properties returns the properties that the action writes.
func (c createRecordConfig) Properties() []crm.PropertyUse {
	var uses []crm.PropertyUse
	for _, one := range c.Values {
		uses = append(uses, writes(c.ObjectType.Text, one.Property, one.Value))
	}
	if !c.Owner.Owner.IsZero() {
		uses = append(uses, crm.PropertyUse{Name: c.Owner.Owner.Text, Pos: c.Owner.Owner.Pos()})
	}
	return uses
}

// resolve computes the values of the new record.
func (c createRecordConfig) resolve(ctx context.Context, env *action.Env) (map[string]string, error) {
	object := c.ObjectType.Text
	if _, declared := env.Catalog.Object(object); !declared && !env.Catalog.IsOpen() {
		return nil, action.Permanent("invalid-value", "there is no object %s", object)
	}
	values := map[string]string{}
	for _, one := range c.Values {
		name := one.Property.Text
		if err := writable(env.Catalog, object, name); err != nil {
			return nil, err
		}
		value, err := env.Value(ctx, one.Value)
		if err != nil {
			return nil, err
		}
		if values[name], err = env.Catalog.Canonical(object, name, value); err != nil {
			return nil, err
		}
	}
	if c.Owner != (assignee{}) {
		user, err := c.Owner.resolve(ctx, env)
		if err != nil {
			return nil, err
		}
		values[crm.OwnerProperty] = user
	}
	for _, name := range env.Catalog.Required(object) {
		if values[name] == "" {
			return nil, action.Permanent("missing-value", "property %s of %s is required", name, object)
		}
	}
	return values, nil
}

// findOrCreate returns the record that has the unique value, or a new one.
func (c createRecordConfig) findOrCreate(ctx context.Context, env *action.Env, values map[string]string, source string) (record crm.Record, created bool, err error) {
	if c.Deduplicate != nil && values[c.Deduplicate.Property.Text] != "" {
		name := c.Deduplicate.Property.Text
		ref, err := env.Records.Find(ctx, c.ObjectType.Text, name, values[name])
		if err == nil {
			record, err = env.Records.Get(ctx, ref)
		}
		if !errors.Is(err, crm.ErrNotFound) {
			return record, false, err
		}
	}
	record, err = env.Records.Create(ctx, crm.Ref{Object: c.ObjectType.Text}, values, env.Now(), source)
	return record, true, err
}

// associate associates a record with the enrolled one and with those that it is associated with.
func (c createRecordConfig) associate(ctx context.Context, env *action.Env, ref crm.Ref) error {
	if c.Associate && ref != env.Record() {
		if err := env.Records.Associate(ctx, ref, env.Record(), c.Label.Text, false, env.Now()); err != nil {
			return err
		}
	}
	return copyAssociations(ctx, env, ref, c.Associated)
}

// maxShown is how many characters a value in the output has at most, which travels through the history.
const maxShown = 1000

// shown are the values of a record for later tokens, of their types.
func shown(catalog *crm.Catalog, record crm.Record) map[string]any {
	values := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(record.Properties)) {
		if text := record.Properties[name]; len(text) <= maxShown {
			values[name] = catalog.Typed(record.Object, name, text)
		}
	}
	return values
}
