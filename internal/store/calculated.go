package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// maxRollups is how long a chain of records may be of which each is computed from the one before. Workspaces have no
// circles; a catalog that was published otherwise ends here.
const maxRollups = 16

// calculate computes what is calculated of a record, writes it into its properties, and returns what differs.
func (tx *Tx) calculate(ctx context.Context, catalog *crm.Catalog, record crm.Record) (map[string]string, error) {
	changes := map[string]string{}
	for _, property := range catalog.Calculations(record.Object) {
		var text string
		if rollup := property.Calculated.Rollup(); rollup != nil {
			values, err := tx.rolled(ctx, record.Ref, *rollup)
			if err != nil {
				return nil, err
			}
			of, _ := catalog.Property(rollup.Of.Text, rollup.Property.Text)
			text = rollup.Value(of, values)
		} else {
			text = catalog.Calculate(ctx, record, property)
		}
		if text != record.Properties[property.Name] {
			changes[property.Name] = text
			apply(record.Properties, map[string]string{property.Name: text})
		}
	}
	return changes, nil
}

// rolled are the values that a rollup is computed from.
func (tx *Tx) rolled(ctx context.Context, ref crm.Ref, rollup crm.Rollup) (values []string, err error) {
	type associated struct {
		labels     []string
		properties map[string]string
	}
	found, err := collect(ctx, tx.source, func(row scanner) (one associated, err error) {
		return one, row.Scan(document[[]string]{&one.labels}, document[map[string]string]{&one.properties})
	}, `SELECT a.labels, o.properties FROM associations a JOIN records o ON o.record = a.other
		WHERE a.record = $1 AND a.other_object = $2 AND o.deleted IS NULL`, ref.String(), rollup.Of.Text)
	for _, one := range found {
		if rollup.Label == "" || slices.Contains(one.labels, rollup.Label) {
			values = append(values, one.properties[rollup.Property.Text])
		}
	}
	return values, err
}

// recalculate computes anew what is calculated of a record; one that is gone is passed over.
func (tx *Tx) recalculate(ctx context.Context, catalog *crm.Catalog, ref crm.Ref, at time.Time, source string, depth int) error {
	if depth > maxRollups {
		return fmt.Errorf("%w: calculated properties go in a circle: run `millrace check`", crm.ErrInvalid)
	}
	record, err := tx.get(ctx, ref)
	if errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrDeleted) {
		return nil
	}
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = record.Updated
	}
	return tx.rewrite(ctx, catalog, &record, nil, at, source, depth)
}

// rollUp computes anew what associated records are computed from some properties of a record; nil is all.
func (tx *Tx) rollUp(ctx context.Context, catalog *crm.Catalog, ref crm.Ref, changed map[string]string, at time.Time, source string, depth int) error {
	for _, object := range catalog.Rollups(ref.Object, changed) {
		associations, err := tx.Associated(ctx, ref, object)
		if err != nil {
			return err
		}
		slices.SortFunc(associations, func(a, b crm.Association) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
		for _, association := range associations {
			if err := tx.recalculate(ctx, catalog, association.Ref, at, source, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// recalculateOthers computes anew what is computed from a record that came or went.
func (tx *Tx) recalculateOthers(ctx context.Context, ref crm.Ref, at time.Time) error {
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	return tx.rollUp(ctx, catalog, ref, nil, at, crm.SourceCalculated, 0)
}

// recalculateWays computes anew what is computed from an association that came, went or has other labels.
func (tx *Tx) recalculateWays(ctx context.Context, ways [2]way, at time.Time) error {
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	for _, way := range ways {
		if slices.Contains(catalog.Rollups(way.to.Object, nil), way.from.Object) {
			if err := tx.recalculate(ctx, catalog, way.from, at, crm.SourceCalculated, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// asksMore tells whether a catalog has other unique or calculated properties than another.
func asksMore(old, catalog *crm.Catalog) bool {
	return slices.ContainsFunc(slices.Concat(old.Objects(), catalog.Objects()), func(object string) bool {
		return !slices.Equal(old.Uniques(object), catalog.Uniques(object)) || !maps.Equal(formulas(old, object), formulas(catalog, object))
	})
}

// adopt makes records fit a new catalog: what is unique now is claimed, what is calculated is computed. Errors:
// crm.ErrTaken when two records share what is to be unique.
func (tx *Tx) adopt(ctx context.Context, old, catalog *crm.Catalog, at time.Time) error {
	objects := slices.Concat(old.Objects(), catalog.Objects())
	slices.Sort(objects)
	for _, object := range slices.Compact(objects) {
		before, now := old.Uniques(object), catalog.Uniques(object)
		for _, name := range before {
			if !slices.Contains(now, name) {
				if _, err := tx.exec(ctx, `DELETE FROM unique_values WHERE object = $1 AND property = $2`, object, name); err != nil {
					return err
				}
			}
		}
		added := slices.DeleteFunc(slices.Clone(now), func(name string) bool { return slices.Contains(before, name) })
		calculates := !maps.Equal(formulas(old, object), formulas(catalog, object))
		if len(added) == 0 && !calculates {
			continue
		}
		if err := tx.adoptRecords(ctx, catalog, object, added, calculates, at); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) adoptRecords(ctx context.Context, catalog *crm.Catalog, object string, unique []string, calculates bool, at time.Time) error {
	for after := ""; ; {
		records, err := tx.List(ctx, object, after, page)
		if err != nil || len(records) == 0 {
			return err
		}
		var rows [][]any
		for _, record := range records {
			rows = append(rows, uniqueRows(record, unique)...)
		}
		if err := tx.claimUnique(ctx, rows); err != nil {
			return fmt.Errorf("%s: %w", object, err)
		}
		for _, record := range records {
			if !calculates {
				break
			}
			if err := tx.recalculate(ctx, catalog, record.Ref, at, crm.SourceCalculated, 0); err != nil {
				return err
			}
		}
		after = records[len(records)-1].ID
	}
}

// formulas are the calculations of an object as they are written.
func formulas(catalog *crm.Catalog, object string) map[string]string {
	written := map[string]string{}
	for _, property := range catalog.Calculations(object) {
		text, _ := json.Marshal(property.Calculated) // of what was read from such a text
		written[property.Name] = string(property.Type) + string(text)
	}
	return written
}
