package action

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Prospect is what would be published.
type Prospect struct {
	Plan    *plan.Plan
	Account json.RawMessage // crm.Account; nil = the published one
	Catalog *crm.Catalog    // nil = the published one
}

// Foresee tells what an action would answer to a call if a prospect were published: it asks the guard, and then the
// kind, when that only reads. Nothing is written and nobody is kept waiting. What a kind with an effect would do
// cannot be foreseen: it answers as if it were done. Permanent errors are those of the kind.
func (rt *Runtime) Foresee(ctx context.Context, kind Kind, prospect Prospect, call plan.Call) (plan.Outcome, error) {
	ready, err := readied(kind, prospect.Plan, call.Node)
	if err != nil {
		return plan.Outcome{}, err
	}
	s := &step{Runtime: rt, kind: kind, action: ready, env: &Env{store: rt.Store, call: call, key: call.Key(), now: call.Now, Log: rt.Log}}
	if err := s.open(ctx, rt.Store); err != nil {
		return plan.Outcome{}, err
	}
	if prospect.Catalog != nil {
		s.env.Catalog = prospect.Catalog
	}
	if prospect.Account != nil {
		s.env.Account = crm.Account{}
		if err := json.Unmarshal(prospect.Account, &s.env.Account); err != nil {
			return plan.Outcome{}, fmt.Errorf("reading the account's settings: %w", err)
		}
	}
	if answer, err := s.env.guard(ctx, kind); err != nil || answer != nil {
		if answer == nil {
			answer = &plan.Outcome{}
		}
		return *answer, err
	}
	if kind.Effect == Reads {
		err = s.run(ctx)
	}
	return s.outcome, err
}
