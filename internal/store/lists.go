package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// List is a list and how many records are on it.
type List struct {
	Name   string `json:"list"`
	Active bool   `json:"active"` // its filter says who is on it
	Size   int    `json:"size"`
}

// Lists returns the lists by name. Who is on an active one is worked out, for the present and the days of a zone.
func (r reader) Lists(ctx context.Context, now time.Time, zone *time.Location) (lists []List, err error) {
	defer wrap(&err, "reading the lists")
	catalog, err := r.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	static, err := collect(ctx, r.source, func(row scanner) (list List, err error) {
		return list, row.Scan(&list.Name, &list.Size)
	}, `SELECT list, (SELECT COUNT(*) FROM list_members m WHERE m.list = l.list) FROM lists l`)
	if err != nil {
		return nil, err
	}
	for _, list := range static {
		if _, active := catalog.ActiveList(list.Name); !active {
			lists = append(lists, list)
		}
	}
	for _, active := range catalog.ActiveLists() {
		size, err := r.CountMatching(ctx, Query{active.Object, active.Filter, now, zone})
		if err != nil {
			return nil, err
		}
		lists = append(lists, List{active.Name, true, size})
	}
	slices.SortFunc(lists, func(a, b List) int { return strings.Compare(a.Name, b.Name) })
	return lists, nil
}

// Members returns up to limit records (0 = all) of a list: those that an active one has at present, in the order of
// List, or those that were put on a static one, in the order of ListMembers. Errors: crm.ErrNotFound.
func (r reader) Members(ctx context.Context, list string, now time.Time, zone *time.Location, limit int) (refs []crm.Ref, err error) {
	defer wrap(&err, "reading list %s", list)
	catalog, err := r.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	if active, is := catalog.ActiveList(list); is {
		return r.Matching(ctx, Query{active.Object, active.Filter, now, zone}, "", limit)
	}
	found, err := r.exists(ctx, `SELECT 1 FROM lists WHERE list = $1`, list)
	if err == nil && !found {
		err = crm.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return r.ListMembers(ctx, list, "", limit)
}

// ListMembers returns up to limit records (0 = all) of a static list that come after `after` ("" is before all), in
// the order of their references.
func (r reader) ListMembers(ctx context.Context, list, after string, limit int) (refs []crm.Ref, err error) {
	defer wrap(&err, "reading list %s", list)
	return collect(ctx, r.source, func(row scanner) (ref crm.Ref, err error) {
		return ref, row.Scan(reference{&ref})
	}, `SELECT record FROM list_members WHERE list = $1 AND record > $2 ORDER BY record LIMIT $3`, list, after, atMost(limit))
}

// InList tells whether a record is on a static list.
func (r reader) InList(ctx context.Context, ref crm.Ref, list string) (found bool, err error) {
	defer wrap(&err, "looking for %s on list %s", ref, list)
	return r.exists(ctx, `SELECT 1 FROM list_members WHERE list = $1 AND record = $2`, list, ref.String())
}

// AddToList puts a record on a static list, which needs no declaration, and tells whether it was not there
// yet. Errors: crm.ErrNotFound, crm.ErrDeleted, crm.ErrInvalid for an active list.
func (tx *Tx) AddToList(ctx context.Context, list string, ref crm.Ref, at time.Time) (added bool, err error) {
	defer wrap(&err, "adding %s to list %s", ref, list)
	if err := checkNames(list); err != nil {
		return false, err
	}
	if err := tx.checkStatic(ctx, list); err != nil {
		return false, err
	}
	if _, err := tx.get(ctx, ref); err != nil {
		return false, err
	}
	if err := tx.declareList(ctx, list); err != nil {
		return false, err
	}
	rows, err := tx.exec(ctx, `INSERT INTO list_members (list, record, added) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		list, ref.String(), instant{at})
	if rows > 0 {
		tx.note(ctx, plan.Change{Record: ref.String(), What: plan.ChangeList, Name: list, At: at})
	}
	return rows > 0, err
}

// checkStatic refuses a list whose members nobody can choose.
func (tx *Tx) checkStatic(ctx context.Context, list string) error {
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	if _, active := catalog.ActiveList(list); active {
		return fmt.Errorf("%w: the list %s has a filter, which alone says who is on it", crm.ErrInvalid, list)
	}
	return nil
}

func (tx *Tx) declareList(ctx context.Context, list string) error {
	_, err := tx.exec(ctx, `INSERT INTO lists (list) VALUES ($1) ON CONFLICT DO NOTHING`, list)
	return err
}

// RemoveFromList takes a record off a static list and tells whether it was on it. Errors: crm.ErrInvalid for an active
// list.
func (tx *Tx) RemoveFromList(ctx context.Context, list string, ref crm.Ref) (removed bool, err error) {
	defer wrap(&err, "removing %s from list %s", ref, list)
	if err := tx.checkStatic(ctx, list); err != nil {
		return false, err
	}
	rows, err := tx.exec(ctx, `DELETE FROM list_members WHERE list = $1 AND record = $2`, list, ref.String())
	if rows > 0 {
		tx.note(ctx, plan.Change{Record: ref.String(), What: plan.ChangeList, Name: list})
	}
	return rows > 0, err
}

// AddToList is Tx.AddToList in a transaction of its own.
func (s *Store) AddToList(ctx context.Context, list string, ref crm.Ref, at time.Time) (added bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { added, err = tx.AddToList(ctx, list, ref, at); return err })
	return added, err
}

// RemoveFromList is Tx.RemoveFromList in a transaction of its own.
func (s *Store) RemoveFromList(ctx context.Context, list string, ref crm.Ref) (removed bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { removed, err = tx.RemoveFromList(ctx, list, ref); return err })
	return removed, err
}
