package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// AddEvent stores an event and tells whether it is new: a record has at most one event of an id. It returns the event
// with its id; one without gets an id that nobody can guess. The record need not exist, and the event of one that was
// merged into another is the other's. Errors: crm.ErrInvalid for an event without record, type or time.
func (tx *Tx) AddEvent(ctx context.Context, event plan.Event) (_ plan.Event, added bool, err error) {
	defer wrap(&err, "adding event %s of %s", event.Type, event.Record)
	ref, err := checkEvent(event)
	if err != nil {
		return plan.Event{}, false, err
	}
	if event.ID == "" {
		event.ID = rand.Text()
	}
	properties, err := encode(event.Properties)
	if err != nil {
		return plan.Event{}, false, err
	}
	if ref, err = tx.Resolve(ctx, ref); err != nil {
		return plan.Event{}, false, err
	}
	event.Record = ref.String()
	rows, err := tx.exec(ctx, `INSERT INTO events (record, event_id, type, at, source, properties, told_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (record, event_id) DO NOTHING`,
		event.Record, event.ID, event.Type, instant{event.At}, event.Source, properties, legible(event.By))
	if rows > 0 {
		tx.occurred.add(event.Record, event.Type)
		tx.note(ctx, plan.Change{Record: event.Record, What: plan.ChangeEvent, Name: event.Type, Detail: event.ID, At: event.At})
	}
	return event, rows > 0, err
}

// checkEvent returns the record of an event that is fit to be stored.
func checkEvent(event plan.Event) (crm.Ref, error) {
	switch {
	case event.Type == "":
		return crm.Ref{}, fmt.Errorf("%w: an event needs a type", crm.ErrInvalid)
	case event.At.IsZero():
		return crm.Ref{}, fmt.Errorf("%w: an event needs a time", crm.ErrInvalid)
	}
	ref, err := crm.ParseRef(event.Record)
	if err != nil {
		return crm.Ref{}, fmt.Errorf("%w: %w", crm.ErrInvalid, err)
	}
	return ref, checkNames(event.ID, event.Record, event.Type, event.Source)
}

// Events returns the events of a record of one type with since ≤ At ≤ until, oldest first. Changes of properties
// (plan.EventChanged, plan.ChangeOf) are among them, with the property's name and its new value. In a transaction
// nobody else adds any until it ends: whoever finds none and writes down that it waits is found by Waiting.
func (r reader) Events(ctx context.Context, ref crm.Ref, eventType string, since, until time.Time) (events []crm.Event, err error) {
	defer wrap(&err, "reading events %s of %s", eventType, ref)
	if err := r.hold(ctx, ref); err != nil {
		return nil, err
	}
	if kind, _, _ := strings.Cut(eventType, ":"); kind == plan.EventChanged {
		return r.changes(ctx, ref, eventType, since, until)
	}
	return collect(ctx, r.source, scanEvent, `SELECT record, event_id, type, at, source, properties, told_by FROM events
		WHERE record = $1 AND type = $2 AND at >= $3 AND at <= $4 ORDER BY at, seq`,
		ref.String(), eventType, since.UnixMicro(), until.UnixMicro())
}

// EventsOf returns the last events of a record of any type, up to limit (0 = all), newest first.
func (r reader) EventsOf(ctx context.Context, ref crm.Ref, limit int) (events []crm.Event, err error) {
	defer wrap(&err, "reading the events of %s", ref)
	return collect(ctx, r.source, scanEvent, `SELECT record, event_id, type, at, source, properties, told_by FROM events
		WHERE record = $1 ORDER BY at DESC, seq DESC LIMIT $2`, ref.String(), atMost(limit))
}

func scanEvent(row scanner) (event crm.Event, err error) {
	var at instant
	err = row.Scan(reference{&event.Record}, &event.ID, &event.Type, &at, &event.Source, document[map[string]any]{&event.Properties}, &event.By)
	event.At = at.Time
	return event, err
}

// AddEvent is Tx.AddEvent in a transaction of its own.
func (s *Store) AddEvent(ctx context.Context, event plan.Event) (stored plan.Event, added bool, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { stored, added, err = tx.AddEvent(ctx, event); return err })
	return stored, added, err
}

// SameEvent tells whether the stored event with the id of another has its type and its properties.
func (r reader) SameEvent(ctx context.Context, event plan.Event) (same bool, err error) {
	defer wrap(&err, "comparing event %s of %s", event.ID, event.Record)
	properties, err := encode(event.Properties)
	if err != nil {
		return false, err
	}
	return r.exists(ctx, `SELECT 1 FROM events WHERE record = $1 AND event_id = $2 AND type = $3 AND properties = $4`,
		event.Record, event.ID, event.Type, properties)
}
