package store

import (
	"context"

	"github.com/millrace/millrace/internal/plan"
)

// Usage returns what AI actions have used in a month, by action.
func (r reader) Usage(ctx context.Context, month string) (rows []plan.Usage, err error) {
	defer wrap(&err, "reading what was used in %s", month)
	return collect(ctx, r.source, func(row scanner) (use plan.Usage, err error) {
		return use, row.Scan(&use.Month, &use.Action, &use.Executions, &use.Input, &use.Output)
	}, `SELECT month, action, executions, input_tokens, output_tokens FROM usage WHERE month = $1 ORDER BY action`, month)
}

// AddUsage adds to what an action has used in a month, and returns how often it ran in it, this time included.
func (tx *Tx) AddUsage(ctx context.Context, more plan.Usage) (executions int64, err error) {
	defer wrap(&err, "counting what %s used in %s", more.Action, more.Month)
	if err := checkNames(more.Month, more.Action); err != nil {
		return 0, err
	}
	err = tx.row(ctx, `INSERT INTO usage (month, action, executions, input_tokens, output_tokens) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (month, action) DO UPDATE SET executions = usage.executions + excluded.executions,
			input_tokens = usage.input_tokens + excluded.input_tokens, output_tokens = usage.output_tokens + excluded.output_tokens
		RETURNING executions`, more.Month, more.Action, more.Executions, more.Input, more.Output).Scan(&executions)
	return executions, err
}
