package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/worker"
)

func TestAccountsOfAdvertisingNetworks(t *testing.T) {
	t.Parallel()
	ways, err := worker.Configured(nil)(worker.Account{Providers: crm.Providers{Ads: map[string]crm.AdsAccount{
		"m": {Network: "meta", Account: "act_1", Token: "secret://nobody-has-it"},
		"g": {Network: "google", Account: "123-4", ClientSecret: "secret://nobody-has-it", Token: "secret://nobody-has-it", Consent: "denied"},
	}}})
	require.NoError(t, err)
	for name, account := range map[string]string{"m": "meta/1", "g": "google/1234"} {
		ads, err := ways.Ads(name)
		require.NoError(t, err)
		require.Equal(t, account, ads.Account())
		err = ads.Change(t.Context(), provider.AudienceChange{Audience: "1", Person: provider.Person{Email: "ada@example.com"}})
		require.ErrorContains(t, err, "secret://nobody-has-it has no value", "it is asked for when it is used, and nothing leaves")
	}
	_, err = ways.Ads("x")
	refused, ok := provider.AsRefused(err)
	require.True(t, ok)
	require.Equal(t, "disconnected", refused.Reason)
}
