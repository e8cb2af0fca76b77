package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type manageCommunicationSubscriptionConfig struct {
	To           crm.Target           `json:"to,omitzero" doc:"Contacts whose subscription changes; the enrolled record if left out."`
	Channel      string               `json:"channel" doc:"By what they are reached." enum:"email,sms,whatsapp" default:"email"`
	Subscription crm.SubscriptionName `json:"subscription_type" doc:"Subscription type; all stands for every one of the channel." required:"true"`
	Status       string               `json:"status" doc:"New status." enum:"opt_in,opt_out" required:"true"`
	LegalBasis   string               `json:"legal_basis,omitempty" doc:"Why they may be written to, or why not." enum:"LEGITIMATE_INTEREST_PQL,LEGITIMATE_INTEREST_CLIENT,LEGITIMATE_INTEREST_OTHER,PERFORMANCE_OF_CONTRACT,CONSENT_WITH_NOTICE,NON_GDPR,PROCESS_AND_STORE"`
	Explanation  crm.Template         `json:"explanation,omitzero" doc:"The same in words."`
}

var manageCommunicationSubscription = action.Define(action.Spec[manageCommunicationSubscriptionConfig]{
	ID:       "manage_communication_subscription",
	Category: action.CRM,
	Summary:  "Opt contacts in or out",
	Doc: `Sets what an address wants to get: that of the contact's e-mail, or its number. It belongs to the address and not to the record: it
holds for every contact with that address, and outlives them. An opt-out of ` + "`all`" + ` keeps every marketing message of the channel away.

Whoever opted out is opted in again only with a ` + "`legal_basis`" + ` (` + "`opted-out`" + ` otherwise). While the account's ` + "`gdpr`" + ` is on, every change needs
one (` + "`no-legal-basis`" + `). A contact without an address of the channel is passed over; when nobody is left the action fails
(` + "`no-address`" + `). Without a contact it is skipped.

Other contacts are found by a number as it is spelt, so filters see the opt-out of a number that another contact spells differently once
that contact changes; sending respects it at once.

Unconfirmed, and so our design: passing over and skipping, the outputs, and that numbers compare by their digits.`,
	Example: `manage_communication_subscription: {subscription_type: newsletter, status: opt_in, legal_basis: CONSENT_WITH_NOTICE, explanation: "Ticked the box of {{ event.form_id }}."}`,
	Outputs: []action.Output{{Name: "status", Type: "string", Doc: "opted_in or opted_out."}, {Name: "count", Type: "number", Doc: "How many contacts it was set for."}},
	Local:   true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, _ plan.Call, cfg manageCommunicationSubscriptionConfig) (plan.Outcome, error) {
		if env.Account.GDPR && cfg.LegalBasis == "" {
			return plan.Outcome{}, action.Permanent("no-legal-basis", "the account's gdpr is on: a change of a subscription needs a legal basis")
		}
		records, err := cfg.To.Resolve(ctx, env.Records, env.Catalog, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if len(records) == 0 {
			env.Note(plan.JournalSkipped, "no target record")
			return plan.Outcome{}, nil
		}
		explanation, err := env.Render(ctx, cfg.Explanation)
		if err == nil {
			explanation, err = crm.Property{Name: "explanation", Type: crm.TypeString}.Canonical(explanation)
		}
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		consent := crm.Consent{Channel: cfg.Channel, Subscription: cfg.Subscription.Text, State: crm.OptedOut, LegalBasis: cfg.LegalBasis, Explanation: explanation}
		if cfg.Status == "opt_in" {
			consent.State = crm.OptedIn
		}
		count := 0
		var refused error
		for _, record := range records {
			consent.Address = crm.AddressOf(record, cfg.Channel)
			err := setConsent(ctx, env, record, consent)
			switch {
			case action.IsPermanent(err):
				env.Warn("%s: %v", record, err)
				refused = err
			case err != nil:
				return plan.Outcome{}, failure(err)
			default:
				count++
			}
		}
		if count == 0 {
			return plan.Outcome{}, refused
		}
		output, err := json.Marshal(map[string]any{"status": consent.State, "count": count})
		return plan.Outcome{Output: output, Note: fmt.Sprintf("%s %s for %d", consent.State, consent.Subscription, count)}, err
	},
})

// setConsent sets the consent of one contact's address. Errors: `no-address`, `opted-out`.
func setConsent(ctx context.Context, env *action.Env, record crm.Record, consent crm.Consent) error {
	if consent.Address == "" {
		return action.Permanent("no-address", "%s has no address for %s", record.Object, consent.Channel)
	}
	known, err := env.Records.Consent(ctx, consent.Channel, consent.Address, consent.Subscription)
	if err != nil {
		return err
	}
	if known.State == crm.OptedOut && consent.State == crm.OptedIn && consent.LegalBasis == "" {
		return action.Permanent("opted-out", "%s opted out of %s: opting in again needs a legal basis", record.Object, consent.Subscription)
	}
	return env.Records.SetConsent(ctx, consent, env.Now())
}
