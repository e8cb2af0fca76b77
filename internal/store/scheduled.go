package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// scheduledAtOnce is how many changes are looked up at once.
const scheduledAtOnce = 200

const scheduledColumns = `record, property, value, noted, effective, source`

func scanScheduled(row scanner) (change crm.Scheduled, err error) {
	var noted, effective instant
	err = row.Scan(reference{&change.Ref}, &change.Property, &change.Value, &noted, &effective, &change.Source)
	change.Noted, change.Effective = noted.Time, effective.Time
	return change, err
}

// Scheduled returns the change of a property that is to come, if there is one that no later change has made void.
func (r reader) Scheduled(ctx context.Context, ref crm.Ref, property string) (change crm.Scheduled, found bool, err error) {
	defer wrap(&err, "reading what is to become of %s of %s", property, ref)
	change, err = scanScheduled(r.row(ctx, `SELECT `+scheduledColumns+` FROM scheduled_changes c WHERE record = $1 AND property = $2
		AND NOT EXISTS (SELECT 1 FROM property_versions v WHERE v.record = c.record AND v.property = c.property AND v.at > c.noted)`, ref.String(), property))
	if errors.Is(err, sql.ErrNoRows) {
		return crm.Scheduled{}, false, nil
	}
	return change, err == nil, err
}

// Schedule writes down a change that takes effect later, in the place of one of the same property. Errors:
// crm.ErrNotFound, crm.ErrDeleted, crm.ErrInvalid.
func (tx *Tx) Schedule(ctx context.Context, change crm.Scheduled) (err error) {
	defer wrap(&err, "scheduling a change of %s of %s", change.Property, change.Ref)
	if _, err := tx.get(ctx, change.Ref); err != nil {
		return err
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	values, err := canonical(catalog, change.Ref.Object, map[string]string{change.Property: change.Value}, true)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO scheduled_changes (`+scheduledColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (record, property) DO UPDATE
		SET value = excluded.value, noted = excluded.noted, effective = excluded.effective, source = excluded.source`,
		change.Ref.String(), change.Property, values[change.Property], instant{change.Noted}, instant{change.Effective}, legible(change.Source))
	return err
}

// Unschedule forgets the change of a property that is to come, and tells whether there was one.
func (tx *Tx) Unschedule(ctx context.Context, ref crm.Ref, property string) (found bool, err error) {
	defer wrap(&err, "unscheduling the change of %s of %s", property, ref)
	rows, err := tx.exec(ctx, `DELETE FROM scheduled_changes WHERE record = $1 AND property = $2`, ref.String(), property)
	return rows > 0, err
}

// TakeEffect makes the changes whose time has come and returns how many were made. Each is made once and stands in the
// history of its property at its own instant, however late it is made; one whose property was changed after it was
// noted is dropped, and that of a deleted record waits for the record. What fails is left for the next time, and keeps
// nothing else from being made.
func (s *Store) TakeEffect(ctx context.Context, now time.Time) (made int, err error) {
	for after := (crm.Scheduled{Effective: time.Unix(0, 0)}); ; {
		due, found := s.dueChanges(ctx, now, after)
		if found != nil || len(due) == 0 {
			return made, errors.Join(err, found)
		}
		for _, change := range due {
			applied, failed := s.takeEffect(ctx, change)
			if applied {
				made++
			}
			err = errors.Join(err, failed)
		}
		after = due[len(due)-1]
	}
}

func (s *Store) dueChanges(ctx context.Context, now time.Time, after crm.Scheduled) (due []crm.Scheduled, err error) {
	defer wrap(&err, "reading which changes take effect")
	return collect(ctx, s.source, scanScheduled, `SELECT c.record, c.property, c.value, c.noted, c.effective, c.source
		FROM scheduled_changes c JOIN records r ON r.record = c.record AND r.deleted IS NULL
		WHERE c.effective <= $1 AND (c.effective, c.record, c.property) > ($2, $3, $4)
		ORDER BY c.effective, c.record, c.property LIMIT $5`,
		instant{now}, instant{after.Effective}, after.Ref.String(), after.Property, scheduledAtOnce)
}

func (s *Store) takeEffect(ctx context.Context, change crm.Scheduled) (made bool, err error) {
	defer wrap(&err, "changing %s of %s, as was scheduled", change.Property, change.Ref)
	err = s.Tx(ctx, func(tx *Tx) error {
		made = false
		if _, err := tx.get(ctx, change.Ref); err != nil { // and hold it
			return err
		}
		standing, found, err := tx.Scheduled(ctx, change.Ref, change.Property)
		if err != nil || found && !standing.Effective.Equal(change.Effective) {
			return err // it was put off meanwhile
		}
		if there, err := tx.Unschedule(ctx, change.Ref, change.Property); err != nil || !there || !found {
			return err
		}
		made = true
		return tx.Update(ctx, change.Ref, map[string]string{change.Property: standing.Value}, standing.Effective, standing.Source)
	})
	if errors.Is(err, crm.ErrDeleted) || errors.Is(err, crm.ErrNotFound) {
		return false, nil
	}
	return made && err == nil, err
}

// Schedule is Tx.Schedule in a transaction of its own.
func (s *Store) Schedule(ctx context.Context, change crm.Scheduled) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Schedule(ctx, change) })
}

// Unschedule is Tx.Unschedule in a transaction of its own.
func (s *Store) Unschedule(ctx context.Context, ref crm.Ref, property string) (found bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { found, err = tx.Unschedule(ctx, ref, property); return err })
	return found, err
}
