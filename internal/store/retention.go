package store

import (
	"context"
	"maps"
	"time"

	"github.com/millrace/millrace/internal/plan"
)

// Kept says since when things are kept: what is older goes, as docs/decisions/0020-retention.md tells.
type Kept struct {
	Actions     time.Time // lines of the journal about actions, and the outbox
	Enrollments time.Time // everything about an enrollment but that it was; refused attempts
	Membership  time.Time // that it was, unless it is the last one of a record that is there
	Records     time.Time // deleted records
	Audit       time.Time // lines of the audit log
	Rejected    time.Time // rejected events, those too that were sent again
}

// pruneStage is one kind of things that go: rows of a table by their age.
type pruneStage struct {
	name   string
	since  func(Kept) time.Time
	table  string
	age    string                                                                          // column
	among  string                                                                          // rows that are looked at
	goes   string                                                                          // of these, those that go
	remove func(ctx context.Context, tx *Tx, page []plan.Pruning) (removed int64, _ error) // instead of deleting what goes
}

// The lines of an open enrollment stay: a push reads there what people did already. The lines about a closed one stay as
// long as everything about it does. The last enrollment of a record is what "once ever" and numbers, and so keys, rest on.
var pruneStages = []pruneStage{
	{
		name: "actions", since: func(k Kept) time.Time { return k.Actions }, table: "journal", age: "at", among: "TRUE",
		goes: `key <> enrollment AND NOT EXISTS (SELECT 1 FROM enrollments e WHERE e.id = journal.enrollment AND e.closed IS NULL)`,
	},
	{name: "outbox", since: func(k Kept) time.Time { return k.Actions }, table: "outbox", age: "at", among: "TRUE", goes: "TRUE"},
	{
		name: "decisions", since: func(k Kept) time.Time { return k.Enrollments }, table: "intents", age: "done",
		among: "done IS NOT NULL", goes: "TRUE",
	},
	{
		name: "enrollments", since: func(k Kept) time.Time { return k.Enrollments }, table: "enrollments", age: "closed",
		among: "closed IS NOT NULL AND NOT thinned", remove: thin,
	},
	{
		name: "membership", since: func(k Kept) time.Time { return k.Membership }, table: "enrollments", age: "closed", among: "thinned",
		goes: `EXISTS (SELECT 1 FROM enrollments e WHERE e.workflow = enrollments.workflow AND e.record = enrollments.record AND e.number > enrollments.number)
			OR NOT EXISTS (SELECT 1 FROM records r WHERE r.record = enrollments.record)`,
	},
	{name: "audit", since: func(k Kept) time.Time { return k.Audit }, table: "audit", age: "at", among: "TRUE", goes: "TRUE"},
	{name: "rejected", since: func(k Kept) time.Time { return k.Rejected }, table: "rejected_events", age: "at", among: "TRUE", goes: "TRUE"},
}

// prunedRecords is the stage after these.
const prunedRecords = "records"

// Prune removes one page of what is kept no longer, looking at limit things at most, and returns where the next one
// begins. What was cut is done again, and finds less to remove.
func (s *Store) Prune(ctx context.Context, kept Kept, at plan.Pruning, limit int) (next plan.Pruning, err error) {
	defer wrap(&err, "removing what is kept no longer")
	name := prunedRecords
	var removed int64
	var over bool
	err = s.Tx(ctx, func(tx *Tx) error {
		next = at
		if at.Stage >= len(pruneStages) {
			purged, err := tx.Purge(ctx, kept.Records, limit)
			removed, over = int64(len(purged)), len(purged) < limit
			return err
		}
		stage := pruneStages[at.Stage]
		name = stage.name
		page, err := tx.pruned(ctx, stage, stage.since(kept), at, limit)
		if err != nil {
			return err
		}
		if over = len(page) < limit; len(page) == 0 {
			return nil
		}
		last := page[len(page)-1]
		next.Age, next.Seq = last.Age, last.Seq
		if stage.remove != nil {
			removed, err = stage.remove(ctx, tx, page)
			return err
		}
		removed, err = tx.exec(ctx, `DELETE FROM `+stage.table+` WHERE (`+stage.age+`, seq) > ($1, $2) AND (`+stage.age+`, seq) <= ($3, $4)
			AND `+stage.among+` AND (`+stage.goes+`)`, at.Age.UnixMicro(), at.Seq, instant{last.Age}, last.Seq)
		return err
	})
	if err != nil {
		return at, err
	}
	if removed > 0 {
		next.Removed = maps.Clone(at.Removed)
		if next.Removed == nil {
			next.Removed = map[string]int64{}
		}
		next.Removed[name] += removed
	}
	if over {
		next.Stage, next.Age, next.Seq = at.Stage+1, time.Time{}, 0
		next.Done = name == prunedRecords
	}
	return next, nil
}

// pruned is a page of a stage: how old the next rows are, and their numbers.
func (tx *Tx) pruned(ctx context.Context, stage pruneStage, before time.Time, behind plan.Pruning, limit int) ([]plan.Pruning, error) {
	return collect(ctx, tx.source, func(row scanner) (one plan.Pruning, err error) {
		var age instant
		err = row.Scan(&age, &one.Seq)
		one.Age = age.Time
		return one, err
	}, `SELECT `+stage.age+`, seq FROM `+stage.table+` WHERE `+stage.age+` < $1 AND (`+stage.age+`, seq) > ($2, $3) AND `+stage.among+`
		ORDER BY `+stage.age+`, seq LIMIT $4`, instant{before}, behind.Age.UnixMicro(), behind.Seq, limit)
}

// thin removes what closed enrollments were about, their lines in the journal and what the ledger says of their steps, and
// refused attempts altogether.
func thin(ctx context.Context, tx *Tx, page []plan.Pruning) (removed int64, err error) {
	for _, one := range page {
		e, _, err := tx.one(ctx, `seq = $1`, one.Seq)
		if err != nil {
			return removed, err
		}
		for _, enrollment := range []string{e.ID, plan.WorkflowID(e.Workflow, e.Record) + "/" + e.FirstRun} { // admitted, refused
			if _, err := tx.exec(ctx, `DELETE FROM journal WHERE enrollment = $1`, enrollment); err != nil {
				return removed, err
			}
		}
		if e.Number == 0 {
			_, err = tx.exec(ctx, `DELETE FROM enrollments WHERE seq = $1`, one.Seq)
		} else {
			_, err = tx.exec(ctx, `UPDATE enrollments SET thinned = TRUE, event = '', detail = '', last_error = '' WHERE seq = $1`, one.Seq)
		}
		if err != nil {
			return removed, err
		}
		_, err = tx.exec(ctx, `DELETE FROM ledger WHERE key > $1 AND key < $2`, e.ID+"/", e.ID+"0") // 0 is the byte after the slash
		if err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
