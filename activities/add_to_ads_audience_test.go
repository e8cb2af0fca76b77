package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

// adsNetwork is an account that keeps what it is told and fails as it is told to.
type adsNetwork struct {
	made    []string
	changes []provider.AudienceChange
	making  []error // of the next calls
	failing []error
}

func (n *adsNetwork) Account() string { return "meta/1" }

func (n *adsNetwork) Audience(_ context.Context, _, name string) (string, error) {
	n.made = append(n.made, name)
	return "id of " + name, next(&n.making)
}

func (n *adsNetwork) Change(_ context.Context, change provider.AudienceChange) error {
	n.changes = append(n.changes, change)
	return next(&n.failing)
}

// next takes the first error.
func next(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

// advertising gives the bench an account.
func (b *bench) advertising() *adsNetwork {
	network := &adsNetwork{}
	b.ways.Ads = func(account string) (provider.Ads, error) {
		if account != "meta" {
			return nil, &provider.Refused{Reason: "disconnected", Err: errors.New("no such account")}
		}
		return network, nil
	}
	return network
}

func TestAddToAdsAudience(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_ads_audience: {audience: Trial users, account: meta}`)
	b.set(map[string]string{"phone": "06 1", "mobile_phone": "+39 06 2"})
	network := b.advertising()
	for range 2 {
		b.ok()
	}
	require.Equal(t, []provider.AudienceChange{{
		Key: b.call.Key(), At: monday, Audience: "id of Trial users", Name: "Trial users", Person: provider.Person{Email: "ada@example.com", Phone: "+39 06 2"},
	}}, network.changes, "the ledger answers the second time")
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, []string{"Trial users"}, network.made, "it is made once")
	require.Len(t, network.changes, 2)
}

func TestAddToAdsAudienceThatIsCutIsDoneAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_ads_audience: {audience: Trial users, account: meta}`)
	network := b.advertising()
	network.making, network.failing = []error{errors.New("cut")}, []error{errors.New("cut"), nil}
	for range 2 {
		_, err := b.run()
		requireRetry(t, err, time.Minute)
	}
	b.ok()
	require.Len(t, network.made, 2, "who made it may make it again")
	require.Equal(t, network.changes[0].Key, network.changes[1].Key)
}

func TestAddToAdsAudienceWaitsForWhoMakesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, `add_to_ads_audience: {audience: Trial users, account: meta}`)
	network := b.advertising()
	_, mine, err := b.store.ClaimAudience(t.Context(), "meta/1", "Trial users", "somebody else", monday, monday.Add(time.Minute))
	require.NoError(t, err)
	require.True(t, mine)
	_, err = b.run()
	requireRetry(t, err, 10*time.Second)
	require.Empty(t, network.made)
	b.ok(func(call *plan.Call) { call.Now = monday.Add(time.Minute) })
	require.Len(t, network.made, 1)
}

func TestAddToAdsAudienceFailures(t *testing.T) {
	t.Parallel()
	for reason, prepare := range map[string]func(b *bench, network *adsNetwork){
		"no-address": func(b *bench, _ *adsNetwork) { b.set(map[string]string{"email": "", "phone": "06 1234"}) },
		"disconnected": func(_ *bench, network *adsNetwork) {
			network.failing = []error{&provider.Refused{Reason: "disconnected", Err: errors.New("no")}}
		},
		"http-400": func(_ *bench, network *adsNetwork) {
			network.making = []error{&provider.Refused{Reason: "http-400", Err: errors.New("no")}}
		},
	} {
		b := newBench(t, `add_to_ads_audience: {audience: Trial users, account: meta}`)
		prepare(b, b.advertising())
		_, err := b.run()
		requirePermanent(t, err, reason)
	}
	b := newBench(t, `add_to_ads_audience: {audience: Trial users, account: other}`)
	b.advertising()
	_, err := b.run()
	requirePermanent(t, err, "disconnected")

	b = newBench(t, `add_to_ads_audience: {audience: Trial users, account: meta}`)
	b.advertising().failing = []error{&provider.Refused{Reason: "later", Temporary: true, After: 7 * time.Second, Err: errors.New("429")}}
	_, err = b.run()
	requireRetry(t, err, 7*time.Second)
}

func TestAddToAdsAudienceIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `add_to_ads_audience: {audience: x}`, "missing-key")
	requireProblems(t, `add_to_ads_audience: {account: x}`, "missing-key")
	require.False(t, addToAdsAudience.Allows("company"))
}
