package activities

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type sendInternalEmailNotificationConfig struct {
	Users           []crm.UserName     `json:"users,omitempty" doc:"Users, by id or address."`
	Teams           []crm.TeamName     `json:"teams,omitempty" doc:"Teams: everybody whose primary team it is."`
	OwnerProperties []crm.PropertyName `json:"owner_properties,omitempty" doc:"Properties of the enrolled record that hold a user, as hubspot_owner_id."`
	Subject         crm.Template       `json:"subject" doc:"Subject line." required:"true"`
	Body            crm.Template       `json:"body" doc:"Text, in Markdown or HTML." required:"true"`
}

var sendInternalEmailNotification = action.Define(action.Spec[sendInternalEmailNotificationConfig]{
	ID:       "send_internal_email_notification",
	Category: action.Communication,
	Summary:  "Notify users by e-mail",
	Doc: `One mail to each active user, from the account's sender. A team stands for its primary members only. Users who are
deactivated, unknown or without an address are passed over, with a word in the journal; when nobody is left the action
fails (` + "`no-recipient`" + `). Nobody gets it twice from one visit.

Unconfirmed, and so our design: primary members only, failing without a recipient, and the outputs.`,
	Example: `send_internal_email_notification: {owner_properties: [hubspot_owner_id], subject: "New lead", body: "{{ contact.email }} signed up."}`,
	Outputs: mailed,
	Channel: "email",
	Effect:  action.Messages,
	Attempt: 45 * time.Minute, // a large team and a slow server
	Check: func(cfg sendInternalEmailNotificationConfig, at schema.Pos, problems *schema.Diagnostics) {
		if len(cfg.Users)+len(cfg.Teams)+len(cfg.OwnerProperties) == 0 {
			problems.Errorf(at, "missing-key", "somebody has to be notified: users, teams or owner_properties")
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg sendInternalEmailNotificationConfig) (plan.Outcome, error) {
		audience, err := cfg.audience(ctx, env)
		if err != nil {
			return plan.Outcome{}, err
		}
		if len(audience) == 0 {
			return plan.Outcome{}, action.Permanent("no-recipient", "there is no active user to notify")
		}
		email := &crm.Email{Subject: cfg.Subject, Body: cfg.Body, Markdown: true}
		if err := toHTML(email); err != nil {
			return plan.Outcome{}, action.Permanent("bad-email", "body: %v", err)
		}
		mail, err := write(ctx, env, email)
		if err != nil {
			return plan.Outcome{}, err
		}
		mail.Internal = true
		mailing := newMailing(env)
		for _, user := range audience {
			mail.To = user.Email
			mailing.send(ctx, "user "+user.ID, mail)
		}
		return mailing.outcome(call)
	},
})

// audience resolves everybody who is to be notified, each once.
func (c sendInternalEmailNotificationConfig) audience(ctx context.Context, env *action.Env) ([]crm.User, error) {
	record, err := env.Records.Get(ctx, env.Record())
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(c.Users)+len(c.OwnerProperties))
	for _, user := range c.Users {
		ids = append(ids, user.Text)
	}
	for _, property := range c.OwnerProperties {
		if id := record.Property(property.Text); id != "" {
			ids = append(ids, id)
		} else {
			env.Warn("%s has no %s", record.Object, property.Text)
		}
	}
	var found []crm.User
	for _, id := range ids {
		user, err := env.Records.User(ctx, id)
		if found, err = known(env, found, "user", id, []crm.User{user}, err); err != nil {
			return nil, err
		}
	}
	for _, team := range c.Teams {
		members, err := env.Records.Team(ctx, team.Text)
		var primary []crm.User
		for _, member := range members {
			if member.Team == team.Text {
				primary = append(primary, member)
			}
		}
		if err == nil && len(primary) == 0 {
			env.Warn("team %s has no primary member", team.Text)
		}
		if found, err = known(env, found, "team", team.Text, primary, err); err != nil {
			return nil, err
		}
	}
	return reachable(env, found), nil
}

// known adds what a look-up found. What is unknown is left out; outside a workspace it is one recipient
// named by its id.
func known(env *action.Env, found []crm.User, kind, id string, looked []crm.User, err error) ([]crm.User, error) {
	switch {
	case errors.Is(err, crm.ErrNotFound) && env.Catalog.IsOpen():
		return append(found, crm.User{ID: id, Email: id, Active: true}), nil
	case errors.Is(err, crm.ErrNotFound):
		env.Warn("%s %s is not known", kind, id)
		return found, nil
	}
	return append(found, looked...), err
}

// reachable leaves each active user with an address once.
func reachable(env *action.Env, users []crm.User) []crm.User {
	var result []crm.User
	seen := map[string]bool{}
	for _, user := range users {
		switch {
		case seen[user.ID]:
			continue
		case !user.Active:
			env.Warn("user %s is deactivated", user.ID)
		case user.Email == "":
			env.Warn("user %s has no address", user.ID)
		default:
			result = append(result, user)
		}
		seen[user.ID] = true
	}
	return result
}
