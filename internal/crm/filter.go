package crm

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// Truth is the answer of a filter.
type Truth int

const (
	No Truth = iota
	Unknown
	Yes
)

// FilterEnv is what a filter is evaluated on.
type FilterEnv struct {
	Records Records
	Ref     Ref
	Event   *Event // property tests read this event instead of the record
	Now     time.Time
	Zone    *time.Location
	Catalog *Catalog
}

// Filter is the filter language.
type Filter struct{ node *schema.Node }

// EventFilter is a filter on the properties of an event.
type EventFilter struct{ Filter }

// PropertyUse is one test of a property.
type PropertyUse struct {
	Object   string // "" = the enrolled record
	Name     string
	Operator string
	Operands []string
	Pos      schema.Pos
}

// Finding is what one test of a filter answered.
type Finding struct {
	Pos   schema.Pos
	Test  string
	Truth Truth
}

func (f *Filter) UnmarshalNode(node *schema.Node, d *schema.Diagnostics)      {}
func (f *EventFilter) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {}
func (f Filter) MarshalJSON() ([]byte, error)                                 { return nil, nil }
func (f Filter) IsZero() bool                                                 { return false }
func (f Filter) Properties() []PropertyUse                                    { return nil }
func (f Filter) References() []Reference                                      { return nil }
func (f Filter) Match(ctx context.Context, env FilterEnv) (Truth, error)      { return No, nil }
func (f Filter) Explain(ctx context.Context, env FilterEnv) ([]Finding, error) {
	return nil, nil
}
