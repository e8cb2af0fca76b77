package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// Query asks for the records of an object type that a filter matches.
type Query struct {
	Object string
	Filter crm.Filter     // the zero one matches every record
	Now    time.Time      // of `within` and its like
	Zone   *time.Location // in which days begin; nil = UTC
}

// page is how many records are read at once.
const page = 1000

// Matching returns up to limit records (0 = all) whose answer is yes and whose id comes after `after` ("" is before
// all), in the order of List. Deleted records never match.
func (r reader) Matching(ctx context.Context, query Query, after string, limit int) (refs []crm.Ref, err error) {
	defer wrap(&err, "looking for records of %s", query.Object)
	err = r.matching(ctx, query, after, func(ref crm.Ref) bool {
		refs = append(refs, ref)
		return len(refs) < atMost(limit)
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
	err = r.matching(ctx, query, "", func(crm.Ref) bool { count++; return true })
	return count, err
}

// matching shows records that match, until enough says false.
func (r reader) matching(ctx context.Context, query Query, after string, enough func(crm.Ref) bool) error {
	catalog, err := r.Catalog(ctx)
	if err != nil {
		return err
	}
	for {
		records, err := r.List(ctx, query.Object, after, page)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, record := range records {
			env := crm.FilterEnv{Records: r, Ref: record.Ref, Record: &record, Now: query.Now, Zone: query.Zone, Catalog: catalog}
			truth, err := query.Filter.Match(ctx, env)
			if err != nil {
				return err
			}
			if truth == crm.Yes && !enough(record.Ref) {
				return nil
			}
			after = record.ID
		}
	}
}
