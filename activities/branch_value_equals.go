package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type branchValueEqualsConfig struct {
	Value      crm.Value     `json:"value" doc:"What to compare: a property or the output of an earlier action, as a token." required:"true"`
	Branches   []valueBranch `json:"branches" doc:"One branch per value." required:"true" min:"1" max:"250"`
	IgnoreCase bool          `json:"ignore_case,omitempty" doc:"Let gold and Gold be the same."`
}

type valueBranch struct {
	Name branchName `json:"name" doc:"Name of the branch, and of its port." required:"true"`
	Is   crm.Value  `json:"is" doc:"Internal value that leads here; \"\" = no value." required:"true"`
}

func (b valueBranch) name() branchName { return b.Name }

// tokenLike matches a token whose braces were forgotten.
var tokenLike = regexp.MustCompile(`^[A-Za-z_]\w*(\.[\w-]+)+$`)

var branchValueEquals = action.Define(action.Spec[branchValueEqualsConfig]{
	ID:       "branch_value_equals",
	Category: action.Branch,
	Summary:  "Branch by the value of a property or output",
	Doc: `The value in its internal form is compared with each branch, exactly and with regard to case; a number or a date also when it
is written differently (` + "`10.0`" + `, epoch milliseconds). An unknown value takes the port ` + "`default`" + `, and so do an empty one and the output of
an action that failed, unless there is a branch for ` + "`\"\"`" + `. With ` + "`ignore_case`" + ` texts are compared without regard to case. Several options of a multiple-choice property are one value, ` + "`a;b`" + `: use branch_and_or to look for one of them.

Unconfirmed, and so our design: that case matters, ` + "`ignore_case`" + `, a branch for no value, and the output.`,
	Example:  `branch_value_equals: {value: "{{ contact.plan }}", branches: [{name: gold, is: gold}, {name: silver, is: silver}]}`,
	Ports:    []string{portDefault},
	Outputs:  branchOutput,
	Local:    true,
	Branches: func(cfg branchValueEqualsConfig) []string { return ports(cfg.Branches) },
	Check: func(cfg branchValueEqualsConfig, _ schema.Pos, problems *schema.Diagnostics) {
		checkNames(cfg.Branches, problems)
		if literal, known := cfg.Value.Literal(); known {
			token := "contact.plan"
			if text := crm.Text(literal); tokenLike.MatchString(text) {
				token = text
			}
			problems.Warningf(cfg.Value.Pos(), "constant", "value: this is the same for everybody, so all take one branch").
				Hint = fmt.Sprintf(`write a token: "{{ %s }}"`, token)
		}
		seen := map[string]bool{}
		for _, branch := range cfg.Branches {
			literal, known := branch.Is.Literal()
			text := cfg.fold(crm.Text(literal))
			switch {
			case !known:
				problems.Errorf(branch.Is.Pos(), "wrong-value", "is: a value is needed here, not a token")
			case seen[text]:
				problems.Errorf(branch.Is.Pos(), "duplicate-value", "is: there are two branches for %q", text)
			}
			seen[text] = true
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg branchValueEqualsConfig) (plan.Outcome, error) {
		value, err := env.Value(ctx, cfg.Value)
		if errors.Is(err, crm.ErrInvalid) {
			env.Warn("%v", err)
			return taken(portDefault, "")
		}
		if err != nil {
			return plan.Outcome{}, err
		}
		form := crm.Property{Type: typeOf(value), Multiple: true}
		text, err := form.Canonical(value)
		if err != nil {
			env.Warn("%v", err)
			return taken(portDefault, "")
		}
		for _, branch := range cfg.Branches {
			literal, _ := branch.Is.Literal()
			if wanted, err := form.Canonical(literal); err == nil && cfg.fold(wanted) == cfg.fold(text) {
				return taken(branch.Name.text, text)
			}
		}
		return taken(portDefault, text)
	},
})

// fold is a text as it is compared.
func (c branchValueEqualsConfig) fold(text string) string {
	if c.IgnoreCase {
		return strings.ToLower(text)
	}
	return text
}

// typeOf returns the property type whose internal form a value has.
func typeOf(value any) crm.PropertyType {
	switch value.(type) {
	case crm.Number:
		return crm.TypeNumber
	case crm.Date:
		return crm.TypeDate
	case time.Time:
		return crm.TypeDatetime
	case bool:
		return crm.TypeBool
	}
	return crm.TypeString
}
