package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// Key is an API key without what is secret in it.
type Key struct {
	ID        string     `json:"id"` // the part of the key that may be shown
	Name      string     `json:"name"`
	Roles     []crm.Role `json:"roles"`
	User      string     `json:"user"` // whose access to properties binds the key; "" = nobody's
	Created   time.Time  `json:"created"`
	CreatedBy string     `json:"created_by"`
	Revoked   time.Time  `json:"revoked,omitzero"`
}

// keyPrefix begins every API key, so that scanners for leaked secrets know it.
const keyPrefix = "mrk_"

const keyColumns = `id, name, roles, user_id, created, created_by, revoked, hash`

func scanKey(row scanner) (key Key, hash string, err error) {
	var created, revoked instant
	err = row.Scan(&key.ID, &key.Name, document[[]crm.Role]{&key.Roles}, &key.User, &created, &key.CreatedBy, &revoked, &hash)
	key.Created, key.Revoked = created.Time, revoked.Time
	return key, hash, err
}

// CreateKey makes an API key with the name, roles, user and maker of key, and returns it with its text, which is kept
// nowhere. Errors: ErrExists for a name that was ever used; crm.ErrInvalid.
func (tx *Tx) CreateKey(ctx context.Context, key Key) (_ Key, text string, err error) {
	defer wrap(&err, "creating the API key %s", key.Name)
	if err := checkNames(key.Name, key.User); err != nil {
		return Key{}, "", err
	}
	if key.Name == "" || len(key.Roles) == 0 {
		return Key{}, "", fmt.Errorf("%w: a key needs a name and a role", crm.ErrInvalid)
	}
	key.ID, key.Created = strings.ToLower(rand.Text()[:12]), stored(key.Created)
	text = keyPrefix + key.ID + "_" + rand.Text()
	roles, err := encode(key.Roles)
	if err != nil {
		return Key{}, "", err
	}
	rows, err := tx.exec(ctx, `INSERT INTO api_keys (id, name, hash, roles, user_id, created, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, key.ID, key.Name, hashOf(text), roles, key.User, instant{key.Created}, legible(key.CreatedBy))
	if err == nil && rows == 0 {
		err = fmt.Errorf("a key of this name %w", ErrExists)
	}
	return key, text, err
}

// hashOf is what is kept of a key. Keys are random, so there is nothing to guess that a slow hash would protect.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// KeyByText returns the key of a text. Errors: crm.ErrNotFound for a text that is no key, and for one that was revoked.
func (r reader) KeyByText(ctx context.Context, text string) (_ Key, err error) {
	defer wrap(&err, "looking for an API key")
	id, _, found := strings.Cut(strings.TrimPrefix(text, keyPrefix), "_")
	if !found || !strings.HasPrefix(text, keyPrefix) || checkNames(id) != nil {
		return Key{}, crm.ErrNotFound
	}
	key, hash, err := scanKey(r.row(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1 AND revoked IS NULL`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, crm.ErrNotFound
	}
	if err == nil && subtle.ConstantTimeCompare([]byte(hash), []byte(hashOf(text))) == 0 {
		err = crm.ErrNotFound
	}
	return key, err
}

// Keys returns all API keys, revoked ones among them, in the order of their making.
func (r reader) Keys(ctx context.Context) (keys []Key, err error) {
	defer wrap(&err, "listing the API keys")
	return collect(ctx, r.source, func(row scanner) (Key, error) {
		key, _, err := scanKey(row)
		return key, err
	}, `SELECT `+keyColumns+` FROM api_keys ORDER BY seq`)
}

// RevokeKey ends a key, by its name or id, for good. Errors: crm.ErrNotFound, also for one that was revoked.
func (tx *Tx) RevokeKey(ctx context.Context, nameOrID string, at time.Time) (key Key, err error) {
	defer wrap(&err, "revoking the API key %s", nameOrID)
	key, _, err = scanKey(tx.row(ctx, `UPDATE api_keys SET revoked = $1 WHERE (name = $2 OR id = $2) AND revoked IS NULL RETURNING `+keyColumns,
		instant{at}, nameOrID))
	if errors.Is(err, sql.ErrNoRows) {
		err = crm.ErrNotFound
	}
	return key, err
}
