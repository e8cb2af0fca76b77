package activities

import (
	"context"
	"errors"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type branchAndOrConfig struct {
	Branches []filterBranch `json:"branches" doc:"Branches in the order in which they are tried." required:"true" min:"1" max:"20"`
}

type filterBranch struct {
	Name branchName `json:"name" doc:"Name of the branch, and of its port." required:"true"`
	When crm.Filter `json:"when" doc:"Filter that the record has to match." required:"true"`
}

func (b filterBranch) name() branchName { return b.Name }

var branchAndOr = action.Define(action.Spec[branchAndOrConfig]{
	ID:       "branch_and_or",
	Category: action.Branch,
	Summary:  "Branch by filters, the first that matches",
	Doc: `Filters are tried from top to bottom, once, on what the records are at that moment; the first match decides, and without
one the port ` + "`none_met`" + ` is taken. A property without a value fails every operator but ` + "`known: false`" + `, unless the filter says
` + "`empty: match`" + `; ` + "`not`" + ` around what it fails is then true. A filter whose answer is unknown, as the history of a calculated property is,
does not match, nor does its ` + "`not`" + `. Criteria about events look at the whole past, unlike delay_until_event.

Unconfirmed, and so our design: the output.`,
	Example:  "branch_and_or: {branches: [{name: big, when: {property: employees, gte: 500}}, {name: small, when: {property: employees, known: true}}]}",
	Ports:    []string{portNoneMet},
	Outputs:  branchOutput,
	Local:    true,
	Branches: func(cfg branchAndOrConfig) []string { return ports(cfg.Branches) },
	Check: func(cfg branchAndOrConfig, _ schema.Pos, problems *schema.Diagnostics) {
		checkNames(cfg.Branches, problems)
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg branchAndOrConfig) (plan.Outcome, error) {
		for _, branch := range cfg.Branches {
			matched, err := env.Match(ctx, branch.When)
			switch {
			case errors.Is(err, crm.ErrInvalid):
				env.Warn("branch %s: %v", branch.Name.text, err)
			case err != nil:
				return plan.Outcome{}, err
			case matched:
				return taken(branch.Name.text, "")
			}
		}
		return taken(portNoneMet, "")
	},
})
