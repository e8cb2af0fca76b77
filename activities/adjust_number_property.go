package activities

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type adjustNumberPropertyConfig struct {
	Property crm.PropertyName `json:"property" doc:"Number property of the enrolled record." required:"true"`
	By       crm.Value        `json:"by" doc:"How much to add; a negative number decreases." required:"true"`
}

var adjustNumberProperty = action.Define(action.Spec[adjustNumberPropertyConfig]{
	ID:       "adjust_number_property",
	Category: action.CRM,
	Summary:  "Increase or decrease a number",
	Doc: `Adds to a number property of the enrolled record in one step, so that no change of somebody else is lost. The result may be
negative.

Unconfirmed, and so our design: an empty property counts as 0.`,
	Example: "adjust_number_property: {property: score, by: 10}",
	Outputs: []action.Output{{Name: "new_value", Type: "number", Doc: "Value after the change."}},
	Local:   true,
	Effect:  action.Edits,
	Check: func(cfg adjustNumberPropertyConfig, _ schema.Pos, problems *schema.Diagnostics) {
		checkNumber("by", cfg.By, problems)
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg adjustNumberPropertyConfig) (plan.Outcome, error) {
		by, err := number(ctx, env, cfg.Property.Text, cfg.By)
		if err != nil {
			return plan.Outcome{}, err
		}
		if err := writable(env.Catalog, env.Record().Object, cfg.Property.Text); err != nil {
			return plan.Outcome{}, err
		}
		sum, err := env.Records.Increment(ctx, env.Record(), cfg.Property.Text, by, env.Now(), call.Key())
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		output, err := json.Marshal(map[string]crm.Number{"new_value": sum})
		return plan.Outcome{Output: output, Note: cfg.Property.Text + " = " + sum.String()}, err
	},
})

// Properties returns the property that the action writes.
func (c adjustNumberPropertyConfig) Properties() []crm.PropertyUse {
	return []crm.PropertyUse{{Name: c.Property.Text, Operator: crm.Writes, Pos: c.Property.Pos()}}
}

// checkNumber reports a literal that is no number.
func checkNumber(key string, value crm.Value, problems *schema.Diagnostics) {
	literal, known := value.Literal()
	if _, err := crm.ParseNumber(crm.Text(literal)); known && err != nil {
		problems.Errorf(value.Pos(), "wrong-type", "%s: expected a number", key)
	}
}

// number resolves an amount by which a property changes.
func number(ctx context.Context, env *action.Env, property string, value crm.Value) (crm.Number, error) {
	resolved, err := env.Value(ctx, value)
	if err != nil {
		return crm.Number{}, failure(err)
	}
	amount, err := crm.ParseNumber(crm.Text(resolved))
	if err != nil {
		return crm.Number{}, action.Permanent("invalid-value", "property %s cannot change by that value: not a number", property)
	}
	return amount, nil
}
