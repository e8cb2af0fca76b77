package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// maxNumber is the greatest id that is counted as a number.
const maxNumber = 1_000_000_000_000_000

const recordColumns = `record, properties, created, updated, version, source, deleted, merged_into`

// get reads a record, which a transaction then holds: with ErrNotFound it has no content, with ErrDeleted it has.
func (r reader) get(ctx context.Context, ref crm.Ref) (crm.Record, error) {
	record, err := scanRecord(r.row(ctx, `SELECT `+recordColumns+` FROM records WHERE record = $1`+r.source.holding(), ref.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return crm.Record{}, crm.ErrNotFound
	}
	return record, err
}

// hold keeps others from changing a record and from adding events to it until the transaction ends. It need not
// exist.
func (r reader) hold(ctx context.Context, ref crm.Ref) error {
	if r.source.holding() == "" {
		return nil
	}
	_, err := r.exists(ctx, `SELECT 1 FROM records WHERE record = $1`+r.source.holding(), ref.String())
	return err
}

func scanRecord(row scanner) (crm.Record, error) {
	var record crm.Record
	var created, updated, deleted instant
	var into sql.NullString
	err := row.Scan(reference{&record.Ref}, document[map[string]string]{&record.Properties}, &created, &updated, &record.Version, &record.Source, &deleted, &into)
	if err != nil {
		return crm.Record{}, err
	}
	record.Created, record.Updated = created.Time, updated.Time
	switch {
	case into.Valid:
		merged := &crm.MergedError{}
		return record, errors.Join(merged.Into.UnmarshalText([]byte(into.String)), merged)
	case !deleted.IsZero():
		return record, crm.ErrDeleted
	}
	return record, nil
}

// Get returns a record. Errors: crm.ErrNotFound, crm.ErrDeleted.
func (r reader) Get(ctx context.Context, ref crm.Ref) (record crm.Record, err error) {
	defer wrap(&err, "reading record %s", ref)
	if record, err = r.get(ctx, ref); err != nil {
		return crm.Record{}, err
	}
	return record, nil
}

// List returns up to limit records (0 = all) of an object type whose id comes after `after` ("" is before all),
// shorter ids first, so that numbers are in order. Deleted records are left out.
func (r reader) List(ctx context.Context, object, after string, limit int) (records []crm.Record, err error) {
	defer wrap(&err, "listing records of %s", object)
	return collect(ctx, r.source, scanRecord, `SELECT `+recordColumns+` FROM records
		WHERE object = $1 AND (id_length, id) > ($2, $3) AND deleted IS NULL ORDER BY id_length, id LIMIT $4`,
		object, utf8.RuneCountInString(after), after, atMost(limit))
}

// GetMany returns records in the order of their references. Those that are not there or deleted are left out.
func (r reader) GetMany(ctx context.Context, refs []crm.Ref) (records []crm.Record, err error) {
	defer wrap(&err, "reading records")
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = ref.String()
	}
	found := make(map[crm.Ref]crm.Record, len(refs))
	err = some(names, func(part []any) error {
		read, err := collect(ctx, r.source, scanRecord, `SELECT `+recordColumns+` FROM records WHERE record IN `+tuples(1, len(part))+` AND deleted IS NULL`, part...)
		for _, record := range read {
			found[record.Ref] = record
		}
		return err
	})
	for _, ref := range refs {
		if record, there := found[ref]; there {
			records = append(records, record)
		}
	}
	return records, err
}

// History returns the versions of a property, newest first.
func (r reader) History(ctx context.Context, ref crm.Ref, property string) (versions []crm.PropertyVersion, err error) {
	defer wrap(&err, "reading the history of %s of %s", property, ref)
	return collect(ctx, r.source, func(row scanner) (version crm.PropertyVersion, err error) {
		var at instant
		err = row.Scan(&version.Value, &at, &version.Source)
		version.At = at.Time
		return version, err
	}, `SELECT value, at, source FROM property_versions WHERE record = $1 AND property = $2 ORDER BY at DESC, seq DESC`, ref.String(), property)
}

// Create adds a record; without an id it takes the object's next number. Errors: ErrExists,
// crm.ErrDeleted when a deleted record has the id, crm.ErrInvalid, crm.ErrTaken.
func (tx *Tx) Create(ctx context.Context, ref crm.Ref, values map[string]string, at time.Time, source string) (record crm.Record, err error) {
	defer wrap(&err, "creating a record of %s", ref.Object)
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return crm.Record{}, err
	}
	if _, declared := catalog.Object(ref.Object); !declared && !catalog.IsOpen() {
		return crm.Record{}, fmt.Errorf("%w: there is no object %q", crm.ErrInvalid, ref.Object)
	}
	if ref.ID == "" {
		ref.ID, err = tx.nextID(ctx, ref.Object)
	} else {
		err = tx.countID(ctx, ref)
	}
	if err != nil {
		return crm.Record{}, err
	}
	if err := checkRef(ref); err != nil {
		return crm.Record{}, err
	}
	changes, err := canonical(catalog, ref.Object, values, false)
	if err != nil {
		return crm.Record{}, err
	}
	record = arriving(ref, changes, at, source)
	added, err := tx.add(ctx, catalog, []crm.Record{record})
	if err == nil && !added {
		_, err = tx.get(ctx, ref)
		err = fmt.Errorf("%s: %w", ref, cmp.Or(err, ErrExists))
	}
	if err != nil {
		return crm.Record{}, err
	}
	return record, nil
}

// arriving is a record that is to be created with some values.
func arriving(ref crm.Ref, values map[string]string, at time.Time, source string) crm.Record {
	record := crm.Record{Ref: ref, Properties: map[string]string{}, Created: stored(at), Updated: stored(at), Version: 1, Source: legible(source)}
	apply(record.Properties, values)
	return record
}

// add writes new records of one object type with their history, and computes what is calculated of them. It tells
// whether no id was in use; where one was, the transaction is of no use any more. Errors: crm.ErrTaken.
func (tx *Tx) add(ctx context.Context, catalog *crm.Catalog, records []crm.Record) (added bool, err error) {
	var rows, versions, uniques, keys [][]any
	for _, record := range records {
		given := maps.Clone(record.Properties)
		if _, err := tx.calculate(ctx, catalog, record); err != nil {
			return false, err
		}
		text, err := encode(record.Properties)
		if err != nil {
			return false, err
		}
		ref := record.Ref.String()
		rows = append(rows, []any{
			ref, record.Object, record.ID, utf8.RuneCountInString(record.ID), text,
			instant{record.Created}, instant{record.Updated}, record.Version, record.Source,
		})
		changed, err := tx.changedKeys(ctx, catalog, record.Ref, crm.Record{}, record)
		if err != nil {
			return false, err
		}
		keys = append(keys, changed.added...)
		uniques = append(uniques, uniqueRows(record, catalog.Uniques(record.Object))...)
		versions = append(versions, versionRows(record.Ref, given, record.Created, record.Source)...)
		tx.note(ctx, plan.Change{Record: ref, What: plan.ChangeCreated, Values: record.Properties, At: record.Created})
	}
	written, err := tx.insert(ctx, `INSERT INTO records (record, object, id, id_length, properties, created, updated, version, source)`, `ON CONFLICT DO NOTHING`, rows)
	if err != nil || written < len(rows) {
		return false, err
	}
	if err := tx.claimUnique(ctx, uniques); err != nil {
		return false, err
	}
	if err := tx.addKeys(ctx, keys); err != nil {
		return false, err
	}
	if err := tx.subscribe(ctx, records); err != nil {
		return false, err
	}
	return true, tx.addVersions(ctx, versions)
}

// nextID is the number after the last one of an object.
func (tx *Tx) nextID(ctx context.Context, object string) (string, error) {
	last, err := tx.lastOf(ctx, object, 1)
	return strconv.FormatInt(last, 10), err
}

// lastOf takes the next numbers of an object, so many, and returns the last one.
func (tx *Tx) lastOf(ctx context.Context, object string, count int) (last int64, err error) {
	err = tx.row(ctx, `INSERT INTO record_numbers (object, last) VALUES ($1, $2)
		ON CONFLICT (object) DO UPDATE SET last = record_numbers.last + excluded.last RETURNING last`, object, count).Scan(&last)
	return last, err
}

// countID makes sure that a number which somebody chose is not given out again.
func (tx *Tx) countID(ctx context.Context, ref crm.Ref) error {
	chosen := number(ref.ID)
	if chosen == 0 {
		return nil // not a number that nextID comes to
	}
	_, err := tx.exec(ctx, `INSERT INTO record_numbers (object, last) VALUES ($1, $2)
		ON CONFLICT (object) DO UPDATE SET last = excluded.last WHERE record_numbers.last < excluded.last`, ref.Object, chosen)
	return err
}

// number is an id that is counted as a number; others are 0.
func number(id string) int64 {
	value, err := strconv.ParseInt(id, 10, 64)
	if err != nil || value < 1 || value > maxNumber || strconv.FormatInt(value, 10) != id {
		return 0
	}
	return value
}

// Update changes properties; an empty value clears. Equal values leave no trace. Errors: crm.ErrNotFound,
// crm.ErrDeleted, crm.ErrInvalid (also for a property that is read-only), crm.ErrTaken.
func (tx *Tx) Update(ctx context.Context, ref crm.Ref, values map[string]string, at time.Time, source string) error {
	return tx.UpdateVersion(ctx, ref, 0, values, at, source)
}

// UpdateVersion is Update of a record that has to be of a version still; 0 is any. Errors: as Update, and
// crm.ErrConflict.
func (tx *Tx) UpdateVersion(ctx context.Context, ref crm.Ref, version int, values map[string]string, at time.Time, source string) (err error) {
	defer wrap(&err, "updating %s", ref)
	record, err := tx.get(ctx, ref)
	if err != nil {
		return err
	}
	if version != 0 && version != record.Version {
		return fmt.Errorf("it %w: it has version %d, not %d", crm.ErrConflict, record.Version, version)
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	changes, err := canonical(catalog, ref.Object, values, true)
	if err != nil {
		return err
	}
	return tx.change(ctx, catalog, &record, changes, at, source)
}

// Upsert creates the record or, when it is there, changes the given properties, read-only ones included:
// this is how data from elsewhere comes in. Errors: crm.ErrDeleted, crm.ErrInvalid.
func (tx *Tx) Upsert(ctx context.Context, ref crm.Ref, values map[string]string, at time.Time, source string) (record crm.Record, created bool, err error) {
	record, err = tx.get(ctx, ref)
	if errors.Is(err, crm.ErrNotFound) {
		record, err = tx.Create(ctx, ref, values, at, source)
		if !errors.Is(err, ErrExists) {
			return record, err == nil, err
		}
		record, err = tx.get(ctx, ref) // somebody else created it in between
	}
	defer wrap(&err, "updating %s", ref)
	if err != nil {
		return crm.Record{}, false, err
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return crm.Record{}, false, err
	}
	changes, err := canonical(catalog, ref.Object, values, false)
	if err != nil {
		return crm.Record{}, false, err
	}
	return record, false, tx.change(ctx, catalog, &record, changes, at, source)
}

// Increment adds by to a number property, exactly; a missing value counts as 0. Errors: as Update.
func (tx *Tx) Increment(ctx context.Context, ref crm.Ref, property string, by crm.Number, at time.Time, source string) (sum crm.Number, err error) {
	defer wrap(&err, "adding %s to %s of %s", by, property, ref)
	record, err := tx.get(ctx, ref)
	if err != nil {
		return crm.Number{}, err
	}
	if text := record.Properties[property]; text != "" {
		if sum, err = crm.ParseNumber(text); err != nil {
			return crm.Number{}, fmt.Errorf("property %s: %w", property, err)
		}
	}
	sum = sum.Add(by)
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return crm.Number{}, err
	}
	if declared, found := catalog.Property(ref.Object, property); found && declared.Type != crm.TypeNumber {
		return crm.Number{}, fmt.Errorf("%w: property %s is a %s, not a number", crm.ErrInvalid, property, declared.Type)
	}
	changes, err := canonical(catalog, ref.Object, map[string]string{property: sum.String()}, true)
	if err != nil {
		return crm.Number{}, err
	}
	return sum, tx.change(ctx, catalog, &record, changes, at, source)
}

// Delete hides a record: Get answers crm.ErrDeleted until it is restored. Its unique values are free. Errors:
// crm.ErrNotFound, crm.ErrDeleted.
func (tx *Tx) Delete(ctx context.Context, ref crm.Ref, at time.Time) (err error) {
	defer wrap(&err, "deleting %s", ref)
	record, err := tx.get(ctx, ref)
	if err != nil {
		return err
	}
	tx.note(ctx, plan.Change{Record: ref.String(), What: plan.ChangeDeleted, At: at})
	if err := tx.hide(ctx, record, at); err != nil {
		return err
	}
	return tx.recalculateOthers(ctx, ref, at)
}

// hide marks a record as deleted.
func (tx *Tx) hide(ctx context.Context, record crm.Record, at time.Time) error {
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	if err := tx.reindex(ctx, catalog, record.Ref, record, crm.Record{}); err != nil {
		return err
	}
	if err := tx.freeUnique(ctx, record.Ref); err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE records SET deleted = $1, version = version + 1 WHERE record = $2`, instant{at}, record.Ref.String())
	return err
}

// Restore brings a deleted record back as it was; one that is not deleted stays as it is. Errors: crm.ErrNotFound,
// crm.MergedError, crm.ErrTaken when another record has got one of its unique values.
func (tx *Tx) Restore(ctx context.Context, ref crm.Ref) (err error) {
	defer wrap(&err, "restoring %s", ref)
	record, err := tx.get(ctx, ref)
	var merged *crm.MergedError
	if err == nil || !errors.Is(err, crm.ErrDeleted) || errors.As(err, &merged) {
		return err
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	if err := tx.claimUnique(ctx, uniqueRows(record, catalog.Uniques(ref.Object))); err != nil {
		return err
	}
	if err := tx.reindex(ctx, catalog, ref, crm.Record{}, record); err != nil {
		return err
	}
	tx.note(ctx, plan.Change{Record: ref.String(), What: plan.ChangeRestored})
	if _, err = tx.exec(ctx, `UPDATE records SET deleted = NULL, version = version + 1 WHERE record = $1`, ref.String()); err != nil {
		return err
	}
	if err := tx.subscribe(ctx, []crm.Record{record}); err != nil { // its addresses may have said something meanwhile
		return err
	}
	if err := tx.recalculate(ctx, catalog, ref, record.Updated, record.Source, 0); err != nil {
		return err
	}
	return tx.recalculateOthers(ctx, ref, record.Updated)
}

// canonical brings values into the form in which they are stored; writable refuses read-only properties.
func canonical(catalog *crm.Catalog, object string, values map[string]string, writable bool) (map[string]string, error) {
	changes := make(map[string]string, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := checkNames(name); err != nil || name == "" {
			return nil, errors.Join(fmt.Errorf("%w: property %q", crm.ErrInvalid, name), err)
		}
		property, _ := catalog.Property(object, name)
		switch {
		case !property.Calculated.Formula().IsZero() || property.Calculated.Rollup() != nil:
			return nil, fmt.Errorf("%w: property %s is calculated", crm.ErrInvalid, name)
		case writable && !property.Writable():
			return nil, fmt.Errorf("%w: property %s is read-only", crm.ErrInvalid, name)
		}
		text, err := catalog.Canonical(object, name, values[name])
		if err != nil {
			return nil, err
		}
		changes[name] = text
	}
	return changes, nil
}

// apply writes changes into properties; the empty value clears.
func apply(properties, changes map[string]string) {
	for name, text := range changes {
		if text == "" {
			delete(properties, name)
		} else {
			properties[name] = text
		}
	}
}

// change writes what differs, its history, and what is calculated from it. The version counter makes sure that nobody
// else changed the record since it was read.
func (tx *Tx) change(ctx context.Context, catalog *crm.Catalog, record *crm.Record, changes map[string]string, at time.Time, source string) error {
	maps.DeleteFunc(changes, func(name, text string) bool { return record.Properties[name] == text })
	if len(changes) == 0 {
		return nil
	}
	return tx.rewrite(ctx, catalog, record, changes, at, source, 0)
}

// rewrite writes changes of a record, none included, and what is calculated from them, here and in associated records.
// depth counts the records on the way.
func (tx *Tx) rewrite(ctx context.Context, catalog *crm.Catalog, record *crm.Record, changes map[string]string, at time.Time, source string, depth int) error {
	before := *record
	before.Properties = maps.Clone(record.Properties)
	apply(record.Properties, changes)
	all, err := tx.calculate(ctx, catalog, *record)
	if err != nil {
		return err
	}
	maps.Copy(all, changes)
	if len(all) == 0 {
		return nil
	}
	text, err := encode(record.Properties)
	if err != nil {
		return err
	}
	rows, err := tx.exec(ctx, `UPDATE records SET properties = $1, updated = $2, version = version + 1 WHERE record = $3 AND version = $4`,
		text, instant{at}, record.Ref.String(), record.Version)
	if err != nil {
		return err
	}
	if rows == 0 {
		return fmt.Errorf("it %w at the same moment: try again", crm.ErrConflict)
	}
	record.Updated = stored(at)
	record.Version++
	if err := tx.reindex(ctx, catalog, record.Ref, before, *record); err != nil {
		return err
	}
	if err := tx.moveUnique(ctx, catalog, before, *record); err != nil {
		return err
	}
	if err := tx.resubscribe(ctx, before, *record); err != nil {
		return err
	}
	if err := tx.addVersions(ctx, versionRows(record.Ref, changes, at, source)); err != nil {
		return err
	}
	if err := tx.changed(ctx, *record, all, at); err != nil {
		return err
	}
	return tx.rollUp(ctx, catalog, record.Ref, all, at, source, depth)
}

// versionRows are the rows of the history of changes.
func versionRows(ref crm.Ref, changes map[string]string, at time.Time, source string) [][]any {
	rows := make([][]any, 0, len(changes))
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		rows = append(rows, []any{ref.String(), name, changes[name], instant{at}, legible(source)})
	}
	return rows
}

func (tx *Tx) addVersions(ctx context.Context, rows [][]any) error {
	_, err := tx.insert(ctx, `INSERT INTO property_versions (record, property, value, at, source)`, ``, rows)
	return err
}

// checkRef refuses what cannot be read back as a reference.
func checkRef(ref crm.Ref) error {
	if parsed, err := crm.ParseRef(ref.String()); err != nil || parsed != ref {
		return fmt.Errorf("%w: %q is not a record such as contact/51", crm.ErrInvalid, ref.String())
	}
	return checkNames(ref.String())
}

// Create is Tx.Create in a transaction of its own.
func (s *Store) Create(ctx context.Context, ref crm.Ref, values map[string]string, at time.Time, source string) (record crm.Record, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { record, err = tx.Create(ctx, ref, values, at, source); return err })
	return record, err
}

// Update is Tx.Update in a transaction of its own.
func (s *Store) Update(ctx context.Context, ref crm.Ref, values map[string]string, at time.Time, source string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Update(ctx, ref, values, at, source) })
}

// UpdateVersion is Tx.UpdateVersion in a transaction of its own.
func (s *Store) UpdateVersion(ctx context.Context, ref crm.Ref, version int, values map[string]string, at time.Time, source string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.UpdateVersion(ctx, ref, version, values, at, source) })
}

// Upsert is Tx.Upsert in a transaction of its own.
func (s *Store) Upsert(ctx context.Context, ref crm.Ref, values map[string]string, at time.Time, source string) (record crm.Record, created bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { record, created, err = tx.Upsert(ctx, ref, values, at, source); return err })
	return record, created, err
}

// Increment is Tx.Increment in a transaction of its own.
func (s *Store) Increment(ctx context.Context, ref crm.Ref, property string, by crm.Number, at time.Time, source string) (sum crm.Number, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { sum, err = tx.Increment(ctx, ref, property, by, at, source); return err })
	return sum, err
}

// Delete is Tx.Delete in a transaction of its own.
func (s *Store) Delete(ctx context.Context, ref crm.Ref, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Delete(ctx, ref, at) })
}

// Restore is Tx.Restore in a transaction of its own.
func (s *Store) Restore(ctx context.Context, ref crm.Ref) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Restore(ctx, ref) })
}
