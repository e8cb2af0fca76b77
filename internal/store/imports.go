package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// Import is a part of a file of records of one object type.
type Import struct {
	Object string
	Key    string // a unique property by which records are found that have no id; "" = they are new
	Rows   []ImportRow
	At     time.Time
	Source string
}

// ImportRow is one record of a file.
type ImportRow struct {
	ID     string            // "" = found by the key, or new
	Values map[string]string // as they were written; empty ones are left as they are
}

// Imported is what came of a part of a file.
type Imported struct {
	Created, Updated int
	Failed           map[int]error // by row
}

// Import creates and changes records, many at once: those that are there are found by id or key. Read-only properties
// may be imported, calculated ones not. A row that does not fit fails alone.
func (tx *Tx) Import(ctx context.Context, part Import) (imported Imported, err error) {
	defer wrap(&err, "importing records of %s", part.Object)
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return Imported{}, err
	}
	if _, declared := catalog.Object(part.Object); !declared && !catalog.IsOpen() {
		return Imported{}, fmt.Errorf("%w: there is no object %q", crm.ErrInvalid, part.Object)
	}
	if part.Key != "" && !slices.Contains(catalog.Uniques(part.Object), part.Key) {
		return Imported{}, fmt.Errorf("%w: property %s of %s is not unique", crm.ErrInvalid, part.Key, part.Object)
	}
	in := &importing{Tx: tx, Import: part, catalog: catalog, known: map[string]*imports{}, holders: map[uniqueValue]string{}}
	in.result.Failed = map[int]error{}
	if err := in.read(ctx); err != nil {
		return Imported{}, err
	}
	for row := range part.Rows {
		if in.result.Failed[row] == nil {
			if err := in.place(row); err != nil {
				in.result.Failed[row] = err
			}
		}
	}
	return in.result, in.write(ctx)
}

// importing is an import on its way.
type importing struct {
	*Tx
	Import
	catalog *crm.Catalog
	values  []map[string]string // by row, in canonical form
	known   map[string]*imports // by reference: records of the database and new ones with an id
	holders map[uniqueValue]string
	pending []*imports // what is to be written, in the order of the rows
	result  Imported
}

type uniqueValue struct{ property, key string }

// imports is a record that is imported, from one row or several.
type imports struct {
	crm.Record
	changes map[string]string // nil = it is in the database and in no row yet
	isNew   bool
	row     int   // the first one
	err     error // of reading it
}

// read brings the rows' values into their form, and reads the records that they may be about.
func (in *importing) read(ctx context.Context) error {
	var refs []string
	uniques := map[string][]string{} // keys by property
	in.values = make([]map[string]string, len(in.Rows))
	for row, one := range in.Rows {
		given := maps.Clone(one.Values)
		maps.DeleteFunc(given, func(_, text string) bool { return text == "" })
		values, err := canonical(in.catalog, in.Object, given, false)
		if err == nil && one.ID != "" {
			err = checkRef(crm.Ref{Object: in.Object, ID: one.ID})
		}
		if err != nil {
			in.result.Failed[row] = err
			continue
		}
		in.values[row] = values
		if one.ID != "" {
			refs = append(refs, crm.Ref{Object: in.Object, ID: one.ID}.String())
		}
		for _, name := range in.catalog.Uniques(in.Object) {
			if key := crm.UniqueKey(values[name]); key != "" {
				uniques[name] = append(uniques[name], key)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(uniques)) {
		if err := in.readHolders(ctx, name, uniques[name]); err != nil {
			return err
		}
		if name == in.Key {
			for _, key := range uniques[name] {
				if ref := in.holders[uniqueValue{name, key}]; ref != "" {
					refs = append(refs, ref)
				}
			}
		}
	}
	slices.Sort(refs)
	return in.readRecords(ctx, slices.Compact(refs))
}

// some calls do with a part of texts after the other, of sizes of which there are few.
func some(texts []string, do func(part []any) error) error {
	for len(texts) > 0 {
		count := 1
		if len(texts) >= together {
			count = together
		}
		part := make([]any, count)
		for i := range part {
			part[i] = texts[i]
		}
		if err := do(part); err != nil {
			return err
		}
		texts = texts[count:]
	}
	return nil
}

// readHolders finds the records that have unique values.
func (in *importing) readHolders(ctx context.Context, property string, keys []string) error {
	return some(keys, func(part []any) error {
		type holder struct{ key, record string }
		found, err := collect(ctx, in.source, func(row scanner) (one holder, err error) {
			return one, row.Scan(&one.key, &one.record)
		}, `SELECT value, record FROM unique_values WHERE value IN `+tuples(1, len(part))+fmt.Sprintf(` AND object = $%d AND property = $%d`, len(part)+1, len(part)+2),
			append(part, in.Object, property)...)
		for _, one := range found {
			in.holders[uniqueValue{property, one.key}] = one.record
		}
		return err
	})
}

// readRecords reads records that are there.
func (in *importing) readRecords(ctx context.Context, refs []string) error {
	return some(refs, func(part []any) error {
		found, err := collect(ctx, in.source, func(row scanner) (*imports, error) {
			record, err := scanRecord(row)
			if err != nil && !errors.Is(err, crm.ErrDeleted) {
				return nil, err
			}
			return &imports{Record: record, err: err}, nil
		}, `SELECT `+recordColumns+` FROM records WHERE record IN `+tuples(1, len(part))+in.source.holding(), part...)
		for _, one := range found {
			in.known[one.Ref.String()] = one
		}
		return err
	})
}

// place adds a row to the record that it is about.
func (in *importing) place(row int) error {
	values := in.values[row]
	record, err := in.find(row, in.Rows[row].ID, values)
	if err != nil {
		return err
	}
	merged := maps.Clone(record.Properties)
	apply(merged, record.changes)
	apply(merged, values)
	for _, name := range in.catalog.Required(in.Object) {
		if record.isNew && merged[name] == "" {
			return fmt.Errorf("%w: property %s is required", crm.ErrInvalid, name)
		}
	}
	holder := record.holder()
	for _, name := range in.catalog.Uniques(in.Object) {
		if by := in.holders[uniqueValue{name, crm.UniqueKey(values[name])}]; by != "" && by != holder {
			if in.known[by] != nil && in.known[by].ID == "" {
				by = "that of an earlier line"
			}
			return fmt.Errorf("property %s is unique, and %w: %s", name, crm.ErrTaken, by)
		}
	}
	if record.changes == nil {
		record.changes = map[string]string{}
		in.pending = append(in.pending, record)
	}
	maps.Copy(record.changes, values)
	for _, name := range in.catalog.Uniques(in.Object) {
		if key := crm.UniqueKey(values[name]); key != "" {
			in.holders[uniqueValue{name, key}] = holder
			in.known[holder] = record
		}
	}
	return nil
}

// holder names a record also before it has an id.
func (r *imports) holder() string {
	if r.ID == "" {
		return fmt.Sprintf("#%d", r.row)
	}
	return r.Ref.String()
}

// find returns the record that a row is about: one of the database, one of an earlier row, or a new one.
func (in *importing) find(row int, id string, values map[string]string) (*imports, error) {
	ref := crm.Ref{Object: in.Object, ID: id}
	name := ref.String()
	if id == "" {
		if in.Key != "" && values[in.Key] == "" {
			return nil, fmt.Errorf("%w: there is no %s, by which records are found", crm.ErrInvalid, in.Key)
		}
		name = in.holders[uniqueValue{in.Key, crm.UniqueKey(values[in.Key])}]
	}
	record := in.known[name]
	if record == nil {
		record = &imports{Record: crm.Record{Ref: ref, Properties: map[string]string{}}, isNew: true, row: row}
		if id != "" {
			in.known[name] = record
		}
	}
	return record, record.err
}

// write creates and changes what is pending.
func (in *importing) write(ctx context.Context) error {
	var arrived []crm.Record
	var nameless int
	greatest := crm.Ref{Object: in.Object}
	for _, one := range in.pending {
		if !one.isNew {
			continue
		}
		arrived = append(arrived, arriving(one.Ref, one.changes, in.At, in.Source))
		if one.ID == "" {
			nameless++
		}
		greatest.ID = strconv.FormatInt(max(number(greatest.ID), number(one.ID)), 10)
	}
	if err := in.countID(ctx, greatest); err != nil {
		return err
	}
	last, err := in.lastOf(ctx, in.Object, nameless)
	if err != nil {
		return err
	}
	for i := range arrived {
		if arrived[i].ID == "" {
			nameless--
			arrived[i].ID = strconv.FormatInt(last-int64(nameless), 10)
		}
	}
	if added, err := in.add(ctx, in.catalog, arrived); err != nil {
		return err
	} else if !added {
		return fmt.Errorf("a record %w: it was created at the same moment, try again", crm.ErrConflict)
	}
	in.result.Created = len(arrived)
	for _, one := range in.pending {
		if one.isNew {
			continue
		}
		if err := in.change(ctx, in.catalog, &one.Record, one.changes, in.At, in.Source); err != nil {
			return fmt.Errorf("%s: %w", one.Ref, err)
		}
		in.result.Updated++
	}
	return nil
}

// ImportProgress says how far the import of a file has come.
type ImportProgress struct {
	Hash     string // of the file and of what is to be done with it
	Object   string
	File     string
	Rows     int // that are done
	Created  int
	Updated  int
	Failed   int
	Errors   int64 // bytes of the file of errors
	Started  time.Time
	Finished time.Time // zero = not yet
}

// ImportProgress returns how far the import of a file has come.
func (r reader) ImportProgress(ctx context.Context, hash string) (p ImportProgress, found bool, err error) {
	defer wrap(&err, "reading how far an import has come")
	var started, finished instant
	err = r.row(ctx, `SELECT hash, object, file, rows, created, updated, failed, errors, started, finished FROM imports WHERE hash = $1`, hash).
		Scan(&p.Hash, &p.Object, &p.File, &p.Rows, &p.Created, &p.Updated, &p.Failed, &p.Errors, &started, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return ImportProgress{}, false, nil
	}
	p.Started, p.Finished = started.Time, finished.Time
	return p, err == nil, err
}

// SetImportProgress writes down how far an import has come, in the transaction that has brought it there.
func (tx *Tx) SetImportProgress(ctx context.Context, p ImportProgress) (err error) {
	defer wrap(&err, "writing how far an import has come")
	_, err = tx.exec(ctx, `INSERT INTO imports (hash, object, file, rows, created, updated, failed, errors, started, finished)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (hash) DO UPDATE SET object = excluded.object, file = excluded.file, rows = excluded.rows, created = excluded.created,
		updated = excluded.updated, failed = excluded.failed, errors = excluded.errors, started = excluded.started, finished = excluded.finished`,
		p.Hash, p.Object, legible(p.File), p.Rows, p.Created, p.Updated, p.Failed, p.Errors, instant{p.Started}, instant{p.Finished})
	return err
}
