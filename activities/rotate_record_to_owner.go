package activities

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type rotateRecordToOwnerConfig struct {
	rotation
	Property  crm.PropertyName `json:"owner_property" doc:"Property of the enrolled record to write." default:"hubspot_owner_id"`
	Overwrite bool             `json:"overwrite" doc:"Choose anew when the record has an owner."`
}

var rotateRecordToOwner = action.Define(action.Spec[rotateRecordToOwnerConfig]{
	ID:       "rotate_record_to_owner",
	Category: action.CRM,
	Summary:  "Spread records among users",
	Doc: `Writes the next user into the record's owner property. ` + "`mode: balanced`" + ` counts what this action gave to each: who has the least for
his weight is next, the first of the list among equals. Two actions do not share counts, and an edit of users, teams or weights starts them
anew. Past imbalance is not made up for: who comes into a team, or comes back, starts level with whoever has the least.

Only active users take part; of a team those whose primary team it is, unless ` + "`members: all`" + `. With ` + "`respect_availability`" + `
users are passed over on the days that ` + "`away`" + ` in users.yaml names. When nobody is left, the record stays as it is and the action fails
(` + "`no-user`" + `). A record that has an owner is skipped, unless ` + "`overwrite`" + `.

Weights and days away are beyond HubSpot; its capacity limits are not here.`,
	Example: `rotate_record_to_owner: {users: [ada, {user: grace, weight: 2}], teams: [sales], respect_availability: true}`,
	Outputs: []action.Output{{Name: "owner", Type: "string", Doc: "Id of the user."}},
	Local:   true,
	Effect:  action.Edits,
	Check: func(cfg rotateRecordToOwnerConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.rotation.empty() {
			problems.Errorf(at, "missing-key", "somebody has to take the records: users or teams")
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg rotateRecordToOwnerConfig) (plan.Outcome, error) {
		record, err := env.Records.Get(ctx, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if owner := record.Property(cfg.Property.Text); owner != "" && !cfg.Overwrite {
			env.Note(plan.JournalSkipped, "the record has an owner")
			return plan.Outcome{}, nil
		}
		if err := writable(env.Catalog, env.Record().Object, cfg.Property.Text); err != nil {
			return plan.Outcome{}, err
		}
		user, err := cfg.choose(ctx, env, call)
		if err != nil {
			return plan.Outcome{}, err
		}
		if err := env.Records.Update(ctx, env.Record(), map[string]string{cfg.Property.Text: user}, env.Now(), call.Key()); err != nil {
			return plan.Outcome{}, failure(err)
		}
		output, err := json.Marshal(map[string]string{"owner": user})
		return plan.Outcome{Output: output, Note: cfg.Property.Text + " = " + user}, err
	},
})

// Properties returns the property that the action writes.
func (c rotateRecordToOwnerConfig) Properties() []crm.PropertyUse {
	return []crm.PropertyUse{{Name: c.Property.Text, Operator: crm.Writes, Pos: c.Property.Pos()}}
}
