package enroll

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// NotShown stands where something could tell a value that the reader may not see.
const NotShown = "(not shown)"

// Screen is between a reader and what a workflow says of its enrollments. When the workflow uses a property that the
// reader may not see, everything that could tell its value is left out: then he could not open the workflow either
// (semantics §3.0.4). The zero Screen hides nothing.
type Screen struct{ Because string }

// NewScreen is the screen before a workflow. mayOpen fails with crm.ErrForbidden for a revision that the reader may not
// open; of all revisions one is enough, since what they did stands side by side.
func NewScreen(ctx context.Context, books *store.Store, workflow string, mayOpen func(plan.Revision) error) (Screen, error) {
	revisions, err := books.Revisions(ctx, workflow)
	if err != nil {
		return Screen{}, err
	}
	for _, revision := range slices.Backward(revisions) {
		switch err := mayOpen(revision); {
		case errors.Is(err, crm.ErrForbidden):
			return Screen{Because: err.Error()}, nil
		case err != nil:
			return Screen{}, err
		}
	}
	return Screen{}, nil
}

func (s Screen) text(text string) string {
	if s.Because == "" || text == "" {
		return text
	}
	return NotShown
}

// Entries are entries of the journal without the ways that were taken and what is told of them.
func (s Screen) Entries(entries []plan.Entry) []plan.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Port, entries[i].Detail = s.text(entries[i].Port), s.text(entries[i].Detail)
	}
	return entries
}

// Enrollment is an enrollment without what is told of it, and without what it waits for.
func (s Screen) Enrollment(e plan.Enrollment) plan.Enrollment {
	if s.Because == "" {
		return e
	}
	e.Event, e.Detail = nil, s.text(e.Detail)
	e.Standing.LastError, e.Standing.Awaits = s.text(e.Standing.LastError), s.text(e.Standing.Awaits)
	e.Standing.Until = time.Time{}
	return e
}

// Why is an explanation of which only the state is left: what enrolled the record, where it is and since when.
func (s Screen) Why(why Why) Why {
	if s.Because == "" {
		return why
	}
	if why.WaitingFor != nil {
		why.WaitingFor = &Waiting{Kind: why.WaitingFor.Kind, Event: s.text(why.WaitingFor.Event), Hold: why.WaitingFor.Hold, Ahead: why.WaitingFor.Ahead}
	}
	why.Reason, why.Next, why.LastError, why.Obstacles = NotShown+": "+s.Because, NotShown, s.text(why.LastError), nil
	return why
}

// Message is a message without what is said in it.
func (s Screen) Message(message plan.Message) plan.Message {
	message.Subject, message.Body = s.text(message.Subject), s.text(message.Body)
	return message
}
