package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type addToStaticListConfig struct {
	List crm.StaticListName `json:"list" doc:"Static list for records of that type." required:"true"`
	On   crm.Target         `json:"on,omitzero" doc:"Records to add; the enrolled record if left out."`
}

var addToStaticList = action.Define(action.Spec[addToStaticListConfig]{
	ID:       "add_to_static_list",
	Category: action.Marketing,
	Summary:  "Put records on a static list",
	Doc: `Who is on the list already stays there, and counts as unchanged. A list that filters its members takes none by hand:
` + "`check`" + ` says so, and an action that was published before fails (` + "`invalid-value`" + `). Without a record the action is skipped.

HubSpot allows contacts, companies and deals; here it is any type of record. Unconfirmed, and so our design: skipping, and the output.`,
	Example: `add_to_static_list: {list: vip}`,
	Outputs: []action.Output{{Name: "count", Type: "number", Doc: "How many records were not on it yet."}},
	Local:   true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg addToStaticListConfig) (plan.Outcome, error) {
		return eachOf(ctx, env, cfg.On, func(record crm.Record) (bool, error) {
			return env.Records.AddToList(ctx, cfg.List.Text, record.Ref, env.Now())
		})
	},
})
