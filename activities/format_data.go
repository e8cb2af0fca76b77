package activities

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type formatDataConfig struct {
	Formula  crm.Formula      `json:"formula,omitzero" doc:"Tokens without braces, operators and functions within each other."`
	Function crm.Function     `json:"function,omitzero" doc:"One function, instead of a formula."`
	Values   []crm.Value      `json:"values,omitempty" doc:"What the function is given, in its order."`
	Type     crm.PropertyType `json:"type,omitempty" doc:"Type that the result has to have; as it comes if left out." enum:"string,number,bool,date,datetime"`
}

var formatData = action.Define(action.Spec[formatDataConfig]{
	ID:       "format_data",
	Category: action.Data,
	Summary:  "Compute a value",
	Doc: `Computes a value for later actions as ` + "`{{ actions.ID.result }}`" + `, and writes nothing: an ` + "`edit_record`" + ` behind it does. Either a
` + "`formula`" + `, as in ` + "`concat(upper(contact.last_name), \", \", contact.first_name)`" + `, or one ` + "`function`" + ` with its ` + "`values`" + `. Both know the
same functions as tokens:

- Numbers: ` + "`abs` `add` `subtract` `multiply` `divide` `modulo` `divisible` `root` `round` `floor` `ceil` `number` `randomNumber`" + `, and the operators
  ` + "`+ - * / %`" + `. They are exact decimals; ` + "`round(n, 2)`" + ` rounds halves away from zero, ` + "`root(n, 3)`" + ` is the third root.
- Texts: ` + "`concat` `join` `split` `capitalize` `title` `upper` `lower` `trim` `truncate` `cut` `replace` `regex_replace` `left` `right` `mid` `length` `striptags`" + `.
  ` + "`mid`" + ` counts from 1; ` + "`regex_replace`" + ` reads RE2, where ` + "`$1`" + ` is the first group.
- Dates and times: ` + "`format_datetime(value, pattern, zone)` `plus_time(value, n, unit)` `minus_time` `unixtimestamp`" + `, the last in milliseconds. Units are years to
  seconds; a month's end stays one. Without a zone it is the workflow's.
- Conditions: ` + "`== != < > <= >= contains and or not`" + `, and ` + "`default(value, other)`" + ` for an empty one.

An empty value counts as 0 among numbers and as nothing in texts; an empty result is told in the history, and later tokens find it
empty. What cannot be computed fails the action (` + "`invalid-value`" + `): a text where a number is needed, a division by zero, a pattern that is
none, a result of another ` + "`type`" + `, one of more than 65,536 characters.

HubSpot's other languages of dates are not there: ` + "`format_datetime`" + ` takes a fourth value only if it is English. Unconfirmed, and so our design: the names of
the operators' functions, what ` + "`round`" + `, ` + "`root`" + ` and ` + "`number`" + ` take beside the number, ends of months, and that a random number is drawn once for each visit.`,
	Example: `format_data: {formula: "round(contact.score * 1.22, 2)"}`,
	Outputs: []action.Output{{Name: "result", Type: "string", Doc: "The value, with the type that it has."}},
	Local:   true,
	Check:   checkFormatData,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg formatDataConfig) (plan.Outcome, error) {
		result, err := cfg.result(ctx, env)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		output, err := json.Marshal(map[string]any{"result": result})
		return plan.Outcome{Output: output}, err
	},
})

func checkFormatData(cfg formatDataConfig, at schema.Pos, problems *schema.Diagnostics) {
	switch least, most := cfg.Function.Takes(); {
	case cfg.Formula.IsZero() == cfg.Function.IsZero():
		problems.Errorf(at, "wrong-value", "either formula or function")
	case cfg.Function.IsZero() && len(cfg.Values) > 0:
		problems.Errorf(at, "wrong-value", "values: a formula names its own").Hint = "write function instead of formula, or the values into the formula"
	case !cfg.Function.IsZero() && (len(cfg.Values) < least || len(cfg.Values) > most):
		problems.Errorf(cfg.Function.Pos(), "wrong-value", "%s takes %d to %d values; found %d", cfg.Function, least, most, len(cfg.Values))
	}
}

// result computes the value. It is one that a property could hold.
func (c formatDataConfig) result(ctx context.Context, env *action.Env) (result any, err error) {
	if c.Function.IsZero() {
		result, err = env.Formula(ctx, c.Formula)
	} else {
		result, err = env.Apply(ctx, c.Function, c.Values)
	}
	if err != nil {
		return nil, err
	}
	property := crm.Property{Name: "result", Type: crm.TypeString}
	if c.Type != "" {
		property.Type = c.Type
	}
	text, err := property.Canonical(result)
	if err != nil || c.Type == "" {
		return result, err
	}
	return property.Value(text), nil
}
