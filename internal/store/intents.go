package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Decision is what follows from some changes.
type Decision struct {
	Catalog   *crm.Catalog // by which it was decided; nil = any
	Changes   []int64      // their numbers
	Matches   []plan.Match // what filters say now
	Gone      []string     // records that no filter is asked about any longer
	Intents   []plan.Intent
	Converted []Conversion
}

// Conversion is a record that met the goal of a workflow after it had gone through it.
type Conversion struct {
	Enrollment string
	At         time.Time
}

// router is what those who decide claim: they take turns.
const router = "router"

// Decide takes changes out of their queue and writes what follows from them, all of it or nothing. It tells whether it
// did: where somebody else has taken one of the changes, or lists are others now, nothing is written.
func (s *Store) Decide(ctx context.Context, decision Decision) (decided bool, err error) {
	defer wrap(&err, "writing what follows from changes")
	taken := errors.New("somebody else has decided")
	err = s.Tx(ctx, func(tx *Tx) error {
		if err := tx.claim(ctx, router); err != nil {
			return err
		}
		if catalog, err := tx.Catalog(ctx); err != nil {
			return err
		} else if decision.Catalog != nil && decision.Catalog != catalog {
			return taken
		}
		if all, err := tx.takeChanges(ctx, decision.Changes); err != nil {
			return err
		} else if !all {
			return taken
		}
		for _, match := range decision.Matches {
			if err := tx.setMatch(ctx, match); err != nil {
				return err
			}
		}
		for _, record := range decision.Gone {
			if _, err := tx.exec(ctx, `DELETE FROM matches WHERE record = $1`, record); err != nil {
				return err
			}
		}
		for _, conversion := range decision.Converted {
			if _, err := tx.exec(ctx, `UPDATE enrollments SET converted = $1 WHERE id = $2 AND converted IS NULL`, instant{conversion.At}, conversion.Enrollment); err != nil {
				return err
			}
		}
		for _, intent := range decision.Intents {
			if _, err := tx.AddIntent(ctx, intent); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, taken) {
		return false, nil
	}
	return err == nil, err
}

const intentColumns = `act, workflow, record, trigger_name, way, enrollment, event, reason, detail, depth, bulk, job, at, tries, error`

func scanIntent(row scanner) (intent plan.Intent, err error) {
	var at instant
	err = row.Scan(&intent.Seq, &intent.Act, &intent.Workflow, &intent.Record, &intent.Trigger, &intent.Way, &intent.Enrollment,
		document[*plan.Event]{&intent.Event}, &intent.Reason, &intent.Detail, &intent.Depth, &intent.Bulk, &intent.Job, &at, &intent.Tries, &intent.Error)
	intent.At = at.Time
	return intent, err
}

// AddIntent writes down what is to be done at Temporal and tells whether it is new: a record is enrolled once by one
// trigger.
func (tx *Tx) AddIntent(ctx context.Context, intent plan.Intent) (added bool, err error) {
	defer wrap(&err, "deciding to %s %s in %s", intent.Act, intent.Record, intent.Workflow)
	if err := checkNames(intent.Workflow, intent.Record, intent.Trigger); err != nil {
		return false, err
	}
	event := ""
	if intent.Event != nil {
		if event, err = encode(intent.Event); err != nil {
			return false, err
		}
	}
	rows, err := tx.exec(ctx, `INSERT INTO intents (`+intentColumns+`, due) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, '', 0)
		ON CONFLICT DO NOTHING`,
		intent.Act, intent.Workflow, intent.Record, intent.Trigger, intent.Way, intent.Enrollment, event,
		intent.Reason, legible(intent.Detail), intent.Depth, intent.Bulk, intent.Job, instant{intent.At})
	tx.decided = tx.decided || rows > 0
	return rows > 0, err
}

// Vouch writes down an enrollment that somebody else carries out than the router, so that it is believed.
func (tx *Tx) Vouch(ctx context.Context, intent plan.Intent) (err error) {
	if _, err := tx.AddIntent(ctx, intent); err != nil {
		return err
	}
	defer wrap(&err, "vouching for %s in %s", intent.Record, intent.Workflow)
	_, err = tx.exec(ctx, `UPDATE intents SET done = $1 WHERE workflow = $2 AND record = $3 AND trigger_name = $4 AND act = $5`,
		instant{intent.At}, intent.Workflow, intent.Record, intent.Trigger, intent.Act)
	return err
}

// Intents returns the first things, at most so many, that are decided, not done and due, and not one of many: those are
// returned by Many.
func (r reader) Intents(ctx context.Context, now time.Time, limit int) (intents []plan.Intent, err error) {
	defer wrap(&err, "reading what is to be done")
	return collect(ctx, r.source, scanIntent, `SELECT seq, `+intentColumns+` FROM intents
		WHERE bulk = FALSE AND job = 0 AND done IS NULL AND due <= $1 ORDER BY seq LIMIT $2`,
		now.UnixMicro(), limit)
}

// Intent returns what enrolls a record by a trigger, done or not.
func (r reader) Intent(ctx context.Context, workflow, record, trigger string) (intent plan.Intent, found bool, err error) {
	defer wrap(&err, "reading what enrolls %s in %s", record, workflow)
	intent, err = scanIntent(r.row(ctx, `SELECT seq, `+intentColumns+` FROM intents
		WHERE workflow = $1 AND record = $2 AND trigger_name = $3 AND act = '`+plan.ActEnroll+`'`, workflow, record, trigger))
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Intent{}, false, nil
	}
	return intent, err == nil, err
}

// Coming returns the first intent that enrolls a record in a workflow and is not done.
func (r reader) Coming(ctx context.Context, workflow, record string) (intent plan.Intent, found bool, err error) {
	defer wrap(&err, "reading whether %s comes into %s", record, workflow)
	intent, err = scanIntent(r.row(ctx, `SELECT seq, `+intentColumns+` FROM intents
		WHERE workflow = $1 AND record = $2 AND act = '`+plan.ActEnroll+`' AND done IS NULL ORDER BY seq LIMIT 1`, workflow, record))
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Intent{}, false, nil
	}
	return intent, err == nil, err
}

// Undone counts what is decided and not done, and what has failed so far.
func (r reader) Undone(ctx context.Context) (undone, failing int, lastError string, err error) {
	defer wrap(&err, "counting what is to be done")
	if err = r.row(ctx, `SELECT COUNT(*), COUNT(CASE WHEN tries > 0 THEN 1 END) FROM intents WHERE done IS NULL`).Scan(&undone, &failing); err != nil || failing == 0 {
		return undone, failing, "", err
	}
	err = r.row(ctx, `SELECT error FROM intents WHERE done IS NULL AND tries > 0 ORDER BY seq LIMIT 1`).Scan(&lastError)
	return undone, failing, lastError, err
}

// Done is what came of an intent.
type Done struct {
	Intent  plan.Intent
	Refused string // why it is not to be done at all
	Error   error  // why it is to be tried again; nil = it is done, or there is nothing to do any more
	Again   time.Time
}

// Finish writes down what came of intents: those that enroll are kept, others go, and what failed is due again.
func (s *Store) Finish(ctx context.Context, done []Done, now time.Time) (err error) {
	defer wrap(&err, "writing what was done")
	return s.Tx(ctx, func(tx *Tx) error {
		begun, refused := map[int64]int{}, map[int64]int{}
		for _, one := range done {
			var err error
			var rows int64
			switch {
			case one.Error != nil:
				_, err = tx.exec(ctx, `UPDATE intents SET tries = tries + 1, error = $1, due = $2 WHERE seq = $3`, legible(one.Error.Error()), instant{one.Again}, one.Intent.Seq)
			case one.Intent.Act == plan.ActEnroll:
				rows, err = tx.exec(ctx, `UPDATE intents SET done = $1, error = $2 WHERE seq = $3 AND done IS NULL`, instant{now}, legible(one.Refused), one.Intent.Seq)
			default:
				_, err = tx.exec(ctx, `DELETE FROM intents WHERE seq = $1`, one.Intent.Seq)
			}
			if err != nil {
				return fmt.Errorf("%s of %s: %w", one.Intent.Act, one.Intent.Record, err)
			}
			if one.Refused == "" {
				begun[one.Intent.Job] += int(rows)
			} else {
				refused[one.Intent.Job] += int(rows)
			}
		}
		return tx.countBulks(ctx, begun, refused)
	})
}

// Lease makes holder the only one who has a name until a time, and tells whether it is: nobody else had it at now.
func (s *Store) Lease(ctx context.Context, name, holder string, now, until time.Time) (held bool, err error) {
	defer wrap(&err, "taking the lease %s", name)
	err = s.Tx(ctx, func(tx *Tx) error {
		rows, err := tx.exec(ctx, `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE leases.holder = excluded.holder OR leases.until <= $4`,
			name, holder, instant{until}, instant{now})
		held = rows > 0
		return err
	})
	return held, err
}

// Leased tells whether somebody has a lease at an instant.
func (r reader) Leased(ctx context.Context, name string, now time.Time) (leased bool, err error) {
	defer wrap(&err, "looking who has the lease %s", name)
	return r.exists(ctx, `SELECT 1 FROM leases WHERE name = $1 AND until > $2`, name, instant{now})
}

// Release gives a lease back.
func (s *Store) Release(ctx context.Context, name, holder string) (err error) {
	defer wrap(&err, "giving back the lease %s", name)
	return s.Tx(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `DELETE FROM leases WHERE name = $1 AND holder = $2`, name, holder)
		return err
	})
}

// Event returns an event of a record by its id. Errors: crm.ErrNotFound.
func (r reader) Event(ctx context.Context, ref crm.Ref, id string) (event crm.Event, err error) {
	defer wrap(&err, "reading event %s of %s", id, ref)
	event, err = scanEvent(r.row(ctx, `SELECT record, event_id, type, at, source, properties, told_by FROM events WHERE record = $1 AND event_id = $2`, ref.String(), id))
	if errors.Is(err, sql.ErrNoRows) {
		err = crm.ErrNotFound
	}
	return event, err
}
