package activities

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type assignConversationOwnerConfig struct {
	Inbox     crm.Template         `json:"inbox" doc:"Inbox to move the conversation to." required:"true"`
	Assignee  conversationAssignee `json:"assignee" doc:"Who gets it: {users: [U]}, {teams: [T]}, both, or {owner: PROPERTY} of the associated contact." required:"true"`
	Overwrite bool                 `json:"overwrite" doc:"Also when the conversation has an owner." default:"true"`
}

// conversationAssignee is a rotation, or the owner of the conversation's contact.
type conversationAssignee struct {
	rotation
	Owner crm.PropertyName `json:"owner,omitzero" doc:"Property of the associated contact that holds a user."`
}

var assignConversationOwner = action.Define(action.Spec[assignConversationOwnerConfig]{
	ID:       "assign_conversation_owner",
	Category: action.CRM,
	Summary:  "Assign a conversation",
	Doc: `Moves the conversation to an inbox and gives it an owner; a closed one is open again. Several users, or a team, take turns as in
[rotate_record_to_owner](#rotate_record_to_owner). ` + "`owner`" + ` reads the primary associated contact; without one, without a user there, or when that
user is deactivated, the action fails (` + "`no-user`" + `) and the conversation stays as it is. With ` + "`overwrite: false`" + ` a conversation that has an
owner is skipped.

HubSpot's customer agent is not offered, and seats are not asked for. Unconfirmed, and so our design: the output, and failing without a user.`,
	Example: `assign_conversation_owner: {inbox: support, assignee: {teams: [service]}}`,
	Objects: []string{"conversation"},
	Outputs: []action.Output{{Name: "owner", Type: "string", Doc: "Id of the user."}},
	Local:   true,
	Effect:  action.Edits,
	Check: func(cfg assignConversationOwnerConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.Assignee.empty() == cfg.Assignee.Owner.IsZero() {
			problems.Errorf(at, "wrong-value", "assignee: either users and teams, or owner")
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg assignConversationOwnerConfig) (plan.Outcome, error) {
		conversation, err := env.Records.Get(ctx, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if conversation.Property(crm.OwnerProperty) != "" && !cfg.Overwrite {
			env.Note(plan.JournalSkipped, "the conversation has an owner")
			return plan.Outcome{}, nil
		}
		inbox, err := env.Render(ctx, cfg.Inbox)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		if inbox == "" {
			return plan.Outcome{}, action.Permanent("no-inbox", "the inbox is empty")
		}
		user, err := cfg.Assignee.resolve(ctx, env, call)
		if err != nil {
			return plan.Outcome{}, err
		}
		values := map[string]string{"inbox": inbox, crm.OwnerProperty: user}
		if conversation.Property("status") == "closed" {
			values["status"] = "open"
		}
		if _, _, err := env.Records.Upsert(ctx, env.Record(), values, env.Now(), call.Key()); err != nil {
			return plan.Outcome{}, failure(err)
		}
		output, err := json.Marshal(map[string]string{"owner": user})
		return plan.Outcome{Output: output, Note: inbox + ": " + user}, err
	},
})

// Properties returns the property of the contact that is read.
func (c assignConversationOwnerConfig) Properties() []crm.PropertyUse {
	if c.Assignee.Owner.IsZero() {
		return nil
	}
	return []crm.PropertyUse{{Object: "contact", Name: c.Assignee.Owner.Text, Pos: c.Assignee.Owner.Pos()}}
}

// resolve returns the id of the user who gets the conversation.
func (a conversationAssignee) resolve(ctx context.Context, env *action.Env, call plan.Call) (string, error) {
	if a.Owner.IsZero() {
		return a.choose(ctx, env, call)
	}
	contacts, err := env.Records.Associated(ctx, env.Record(), "contact")
	if err != nil {
		return "", err
	}
	if len(contacts) == 0 {
		return "", action.Permanent("no-user", "the conversation has no contact")
	}
	contact, err := env.Records.Get(ctx, contacts[0].Ref)
	if err != nil {
		return "", err
	}
	id := contact.Property(a.Owner.Text)
	if id == "" {
		return "", action.Permanent("no-user", "the contact has no %s", a.Owner.Text)
	}
	user, err := env.Records.User(ctx, id)
	found, err := known(env, nil, "user", id, []crm.User{user}, err)
	if err != nil {
		return "", err
	}
	if len(found) == 0 || !found[0].Active {
		return "", action.Permanent("no-user", "user %s is not active", id)
	}
	return found[0].ID, nil
}
