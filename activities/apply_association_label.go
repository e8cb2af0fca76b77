package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type applyAssociationLabelConfig struct {
	TargetType crm.ObjectName `json:"target_type" doc:"Type of the associated records." required:"true"`
	Label      label          `json:"label" doc:"Label to add." required:"true"`
	Refine     *refinement    `json:"refine,omitempty" doc:"Only associated records that match; all of them, if left out."`
}

var applyAssociationLabel = action.Define(action.Spec[applyAssociationLabelConfig]{
	ID:       "apply_association_label",
	Category: action.CRM,
	Summary:  "Label associations",
	Doc: `Adds a label to the associations of the enrolled record with records of a type; the labels that they have stay. An association that
has the label counts as unchanged. Without an associated record the action is skipped.

Unconfirmed, and so our design: skipping, the output, and that an association takes at most 50 labels (` + "`invalid-value`" + `).`,
	Example: `apply_association_label: {target_type: company, label: employer, refine: {property: country, is: IT}}`,
	Outputs: []action.Output{{Name: "count", Type: "number", Doc: "How many associations changed."}},
	Local:   true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg applyAssociationLabelConfig) (plan.Outcome, error) {
		records, err := related(ctx, env, cfg.TargetType, "", cfg.Refine)
		if err != nil {
			return plan.Outcome{}, err
		}
		labelled, err := related(ctx, env, cfg.TargetType, cfg.Label.Text, nil)
		if err != nil {
			return plan.Outcome{}, err
		}
		return each(env, records, func(record crm.Record) (bool, error) {
			if among(labelled, record.Ref) {
				return false, nil
			}
			return true, env.Records.Associate(ctx, env.Record(), record.Ref, cfg.Label.Text, false, env.Now())
		})
	},
})

// Properties returns the properties that the filter tests.
func (c applyAssociationLabelConfig) Properties() []crm.PropertyUse { return c.Refine.of(c.TargetType) }
