package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// OperationEnroll is the operation of a job that enrolls.
const OperationEnroll = "enroll"

// Bulk is a job that enrolls records: as many as there are, one after the other, at a pace. Those it is about are intents.
type Bulk struct {
	Job
	Filter   json.RawMessage `json:"-"`                 // whom it looks for; empty = they were named
	Cursor   string          `json:"-"`                 // id of the last record that was looked at
	Found    bool            `json:"found"`             // it is known whom it is about, and People is all of them
	People   int             `json:"people"`            // whom it is about, as far as they are found
	Begun    int             `json:"begun"`             // enrollments that were begun
	Refused  int             `json:"refused"`           // records for which none was begun
	Rate     float64         `json:"rate"`              // begun in a second, at most
	Stopped  time.Time       `json:"stopped,omitzero"`  // zero = it goes on
	Finished time.Time       `json:"finished,omitzero"` // zero = it has not
}

// Trigger is what enrolls the records of a bulk: nobody enters twice by it.
func (b Bulk) Trigger() string { return fmt.Sprintf("bulk %d", b.ID) }

// ToDo is how many of those that were found are to do.
func (b Bulk) ToDo() int { return b.People - b.Begun - b.Refused }

const bulkColumns = `id, workflow, operation, argument, selection, by_whom, began, filter, cursor, found, people, begun, refused, rate, stopped, finished`

// AddBulk begins a bulk and gives it its number. With a Filter the records are looked for by whoever carries it out, without
// one they are named by AddPeople in the same transaction.
func (tx *Tx) AddBulk(ctx context.Context, bulk Bulk) (_ Bulk, err error) {
	bulk.Operation = OperationEnroll
	if bulk.Job, err = tx.AddJob(ctx, bulk.Job, nil); err != nil {
		return Bulk{}, err
	}
	defer wrap(&err, "beginning job %d", bulk.ID)
	_, err = tx.exec(ctx, `INSERT INTO bulks (job, filter, cursor, found, people, begun, refused, rate, next) VALUES ($1, $2, '', FALSE, 0, 0, 0, $3, 0)`,
		bulk.ID, string(bulk.Filter), bulk.Rate)
	return bulk, err
}

// AddPeople adds records to a bulk; those that it has are not added again. cursor is how far they were looked for, found says that
// there are no more.
func (tx *Tx) AddPeople(ctx context.Context, bulk Bulk, refs []crm.Ref, cursor string, found bool) (err error) {
	defer wrap(&err, "adding records to job %d", bulk.ID)
	rows := make([][]any, len(refs))
	for i, ref := range refs {
		if err := checkNames(ref.String()); err != nil {
			return err
		}
		rows[i] = []any{
			plan.ActEnroll, bulk.Workflow, ref.String(), bulk.Trigger(), "", "", "", "", "", 0, true, bulk.ID, instant{bulk.Began}, 0, "", 0,
		}
	}
	added, err := tx.insert(ctx, `INSERT INTO intents (`+intentColumns+`, due)`, `ON CONFLICT DO NOTHING`, rows)
	if err != nil {
		return err
	}
	tx.decided = tx.decided || added > 0
	_, err = tx.exec(ctx, `UPDATE bulks SET people = people + $1, cursor = $2, found = $3 WHERE job = $4`, added, cursor, found, bulk.ID)
	return err
}

// Bulk returns a job that enrolls. Errors: crm.ErrNotFound.
func (r reader) Bulk(ctx context.Context, id int64) (bulk Bulk, err error) {
	defer wrap(&err, "reading job %d", id)
	var began, stopped, finished instant
	var filter string
	err = r.row(ctx, `SELECT `+bulkColumns+` FROM jobs JOIN bulks ON job = id WHERE id = $1`, id).Scan(&bulk.ID, &bulk.Workflow, &bulk.Operation,
		&bulk.Argument, &bulk.Selection, &bulk.By, &began, &filter, &bulk.Cursor, &bulk.Found, &bulk.People, &bulk.Begun, &bulk.Refused, &bulk.Rate,
		&stopped, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return Bulk{}, crm.ErrNotFound
	}
	bulk.Began, bulk.Stopped, bulk.Finished, bulk.Filter = began.Time, stopped.Time, finished.Time, json.RawMessage(filter)
	return bulk, err
}

// OpenBulks returns the numbers of the bulks that are to be carried out: not finished, and stopped by nobody.
func (r reader) OpenBulks(ctx context.Context) (ids []int64, err error) {
	defer wrap(&err, "reading which jobs enroll")
	return collect(ctx, r.source, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		`SELECT job FROM bulks WHERE stopped IS NULL AND finished IS NULL ORDER BY job`)
}

// Slots are the instants at which a bulk may begin enrollments: so many, from First on, Every apart.
type Slots struct {
	First time.Time
	Every time.Duration
	Count int // 0 = somebody has stopped it, or it is finished
}

// Slots hands the next slots of a bulk out, as far ahead as asked and at least one. Nobody else gets them, whoever asks, and none
// is before now, so that time in which nobody asked is not made up for: no second holds more slots than the rate says, and no
// longer time more than it says of that.
func (tx *Tx) Slots(ctx context.Context, id int64, ahead time.Duration, now time.Time) (slots Slots, err error) {
	defer wrap(&err, "looking when job %d goes on", id)
	var rate float64
	var next instant
	err = tx.row(ctx, `SELECT rate, next FROM bulks WHERE job = $1 AND stopped IS NULL AND finished IS NULL`+tx.source.holding(), id).Scan(&rate, &next)
	if errors.Is(err, sql.ErrNoRows) {
		return Slots{}, nil
	}
	if err != nil {
		return Slots{}, err
	}
	slots.Every = time.Duration(math.Ceil(1e6/rate)) * time.Microsecond
	slots.First = later(time.UnixMicro(ceiling(now)).UTC(), next.Time)
	slots.Count = max(1, int(ahead/slots.Every))
	_, err = tx.exec(ctx, `UPDATE bulks SET next = $1 WHERE job = $2`, instant{slots.First.Add(time.Duration(slots.Count) * slots.Every)}, id)
	return slots, err
}

// SetRate makes a bulk begin at most so many in a second, from its next slots on.
func (tx *Tx) SetRate(ctx context.Context, id int64, rate float64) (err error) {
	defer wrap(&err, "changing the pace of job %d", id)
	_, err = tx.exec(ctx, `UPDATE bulks SET rate = $1 WHERE job = $2`, rate, id)
	return err
}

// StopBulk stops a bulk, or makes it go on (zero). One that is finished stays so.
func (tx *Tx) StopBulk(ctx context.Context, id int64, at time.Time) (err error) {
	defer wrap(&err, "stopping job %d", id)
	_, err = tx.exec(ctx, `UPDATE bulks SET stopped = $1 WHERE job = $2 AND finished IS NULL`, instant{at}, id)
	tx.decided = true
	return err
}

// FinishBulk finishes a bulk if everything is done, and tells whether it is.
func (tx *Tx) FinishBulk(ctx context.Context, id int64, at time.Time) (finished bool, err error) {
	defer wrap(&err, "finishing job %d", id)
	rows, err := tx.exec(ctx, `UPDATE bulks SET finished = $1 WHERE job = $2 AND finished IS NULL AND found
		AND NOT EXISTS (SELECT 1 FROM intents WHERE bulk = TRUE AND job = $2 AND done IS NULL)`, instant{at}, id)
	return rows > 0, err
}

// Many returns the first records, at most so many, behind an intent, that are one of many, not begun and due: those of a bulk, or
// (0) those that a schedule or a publication enrolls.
func (r reader) Many(ctx context.Context, bulk, behind int64, now time.Time, limit int) (intents []plan.Intent, err error) {
	defer wrap(&err, "reading who is to be enrolled")
	return collect(ctx, r.source, scanIntent, `SELECT seq, `+intentColumns+` FROM intents
		WHERE bulk = TRUE AND job = $1 AND seq > $2 AND done IS NULL AND due <= $3 ORDER BY seq LIMIT $4`, bulk, behind, now.UnixMicro(), limit)
}

// countBulks adds to what bulks have done, by their numbers.
func (tx *Tx) countBulks(ctx context.Context, begun, refused map[int64]int) error {
	ids := slices.Collect(maps.Keys(begun))
	ids = slices.AppendSeq(ids, maps.Keys(refused))
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if id == 0 {
			continue
		}
		if _, err := tx.exec(ctx, `UPDATE bulks SET begun = begun + $1, refused = refused + $2 WHERE job = $3`, begun[id], refused[id], id); err != nil {
			return err
		}
	}
	return nil
}

// Failing counts the records of a bulk that could not be begun so far and are tried again, and returns one of the reasons.
func (r reader) Failing(ctx context.Context, bulk Bulk) (count int, reason string, err error) {
	defer wrap(&err, "looking what fails of job %d", bulk.ID)
	err = r.row(ctx, `SELECT COUNT(*), COALESCE(MAX(error), '') FROM intents WHERE job = $1 AND job > 0 AND error <> '' AND done IS NULL`, bulk.ID).Scan(&count, &reason)
	return count, reason, err
}

// Admitted counts the enrollments of a bulk that were admitted.
func (r reader) Admitted(ctx context.Context, bulk Bulk) (count int, err error) {
	defer wrap(&err, "counting whom job %d enrolled", bulk.ID)
	err = r.row(ctx, `SELECT COUNT(*) FROM enrollments WHERE workflow = $1 AND trigger_name = $2 AND trigger_name LIKE 'bulk %' AND number > 0`,
		bulk.Workflow, bulk.Trigger()).Scan(&count)
	return count, err
}

// Refusal is a record that a bulk did not bring into its workflow.
type Refusal struct {
	Record string `json:"record"`
	Reason string `json:"reason"`
}

// Refusals lists whom a bulk did not bring into its workflow, by record, behind one and at most so many (0 = all).
func (r reader) Refusals(ctx context.Context, bulk Bulk, after string, limit int) (refusals []Refusal, err error) {
	defer wrap(&err, "listing whom job %d did not enroll", bulk.ID)
	return collect(ctx, r.source, func(row scanner) (one Refusal, err error) { return one, row.Scan(&one.Record, &one.Reason) },
		`SELECT record, error FROM intents WHERE job = $1 AND job > 0 AND error <> '' AND done IS NOT NULL AND record > $2
		UNION ALL SELECT record, detail FROM enrollments
			WHERE workflow = $3 AND trigger_name = $4 AND trigger_name LIKE 'bulk %' AND number = 0 AND record > $2
		ORDER BY 1 LIMIT $5`, bulk.ID, after, bulk.Workflow, bulk.Trigger(), atMost(limit))
}

// Reasons counts whom a bulk did not bring into its workflow by the reasons.
func (r reader) Reasons(ctx context.Context, bulk Bulk) (counts map[string]int, err error) {
	defer wrap(&err, "counting whom job %d did not enroll", bulk.ID)
	type count struct {
		reason string
		people int
	}
	rows, err := collect(ctx, r.source, func(row scanner) (one count, err error) { return one, row.Scan(&one.reason, &one.people) },
		`SELECT error, COUNT(*) FROM intents WHERE job = $1 AND job > 0 AND error <> '' AND done IS NOT NULL GROUP BY error
		UNION ALL SELECT detail, COUNT(*) FROM enrollments
			WHERE workflow = $2 AND trigger_name = $3 AND trigger_name LIKE 'bulk %' AND number = 0 GROUP BY detail`,
		bulk.ID, bulk.Workflow, bulk.Trigger())
	counts = map[string]int{}
	for _, one := range rows {
		counts[one.reason] += one.people
	}
	return counts, err
}

// AddBulk is Tx.AddBulk in a transaction of its own.
func (s *Store) AddBulk(ctx context.Context, bulk Bulk) (added Bulk, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { added, err = tx.AddBulk(ctx, bulk); return err })
	return added, err
}

// AddPeople is Tx.AddPeople in a transaction of its own.
func (s *Store) AddPeople(ctx context.Context, bulk Bulk, refs []crm.Ref, cursor string, found bool) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.AddPeople(ctx, bulk, refs, cursor, found) })
}

// Slots is Tx.Slots in a transaction of its own.
func (s *Store) Slots(ctx context.Context, id int64, ahead time.Duration, now time.Time) (slots Slots, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { slots, err = tx.Slots(ctx, id, ahead, now); return err })
	return slots, err
}

// SetRate is Tx.SetRate in a transaction of its own.
func (s *Store) SetRate(ctx context.Context, id int64, rate float64) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.SetRate(ctx, id, rate) })
}

// StopBulk is Tx.StopBulk in a transaction of its own.
func (s *Store) StopBulk(ctx context.Context, id int64, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.StopBulk(ctx, id, at) })
}

// FinishBulk is Tx.FinishBulk in a transaction of its own.
func (s *Store) FinishBulk(ctx context.Context, id int64, at time.Time) (finished bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { finished, err = tx.FinishBulk(ctx, id, at); return err })
	return finished, err
}
