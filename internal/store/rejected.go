package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// RejectedEvent is what came from a stream and cannot be an event. It is kept, so that the stream can go on, and may be
// sent again.
type RejectedEvent struct {
	Seq     int64             `json:"seq"`
	At      time.Time         `json:"at"`
	Origin  string            `json:"origin"` // the source and the place in it, as in kafka/events/0/17
	Reason  string            `json:"reason"`
	Detail  string            `json:"detail"`
	Header  map[string]string `json:"header"`  // content-type, and ce-… of a CloudEvent in binary mode
	Content []byte            `json:"content"` // as it came
	Sent    time.Time         `json:"sent"`    // when it was sent again and taken; zero = not yet
	Events  []string          `json:"events"`  // what it became then, as in "contact/51 ID"
}

// AddRejected keeps what was rejected; a second one of the same origin is ignored.
func (tx *Tx) AddRejected(ctx context.Context, rejected RejectedEvent) (err error) {
	defer wrap(&err, "keeping the rejected event %s", rejected.Origin)
	if err := checkNames(rejected.Origin, rejected.Reason); err != nil {
		return err
	}
	content := rejected.Content
	if content == nil {
		content = []byte{} // nil is NULL
	}
	header, err := encode(rejected.Header)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO rejected_events (at, origin, reason, detail, header, content) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		instant{rejected.At}, rejected.Origin, rejected.Reason, legible(rejected.Detail), header, content)
	return err
}

const rejectedColumns = `seq, at, origin, reason, detail, header, content, sent, events`

func scanRejected(row scanner) (one RejectedEvent, err error) {
	var at, sent instant
	err = row.Scan(&one.Seq, &at, &one.Origin, &one.Reason, &one.Detail, document[map[string]string]{&one.Header}, &one.Content, &sent,
		document[[]string]{&one.Events})
	one.At, one.Sent = at.Time, sent.Time
	return one, err
}

// RejectedEvents returns up to limit (0 = all) rejected events, the newest first; before (0 = none) is the number of the
// last one of the page before.
func (r reader) RejectedEvents(ctx context.Context, before int64, limit int) (rejected []RejectedEvent, err error) {
	defer wrap(&err, "listing the rejected events")
	return collect(ctx, r.source, scanRejected, `SELECT `+rejectedColumns+` FROM rejected_events WHERE seq < $1 OR $1 = 0 ORDER BY seq DESC LIMIT $2`,
		before, atMost(limit))
}

// Rejected returns a rejected event; in a transaction nobody else sends it again until it ends. Errors: crm.ErrNotFound.
func (r reader) Rejected(ctx context.Context, seq int64) (one RejectedEvent, err error) {
	defer wrap(&err, "reading the rejected event %d", seq)
	one, err = scanRejected(r.row(ctx, `SELECT `+rejectedColumns+` FROM rejected_events WHERE seq = $1`+r.source.holding(), seq))
	if errors.Is(err, sql.ErrNoRows) {
		err = crm.ErrNotFound
	}
	return one, err
}

// SetRejected writes what came of sending a rejected event again: why it is still rejected, or what it became.
func (tx *Tx) SetRejected(ctx context.Context, rejected RejectedEvent) (err error) {
	defer wrap(&err, "noting what came of the rejected event %d", rejected.Seq)
	events, err := encode(rejected.Events)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE rejected_events SET reason = $1, detail = $2, sent = $3, events = $4 WHERE seq = $5`,
		rejected.Reason, legible(rejected.Detail), instant{rejected.Sent}, events, rejected.Seq)
	return err
}
