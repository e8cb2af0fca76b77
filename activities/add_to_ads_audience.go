package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

type addToAdsAudienceConfig struct {
	Audience string             `json:"audience" doc:"Name of the audience, which is made at the network when somebody is added for the first time." required:"true" min:"1" max:"50"`
	Account  crm.AdsAccountName `json:"account" doc:"Account of an advertising network, as millrace.yaml names it in providers.ads." required:"true"`
}

var addToAdsAudience = action.Define(action.Spec[addToAdsAudienceConfig]{
	ID:       "add_to_ads_audience",
	Category: action.Marketing,
	Summary:  "Add the contact to an advertising audience",
	Doc: `Tells Google (Customer Match) or Meta (Custom Audiences) that the contact belongs to an audience. Of its e-mail address and of its number,
` + "`mobile_phone`" + ` or else ` + "`phone`" + `, only the SHA-256 leaves; a number counts when it tells its country, as +39 does. Only audiences that
were made here are changed: another one of the same name at the network stays as it is. The network matches people later, in its own time.

Who has neither fails the action (` + "`no-address`" + `), and so does an account that does not let us in, or is not in millrace.yaml any
more (` + "`disconnected`" + `). 429, 5xx and limits are tried again for three days. Neither consent nor opt-outs are asked for here: put a branch before it.

Unconfirmed, and so our design: the address and number that are told, and making the audience with its first member.`,
	Example: `add_to_ads_audience: {audience: Trial users, account: meta}`,
	Objects: []string{"contact"},
	Channel: "ads",
	Effect:  action.Requests,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg addToAdsAudienceConfig) (plan.Outcome, error) {
		return changeAudience(ctx, env, call, cfg.Account.Text, provider.AudienceChange{Name: cfg.Audience}, makeAudience)
	},
})
