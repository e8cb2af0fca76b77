package action

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// rules are plan.Rules made ready for use.
type rules struct {
	timeZone string
	goal     *crm.Filter
	suppress *crm.Filter
	start    string // the first action
	gates
}

func readRules(published *plan.Plan) (*rules, error) {
	if published.Rules == nil {
		return &rules{}, nil
	}
	gates, err := readGates(published.Rules.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings of %s revision %d: %w", published.Workflow, published.Revision, err)
	}
	goal, err := crm.ReadFilter(published.Rules.Goal)
	if err != nil {
		return nil, fmt.Errorf("goal of %s revision %d: %w", published.Workflow, published.Revision, err)
	}
	suppress, err := crm.ReadFilter(published.Rules.Suppress)
	if err != nil {
		return nil, fmt.Errorf("suppress of %s revision %d: %w", published.Workflow, published.Revision, err)
	}
	return &rules{timeZone: published.Rules.TimeZone, goal: goal, suppress: suppress, start: published.Start.To, gates: gates}, nil
}

// guard runs before every attempt and may answer in the action's place: the record is gone, suppressed
// or at its goal (semantics §2.6, §2.7), or one of the workflow's gates is closed.
func (e *Env) guard(ctx context.Context, kind Kind) (*plan.Outcome, error) {
	var merged *crm.MergedError
	if _, err := e.books.Get(ctx, e.record); errors.As(err, &merged) {
		return &plan.Outcome{End: plan.ExitMerged}, nil
	} else if errors.Is(err, crm.ErrDeleted) || errors.Is(err, crm.ErrNotFound) {
		return &plan.Outcome{End: plan.ExitDeleted}, nil
	} else if err != nil {
		return nil, err
	}
	for _, exit := range []struct {
		filter *crm.Filter
		reason string
	}{{e.rules.suppress, plan.ExitSuppressed}, {e.rules.goal, plan.ExitGoalMet}} {
		if exit.filter == nil {
			continue
		}
		if met, err := e.Match(ctx, *exit.filter); err != nil {
			return nil, err
		} else if met {
			return &plan.Outcome{End: exit.reason}, nil
		}
	}
	if e.waited != nil {
		kind.Category = Delay // it has begun: what holds actions back lets it finish
	}
	return e.gates(ctx, kind)
}
