package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/crm"
)

// Query asks for the records of an object type that a filter matches.
type Query struct {
	Object string
	Filter crm.Filter     // the zero one matches every record
	Now    time.Time      // of `within` and its like
	Zone   *time.Location // in which days begin; nil = UTC
}

// page is how many records are read at once to be asked one by one.
const page = 2000

// Matching returns up to limit records (0 = all) whose answer is yes and whose id comes after `after` ("" is before
// all), in the order of List. Deleted records never match.
func (r reader) Matching(ctx context.Context, query Query, after string, limit int) (refs []crm.Ref, err error) {
	defer wrap(&err, "looking for records of %s", query.Object)
	list, is, err := r.longList(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case is:
		return r.onList(ctx, query.Object, list, after, atMost(limit))
	}
	err = r.settled(ctx, query, func(a answer) error {
		refs = nil
		return a.show(ctx, after, atMost(limit), func(id string) bool {
			refs = append(refs, crm.Ref{Object: query.Object, ID: id})
			return len(refs) < atMost(limit)
		})
	})
	return refs, err
}

// long is how many are on a list that is read page by page, instead of all of it for each page.
const long = 20_000

// longList tells whether a query asks for who is on a long static list, and for nothing else.
func (r reader) longList(ctx context.Context, query Query) (list string, is bool, err error) {
	catalog, err := r.Catalog(ctx)
	if err != nil {
		return "", false, err
	}
	on, is := query.Filter.Condition(query.Object, crm.FilterEnv{Now: query.Now, Zone: query.Zone, Catalog: catalog}).(crm.OnList)
	if !is || checkNames(on.List) != nil {
		return "", false, nil
	}
	is, err = r.exists(ctx, `SELECT 1 FROM list_members WHERE list = $1 ORDER BY record LIMIT 1 OFFSET $2`, on.List, long)
	return on.List, is, err
}

const listPage = `SELECT r.id FROM records r WHERE r.object = $1 AND r.deleted IS NULL AND (r.id_length, r.id) > ($2, $3)
	AND EXISTS (SELECT 1 FROM list_members m WHERE m.list = $4 AND m.record = r.record) ORDER BY r.id_length, r.id LIMIT $5`

func (r reader) onList(ctx context.Context, object, list, after string, limit int) ([]crm.Ref, error) {
	return collect(ctx, r.source, func(row scanner) (crm.Ref, error) {
		ref := crm.Ref{Object: object}
		return ref, row.Scan(&ref.ID)
	}, listPage, object, utf8.RuneCountInString(after), after, list, limit)
}

// Having returns up to limit records (0 = all) of an object type whose property is value, as the operator `is` sees it,
// in the order of List. No record has an empty value.
func (r reader) Having(ctx context.Context, object, property, value string, limit int) ([]crm.Ref, error) {
	if value == "" {
		return nil, nil
	}
	text, err := json.Marshal(map[string]string{"property": property, "is": value})
	if err != nil {
		return nil, err
	}
	filter, err := crm.ReadFilter(text)
	if err != nil {
		return nil, err
	}
	return r.Matching(ctx, Query{Object: object, Filter: *filter}, "", limit)
}

// CountMatching returns how many records of an object type a filter matches.
func (r reader) CountMatching(ctx context.Context, query Query) (count int, err error) {
	defer wrap(&err, "counting records of %s", query.Object)
	err = r.settled(ctx, query, func(a answer) error {
		if count = a.lower.named(); a.lower.others {
			var all int
			if err := a.row(ctx, `SELECT COUNT(*) FROM records WHERE object = $1 AND deleted IS NULL`, query.Object).Scan(&all); err != nil {
				return err
			}
			count = all - count
		}
		if a.exact() {
			return nil
		}
		a.bounds = bounds{&set{}, intersection(a.upper, a.lower.opposite())}
		return a.show(ctx, "", atMost(0), func(string) bool { count++; return true })
	})
	return count, err
}

// answer is what the database says to a query, and how the rest is asked.
type answer struct {
	reader
	Query
	bounds
	catalog *crm.Catalog
}

// settled works an answer out, on a snapshot, or in a transaction. There, indexes may change before it is complete; then it
// is worked out again.
func (r reader) settled(ctx context.Context, query Query, use func(answer) error) error {
	if pool, outside := r.source.(*pool); outside {
		session, err := pool.beginSnapshot(ctx)
		if err != nil {
			return err
		}
		defer session.end(ctx)
		r.source = snapshot{session}
	}
	for {
		catalog, err := r.Catalog(ctx)
		if err != nil {
			return err
		}
		condition := query.Filter.Condition(query.Object, crm.FilterEnv{Now: query.Now, Zone: query.Zone, Catalog: catalog})
		bounds, err := r.selection(ctx, query.Object, condition)
		if err != nil {
			return err
		}
		if err := use(answer{r, query, bounds, catalog}); err != nil {
			return err
		}
		if now, err := r.Catalog(ctx); err != nil || now == catalog {
			return err
		}
	}
}

// unkept is a source of queries that come once.
type unkept struct{ queryer }

func (u unkept) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return u.once(ctx, numbered(text), args...)
}

// show shows the ids of the records that match, until more says false. Those that may match are asked; limit says how many
// there will be at most.
func (a answer) show(ctx context.Context, after string, limit int, more func(id string) bool) error {
	switch {
	case a.upper.none():
		return nil
	case !a.upper.others && a.exact():
		for _, id := range a.upper.first(after, limit) {
			if !more(id) {
				return nil
			}
		}
		return nil
	case !a.upper.others:
		return a.showSome(ctx, after, more)
	case a.exact():
		return a.showMost(ctx, after, more)
	}
	for {
		records, err := a.List(ctx, a.Object, after, page)
		if err != nil {
			return err
		}
		for _, record := range records {
			if after = record.ID; !a.upper.has(record.ID) {
				continue
			}
			if matches, err := a.matches(ctx, record); err != nil || matches && !more(record.ID) {
				return err
			}
		}
		if len(records) < page {
			return nil
		}
	}
}

// showMost shows all records but some.
func (a answer) showMost(ctx context.Context, after string, more func(id string) bool) error {
	for {
		ids, err := collect(ctx, a.source, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT id FROM records WHERE object = $1 AND deleted IS NULL AND (id_length, id) > ($2, $3) ORDER BY id_length, id LIMIT $4`,
			a.Object, utf8.RuneCountInString(after), after, page)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if after = id; a.upper.has(id) && !more(id) {
				return nil
			}
		}
		if len(ids) < page {
			return nil
		}
	}
}

// showSome shows what matches of records that are known by their ids.
func (a answer) showSome(ctx context.Context, after string, more func(id string) bool) error {
	for ids := range slices.Chunk(a.upper.first(after, atMost(0)), page) {
		refs := make([]crm.Ref, len(ids))
		for i, id := range ids {
			refs[i] = crm.Ref{Object: a.Object, ID: id}
		}
		records, err := a.GetMany(ctx, refs)
		if err != nil {
			return err
		}
		for _, record := range records {
			if matches, err := a.matches(ctx, record); err != nil || matches && !more(record.ID) {
				return err
			}
		}
	}
	return nil
}

// matches asks the filter, where the database could not tell.
func (a answer) matches(ctx context.Context, record crm.Record) (bool, error) {
	if a.lower.has(record.ID) {
		return true, nil
	}
	env := crm.FilterEnv{Records: a.reader, Ref: record.Ref, Record: &record, Now: a.Query.Now, Zone: a.Query.Zone, Catalog: a.catalog}
	truth, err := a.Filter.Match(ctx, env)
	return truth == crm.Yes, err
}
