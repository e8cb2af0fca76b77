package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestRemoveFromAdsAudience(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_ads_audience: {audience: Trial users, account: meta}`, `remove_from_ads_audience: {audience: Trial users, account: meta}`)
	network := b.advertising()
	_, err := b.run()
	requirePermanent(t, err, "no-audience")
	require.Empty(t, network.made, "only what was made here is changed")

	require.NoError(t, b.store.KeepAudience(t.Context(), "meta/1", "Trial users", "77"), "of nothing that was claimed")
	_, _, err = b.store.ClaimAudience(t.Context(), "meta/1", "Trial users", "test", monday, monday)
	require.NoError(t, err)
	require.NoError(t, b.store.KeepAudience(t.Context(), "meta/1", "Trial users", "77"))
	for range 2 {
		b.ok(func(call *plan.Call) { call.Visit = 2 })
	}
	require.Len(t, network.changes, 1)
	require.True(t, network.changes[0].Remove)
	require.Equal(t, "77", network.changes[0].Audience)
}

func TestRemoveFromAdsAudienceWithoutAnAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, `remove_from_ads_audience: {audience: Trial users, account: meta}`)
	b.advertising()
	b.set(map[string]string{"email": ""})
	_, err := b.run()
	requirePermanent(t, err, "no-address")
}

func TestRemoveFromAdsAudienceIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `remove_from_ads_audience: {}`, "missing-key", "missing-key")
	require.False(t, removeFromAdsAudience.Allows("deal"))
}
