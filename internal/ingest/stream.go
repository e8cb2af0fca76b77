package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/store"
)

// fetchedAtOnce is how many messages of a stream are taken at once.
const fetchedAtOnce = 500

const (
	firstPause   = 200 * time.Millisecond // after a stream or the store failed
	longestPause = 10 * time.Second
)

// streamed is a message of a stream. Its place there makes it known when it comes again.
type streamed struct {
	origin string // as in nats/EVENTS/17
	Message
}

// take stores the events of messages in their order, keeps what cannot be one, and returns when all of it is committed.
func (d *Door) take(ctx context.Context, messages []streamed) error {
	var items []Item
	var from []store.RejectedEvent // as it is kept if it is rejected
	now := d.now().UTC()
	for _, message := range messages {
		source := store.RejectedEvent{At: now, Origin: message.origin, Header: message.header(), Content: message.Body}
		found, several, rejected := Decode(message.Message)
		if rejected != nil {
			found = []Item{{Rejected: rejected}}
		}
		for i, item := range found {
			one := source
			if several {
				one.Origin, one.Content = fmt.Sprintf("%s/%d", message.origin, i), item.part
				one.Header = message.partHeader()
			}
			item.Event.By = one.Origin
			if item.Event.ID == "" {
				item.Event.ID = one.Origin
			}
			items, from = append(items, item), append(from, one)
		}
	}
	_, err := d.accept(ctx, items, func(index int, why *Rejection) store.RejectedEvent {
		kept := from[index]
		kept.Reason, kept.Detail = why.Code, why.told()
		d.log.Warn("an event of a stream was rejected", "origin", kept.Origin, "reason", kept.Reason)
		return kept
	})
	return err
}

// persist repeats step until ctx ends. What fails is told and tried again after a while; nothing is passed over.
func (d *Door) persist(ctx context.Context, stream string, step func(ctx context.Context) error) {
	pause := firstPause
	for ctx.Err() == nil {
		err := step(ctx)
		if err == nil || ctx.Err() != nil {
			pause = firstPause
			continue
		}
		d.log.Warn("events cannot be taken from the stream; it is tried again", "stream", stream, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}
