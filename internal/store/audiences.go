package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// Audience returns the id that a network gave an audience which was made here. Errors: crm.ErrNotFound.
func (r reader) Audience(ctx context.Context, account, name string) (id string, err error) {
	defer wrap(&err, "reading the audience %q of %s", name, account)
	err = r.row(ctx, `SELECT id FROM audiences WHERE account = $1 AND name = $2 AND id <> ''`, account, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", crm.ErrNotFound
	}
	return id, err
}

// ClaimAudience returns the id of an audience that was made here, or tells whether maker is to make it: nobody else
// does until that time.
func (tx *Tx) ClaimAudience(ctx context.Context, account, name, maker string, now, until time.Time) (id string, mine bool, err error) {
	defer wrap(&err, "claiming the audience %q of %s", name, account)
	if err := checkNames(account, name, maker); err != nil {
		return "", false, err
	}
	rows, err := tx.exec(ctx, `INSERT INTO audiences (account, name, id, maker, until) VALUES ($1, $2, '', $3, $4)
		ON CONFLICT (account, name) DO UPDATE SET maker = excluded.maker, until = excluded.until
		WHERE audiences.id = '' AND (audiences.maker = excluded.maker OR audiences.until <= $5)`,
		account, name, maker, instant{until}, instant{now})
	if err != nil || rows > 0 {
		return "", rows > 0, err
	}
	id, err = tx.Audience(ctx, account, name)
	if errors.Is(err, crm.ErrNotFound) {
		return "", false, nil
	}
	return id, false, err
}

// KeepAudience keeps the id of an audience that was made.
func (tx *Tx) KeepAudience(ctx context.Context, account, name, id string) (err error) {
	defer wrap(&err, "keeping the audience %q of %s", name, account)
	_, err = tx.exec(ctx, `UPDATE audiences SET id = $1 WHERE account = $2 AND name = $3 AND id = ''`, legible(id), account, name)
	return err
}

// ClaimAudience is Tx.ClaimAudience in a transaction of its own.
func (s *Store) ClaimAudience(ctx context.Context, account, name, maker string, now, until time.Time) (id string, mine bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error {
		id, mine, err = tx.ClaimAudience(ctx, account, name, maker, now, until)
		return err
	})
	return id, mine, err
}

// KeepAudience is Tx.KeepAudience in a transaction of its own.
func (s *Store) KeepAudience(ctx context.Context, account, name, id string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.KeepAudience(ctx, account, name, id) })
}
