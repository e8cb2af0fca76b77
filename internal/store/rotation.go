package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/millrace/millrace/internal/crm"
)

// Rotate chooses the next of shares by a counter, which nobody else uses until the transaction ends, and returns the
// user, "" when all are away. Another roster starts the counts anew.
func (tx *Tx) Rotate(ctx context.Context, counter, roster string, shares []crm.Share) (user string, err error) {
	defer wrap(&err, "choosing the next of %s", counter)
	if err := errors.Join(checkNames(counter), tx.claim(ctx, "rotation "+counter)); err != nil {
		return "", err
	}
	var rotation crm.Rotation
	err = tx.row(ctx, `SELECT state FROM rotations WHERE counter = $1`, counter).Scan(document[crm.Rotation]{&rotation})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	user = rotation.Next(roster, shares)
	state, err := encode(rotation)
	if err != nil {
		return "", err
	}
	_, err = tx.exec(ctx, `INSERT INTO rotations (counter, state) VALUES ($1, $2) ON CONFLICT (counter) DO UPDATE SET state = excluded.state`, counter, state)
	return user, err
}

// Rotate is Tx.Rotate in a transaction of its own.
func (s *Store) Rotate(ctx context.Context, counter, roster string, shares []crm.Share) (user string, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { user, err = tx.Rotate(ctx, counter, roster, shares); return err })
	return user, err
}
