package ingest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// Skew is how far the clock of a sender may be ahead of ours, and how old an event may be before it counts as late.
const Skew = 5 * time.Minute

// Values of Result.Status.
const (
	Stored    = "stored"
	Duplicate = "duplicate" // an event of this id is there
	Rejected  = "rejected"
)

// Values of Result.Notes.
const (
	NoteLate          = "late"           // it happened more than Skew ago
	NoteClockAhead    = "clock-ahead"    // its time was up to Skew in the future, and is that of the receipt now
	NoteUnknownRecord = "unknown-record" // there is no such record yet
	NoteDeletedRecord = "deleted-record"
	NoteDiffers       = "differs" // of a duplicate: the stored event says something else
)

// Result says what became of one event.
type Result struct {
	ID      string     `json:"id,omitempty" doc:"Id under which the event is stored."`
	Status  string     `json:"status" enum:"stored,duplicate,rejected" doc:"stored, duplicate (an event of this id is there already) or rejected."`
	Notes   []string   `json:"notes,omitempty" doc:"late, clock-ahead, unknown-record, deleted-record, differs."`
	Problem *Rejection `json:"problem,omitempty" doc:"Why it was rejected."`
}

// Door takes events.
type Door struct {
	Group *store.Group // what others write at the same time may share a transaction with it

	store *store.Store
	now   func() time.Time
	log   *slog.Logger
}

// NewDoor returns a door of a store.
func NewDoor(books *store.Store, now func() time.Time, log *slog.Logger) *Door {
	return &Door{Group: books.NewGroup(), store: books, now: now, log: log}
}

// Accept stores events and returns, when that is committed, what became of each. The error is about the store, and then
// nothing is stored.
func (d *Door) Accept(ctx context.Context, items []Item) ([]Result, error) {
	return d.accept(ctx, items, nil)
}

// accept stores events; of those that are rejected it keeps what kept makes of them.
func (d *Door) accept(ctx context.Context, items []Item, kept func(index int, why *Rejection) store.RejectedEvent) ([]Result, error) {
	now := d.now().UTC()
	examined, results := make([]Result, len(items)), make([]Result, len(items))
	for i := range items {
		examined[i] = examine(&items[i], now)
	}
	err := d.Group.Do(ctx, func(tx *store.Tx) error {
		copy(results, examined)
		for i, item := range items {
			if item.Rejected != nil {
				if kept == nil {
					continue
				}
				if err := tx.AddRejected(ctx, kept(i, item.Rejected)); err != nil {
					return err
				}
				continue
			}
			if err := add(ctx, tx, item.Event, &results[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return results, err
}

// ErrTaken says that a rejected event was sent again already.
var ErrTaken = errors.New("was sent again")

// SendAgain takes once more what a stream brought and was rejected: as it came, with the time at which it came where it
// says none. When all of it is taken, it is done with; when something is still rejected, nothing is stored and the
// new reason is kept. deed is the line of the audit log about it. Errors: crm.ErrNotFound, ErrTaken.
func (d *Door) SendAgain(ctx context.Context, number int64, deed store.Deed) (results []Result, err error) {
	now := d.now().UTC()
	err = d.store.Tx(ctx, func(tx *store.Tx) error {
		kept, err := tx.Rejected(ctx, number)
		switch {
		case err != nil:
			return err
		case !kept.Sent.IsZero():
			return fmt.Errorf("the rejected event %d %w at %s: it became %s", number, ErrTaken, kept.Sent.Format(time.RFC3339), strings.Join(kept.Events, ", "))
		}
		items := d.again(kept)
		results = make([]Result, len(items))
		for i := range items {
			if results[i] = examine(&items[i], now); results[i].Problem != nil {
				kept.Reason, kept.Detail = results[i].Problem.Code, results[i].Problem.told()
				results = results[i : i+1]
				return tx.SetRejected(ctx, kept)
			}
		}
		kept.Sent, kept.Events = now, []string{}
		for i := range items {
			if err := add(ctx, tx, items[i].Event, &results[i]); err != nil {
				return err
			}
			kept.Events = append(kept.Events, items[i].Event.Record+" "+results[i].ID)
		}
		deed.Subject = kept.Origin
		if deed.After, err = json.Marshal(map[string]any{"events": kept.Events}); err != nil {
			return err
		}
		if _, err := tx.Audit(ctx, deed); err != nil {
			return err
		}
		return tx.SetRejected(ctx, kept)
	})
	return results, err
}

// again reads what was rejected as it is read today.
func (d *Door) again(kept store.RejectedEvent) []Item {
	items, several, rejected := Decode(messageOf(kept.Header, kept.Content))
	if rejected != nil {
		return []Item{{Rejected: rejected}}
	}
	for i := range items {
		event := &items[i].Event
		event.By = kept.Origin
		if event.ID == "" {
			event.ID = kept.Origin
			if several {
				event.ID = fmt.Sprintf("%s/%d", kept.Origin, i)
			}
		}
		if event.At.IsZero() {
			event.At = kept.At
		}
	}
	return items
}

// examine checks an event before it is stored, and gives it the time and the id that it lacks.
func examine(item *Item, now time.Time) (result Result) {
	if item.Rejected == nil {
		item.Rejected = check(item.Event)
	}
	event := &item.Event
	switch {
	case item.Rejected != nil:
	case event.At.IsZero():
		event.At = now
	case event.At.After(now.Add(Skew)):
		item.Rejected = reject("in-future", "at", "it says that it will happen at %s, and it is %s: set the clock of the sender, an event is something that happened",
			event.At.Format(time.RFC3339), now.Format(time.RFC3339))
	case event.At.After(now):
		event.At = now
		result.Notes = append(result.Notes, NoteClockAhead)
	case event.At.Before(now.Add(-Skew)):
		result.Notes = append(result.Notes, NoteLate)
	}
	if item.Rejected != nil {
		return Result{ID: event.ID, Status: Rejected, Problem: item.Rejected}
	}
	if event.ID == "" {
		event.ID = rand.Text()
	}
	result.ID = event.ID
	return result
}

// maxName is how long an id may be, in bytes; the store has the same limit.
const maxName = 1000

func check(event plan.Event) *Rejection {
	if event.Record == "" {
		return reject("missing-record", "record", "name the record that it happened to, as in contact/51")
	}
	if _, err := crm.ParseRef(event.Record); err != nil {
		return reject("wrong-record", "record", "%v", err)
	}
	if event.Type == "" {
		return reject("missing-type", "type", "an event has a type, as in page_viewed")
	}
	if _, err := crm.ParseEventType(event.Type); err != nil {
		return reject("wrong-type-name", "type", "%s", strings.TrimPrefix(err.Error(), crm.ErrInvalid.Error()+": "))
	}
	if kind, _, _ := strings.Cut(event.Type, ":"); kind == plan.EventChanged {
		return reject("reserved-type", "type", "changes of properties are told by changing the record")
	}
	for _, one := range []struct{ location, text string }{{"id", event.ID}, {"source", event.Source}} {
		if len(one.text) > maxName || strings.ContainsRune(one.text, 0) {
			return reject("wrong-"+one.location, one.location, "it has at most %d bytes, and none of them is NUL", maxName)
		}
	}
	return nil
}

// add stores one event and completes what is told of it.
func add(ctx context.Context, tx *store.Tx, event plan.Event, result *Result) error {
	ref, err := crm.ParseRef(event.Record)
	if err != nil {
		return err
	}
	notes := slices.Clone(result.Notes)
	stored, added, err := tx.AddEvent(ctx, event)
	if err != nil {
		return err
	}
	result.Status = Stored
	if !added {
		result.Status = Duplicate
		same, err := tx.SameEvent(ctx, stored)
		if err != nil {
			return err
		}
		if !same {
			notes = append(notes, NoteDiffers)
		}
	}
	switch _, err := tx.Get(ctx, ref); {
	case errors.Is(err, crm.ErrNotFound):
		notes = append(notes, NoteUnknownRecord)
	case errors.Is(err, crm.ErrDeleted):
		notes = append(notes, NoteDeletedRecord)
	case err != nil:
		return fmt.Errorf("looking for the record of an event: %w", err)
	}
	result.Notes = notes
	return nil
}
