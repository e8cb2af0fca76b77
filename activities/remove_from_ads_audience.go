package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

type removeFromAdsAudienceConfig struct {
	Audience string             `json:"audience" doc:"Name of an audience that add_to_ads_audience made." required:"true" min:"1" max:"50"`
	Account  crm.AdsAccountName `json:"account" doc:"Account of an advertising network, as millrace.yaml names it in providers.ads." required:"true"`
}

var removeFromAdsAudience = action.Define(action.Spec[removeFromAdsAudienceConfig]{
	ID:       "remove_from_ads_audience",
	Category: action.Marketing,
	Summary:  "Take the contact out of an advertising audience",
	Doc: `Tells Google or Meta that the contact no longer belongs to an audience, by the SHA-256 of the address and number that the contact has
now: one that changed since it was added stays in the audience. Only audiences that were made here are changed, so that one which nobody
was added to fails the action (` + "`no-audience`" + `).

Failures, repeats and limits are those of [add_to_ads_audience](#add_to_ads_audience).

Unconfirmed, and so our design: the address and number that are told.`,
	Example: `remove_from_ads_audience: {audience: Trial users, account: meta}`,
	Objects: []string{"contact"},
	Channel: "ads",
	Effect:  action.Requests,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg removeFromAdsAudienceConfig) (plan.Outcome, error) {
		return changeAudience(ctx, env, call, cfg.Account.Text, provider.AudienceChange{Name: cfg.Audience, Remove: true}, findAudience)
	},
})
