package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/plan"
)

// The queue before the first action of a workflow with a rate.
//
// Who comes is given the next number, and an instant at which its turn is expected; nobody asks for it before, so a
// million who wait cost a row each and nothing else. Whether it may enter is decided when it asks, by the entries that
// there were: of any Limit + 1 that follow each other, the first and the last are Per apart. Who asks is let in when
// that holds even if those who wait before it enter first, and is given another instant when it does not.

// absent is how late somebody may be who is still waited for. Who is later, since an operator holds it or its Temporal
// workflow is gone, lets the others pass, and enters whenever it comes.
const absent = time.Minute

// Place returns the place of an enrollment that waits in the queue before the first action, and how many wait before it.
func (r reader) Place(ctx context.Context, enrollment string) (place plan.Place, ahead int, found bool, err error) {
	defer wrap(&err, "looking for the place of %s", enrollment)
	var workflow string
	var number int64
	var due instant
	err = r.row(ctx, `SELECT workflow, number, due FROM places WHERE enrollment = $1 AND entry IS NULL`, enrollment).Scan(&workflow, &number, &due)
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Place{}, 0, false, nil
	}
	if err != nil {
		return plan.Place{}, 0, false, err
	}
	err = r.row(ctx, `SELECT COUNT(*) FROM places WHERE workflow = $1 AND number < $2 AND entry IS NULL`, workflow, number).Scan(&ahead)
	return plan.Place{Due: due.Time}, ahead, true, err
}

// Queue lets an enrollment enter when it is its turn, and else gives it a place, or keeps it at the one it has.
func (tx *Tx) Queue(ctx context.Context, who plan.Queueing) (place plan.Place, err error) {
	defer wrap(&err, "queueing %s", who.Enrollment)
	if err := tx.claim(ctx, "places of "+who.Workflow); err != nil {
		return plan.Place{}, err
	}
	number, due, paced, err := tx.takePlace(ctx, who)
	if err != nil || number == 0 {
		return plan.Place{Entered: number == 0}, err
	}
	if paced && due.After(who.Now) && !who.Force {
		return plan.Place{Due: due}, nil
	}
	entries, err := tx.entries(ctx, who.Workflow)
	if err != nil {
		return plan.Place{}, err
	}
	if !paced {
		if err := tx.repace(ctx, who, entries); err != nil {
			return plan.Place{}, err
		}
	}
	turn, err := tx.turn(ctx, who, number, entries)
	if err != nil {
		return plan.Place{}, err
	}
	if who.Force || who.Open && !turn.After(who.Now) {
		return plan.Place{Entered: true}, tx.enter(ctx, who, number, entries+1)
	}
	_, err = tx.exec(ctx, `UPDATE places SET due = $1 WHERE workflow = $2 AND number = $3`, instant{turn}, who.Workflow, number)
	return plan.Place{Due: turn}, err
}

// takePlace returns the number and the instant of who waits, new ones for who comes; 0 for who need not wait. paced is
// false when the rate is another one than the instant was computed by.
func (tx *Tx) takePlace(ctx context.Context, who plan.Queueing) (number int64, due time.Time, paced bool, err error) {
	var at, entered instant
	var by string
	err = tx.row(ctx, `SELECT number, due, pace, entered FROM places WHERE enrollment = $1`, who.Enrollment).Scan(&number, &at, &by, &entered)
	switch {
	case err == nil && !entered.IsZero(), errors.Is(err, sql.ErrNoRows) && who.Begun:
		return 0, time.Time{}, true, nil
	case !errors.Is(err, sql.ErrNoRows):
		return number, at.Time, by == pace(who), err
	}
	if err := checkNames(who.Workflow, who.Enrollment); err != nil {
		return 0, time.Time{}, true, err
	}
	err = tx.row(ctx, `INSERT INTO places (workflow, number, enrollment, pace, due)
		VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM places WHERE workflow = $1), $2, $3, $4) RETURNING number`,
		who.Workflow, who.Enrollment, pace(who), instant{who.Now}).Scan(&number)
	return number, who.Now, true, err
}

func pace(who plan.Queueing) string { return fmt.Sprintf("%d in %s", who.Limit, who.Per) }

// repace gives everybody who waits another instant, since the rate has changed.
func (tx *Tx) repace(ctx context.Context, who plan.Queueing, entries int64) error {
	first, err := tx.measured(ctx, who, entries+1)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE places SET pace = $1, due = $2 + (line.ahead / $3) * $4
		FROM (SELECT number, ROW_NUMBER() OVER (ORDER BY number) - 1 AS ahead FROM places WHERE workflow = $5 AND entry IS NULL) AS line
		WHERE places.workflow = $5 AND places.number = line.number AND places.entry IS NULL`,
		pace(who), instant{first}, int64(who.Limit), who.Per.Microseconds(), who.Workflow)
	return err
}

// entries is the number of the last entry.
func (tx *Tx) entries(ctx context.Context, workflow string) (last int64, err error) {
	return last, tx.row(ctx, `SELECT COALESCE(MAX(entry), 0) FROM places WHERE workflow = $1 AND entry IS NOT NULL`, workflow).Scan(&last)
}

// turn is when who waits under a number may enter, if those before it do so as soon as they may.
func (tx *Tx) turn(ctx context.Context, who plan.Queueing, number, entries int64) (time.Time, error) {
	limit := int64(who.Limit)
	var ahead, far int64
	err := tx.row(ctx, `SELECT COUNT(*), COALESCE(MIN(number), 0) FROM (
			SELECT number FROM places WHERE workflow = $1 AND number < $2 AND entry IS NULL AND due > $3 ORDER BY number DESC LIMIT $4
		) AS before`, who.Workflow, number, instant{who.Now.Add(-absent)}, limit).Scan(&ahead, &far)
	if err != nil {
		return time.Time{}, err
	}
	turn, err := tx.measured(ctx, who, entries+1+ahead%limit)
	if err != nil {
		return time.Time{}, err
	}
	if ahead < limit {
		return turn, nil
	}
	var due instant
	err = tx.row(ctx, `SELECT due FROM places WHERE workflow = $1 AND number = $2`, who.Workflow, far).Scan(&due)
	return later(turn, due.Time).Add(who.Per), err
}

// measured is when an entry may be, by the one that came Limit before it.
func (tx *Tx) measured(ctx context.Context, who plan.Queueing, entry int64) (time.Time, error) {
	var before instant // none, when the limit was lower then: that entry is so long ago that it was removed
	err := tx.row(ctx, `SELECT entered FROM places WHERE workflow = $1 AND entry = $2`, who.Workflow, entry-int64(who.Limit)).Scan(&before)
	if errors.Is(err, sql.ErrNoRows) {
		return who.Now, nil
	}
	return later(who.Now, before.Add(who.Per)), err
}

// enter writes an entry down, and removes those that no later one is measured by.
func (tx *Tx) enter(ctx context.Context, who plan.Queueing, number, entry int64) error {
	if _, err := tx.exec(ctx, `UPDATE places SET entered = $1, entry = $2 WHERE workflow = $3 AND number = $4`,
		instant{who.Now}, entry, who.Workflow, number); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `DELETE FROM places WHERE workflow = $1 AND entry <= $2`, who.Workflow, entry-int64(who.Limit))
	return err
}

// leaveQueue gives the place of an enrollment up that has not entered.
func (tx *Tx) leaveQueue(ctx context.Context, enrollment string) error {
	_, err := tx.exec(ctx, `DELETE FROM places WHERE enrollment = $1 AND entry IS NULL`, enrollment)
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
