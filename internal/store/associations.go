package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Associated returns the associations of ref to records of an object type that are not deleted, the primary
// one first, then oldest first.
func (r reader) Associated(ctx context.Context, ref crm.Ref, object string) (associations []crm.Association, err error) {
	defer wrap(&err, "reading the %s associations of %s", object, ref)
	return collect(ctx, r.source, func(row scanner) (association crm.Association, err error) {
		var created instant
		err = row.Scan(reference{&association.Ref}, document[[]string]{&association.Labels}, &association.Primary, &created)
		association.Created = created.Time
		return association, err
	}, `SELECT a.other, a.labels, a.is_primary, a.created FROM associations a JOIN records o ON o.record = a.other
		WHERE a.record = $1 AND a.other_object = $2 AND o.deleted IS NULL ORDER BY a.is_primary DESC, a.created, a.seq`,
		ref.String(), object)
}

// Associate links two records in both directions and adds label to the link when it is not empty. primary
// makes `to` the primary record of its type for `from`, in the place of any other (semantics §1.3); false
// leaves that as it is. Errors: crm.ErrNotFound, crm.ErrDeleted, crm.ErrInvalid for a record with itself and for too
// many labels.
func (tx *Tx) Associate(ctx context.Context, from, to crm.Ref, label string, primary bool, at time.Time) (err error) {
	defer wrap(&err, "associating %s with %s", from, to)
	if err := checkNames(label); err != nil {
		return err
	}
	if from == to {
		return fmt.Errorf("%w: a record is not associated with itself", crm.ErrInvalid)
	}
	ways := bothWays(from, to)
	for _, way := range ways {
		if _, err := tx.get(ctx, way.from); err != nil {
			return fmt.Errorf("%s: %w", way.from, err)
		}
	}
	if primary {
		_, err := tx.exec(ctx, `UPDATE associations SET is_primary = $1 WHERE record = $2 AND other_object = $3`, false, from.String(), to.Object)
		if err != nil {
			return err
		}
	}
	for _, way := range ways {
		if err := tx.link(ctx, way, label, primary && way.from == from, at); err != nil {
			return err
		}
		tx.note(ctx, plan.Change{Record: way.from.String(), What: plan.ChangeAssociation, Name: way.to.Object, Detail: way.to.String(), At: at})
	}
	return tx.recalculateWays(ctx, ways, at)
}

// maxLabels is how many labels an association has at the most (semantics §1.3).
const maxLabels = 50

// way is one direction of an association.
type way struct{ from, to crm.Ref }

// bothWays are the directions of an association, in the order in which everybody takes hold of their records.
func bothWays(a, b crm.Ref) [2]way {
	if b.String() < a.String() {
		a, b = b, a
	}
	return [2]way{{a, b}, {b, a}}
}

// link writes one direction of an association.
func (tx *Tx) link(ctx context.Context, w way, label string, primary bool, at time.Time) error {
	labels, err := tx.labels(ctx, w)
	if err != nil {
		return err
	}
	if label != "" && !slices.Contains(labels, label) {
		labels = append(labels, label)
	}
	if len(labels) > maxLabels {
		return fmt.Errorf("%w: an association has at most %d labels", crm.ErrInvalid, maxLabels)
	}
	text, err := encode(labels)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO associations (record, other, other_object, labels, is_primary, created) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (record, other) DO UPDATE SET labels = excluded.labels, is_primary = associations.is_primary OR excluded.is_primary`,
		w.from.String(), w.to.String(), w.to.Object, text, primary, instant{at})
	return err
}

// labels are those of one direction; without an association there are none.
func (tx *Tx) labels(ctx context.Context, w way) ([]string, error) {
	labels := []string{}
	err := tx.row(ctx, `SELECT labels FROM associations WHERE record = $1 AND other = $2`, w.from.String(), w.to.String()).
		Scan(document[[]string]{&labels})
	if errors.Is(err, sql.ErrNoRows) {
		return labels, nil
	}
	return labels, err
}

// Dissociate takes label off the link between two records, in both directions; an empty label removes the
// link itself. What is not there stays so.
func (tx *Tx) Dissociate(ctx context.Context, from, to crm.Ref, label string) (err error) {
	defer wrap(&err, "removing the association of %s with %s", from, to)
	ways := bothWays(from, to)
	for _, way := range ways {
		if err := tx.hold(ctx, way.from); err != nil {
			return err
		}
	}
	for _, way := range ways {
		if err := tx.unlink(ctx, way, label); err != nil {
			return err
		}
		tx.note(ctx, plan.Change{Record: way.from.String(), What: plan.ChangeAssociation, Name: way.to.Object, Detail: way.to.String()})
	}
	return tx.recalculateWays(ctx, ways, time.Time{})
}

// unlink takes label or everything off one direction of an association.
func (tx *Tx) unlink(ctx context.Context, w way, label string) error {
	if label == "" {
		_, err := tx.exec(ctx, `DELETE FROM associations WHERE record = $1 AND other = $2`, w.from.String(), w.to.String())
		return err
	}
	labels, err := tx.labels(ctx, w)
	if err != nil {
		return err
	}
	text, err := encode(slices.DeleteFunc(labels, func(l string) bool { return l == label }))
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE associations SET labels = $1 WHERE record = $2 AND other = $3`, text, w.from.String(), w.to.String())
	return err
}

// Associate is Tx.Associate in a transaction of its own.
func (s *Store) Associate(ctx context.Context, from, to crm.Ref, label string, primary bool, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Associate(ctx, from, to, label, primary, at) })
}

// Dissociate is Tx.Dissociate in a transaction of its own.
func (s *Store) Dissociate(ctx context.Context, from, to crm.Ref, label string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Dissociate(ctx, from, to, label) })
}
