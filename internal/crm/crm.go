// Package crm holds the nouns of a CRM (records, properties, associations, lists, users, events) and
// the rules about them that need no database: filters, tokens, calendar arithmetic.
package crm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that every implementation of Records returns wrapped.
var (
	ErrNotFound = errors.New("not found")
	ErrDeleted  = errors.New("deleted")
	ErrInvalid  = errors.New("invalid value")                // wrong type, unknown option, unknown or read-only property
	ErrTaken    = errors.New("another record has it")        // a value of a unique property
	ErrConflict = errors.New("was changed by somebody else") // since the version that a change expects
	ErrAway     = errors.New("away")                         // the store itself: not reached, full, held by somebody; it may answer later
)

// MergedError is the error of a record that was merged into another. It is also ErrDeleted.
type MergedError struct{ Into Ref }

func (e *MergedError) Error() string { return "merged into " + e.Into.String() }

// Is tells that a merged record is a deleted one.
func (e *MergedError) Is(target error) bool { return target == ErrDeleted }

// Restorable is how long a deleted record can be restored before it is purged (semantics §3.4, delete_contact).
const Restorable = 90 * 24 * time.Hour

// Ref names a record, as in contact/51.
type Ref struct{ Object, ID string }

func (r Ref) String() string { return r.Object + "/" + r.ID }

const maxID = 200 // bytes of a record's id

// ParseRef reads a record reference such as contact/51. The id is of printable ASCII without slashes and spaces:
// it is part of Temporal's ids, which travel in headers.
func ParseRef(text string) (Ref, error) {
	object, id, found := strings.Cut(text, "/")
	if !found || object == "" || id == "" || strings.ContainsFunc(id, func(r rune) bool { return r == '/' || r <= ' ' }) {
		return Ref{}, fmt.Errorf("%q is not a record: write OBJECT/ID, as in contact/51", clip(text))
	}
	if len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return r >= 0x7f }) {
		return Ref{}, fmt.Errorf("%q cannot be a record: ids are of letters, digits and signs of ASCII, at most %d", clip(text), maxID)
	}
	return Ref{Object: object, ID: id}, nil
}

// MarshalText writes the form OBJECT/ID.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the form OBJECT/ID.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRef(string(text))
	return err
}

// Record is one contact, company, deal, … Its values are in the canonical text of their property's
// type (see Property.Canonical); a property without a value is absent.
type Record struct {
	Ref
	Properties map[string]string
	Created    time.Time
	Updated    time.Time
	Version    int    // grows with every change
	Source     string // who created it: the idempotency key of the step, or what else
}

// PropertyVersion is one value that a property had, newest first in Records.History.
type PropertyVersion struct {
	Value  string // "" = cleared
	At     time.Time
	Source string // idempotency key of the step, or what else wrote it
}

// Association links the asked record to another.
type Association struct {
	Ref
	Labels  []string
	Primary bool
	Created time.Time
}

// User is somebody of the team that runs the workspace.
type User struct {
	ID     string
	Name   string
	Email  string
	Active bool
	Team   string   // the primary team
	Teams  []string // extra teams
	Roles  []Role   // what the user may do
	Away   []Absence
}

// Event is something that happened to a record.
type Event struct {
	ID         string
	Type       string
	Record     Ref
	At         time.Time
	Source     string // key of the step it answers
	Properties map[string]any
	By         string // who told it; "" = Millrace itself
}

// Membership says where a record stands in a workflow.
type Membership struct {
	Active, Ever, Completed, GoalMet bool
}

// Reader reads the record store.
type Reader interface {
	// Get returns a record. Errors: ErrNotFound, ErrDeleted.
	Get(ctx context.Context, ref Ref) (Record, error)
	// Associated returns the associations of ref to records of an object type, the primary one first, then oldest first.
	Associated(ctx context.Context, ref Ref, object string) ([]Association, error)
	// History returns the versions of a property, newest first.
	History(ctx context.Context, ref Ref, property string) ([]PropertyVersion, error)
	// Having returns up to limit records (0 = all) of an object type whose property is value, as the operator `is` sees
	// it, in the order of their ids. No record has an empty value.
	Having(ctx context.Context, object, property, value string, limit int) ([]Ref, error)
	// Events returns the events of a record of one type with since ≤ At ≤ until, oldest first. Changes of properties
	// are events too: property_changed, or property_changed:NAME of one, with name and value.
	Events(ctx context.Context, ref Ref, eventType string, since, until time.Time) ([]Event, error)
	// InList tells whether a record is on a static list.
	InList(ctx context.Context, ref Ref, list string) (bool, error)
	// Membership tells where a record stands in a workflow.
	Membership(ctx context.Context, ref Ref, workflow string) (Membership, error)
	// Subscription returns a contact's state for a subscription type: opted_in, opted_out or "" (not specified).
	Subscription(ctx context.Context, ref Ref, subscription string) (string, error)
	// Consent returns what an address wants to get of a subscription type. Without a word of it the state is "".
	Consent(ctx context.Context, channel, address, subscription string) (Consent, error)
	// Scheduled returns the change of a property that is to come, if there is one.
	Scheduled(ctx context.Context, ref Ref, property string) (change Scheduled, found bool, err error)
	// Audience returns the id that a network gave an audience which was made here. Errors: ErrNotFound.
	Audience(ctx context.Context, account, name string) (id string, err error)
	// User finds a user by id or address. Errors: ErrNotFound.
	User(ctx context.Context, id string) (User, error)
	// Team returns the members of a team, those with it as primary team first. Errors: ErrNotFound.
	Team(ctx context.Context, id string) ([]User, error)
	// Catalog returns the object types and properties that are declared.
	Catalog(ctx context.Context) (*Catalog, error)
}

// Records is the record store as kinds, filters and tokens see it. Inside a kind that edits our own
// store all calls share one transaction.
type Records interface {
	Reader
	// Find returns the record of an object type that has a value of a unique property. Errors: ErrNotFound; ErrInvalid
	// for a property that is not unique.
	Find(ctx context.Context, object, property, value string) (Ref, error)
	// Update changes properties; an empty value clears. at is the business time, source goes into the
	// history of each property. Writing an equal value leaves no history. Errors: ErrNotFound, ErrDeleted, ErrInvalid,
	// ErrTaken.
	Update(ctx context.Context, ref Ref, values map[string]string, at time.Time, source string) error
	// Create adds a record; without an id it takes the object's next number. Errors: ErrInvalid, ErrTaken.
	Create(ctx context.Context, ref Ref, values map[string]string, at time.Time, source string) (Record, error)
	// Delete hides a record until it is restored or, in the end, purged. Errors: ErrNotFound, ErrDeleted.
	Delete(ctx context.Context, ref Ref, at time.Time) error
	// Associate links two records in both directions and adds label to the link when it is not empty; primary makes
	// `to` the primary record of its type for `from`. Errors: ErrNotFound, ErrDeleted, ErrInvalid.
	Associate(ctx context.Context, from, to Ref, label string, primary bool, at time.Time) error
	// Dissociate takes label off the link between two records, in both directions; an empty label removes the link.
	Dissociate(ctx context.Context, from, to Ref, label string) error
	// AddToList puts a record on a static list and tells whether it was not there yet. Errors: ErrNotFound, ErrDeleted.
	AddToList(ctx context.Context, list string, ref Ref, at time.Time) (added bool, err error)
	// RemoveFromList takes a record off a static list and tells whether it was on it.
	RemoveFromList(ctx context.Context, list string, ref Ref) (removed bool, err error)
	// SetConsent writes down what an address wants to get, for every record that has it. Errors: ErrInvalid.
	SetConsent(ctx context.Context, consent Consent, at time.Time) error
	// Schedule writes down a change that takes effect later, in the place of one of the same property. Errors:
	// ErrNotFound, ErrDeleted, ErrInvalid.
	Schedule(ctx context.Context, change Scheduled) error
	// Unschedule forgets the change of a property that is to come, and tells whether there was one.
	Unschedule(ctx context.Context, ref Ref, property string) (bool, error)
	// ClaimAudience returns the id of an audience that was made here, or tells whether maker is to make it: nobody else
	// does until that time.
	ClaimAudience(ctx context.Context, account, name, maker string, now, until time.Time) (id string, mine bool, err error)
	// KeepAudience keeps the id of an audience that was made.
	KeepAudience(ctx context.Context, account, name, id string) error
	// Upsert creates a record or changes the given properties of it, read-only ones included, which only the system
	// writes. Errors: ErrDeleted, ErrInvalid.
	Upsert(ctx context.Context, ref Ref, values map[string]string, at time.Time, source string) (record Record, created bool, err error)
	// Rotate chooses the next of shares by a counter and returns the user, "" when all are away. Another roster starts
	// the counts anew.
	Rotate(ctx context.Context, counter, roster string, shares []Share) (user string, err error)
	// Increment adds by to a number property atomically; a missing value counts as 0. It returns the new value.
	Increment(ctx context.Context, ref Ref, property string, by Number, at time.Time, source string) (Number, error)
}
