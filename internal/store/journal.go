package store

import (
	"cmp"
	"context"
	"time"

	"github.com/millrace/millrace/internal/plan"
)

const journalColumns = `enrollment, key, phase, at, node, kind, event, port, detail`

func scanEntry(row scanner) (entry plan.Entry, err error) {
	var at instant
	err = row.Scan(&entry.Enrollment, &entry.Key, &entry.Phase, &at, &entry.Node, &entry.Kind, &entry.Event, &entry.Port, &entry.Detail)
	entry.At = at.Time
	return entry, err
}

// WriteJournal appends entries. They are unique by key and phase: a repeated one is ignored. An empty key is
// the enrollment, an empty phase the event.
func (tx *Tx) WriteJournal(ctx context.Context, entries ...plan.Entry) (err error) {
	defer wrap(&err, "writing the journal")
	for _, entry := range entries {
		entry.Key = cmp.Or(entry.Key, entry.Enrollment)
		entry.Phase = cmp.Or(entry.Phase, entry.Event)
		if err := checkNames(entry.Enrollment, entry.Key, entry.Phase, entry.Node, entry.Kind, entry.Event, entry.Port); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `INSERT INTO journal (`+journalColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (key, phase) DO NOTHING`, entry.Enrollment, entry.Key, entry.Phase, instant{entry.At},
			entry.Node, entry.Kind, entry.Event, entry.Port, legible(entry.Detail))
		if err != nil {
			return err
		}
	}
	return nil
}

// Journal returns the entries of an enrollment in the order of writing.
func (r reader) Journal(ctx context.Context, enrollment string) (entries []plan.Entry, err error) {
	defer wrap(&err, "reading the journal of %s", enrollment)
	return collect(ctx, r.source, scanEntry, `SELECT `+journalColumns+` FROM journal WHERE enrollment = $1 ORDER BY seq`, enrollment)
}

// JournalOf returns the entries of all enrollments of a record in a workflow, and those of refused attempts
// (see Tx.RefuseEnrollment), in the order of writing.
func (r reader) JournalOf(ctx context.Context, workflow, record string) (entries []plan.Entry, err error) {
	defer wrap(&err, "reading the journal of %s in %s", record, workflow)
	admitted, refused := workflow+"/"+record, plan.WorkflowID(workflow, record)
	return collect(ctx, r.source, scanEntry, `SELECT `+journalColumns+` FROM journal
		WHERE (enrollment >= $1 AND enrollment < $2) OR (enrollment >= $3 AND enrollment < $4) ORDER BY seq`,
		admitted+"/", admitted+"0", refused+"/", refused+"0") // 0 is the byte after the slash
}

// JournalBefore returns up to limit entries that were written behind the one with a number and are about times before an
// instant, with the number of the last.
func (r reader) JournalBefore(ctx context.Context, before time.Time, behind int64, limit int) (entries []plan.Entry, last int64, err error) {
	defer wrap(&err, "reading the journal")
	last = behind
	entries, err = collect(ctx, r.source, func(row scanner) (entry plan.Entry, err error) {
		var at instant
		err = row.Scan(&last, &entry.Enrollment, &entry.Key, &entry.Phase, &at, &entry.Node, &entry.Kind, &entry.Event, &entry.Port, &entry.Detail)
		entry.At = at.Time
		return entry, err
	}, `SELECT seq, `+journalColumns+` FROM journal WHERE seq > $1 AND at < $2 ORDER BY seq LIMIT $3`, behind, instant{before}, limit)
	return entries, last, err
}

// WriteJournal is Tx.WriteJournal in a transaction of its own.
func (s *Store) WriteJournal(ctx context.Context, entries ...plan.Entry) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.WriteJournal(ctx, entries...) })
}
