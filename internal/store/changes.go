package store

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// note remembers a change until the transaction is committed. Its cause is that of the context.
func (tx *Tx) note(ctx context.Context, change plan.Change) {
	change.Cause = crm.CauseOf(ctx)
	tx.noted = append(tx.noted, change)
}

// flush writes the noted changes. It is the last thing that a transaction does: whoever holds a record until then has
// its changes in the order in which they became true.
func (tx *Tx) flush(ctx context.Context) (err error) {
	defer wrap(&err, "noting what has changed")
	if len(tx.noted) == 0 {
		return nil
	}
	if err := tx.share(ctx, numbering); err != nil {
		return err
	}
	rows := make([][]any, len(tx.noted))
	for i, change := range tx.noted {
		detail := change.Detail
		if change.Values != nil {
			if detail, err = encode(change.Values); err != nil {
				return err
			}
		}
		rows[i] = []any{change.Record, change.What, change.Name, detail, instant{change.At}, legible(change.Cause)}
	}
	_, err = tx.insert(ctx, `INSERT INTO changes (record, what, name, detail, at, cause)`, ``, rows)
	return err
}

// Changed receives after a transaction of this store has noted changes; several may be told by one.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// tell wakes who waits for changes.
func (s *Store) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Changes returns the first changes, at most so many, that nobody has decided about. Those of one record come in the
// order in which they became true.
func (r reader) Changes(ctx context.Context, limit int) (changes []plan.Change, err error) {
	defer wrap(&err, "reading what has changed")
	return collect(ctx, r.source, scanChange, `SELECT seq, record, what, name, detail, at, cause FROM changes ORDER BY seq LIMIT $1`, limit)
}

func scanChange(row scanner) (change plan.Change, err error) {
	var at instant
	err = row.Scan(&change.Seq, &change.Record, &change.What, &change.Name, &change.Detail, &at, &change.Cause)
	change.At = at.Time
	if err == nil && (change.What == plan.ChangeSet || change.What == plan.ChangeCreated) {
		err = document[map[string]string]{&change.Values}.Scan(change.Detail)
		change.Detail = ""
	}
	return change, err
}

// Pending tells how many changes nobody has decided about, and since when the first one waits.
func (r reader) Pending(ctx context.Context) (count int, since time.Time, err error) {
	defer wrap(&err, "counting what has changed")
	var first instant
	err = r.row(ctx, `SELECT COUNT(*), MIN(at) FROM changes`).Scan(&count, &first)
	return count, first.Time, err
}

// takeChanges removes changes that are decided about, and tells whether all of them were still there. While filters are
// asked about every record, it keeps in mind whom they were about.
func (tx *Tx) takeChanges(ctx context.Context, seqs []int64) (bool, error) {
	seeding, err := tx.exists(ctx, `SELECT 1 FROM seedings LIMIT 1`)
	if err != nil {
		return false, err
	}
	for at := 0; at < len(seqs); {
		rows := 1
		if len(seqs)-at >= together {
			rows = together
		}
		args := make([]any, 0, rows)
		for _, seq := range seqs[at : at+rows] {
			args = append(args, seq)
		}
		if seeding {
			_, err := tx.exec(ctx, `INSERT INTO touched (record, seq) SELECT record, MAX(seq) FROM changes WHERE record <> '' AND seq IN `+tuples(1, rows)+`
				GROUP BY record ON CONFLICT (record) DO UPDATE SET seq = excluded.seq`, args...)
			if err != nil {
				return false, err
			}
		}
		taken, err := tx.exec(ctx, `DELETE FROM changes WHERE seq IN `+tuples(1, rows), args...)
		if err != nil || taken < int64(rows) {
			return false, err
		}
		at += rows
	}
	return true, nil
}
