package crm_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// records is an in-memory crm.Records. Only what filters, templates and targets read is implemented.
type records struct {
	crm.Records // panics for the rest

	records       map[crm.Ref]crm.Record
	associations  map[crm.Ref][]crm.Association
	history       map[string][]crm.PropertyVersion // by property
	events        []crm.Event
	lists         []string
	memberships   map[string]crm.Membership
	subscriptions map[string]string
	users         map[string]crm.User
	gets          int
}

func (r *records) Get(_ context.Context, ref crm.Ref) (crm.Record, error) {
	r.gets++
	record, found := r.records[ref]
	if !found {
		return crm.Record{}, crm.ErrNotFound
	}
	return record, nil
}

func (r *records) Associated(_ context.Context, ref crm.Ref, object string) ([]crm.Association, error) {
	var found []crm.Association
	for _, association := range r.associations[ref] {
		if association.Object == object {
			found = append(found, association)
		}
	}
	return found, nil
}

func (r *records) History(_ context.Context, _ crm.Ref, property string) ([]crm.PropertyVersion, error) {
	return r.history[property], nil
}

func (r *records) Events(_ context.Context, _ crm.Ref, eventType string, since, until time.Time) ([]crm.Event, error) {
	var found []crm.Event
	for _, event := range r.events {
		if event.Type == eventType && !event.At.Before(since) && !event.At.After(until) {
			found = append(found, event)
		}
	}
	return found, nil
}

func (r *records) InList(_ context.Context, _ crm.Ref, list string) (bool, error) {
	return slices.Contains(r.lists, list), nil
}

func (r *records) Membership(_ context.Context, _ crm.Ref, workflow string) (crm.Membership, error) {
	return r.memberships[workflow], nil
}

func (r *records) Subscription(_ context.Context, _ crm.Ref, subscription string) (string, error) {
	return r.subscriptions[subscription], nil
}

func (r *records) User(_ context.Context, id string) (crm.User, error) {
	user, found := r.users[id]
	if !found {
		return crm.User{}, crm.ErrNotFound
	}
	return user, nil
}

// oneContact returns a store with the contact 1 and its properties.
func oneContact(properties map[string]string) *records {
	ref := crm.Ref{Object: "contact", ID: "1"}
	return &records{records: map[crm.Ref]crm.Record{ref: {Ref: ref, Properties: properties}}}
}

// with adds an associated record.
func (r *records) with(association crm.Association, properties map[string]string) *records {
	if r.associations == nil {
		r.associations = map[crm.Ref][]crm.Association{}
	}
	contact := crm.Ref{Object: "contact", ID: "1"}
	r.associations[contact] = append(r.associations[contact], association)
	r.records[association.Ref] = crm.Record{Ref: association.Ref, Properties: properties}
	return r
}

// decode reads YAML into a value and returns what is wrong with it.
func decode[T any](source string) (T, schema.Diagnostics) {
	var value T
	node, problems := schema.Parse("test.yaml", []byte(source))
	if node != nil {
		problems = append(problems, schema.Decode(node, &value)...)
	}
	return value, problems
}

// mustDecode reads YAML that is right.
func mustDecode[T any](t testing.TB, source string) T {
	t.Helper()
	value, problems := decode[T](source)
	require.Empty(t, problems)
	return value
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	location, err := crm.LoadZone(name)
	require.NoError(t, err)
	return location
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at
}
