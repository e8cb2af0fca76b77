package activities

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// attach creates a record for people that is about the enrolled one, and leaves its reference under the object's name.
func attach(ctx context.Context, env *action.Env, call plan.Call, object string, values map[string]string) (plan.Outcome, error) {
	created, err := env.Records.Create(ctx, crm.Ref{Object: object}, values, env.Now(), call.Key())
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	if err := env.Records.Associate(ctx, created.Ref, env.Record(), "", false, env.Now()); err != nil {
		return plan.Outcome{}, err
	}
	output, err := json.Marshal(map[string]crm.Ref{object: created.Ref})
	return plan.Outcome{Output: output, Note: created.Ref.String()}, err
}
