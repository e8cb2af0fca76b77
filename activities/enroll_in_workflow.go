package activities

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type enrollInWorkflowConfig struct {
	Workflow crm.WorkflowName `json:"workflow" doc:"Id of a workflow for the same type of record." required:"true"`
	Force    bool             `json:"force,omitempty" doc:"Enroll also who was there before, though it admits nobody twice."`
}

var enrollInWorkflow = action.Define(action.Spec[enrollInWorkflowConfig]{
	ID:       "enroll_in_workflow",
	Category: action.Flow,
	Summary:  "Enroll the record in another workflow",
	Doc: `Whatever the triggers of that workflow say. The record goes on here at once; nothing waits for it there.

The action fails when the record cannot enter: it is in there now (` + "`already-enrolled`" + `) or was before and ` + "`again`" + ` is ` + "`never`" + ` there
(` + "`enrolled-before`" + `; with ` + "`force`" + ` it enters all the same), the workflow is switched off (` + "`off`" + `), unknown (` + "`no-workflow`" + `) or about another type of record (` + "`wrong-object`" + `), or its
suppression or goal keeps the record out (` + "`suppressed`" + `, ` + "`goal-met`" + `).

Unconfirmed, and so our design: all reasons but the first, ` + "`force`" + `, and the output. ` + "`millrace simulate`" + ` enrolls nobody.`,
	Example: "enroll_in_workflow: {workflow: onboarding}",
	Outputs: []action.Output{{Name: "enrollment_id", Type: "string", Doc: "Id of the new enrollment."}},
	Effect:  action.Requests,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg enrollInWorkflowConfig) (plan.Outcome, error) {
		if env.Enroll == nil {
			return plan.Outcome{Note: "would enroll in " + cfg.Workflow.Text}, nil
		}
		enrollment, err := env.Enroll(ctx, cfg.Workflow.Text, cfg.Force)
		if err != nil {
			return plan.Outcome{}, err
		}
		output, err := json.Marshal(map[string]string{"enrollment_id": enrollment})
		return plan.Outcome{Output: output, Note: enrollment}, err
	},
})
