package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Merge makes one record of two of the same type. Values of keep win, its empty ones are filled from lose, and it gets
// the other's history, associations, lists, events and subscriptions; an opt-out of either holds. lose is deleted for
// good and points to keep, which gets the events that still come for it. Errors: crm.ErrNotFound, crm.ErrDeleted,
// crm.ErrInvalid.
func (tx *Tx) Merge(ctx context.Context, keep, lose crm.Ref, at time.Time, source string) (err error) {
	defer wrap(&err, "merging %s into %s", lose, keep)
	if keep == lose || keep.Object != lose.Object {
		return fmt.Errorf("%w: two records of the same type are merged", crm.ErrInvalid)
	}
	ctx = crm.WithCause(ctx, crm.CauseMerge)
	for _, way := range bothWays(keep, lose) {
		if err := tx.hold(ctx, way.from); err != nil {
			return err
		}
	}
	winner, err := tx.get(ctx, keep)
	if err != nil {
		return fmt.Errorf("%s: %w", keep, err)
	}
	loser, err := tx.get(ctx, lose)
	if err != nil {
		return fmt.Errorf("%s: %w", lose, err)
	}
	others, err := tx.mergeAssociations(ctx, keep, lose, at)
	if err != nil {
		return err
	}
	for _, move := range []func(ctx context.Context, keep, lose crm.Ref, at time.Time) error{tx.mergeLists, tx.mergeSubscriptions, tx.mergeEvents} {
		if err := move(ctx, keep, lose, at); err != nil {
			return err
		}
	}
	if err := tx.hide(ctx, loser, at); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `UPDATE records SET merged_into = $1 WHERE record = $2 OR merged_into = $2`, keep.String(), lose.String()); err != nil {
		return err
	}
	tx.note(ctx, plan.Change{Record: lose.String(), What: plan.ChangeMerged, Detail: keep.String(), At: at})
	return tx.mergeValues(ctx, winner, loser, others, at, source)
}

// mergeValues fills what is empty, and computes anew what is calculated of the winner and of those associated with it.
func (tx *Tx) mergeValues(ctx context.Context, winner, loser crm.Record, others []crm.Ref, at time.Time, source string) error {
	if _, err := tx.exec(ctx, `UPDATE property_versions SET record = $1 WHERE record = $2`, winner.Ref.String(), loser.Ref.String()); err != nil {
		return err
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	filled := map[string]string{}
	for name, text := range loser.Properties {
		property, _ := catalog.Property(loser.Object, name)
		if winner.Properties[name] == "" && property.Calculated.IsZero() {
			filled[name] = text
		}
	}
	if err := tx.reaffirm(ctx, winner, filled, at, source); err != nil {
		return err
	}
	if err := tx.rewrite(ctx, catalog, &winner, filled, at, source, 0); err != nil {
		return err
	}
	for _, other := range others {
		if err := tx.recalculate(ctx, catalog, other, at, source, 0); err != nil {
			return err
		}
	}
	return nil
}

// reaffirm makes the winner's values the newest in its history where the loser's were.
func (tx *Tx) reaffirm(ctx context.Context, winner crm.Record, filled map[string]string, at time.Time, source string) error {
	type version struct{ property, value string }
	versions, err := collect(ctx, tx.source, func(row scanner) (one version, err error) {
		return one, row.Scan(&one.property, &one.value)
	}, `SELECT property, value FROM property_versions WHERE record = $1 ORDER BY at, seq`, winner.Ref.String())
	if err != nil {
		return err
	}
	newest := map[string]string{}
	for _, one := range versions {
		newest[one.property] = one.value
	}
	maps.DeleteFunc(newest, func(name, value string) bool {
		_, follows := filled[name]
		return follows || value == winner.Properties[name]
	})
	for name := range newest {
		newest[name] = winner.Properties[name]
	}
	return tx.addVersions(ctx, versionRows(winner.Ref, newest, at, source))
}

// mergeAssociations gives the winner the loser's associations, and returns with whom it has any.
func (tx *Tx) mergeAssociations(ctx context.Context, keep, lose crm.Ref, at time.Time) ([]crm.Ref, error) {
	type direction struct {
		way
		labels  []string
		primary bool
		created instant
	}
	found, err := collect(ctx, tx.source, func(row scanner) (one direction, err error) {
		return one, row.Scan(reference{&one.from}, reference{&one.to}, document[[]string]{&one.labels}, &one.primary, &one.created)
	}, `SELECT record, other, labels, is_primary, created FROM associations WHERE record = $1 OR other = $1 ORDER BY seq`, lose.String())
	if err != nil {
		return nil, err
	}
	if _, err := tx.exec(ctx, `DELETE FROM associations WHERE record = $1 OR other = $1`, lose.String()); err != nil {
		return nil, err
	}
	for _, one := range found {
		if one.from == keep || one.to == keep {
			continue // the two with each other
		}
		if one.from == lose {
			one.from = keep
			if one.primary, err = tx.lacksPrimary(ctx, keep, one.to.Object, one.primary); err != nil {
				return nil, err
			}
		} else {
			one.to = keep
		}
		for _, label := range append([]string{""}, one.labels...) {
			if err := tx.link(ctx, one.way, label, one.primary, one.created.Time); err != nil {
				return nil, err
			}
		}
		tx.note(ctx, plan.Change{Record: one.from.String(), What: plan.ChangeAssociation, Name: one.to.Object, Detail: one.to.String(), At: at})
	}
	return collect(ctx, tx.source, func(row scanner) (ref crm.Ref, err error) {
		return ref, row.Scan(reference{&ref})
	}, `SELECT other FROM associations WHERE record = $1 ORDER BY other`, keep.String())
}

// lacksPrimary tells whether a record that is to have a primary one of a type has none yet.
func (tx *Tx) lacksPrimary(ctx context.Context, ref crm.Ref, object string, wanted bool) (bool, error) {
	if !wanted {
		return false, nil
	}
	has, err := tx.exists(ctx, `SELECT 1 FROM associations WHERE record = $1 AND other_object = $2 AND is_primary = $3`, ref.String(), object, true)
	return !has, err
}

// mergeLists puts the winner on the loser's lists.
func (tx *Tx) mergeLists(ctx context.Context, keep, lose crm.Ref, at time.Time) error {
	lists, err := collect(ctx, tx.source, func(row scanner) (list string, err error) {
		return list, row.Scan(&list)
	}, `SELECT list FROM list_members WHERE record = $1 ORDER BY list`, lose.String())
	if err != nil {
		return err
	}
	for _, list := range lists {
		if _, err := tx.AddToList(ctx, list, keep, at); err != nil {
			return err
		}
		if _, err := tx.RemoveFromList(ctx, list, lose); err != nil {
			return err
		}
	}
	return nil
}

// mergeSubscriptions gives the winner the loser's subscriptions where it has none, and its opt-outs.
func (tx *Tx) mergeSubscriptions(ctx context.Context, keep, lose crm.Ref, at time.Time) error {
	type subscription struct{ name, state string }
	found, err := collect(ctx, tx.source, func(row scanner) (one subscription, err error) {
		return one, row.Scan(&one.name, &one.state)
	}, `SELECT subscription, state FROM subscriptions WHERE record = $1 ORDER BY subscription`, lose.String())
	if err != nil {
		return err
	}
	for _, one := range found {
		state, err := tx.Subscription(ctx, keep, one.name)
		if err != nil {
			return err
		}
		if state == "" && one.state != "" || one.state == "opted_out" {
			if err := tx.SetSubscription(ctx, keep, one.name, one.state, at); err != nil {
				return err
			}
		}
	}
	_, err = tx.exec(ctx, `DELETE FROM subscriptions WHERE record = $1`, lose.String())
	return err
}

// mergeEvents gives the winner the loser's events. What both were told, as that a task was completed, it has already.
func (tx *Tx) mergeEvents(ctx context.Context, keep, lose crm.Ref, _ time.Time) error {
	_, err := tx.exec(ctx, `UPDATE events SET record = $1 WHERE record = $2 AND event_id NOT IN (SELECT event_id FROM events WHERE record = $1)`,
		keep.String(), lose.String())
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `DELETE FROM events WHERE record = $1`, lose.String())
	return err
}

// Resolve returns the record that another was merged into, or the record itself. It need not exist.
func (r reader) Resolve(ctx context.Context, ref crm.Ref) (_ crm.Ref, err error) {
	defer wrap(&err, "resolving %s", ref)
	var into sql.NullString
	err = r.row(ctx, `SELECT merged_into FROM records WHERE record = $1`+r.source.holding(), ref.String()).Scan(&into)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !into.Valid {
		return ref, nil
	}
	if err != nil {
		return crm.Ref{}, err
	}
	winner, err := crm.ParseRef(into.String)
	if err != nil {
		return crm.Ref{}, err
	}
	return winner, r.hold(ctx, winner)
}

// Purge removes for good up to limit records that were deleted before an instant, with their history, events,
// associations and places on lists, and returns which. What workflows did with them stays in the journal.
func (tx *Tx) Purge(ctx context.Context, before time.Time, limit int) (purged []crm.Ref, err error) {
	defer wrap(&err, "purging deleted records")
	purged, err = collect(ctx, tx.source, func(row scanner) (ref crm.Ref, err error) {
		return ref, row.Scan(reference{&ref})
	}, `SELECT record FROM records WHERE deleted < $1 ORDER BY deleted, record LIMIT $2`+tx.source.holding(), instant{before}, atMost(limit))
	if err != nil {
		return nil, err
	}
	for _, ref := range purged {
		for _, statement := range slices.Concat(ofRecord, []string{
			`UPDATE records SET merged_into = NULL WHERE merged_into = $1`, `DELETE FROM records WHERE record = $1`,
		}) {
			if _, err := tx.exec(ctx, statement, ref.String()); err != nil {
				return nil, fmt.Errorf("%s: %w", ref, err)
			}
		}
	}
	return purged, nil
}

// ofRecord removes what is known of a record.
var ofRecord = []string{
	`DELETE FROM property_versions WHERE record = $1`,
	`DELETE FROM unique_values WHERE record = $1`,
	`DELETE FROM associations WHERE record = $1 OR other = $1`,
	`DELETE FROM list_members WHERE record = $1`,
	`DELETE FROM subscriptions WHERE record = $1`,
	`DELETE FROM events WHERE record = $1`,
	`DELETE FROM matches WHERE record = $1`,
	`DELETE FROM scheduled_changes WHERE record = $1`,
}

// Merge is Tx.Merge in a transaction of its own.
func (s *Store) Merge(ctx context.Context, keep, lose crm.Ref, at time.Time, source string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Merge(ctx, keep, lose, at, source) })
}

// Purge is Tx.Purge in a transaction of its own.
func (s *Store) Purge(ctx context.Context, before time.Time, limit int) (purged []crm.Ref, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { purged, err = tx.Purge(ctx, before, limit); return err })
	return purged, err
}
