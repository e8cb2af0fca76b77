package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// each does something to every record and leaves how many it changed under `count`. Without a record the step is
// skipped (semantics §3.0.1).
func each(env *action.Env, records []crm.Record, do func(record crm.Record) (changed bool, err error)) (plan.Outcome, error) {
	if len(records) == 0 {
		env.Note(plan.JournalSkipped, "no target record")
		return plan.Outcome{}, nil
	}
	count := 0
	for _, record := range records {
		changed, err := do(record)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		if changed {
			count++
		}
	}
	output, err := json.Marshal(map[string]int{"count": count})
	return plan.Outcome{Output: output, Note: fmt.Sprintf("changed %d", count)}, err
}

// eachOf does something to every record of a target, as each does.
func eachOf(ctx context.Context, env *action.Env, target crm.Target, do func(record crm.Record) (changed bool, err error)) (plan.Outcome, error) {
	records, err := target.Resolve(ctx, env.Records, env.Catalog, env.Record())
	if err != nil {
		return plan.Outcome{}, err
	}
	return each(env, records, do)
}

// related are the records of a type that are associated with the enrolled one: those whose association has a label,
// "" = any, and that a filter lets pass.
func related(ctx context.Context, env *action.Env, object crm.ObjectName, label string, refine *refinement) ([]crm.Record, error) {
	records, err := crm.Target{Associated: object, Label: label}.Resolve(ctx, env.Records, env.Catalog, env.Record())
	if err != nil || refine == nil {
		return records, err
	}
	var passed []crm.Record
	for _, record := range records {
		matches, err := env.MatchRecord(ctx, refine.filter, record.Ref)
		if err != nil {
			return nil, err
		}
		if matches {
			passed = append(passed, record)
		}
	}
	return passed, nil
}
