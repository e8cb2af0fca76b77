package store

import (
	"context"
	"encoding/json"
	"time"
)

// Deed is a line of the audit log: who did what.
type Deed struct {
	Seq     int64           `json:"seq"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Via     string          `json:"via"`    // cli or api
	Action  string          `json:"action"` // one of the constants below
	Subject string          `json:"subject"`
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Failed  string          `json:"failed,omitempty"` // why it came to nothing
}

// Changed makes the deed a change of named things, such as the properties of a record: of those before and after it
// keeps those that differ, and tells whether any does.
func (d *Deed) Changed(before, after map[string]string) bool {
	was, is := map[string]string{}, map[string]string{}
	for _, properties := range []map[string]string{before, after} {
		for name := range properties {
			if before[name] != after[name] {
				was[name], is[name] = before[name], after[name]
			}
		}
	}
	d.Before, _ = json.Marshal(was) // of texts
	d.After, _ = json.Marshal(is)
	return len(is) > 0
}

// Actions in the audit log. Those on enrollments are done by Temporal and so written down before they are tried.
const (
	DeedPublish       = "publish"
	DeedSwitch        = "switch"
	DeedEnroll        = "enroll"
	DeedUnenroll      = "unenroll"
	DeedPause         = "pause"
	DeedResume        = "resume"
	DeedSkipWait      = "skip_wait"
	DeedMove          = "move"
	DeedSetRecord     = "record.set"
	DeedDeleteRecord  = "record.delete"
	DeedRestoreRecord = "record.restore"
	DeedImportRecords = "record.import" // its subject is the object
	DeedMergeRecord   = "record.merge"  // of both records
	DeedPurgeRecord   = "record.purge"
	DeedAddToList     = "list.add" // its subject is a record on a list, as in vip/contact/51
	DeedRemoveFrom    = "list.remove"
	DeedEvent         = "event"
	DeedSendAgain     = "event.send_again" // its subject is where the rejected event came from
	DeedPrune         = "prune"
	DeedCreateKey     = "key.create"
	DeedRevokeKey     = "key.revoke"
)

// Audit writes lines of the audit log and returns their numbers.
func (tx *Tx) Audit(ctx context.Context, deeds ...Deed) (numbers []int64, err error) {
	defer wrap(&err, "writing the audit log")
	for _, deed := range deeds {
		if err := checkNames(deed.Via, deed.Action, deed.Subject); err != nil {
			return nil, err
		}
		var number int64
		err := tx.row(ctx, `INSERT INTO audit (at, actor, via, action, subject, was, became, failed) VALUES ($1, $2, $3, $4, $5, $6, $7, '') RETURNING seq`,
			instant{deed.At}, legible(deed.Actor), deed.Via, deed.Action, deed.Subject, legible(string(deed.Before)), legible(string(deed.After))).Scan(&number)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// AuditBecame says what came of what a line of the audit log tells, when that takes more than one transaction.
func (tx *Tx) AuditBecame(ctx context.Context, number int64, after json.RawMessage) (err error) {
	defer wrap(&err, "writing the audit log")
	_, err = tx.exec(ctx, `UPDATE audit SET became = $1 WHERE seq = $2`, legible(string(after)), number)
	return err
}

// AuditFailed notes that what a line of the audit log tells came to nothing.
func (tx *Tx) AuditFailed(ctx context.Context, number int64, reason string) (err error) {
	defer wrap(&err, "writing the audit log")
	_, err = tx.exec(ctx, `UPDATE audit SET failed = $1 WHERE seq = $2`, legible(reason), number)
	return err
}

// DeedFilter says which lines of the audit log to list; empty fields do not restrict.
type DeedFilter struct {
	Actor   string
	Action  string
	Subject string
	Before  int64 // only lines with a smaller number: the next page
	Limit   int   // 0 = all
}

// Deeds lists the audit log, the newest line first.
func (r reader) Deeds(ctx context.Context, filter DeedFilter) (deeds []Deed, err error) {
	defer wrap(&err, "reading the audit log")
	return collect(ctx, r.source, func(row scanner) (deed Deed, err error) {
		var at instant
		var before, after string
		err = row.Scan(&deed.Seq, &at, &deed.Actor, &deed.Via, &deed.Action, &deed.Subject, &before, &after, &deed.Failed)
		deed.At = at.Time
		if before != "" {
			deed.Before = json.RawMessage(before)
		}
		if after != "" {
			deed.After = json.RawMessage(after)
		}
		return deed, err
	}, `SELECT seq, at, actor, via, action, subject, was, became, failed FROM audit
		WHERE (actor = $1 OR $1 = '') AND (action = $2 OR $2 = '') AND (subject = $3 OR $3 = '') AND (seq < $4 OR $4 = 0)
		ORDER BY seq DESC LIMIT $5`, filter.Actor, filter.Action, filter.Subject, filter.Before, atMost(filter.Limit))
}

// Audit is Tx.Audit in a transaction of its own.
func (s *Store) Audit(ctx context.Context, deeds ...Deed) (numbers []int64, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { numbers, err = tx.Audit(ctx, deeds...); return err })
	return numbers, err
}

// AuditFailed is Tx.AuditFailed in a transaction of its own.
func (s *Store) AuditFailed(ctx context.Context, number int64, reason string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.AuditFailed(ctx, number, reason) })
}
