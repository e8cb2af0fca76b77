package store

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/plan"
)

// AddMessage adds a line to the outbox; a second one with the same key is ignored.
func (tx *Tx) AddMessage(ctx context.Context, message plan.Message) (err error) {
	defer wrap(&err, "adding %s to the outbox", message.Key)
	if err := checkNames(message.Key, message.Node, message.Channel); err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO outbox (key, at, node, channel, sender, recipient, subject, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (key) DO NOTHING`, message.Key, instant{message.At}, message.Node, message.Channel,
		legible(message.From), legible(message.To), legible(message.Subject), legible(message.Body))
	return err
}

// Outbox returns up to limit (0 = all) messages with since ≤ At, oldest first.
func (r reader) Outbox(ctx context.Context, since time.Time, limit int) (messages []plan.Message, err error) {
	defer wrap(&err, "reading the outbox")
	return collect(ctx, r.source, func(row scanner) (message plan.Message, err error) {
		var at instant
		err = row.Scan(&message.Key, &at, &message.Node, &message.Channel, &message.From, &message.To, &message.Subject, &message.Body)
		message.At = at.Time
		return message, err
	}, `SELECT key, at, node, channel, sender, recipient, subject, body FROM outbox WHERE at >= $1 ORDER BY at, seq LIMIT $2`,
		since.UnixMicro(), atMost(limit))
}

// AddMessage is Tx.AddMessage in a transaction of its own.
func (s *Store) AddMessage(ctx context.Context, message plan.Message) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.AddMessage(ctx, message) })
}
