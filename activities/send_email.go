package activities

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

type sendEmailConfig struct {
	Email crm.EmailName `json:"email" doc:"E-mail of the workspace: its file in emails/ without the ending." required:"true"`
	To    crm.Target    `json:"to,omitzero" doc:"Who gets it; the enrolled record if left out."`
}

// maxRecipients is how many associated records an e-mail goes to.
const maxRecipients = 100

var sendEmail = action.Define(action.Spec[sendEmailConfig]{
	ID:       "send_email",
	Category: action.Communication,
	Summary:  "Send an e-mail",
	Doc: `Sends an e-mail of the workspace, as it is at that moment, to the address in the property ` + "`email`" + `. Of associated records
the first 100 get it and the journal says how many were left out; in their mails the token ` + "`contact`" + ` is who the mail goes to.

It is not sent, and the journal says why, to a contact without an address (` + "`no-address`" + `), and, when the e-mail has a
` + "`subscription`" + `, to one who opted out of it or of ` + "`all`" + ` (` + "`opted-out`" + `), who is not a marketing contact (` + "`non-marketing`" + `), or who has not opted in while
the account's ` + "`gdpr`" + ` is on (` + "`not-opted-in`" + `). The action fails when nobody got it. With several recipients the others get theirs.

Nobody gets it twice from one visit. When the mail server refuses it for now it is tried again for up to three days; when the
connection was cut in the middle nobody can say whether it left, and it is not sent again (` + "`unknown`" + `).

Unconfirmed, and so our design: one mail per visit and address, and the outputs. Bounces and reports of spam of earlier mails are not looked at, nor are
there caps on how often somebody is written to: put a branch before it.`,
	Example: "send_email: {email: welcome}",
	Outputs: mailed,
	Channel: "email",
	Effect:  action.Messages,
	Attempt: 45 * time.Minute, // a hundred mails to a slow server
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg sendEmailConfig) (plan.Outcome, error) {
		records, err := cfg.To.Resolve(ctx, env.Records, env.Catalog, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if len(records) == 0 {
			env.Note(plan.JournalSkipped, "no target record")
			return plan.Outcome{}, nil
		}
		if left := len(records) - maxRecipients; left > 0 {
			env.Warn("left out %d records: an e-mail goes to %d at most", left, maxRecipients)
			records = records[:maxRecipients]
		}
		email, err := readEmail(ctx, env, cfg.Email.Text)
		if err != nil {
			return plan.Outcome{}, err
		}
		mailing := newMailing(env)
		for _, record := range records {
			if err := mayGet(ctx, env, record, email.Subscription.Text); action.IsPermanent(err) {
				mailing.fail(record.String(), err)
				continue
			} else if err != nil {
				return plan.Outcome{}, err
			}
			mail, err := writeTo(ctx, env, email, record.Ref)
			if err != nil {
				return plan.Outcome{}, err
			}
			mail.To = record.Property("email")
			mailing.send(ctx, record.String(), mail)
		}
		return mailing.outcome(call)
	},
})

// mayGet returns a permanent error when a record must not or cannot get an e-mail.
func mayGet(ctx context.Context, env *action.Env, record crm.Record, subscription string) error {
	if record.Property("email") == "" {
		return action.Permanent("no-address", "%s has no email", record.Object)
	}
	if subscription == "" {
		return nil
	}
	all, err := env.Records.Subscription(ctx, record.Ref, crm.EverySubscription)
	if err != nil {
		return err
	}
	state, err := env.Records.Subscription(ctx, record.Ref, subscription)
	switch {
	case err != nil:
		return err
	case all == crm.OptedOut:
		return action.Permanent("opted-out", "%s opted out of everything", record.Object)
	case state == crm.OptedOut:
		return action.Permanent("opted-out", "%s opted out of %s", record.Object, subscription)
	case record.Property("marketing_status") == "non_marketing":
		return action.Permanent("non-marketing", "%s is not a marketing contact", record.Object)
	case env.Account.GDPR && state != crm.OptedIn && all != crm.OptedIn:
		return action.Permanent("not-opted-in", "%s has not opted in to %s", record.Object, subscription)
	}
	return nil
}

// writeTo fills the tokens for one recipient.
func writeTo(ctx context.Context, env *action.Env, email *crm.Email, recipient crm.Ref) (provider.Email, error) {
	records := env.Records
	defer func() { env.Records = records }()
	env.Records = addressed{Records: records, enrolled: env.Record(), recipient: recipient}
	return write(ctx, env, email)
}

// addressed are the records as a recipient's mail sees them: of the enrolled record's associated
// records of its type, the recipient comes first, which is the one that a token names.
type addressed struct {
	crm.Records
	enrolled, recipient crm.Ref
}

func (a addressed) Associated(ctx context.Context, ref crm.Ref, object string) ([]crm.Association, error) {
	found, err := a.Records.Associated(ctx, ref, object)
	if err != nil || ref != a.enrolled || object != a.recipient.Object {
		return found, err
	}
	return append([]crm.Association{{Ref: a.recipient}}, found...), nil
}
