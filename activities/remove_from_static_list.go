package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type removeFromStaticListConfig struct {
	List crm.StaticListName `json:"list" doc:"Static list for records of that type." required:"true"`
	On   crm.Target         `json:"on,omitzero" doc:"Records to take off; the enrolled record if left out."`
}

var removeFromStaticList = action.Define(action.Spec[removeFromStaticListConfig]{
	ID:       "remove_from_static_list",
	Category: action.Marketing,
	Summary:  "Take records off a static list",
	Doc: `Who is not on the list counts as unchanged. A list that filters its members loses none by hand: ` + "`check`" + ` says so, and an action that was
published before fails (` + "`invalid-value`" + `). Without a record the action is skipped.

HubSpot allows contacts, companies and deals; here it is any type of record. Unconfirmed, and so our design: skipping, and the output.`,
	Example: `remove_from_static_list: {list: vip, on: {associated: contact}}`,
	Outputs: []action.Output{{Name: "count", Type: "number", Doc: "How many records were on it."}},
	Local:   true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg removeFromStaticListConfig) (plan.Outcome, error) {
		return eachOf(ctx, env, cfg.On, func(record crm.Record) (bool, error) {
			return env.Records.RemoveFromList(ctx, cfg.List.Text, record.Ref)
		})
	},
})
