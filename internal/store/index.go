package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/crm"
)

// Properties that are declared `indexed` have their keys (crm.Property.Keys) in a table, from where filters over many
// records take their answers. The keys are always those of the catalog that is in force: who publishes another one makes
// them anew, and meanwhile nobody writes.

// indexed names a property that has keys.
type indexed struct{ object, property string }

// catalogue is what publishers claim when indexes change, and writers share.
const catalogue = "catalog"

// Catalog is as that of Store, and stays in force until the transaction ends.
func (tx *Tx) Catalog(ctx context.Context) (*crm.Catalog, error) {
	if err := tx.share(ctx, catalogue); err != nil {
		return nil, err
	}
	return tx.reader.Catalog(ctx)
}

// indexesOf are the declared properties of an object that have keys.
func indexesOf(catalog *crm.Catalog, object string) (found []crm.Property) {
	declared, _ := catalog.Object(object)
	for _, property := range declared.Properties {
		if property.Indexed && property.CanIndex() {
			found = append(found, property)
		}
	}
	return found
}

// keyChange is what a change of a record means for the table of keys.
type keyChange struct{ added, removed [][]any }

// changedKeys compares the keys of what a record was with those of what it is; the zero record is none.
func (tx *Tx) changedKeys(ctx context.Context, catalog *crm.Catalog, ref crm.Ref, before, after crm.Record) (change keyChange, err error) {
	for _, property := range indexesOf(catalog, ref.Object) {
		was, is := property.Keys(before.Property(property.Name)), property.Keys(after.Property(property.Name))
		if slices.Equal(was, is) {
			continue
		}
		index, err := tx.index(ctx, indexed{ref.Object, property.Name})
		if err != nil {
			return keyChange{}, err
		}
		for _, one := range was {
			if !slices.Contains(is, one) {
				change.removed = append(change.removed, []any{index, one, ref.String()})
			}
		}
		for _, one := range is {
			if !slices.Contains(was, one) {
				change.added = append(change.added, []any{index, one, ref.String()})
			}
		}
	}
	return change, nil
}

// reindex brings the keys of a record from what it was to what it is; the zero record is none.
func (tx *Tx) reindex(ctx context.Context, catalog *crm.Catalog, ref crm.Ref, before, after crm.Record) error {
	change, err := tx.changedKeys(ctx, catalog, ref, before, after)
	if err != nil {
		return err
	}
	for _, row := range change.removed {
		if _, err := tx.exec(ctx, `DELETE FROM property_keys WHERE property = $1 AND key = $2 AND record = $3`, row...); err != nil {
			return err
		}
	}
	return tx.addKeys(ctx, change.added)
}

func (tx *Tx) addKeys(ctx context.Context, rows [][]any) error {
	_, err := tx.insert(ctx, `INSERT INTO property_keys (property, key, record)`, ``, rows)
	return err
}

// index is the number of an index. It never changes once there is one.
func (tx *Tx) index(ctx context.Context, name indexed) (number int64, err error) {
	tx.memory.mu.Lock()
	number = tx.memory.indexes[name]
	tx.memory.mu.Unlock()
	if number != 0 {
		return number, nil
	}
	if err := tx.row(ctx, `SELECT seq FROM property_indexes WHERE object = $1 AND property = $2`, name.object, name.property).Scan(&number); err != nil {
		return 0, fmt.Errorf("the index of %s of %s: %w", name.property, name.object, err)
	}
	if !tx.rebuilt {
		tx.memory.mu.Lock()
		defer tx.memory.mu.Unlock()
		tx.memory.indexes[name] = number
	}
	return number, nil
}

// indexes returns the type for which each property has keys, "" for one that had them.
func (r reader) indexes(ctx context.Context) (map[indexed]crm.PropertyType, error) {
	type row struct {
		indexed
		kind crm.PropertyType
	}
	rows, err := collect(ctx, r.source, func(columns scanner) (one row, err error) {
		return one, columns.Scan(&one.object, &one.property, &one.kind)
	}, `SELECT object, property, type FROM property_indexes`)
	found := make(map[indexed]crm.PropertyType, len(rows))
	for _, one := range rows {
		found[one.indexed] = one.kind
	}
	return found, err
}

// outdated are the indexes whose keys are not those of a catalog, with the types for which it wants them.
func (r reader) outdated(ctx context.Context, catalog *crm.Catalog) (map[indexed]crm.Property, error) {
	present, err := r.indexes(ctx)
	outdated := map[indexed]crm.Property{}
	for name, kind := range present {
		if kind != "" {
			outdated[name] = crm.Property{Name: name.property}
		}
	}
	for _, object := range catalog.Objects() {
		for _, property := range indexesOf(catalog, object) {
			name := indexed{object, property.Name}
			if property.Type == "" {
				property.Type = crm.TypeString
			}
			if present[name] == property.Type {
				delete(outdated, name)
			} else {
				outdated[name] = property
			}
		}
	}
	return outdated, err
}

// rebuild brings the keys to those of the catalog in force. Nobody else writes from then on until the transaction ends.
func (tx *Tx) rebuild(ctx context.Context, catalog *crm.Catalog) error {
	outdated, err := tx.outdated(ctx, catalog)
	if err != nil || len(outdated) == 0 {
		return err
	}
	if err := tx.claim(ctx, catalogue); err != nil {
		return err
	}
	tx.rebuilt = true
	wanted := map[string][]crm.Property{} // by object
	for name, property := range outdated {
		_, err := tx.exec(ctx, `DELETE FROM property_keys WHERE property = (SELECT seq FROM property_indexes WHERE object = $1 AND property = $2)`,
			name.object, name.property)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, `INSERT INTO property_indexes (object, property, type) VALUES ($1, $2, $3)
			ON CONFLICT (object, property) DO UPDATE SET type = excluded.type`, name.object, name.property, string(property.Type))
		if err != nil {
			return err
		}
		if property.Type != "" {
			wanted[name.object] = append(wanted[name.object], property)
		}
	}
	for _, object := range slices.Sorted(maps.Keys(wanted)) {
		if err := tx.fill(ctx, object, wanted[object]); err != nil {
			return err
		}
	}
	return nil
}

// fill writes the keys of every record of an object.
func (tx *Tx) fill(ctx context.Context, object string, properties []crm.Property) error {
	for after := ""; ; {
		records, err := tx.List(ctx, object, after, page)
		if err != nil || len(records) == 0 {
			return err
		}
		var keys [][]any
		for _, property := range properties {
			number, err := tx.index(ctx, indexed{object, property.Name})
			if err != nil {
				return err
			}
			for _, record := range records {
				for _, one := range property.Keys(record.Property(property.Name)) {
					keys = append(keys, []any{number, one, record.Ref.String()})
				}
			}
		}
		if err := tx.addKeys(ctx, keys); err != nil {
			return err
		}
		after = records[len(records)-1].ID
	}
}
