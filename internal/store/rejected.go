package store

import (
	"context"
	"time"
)

// RejectedEvent is what came from a stream and cannot be an event. It is kept, so that the stream can go on.
type RejectedEvent struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Origin  string    `json:"origin"` // the source and the place in it, as in kafka/events/0/17
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail"`
	Content []byte    `json:"content"` // as it came
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
	_, err = tx.exec(ctx, `INSERT INTO rejected_events (at, origin, reason, detail, content) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		instant{rejected.At}, rejected.Origin, rejected.Reason, legible(rejected.Detail), content)
	return err
}

// RejectedEvents returns up to limit (0 = all) rejected events, the newest first.
func (r reader) RejectedEvents(ctx context.Context, limit int) (rejected []RejectedEvent, err error) {
	defer wrap(&err, "listing the rejected events")
	return collect(ctx, r.source, func(row scanner) (one RejectedEvent, err error) {
		var at instant
		err = row.Scan(&one.Seq, &at, &one.Origin, &one.Reason, &one.Detail, &one.Content)
		one.At = at.Time
		return one, err
	}, `SELECT seq, at, origin, reason, detail, content FROM rejected_events ORDER BY seq DESC LIMIT $1`, atMost(limit))
}
