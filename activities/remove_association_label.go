package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type removeAssociationLabelConfig struct {
	TargetType crm.ObjectName `json:"target_type" doc:"Type of the associated records." required:"true"`
	Label      label          `json:"label" doc:"Label to take away." required:"true"`
}

var removeAssociationLabel = action.Define(action.Spec[removeAssociationLabelConfig]{
	ID:       "remove_association_label",
	Category: action.CRM,
	Summary:  "Take a label off associations",
	Doc: `Takes a label off every association of the enrolled record with records of a type. The associations stay, and so do their other
labels. Without an association that has the label the action is skipped.

Unconfirmed, and so our design: that the association stays, skipping, and the output.`,
	Example: `remove_association_label: {target_type: company, label: prospect}`,
	Outputs: []action.Output{{Name: "count", Type: "number", Doc: "How many associations changed."}},
	Local:   true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg removeAssociationLabelConfig) (plan.Outcome, error) {
		records, err := related(ctx, env, cfg.TargetType, cfg.Label.Text, nil)
		if err != nil {
			return plan.Outcome{}, err
		}
		return each(env, records, func(record crm.Record) (bool, error) {
			return true, env.Records.Dissociate(ctx, env.Record(), record.Ref, cfg.Label.Text)
		})
	},
})
