package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/plan"
)

// LedgerRow returns what the ledger says about an idempotency key. In a transaction nobody else gets an answer
// about the same key until it ends: of two that ask whether to go on, the second learns what the first did.
func (r reader) LedgerRow(ctx context.Context, key string) (row plan.LedgerRow, found bool, err error) {
	defer wrap(&err, "reading the ledger at %s", key)
	if err := r.source.claim(ctx, "ledger "+key); err != nil {
		return plan.LedgerRow{}, false, err
	}
	var at instant
	var result string
	err = r.row(ctx, `SELECT key, state, at, result FROM ledger WHERE key = $1`, key).Scan(&row.Key, &row.State, &at, &result)
	if errors.Is(err, sql.ErrNoRows) {
		return plan.LedgerRow{}, false, nil
	}
	row.At = at.Time
	if result != "" {
		row.Result = json.RawMessage(result)
	}
	return row, err == nil, err
}

// PutLedger writes a row of the ledger. What is done stays done: the first row of that state is kept, and a
// later one of another state is an error, since whoever writes it is about to repeat an effect.
func (tx *Tx) PutLedger(ctx context.Context, row plan.LedgerRow) (err error) {
	defer wrap(&err, "writing %s to the ledger at %s", row.State, row.Key)
	if err := checkNames(row.Key, row.State); err != nil {
		return err
	}
	rows, err := tx.exec(ctx, `INSERT INTO ledger (key, state, at, result) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET state = excluded.state, at = excluded.at, result = excluded.result WHERE ledger.state <> $5`,
		row.Key, row.State, instant{row.At}, legible(string(row.Result)), plan.LedgerDone)
	if err == nil && rows == 0 && row.State != plan.LedgerDone {
		return fmt.Errorf("it is %s", plan.LedgerDone)
	}
	return err
}

// PutLedger is Tx.PutLedger in a transaction of its own.
func (s *Store) PutLedger(ctx context.Context, row plan.LedgerRow) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.PutLedger(ctx, row) })
}
