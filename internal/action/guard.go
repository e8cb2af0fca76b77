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
}

func readRules(published *plan.Plan) (*rules, error) {
	if published.Rules == nil {
		return &rules{}, nil
	}
	goal, err := crm.ReadFilter(published.Rules.Goal)
	if err != nil {
		return nil, fmt.Errorf("goal of %s revision %d: %w", published.Workflow, published.Revision, err)
	}
	suppress, err := crm.ReadFilter(published.Rules.Suppress)
	if err != nil {
		return nil, fmt.Errorf("suppress of %s revision %d: %w", published.Workflow, published.Revision, err)
	}
	return &rules{timeZone: published.Rules.TimeZone, goal: goal, suppress: suppress}, nil
}

// guard runs before every attempt and may answer in the action's place: the record is gone, suppressed
// or at its goal, or the workflow is switched off (semantics §2.6, §2.7, §2.10).
func (e *Env) guard(ctx context.Context, kind Kind) (*plan.Outcome, error) {
	if _, err := e.books.Get(ctx, e.record); errors.Is(err, crm.ErrDeleted) || errors.Is(err, crm.ErrNotFound) {
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
	if !kind.Acts() {
		return nil, nil
	}
	mode, err := e.books.Switch(ctx, e.call.Workflow())
	if err != nil {
		return nil, err
	}
	if mode == plan.SwitchOff {
		e.Note(plan.JournalSkipped, "the workflow is switched off")
		return &plan.Outcome{}, nil
	}
	return nil, nil
}
