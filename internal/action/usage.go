package action

import (
	"context"

	"github.com/millrace/millrace/internal/plan"
)

// Execute counts one execution of this action in the present month: once for each visit, however often it is
// tried. Permanent errors: monthly-limit when the action has run as often as it may, token-limit when the account has
// used its tokens.
func (e *Env) Execute(ctx context.Context) error {
	use, err := e.usage()
	if err != nil {
		return err
	}
	use.Executions = 1
	key := e.key + "/use"
	return e.store.Transact(ctx, func(books Transaction) error {
		if err := e.affords(ctx, books, use.Month); err != nil {
			return err
		}
		if _, counted, err := books.LedgerRow(ctx, key); err != nil || counted {
			return err
		}
		count, err := books.AddUsage(ctx, use)
		if err != nil {
			return err
		}
		if limit := e.Account.AI.MaxExecutions(); count > limit {
			return Permanent("monthly-limit", "%s ran %d times in %s, which is what ai.executions allows", use.Action, limit, use.Month)
		}
		return books.PutLedger(ctx, plan.LedgerRow{Key: key, State: plan.LedgerDone, At: e.now})
	})
}

// affords tells whether the account has tokens left.
func (e *Env) affords(ctx context.Context, books Books, month string) error {
	if e.Account.AI.Tokens == 0 {
		return nil
	}
	rows, err := books.Usage(ctx, month)
	if err != nil {
		return err
	}
	var spent int64
	for _, row := range rows {
		spent += row.Tokens()
	}
	if spent >= int64(e.Account.AI.Tokens) {
		return Permanent("token-limit", "%d tokens were used in %s; ai.tokens allows %d", spent, month, e.Account.AI.Tokens)
	}
	return nil
}

// Spent adds tokens of this attempt. They are counted in the transaction that writes what came of it.
func (e *Env) Spent(input, output int64) {
	e.used.Input += input
	e.used.Output += output
}

// count writes the tokens of this attempt into the books.
func (e *Env) count(ctx context.Context, books Transaction) error {
	if e.used.Tokens() == 0 {
		return nil
	}
	use, err := e.usage()
	if err != nil {
		return err
	}
	use.Input, use.Output = e.used.Input, e.used.Output
	_, err = books.AddUsage(ctx, use)
	return err
}

// usage is this action in the present month of the account's zone.
func (e *Env) usage() (plan.Usage, error) {
	month, err := e.Account.Month(e.now)
	return plan.Usage{Month: month, Action: e.call.Workflow() + "/" + e.call.Node}, err
}
