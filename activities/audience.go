package activities

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

const (
	makingAudience = 2 * time.Minute  // is how long nobody else makes an audience that somebody makes
	askAudience    = 10 * time.Second // is when the others look again
)

// changeAudience adds the enrolled contact to an audience of an account, or takes it out. find returns the id of the
// audience.
func changeAudience(
	ctx context.Context, env *action.Env, call plan.Call, account string, change provider.AudienceChange,
	find func(ctx context.Context, env *action.Env, ads provider.Ads, key, name string) (id string, err error),
) (plan.Outcome, error) {
	ads, err := env.Ads(account)
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	record, err := env.Records.Get(ctx, env.Record())
	if err != nil {
		return plan.Outcome{}, err
	}
	change.Key, change.At = call.Key(), env.Now()
	change.Person = provider.Person{Email: crm.AddressOf(record, crm.ChannelEmail), Phone: crm.AddressOf(record, crm.ChannelSMS)}
	if !change.Person.Recognizable() {
		return plan.Outcome{}, action.Permanent("no-address", "%s has neither an e-mail nor a number that tells its country", record.Object)
	}
	if change.Audience, err = find(ctx, env, ads, change.Key, change.Name); err != nil {
		return plan.Outcome{}, failure(err)
	}
	return plan.Outcome{Note: change.Name + " of " + account}, failure(ads.Change(ctx, change))
}

// makeAudience returns the id of an audience, which one enrollment makes while the others wait.
func makeAudience(ctx context.Context, env *action.Env, ads provider.Ads, key, name string) (string, error) {
	id, mine, err := env.Records.ClaimAudience(ctx, ads.Account(), name, key, env.Now(), env.Now().Add(makingAudience))
	if err != nil || id != "" {
		return id, err
	}
	if !mine {
		return "", action.RetryAfter(askAudience, errors.New("the audience is being made for another enrollment"))
	}
	if id, err = ads.Audience(ctx, key, name); err != nil {
		return "", err
	}
	return id, env.Records.KeepAudience(ctx, ads.Account(), name, id)
}

// findAudience returns the id of an audience that was made here.
func findAudience(ctx context.Context, env *action.Env, ads provider.Ads, _, name string) (string, error) {
	id, err := env.Records.Audience(ctx, ads.Account(), name)
	if errors.Is(err, crm.ErrNotFound) {
		return "", action.Permanent("no-audience", "no audience of that name was made here at %s", ads.Account())
	}
	return id, err
}
