package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/crm"
)

// Find returns the record of an object type that has a value of a unique property; upper and lower case are the same.
// Errors: crm.ErrNotFound; crm.ErrInvalid for a property that is not unique and for a value that it cannot have.
func (r reader) Find(ctx context.Context, object, property, value string) (ref crm.Ref, err error) {
	defer wrap(&err, "looking for a record of %s by %s", object, property)
	catalog, err := r.Catalog(ctx)
	if err != nil {
		return crm.Ref{}, err
	}
	if !slices.Contains(catalog.Uniques(object), property) {
		return crm.Ref{}, fmt.Errorf("%w: property %s of %s is not unique", crm.ErrInvalid, property, object)
	}
	text, err := catalog.Canonical(object, property, value)
	if err != nil {
		return crm.Ref{}, err
	}
	return r.holder(ctx, object, property, crm.UniqueKey(text))
}

// holder returns the record that has a unique value.
func (r reader) holder(ctx context.Context, object, property, key string) (ref crm.Ref, err error) {
	err = r.row(ctx, `SELECT record FROM unique_values WHERE object = $1 AND property = $2 AND value = $3`, object, property, key).Scan(reference{&ref})
	if errors.Is(err, sql.ErrNoRows) {
		err = crm.ErrNotFound
	}
	return ref, err
}

// uniqueRows are the rows of a record's values of some properties.
func uniqueRows(record crm.Record, properties []string) [][]any {
	var rows [][]any
	for _, name := range properties {
		if key := crm.UniqueKey(record.Properties[name]); key != "" {
			rows = append(rows, []any{record.Object, name, key, record.Ref.String()})
		}
	}
	return rows
}

// claimUnique makes values those of their records. Errors: crm.ErrTaken.
func (tx *Tx) claimUnique(ctx context.Context, rows [][]any) error {
	// In one order, so that two transactions do not wait for each other.
	slices.SortFunc(rows, func(a, b []any) int {
		return strings.Compare(a[1].(string)+"\x00"+a[2].(string), b[1].(string)+"\x00"+b[2].(string))
	})
	added, err := tx.insert(ctx, `INSERT INTO unique_values (object, property, value, record)`, `ON CONFLICT DO NOTHING`, rows)
	if err != nil || added == len(rows) {
		return err
	}
	for _, row := range rows {
		ref, err := tx.holder(ctx, row[0].(string), row[1].(string), row[2].(string))
		switch {
		case errors.Is(err, crm.ErrNotFound): // given up in between
			return fmt.Errorf("property %s %w at the same moment: try again", row[1], crm.ErrConflict)
		case err != nil:
			return err
		case ref.String() != row[3]:
			return taken(row[1].(string), ref)
		}
	}
	return nil
}

func taken(property string, by crm.Ref) error {
	return fmt.Errorf("property %s is unique, and %w: %s", property, crm.ErrTaken, by)
}

// moveUnique gives up what a record had of unique values and claims what it has now.
func (tx *Tx) moveUnique(ctx context.Context, catalog *crm.Catalog, before, now crm.Record) error {
	var moved []string
	for _, name := range catalog.Uniques(now.Object) {
		old, key := crm.UniqueKey(before.Properties[name]), crm.UniqueKey(now.Properties[name])
		if old == key {
			continue
		}
		moved = append(moved, name)
		_, err := tx.exec(ctx, `DELETE FROM unique_values WHERE object = $1 AND property = $2 AND value = $3 AND record = $4`,
			now.Object, name, old, now.Ref.String())
		if err != nil {
			return err
		}
	}
	return tx.claimUnique(ctx, uniqueRows(now, moved))
}

// freeUnique gives up all unique values of a record.
func (tx *Tx) freeUnique(ctx context.Context, ref crm.Ref) error {
	_, err := tx.exec(ctx, `DELETE FROM unique_values WHERE record = $1`, ref.String())
	return err
}
