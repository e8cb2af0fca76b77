package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
)

type deleteContactConfig struct{}

var deleteContact = action.Define(action.Spec[deleteContactConfig]{
	ID:       "delete_contact",
	Category: action.CRM,
	Summary:  "Delete the enrolled contact",
	Doc: `The contact leaves this workflow with the reason ` + "`deleted`" + `, and every other one before its next action there. For 90 days
` + "`millrace records restore`" + ` brings it back as it was, but into no workflow; then it is purged. Who pushes a workflow that newly does this is asked.`,
	Example: "delete_contact: {}",
	Objects: []string{"contact"},
	Local:   true,
	Deletes: true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, _ deleteContactConfig) (plan.Outcome, error) {
		if err := env.Records.Delete(ctx, env.Record(), env.Now()); err != nil {
			return plan.Outcome{}, err
		}
		return plan.Outcome{End: plan.ExitDeleted}, nil
	},
})
