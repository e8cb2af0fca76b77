package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type updateAssociationLabelConfig struct {
	TargetType crm.ObjectName `json:"target_type" doc:"Type of the associated records." required:"true"`
	OldLabel   label          `json:"old_label,omitzero" doc:"Only associations with this label; all of them, if left out."`
	NewLabel   label          `json:"new_label" doc:"Label to have." required:"true"`
	Mode       string         `json:"mode" doc:"replace: in the place of the old label, or of all labels if none is named. add: beside the old one." enum:"replace,add" required:"true"`
}

var updateAssociationLabel = action.Define(action.Spec[updateAssociationLabelConfig]{
	ID:       "update_association_label",
	Category: action.CRM,
	Summary:  "Change labels of associations",
	Doc: `Gives a new label to the associations of the enrolled record with records of a type. ` + "`mode: replace`" + ` takes the old label away,
` + "`mode: add`" + ` keeps it. Without an association that has the old label the action is skipped.

Unconfirmed, and so our design: replacing all labels when no old one is named, skipping, the output, and that an association takes at most
50 labels (` + "`invalid-value`" + `).`,
	Example: `update_association_label: {target_type: company, old_label: prospect, new_label: customer, mode: replace}`,
	Outputs: []action.Output{{Name: "count", Type: "number", Doc: "How many associations changed."}},
	Local:   true,
	Effect:  action.Edits,
	Check: func(cfg updateAssociationLabelConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.OldLabel.Text != "" && cfg.OldLabel == cfg.NewLabel {
			problems.Errorf(at, "wrong-value", "old_label and new_label are the same")
		}
	},
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg updateAssociationLabelConfig) (plan.Outcome, error) {
		records, err := related(ctx, env, cfg.TargetType, cfg.OldLabel.Text, nil)
		if err != nil {
			return plan.Outcome{}, err
		}
		labels, err := labelsOf(ctx, env, cfg.TargetType)
		if err != nil {
			return plan.Outcome{}, err
		}
		return each(env, records, func(record crm.Record) (changed bool, err error) {
			has := false
			for _, one := range labels[record.Ref] {
				has = has || one == cfg.NewLabel.Text
				if cfg.Mode == "add" || one == cfg.NewLabel.Text || cfg.OldLabel.Text != "" && one != cfg.OldLabel.Text {
					continue
				}
				if err := env.Records.Dissociate(ctx, env.Record(), record.Ref, one); err != nil {
					return false, err
				}
				changed = true
			}
			if has {
				return changed, nil
			}
			return true, env.Records.Associate(ctx, env.Record(), record.Ref, cfg.NewLabel.Text, false, env.Now())
		})
	},
})
