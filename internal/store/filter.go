package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
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
	err = r.settled(ctx, query, func(upper, lower selection, catalog *crm.Catalog) error {
		if upper.equal(lower) {
			refs, err = r.page(ctx, query, upper, after, limit)
			return err
		}
		refs = nil
		return r.asked(ctx, query, catalog, upper, lower, after, func(ref crm.Ref) bool {
			refs = append(refs, ref)
			return len(refs) < atMost(limit)
		})
	})
	return refs, err
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
	err = r.settled(ctx, query, func(upper, lower selection, catalog *crm.Catalog) error {
		if count, err = r.count(ctx, query, lower); err != nil || upper.equal(lower) {
			return err
		}
		open := intersect(upper, not(lower))
		return r.asked(ctx, query, catalog, open, selection{}, "", func(crm.Ref) bool { count++; return true })
	})
	return count, err
}

func (r reader) selector(object string) selector {
	return selector{dialect: r.source.speaks(), object: object}
}

// settled answers with what may and what certainly matches. Outside of a transaction the indexes may change before the
// answer is there; it is then worked out again.
func (r reader) settled(ctx context.Context, query Query, answer func(upper, lower selection, catalog *crm.Catalog) error) error {
	for {
		catalog, err := r.Catalog(ctx)
		if err != nil {
			return err
		}
		condition := query.Filter.Condition(query.Object, crm.FilterEnv{Now: query.Now, Zone: query.Zone, Catalog: catalog})
		upper, lower := selections(r.source.speaks(), query.Object, condition)
		if err := answer(upper, lower, catalog); err != nil {
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

func (r reader) page(ctx context.Context, query Query, among selection, after string, limit int) ([]crm.Ref, error) {
	text, args := listing(`r.record`, query.Object, among, after, limit)
	return collect(ctx, unkept{r.source}, func(row scanner) (ref crm.Ref, err error) { return ref, row.Scan(reference{&ref}) }, text, args...)
}

// listing is the query for records of a selection in the order of List.
func listing(columns, object string, among selection, after string, limit int) (text string, args []any) {
	text = `SELECT ` + columns + ` FROM records r`
	where := ``
	switch {
	case among.others && among.text != "":
		text += ` LEFT JOIN (SELECT record AS other FROM (` + among.text + `) AS s) AS o ON o.other = r.record`
		where = ` AND o.other IS NULL`
		args = append(args, among.args...)
	case !among.others && among.text == "":
		where = ` AND FALSE`
	}
	text += ` WHERE r.object = ? AND r.deleted IS NULL AND (r.id_length, r.id) > (?, ?)` + where
	args = append(args, object, utf8.RuneCountInString(after), after)
	if !among.others && among.text != "" {
		text += ` AND r.record IN (` + among.text + `)`
		args = append(args, among.args...)
	}
	return text + ` ORDER BY r.id_length, r.id LIMIT ?`, append(args, atMost(limit))
}

func (r reader) count(ctx context.Context, query Query, among selection) (int, error) {
	s := r.selector(query.Object)
	if among.others {
		all, err := r.count(ctx, query, s.all())
		if err != nil {
			return 0, err
		}
		left, err := r.count(ctx, query, not(among))
		return all - left, err
	}
	among = s.restricted(among)
	if among.text == "" {
		return 0, nil
	}
	text := `SELECT COUNT(*) FROM (` + among.text + `) AS s`
	if !among.distinct {
		text = `SELECT COUNT(DISTINCT record) FROM (` + among.text + `) AS s`
	}
	rows, err := unkept{r.source}.query(ctx, text, among.args...) //nolint:rowserrcheck // Scan asks
	var count int
	err = row{rows, err}.Scan(&count)
	return count, err
}

// asked shows the records of upper that match, until more says false. Those that are not certain are asked.
func (r reader) asked(ctx context.Context, query Query, catalog *crm.Catalog, upper, lower selection, after string, more func(crm.Ref) bool) error {
	certain := `FALSE`
	if lower.text != "" {
		certain = fmt.Sprintf(`CASE WHEN r.record IN (%s) THEN %t ELSE %t END`, lower.text, !lower.others, lower.others)
	}
	for {
		text, args := listing(recordColumns+`, `+certain, query.Object, upper, after, page)
		type candidate struct {
			crm.Record
			certain bool
		}
		candidates, err := collect(ctx, unkept{r.source}, func(row scanner) (found candidate, err error) {
			found.Record, err = scanRecord(beside{row, &found.certain})
			return found, err
		}, text, slices.Concat(lower.args, args)...)
		if err != nil {
			return err
		}
		for _, one := range candidates {
			if !one.certain {
				env := crm.FilterEnv{Records: r, Ref: one.Ref, Record: &one.Record, Now: query.Now, Zone: query.Zone, Catalog: catalog}
				truth, err := query.Filter.Match(ctx, env)
				if err != nil {
					return err
				}
				one.certain = truth == crm.Yes
			}
			if one.certain && !more(one.Ref) {
				return nil
			}
			after = one.ID
		}
		if len(candidates) < page {
			return nil
		}
	}
}

// beside reads a row that has one column more.
type beside struct {
	scanner
	more any
}

func (b beside) Scan(columns ...any) error { return b.scanner.Scan(append(columns, b.more)...) }
