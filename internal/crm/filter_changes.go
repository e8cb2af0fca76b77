package crm

import (
	"context"
	"slices"
	"time"
)

// Source is something whose change may change the answer of a filter.
type Source struct {
	// Through are the record types between the record that is asked about and the one that changes: none when it is the
	// record itself, `company` when it is an associated company.
	Through []string
	Kind    string // SourceProperty, …
	Name    string
}

// Kinds of Source.
const (
	SourceProperty     = "property"
	SourceEvent        = "event"
	SourceList         = "list"
	SourceWorkflow     = "workflow"
	SourceSubscription = "subscription"
	SourceAssociation  = "association" // with a record type
)

// Sources returns everything whose change may change the filter's answer, through active lists too. Time is not among it:
// see NextChange.
func (f Filter) Sources(catalog *Catalog) []Source { return sourcesOf(f.test, nil, catalog, nil) }

// sourcesOf are those of a test; lists are the active ones on the way to it.
func sourcesOf(root test, through []string, catalog *Catalog, lists []string) (sources []Source) {
	add := func(kind, name string) { sources = append(sources, Source{through, kind, name}) }
	walk(root, func(one test) {
		switch one := one.(type) {
		case propertyTest:
			add(SourceProperty, one.property.Text)
			if !one.other.IsZero() {
				add(SourceProperty, one.other.Text)
			}
		case eventTest:
			add(SourceEvent, one.event.Text)
		case formTest:
			add(SourceEvent, EventFormSubmitted)
		case listTest:
			add(SourceList, one.list.Text)
			if list, active := catalog.ActiveList(one.list.Text); active && !slices.Contains(lists, list.Name) {
				sources = append(sources, sourcesOf(list.Filter.test, through, catalog, append(slices.Clone(lists), list.Name))...)
			}
		case workflowTest:
			add(SourceWorkflow, one.workflow.Text)
		case subscriptionTest:
			add(SourceSubscription, one.subscription.Text)
		case associatedTest:
			add(SourceAssociation, one.object.Text)
			sources = append(sources, sourcesOf(one.where, append(slices.Clone(through), one.object.Text), catalog, lists)...)
		}
	})
	return sources
}

// Happening is what has just become true of a record.
type Happening struct {
	Event  *Event            // an event, or
	Values map[string]string // new values of properties; "" = cleared
}

// Recurs tells whether what happened makes a filter match anew, also when it matched before: a property that has to be
// known has another value, or an event or a form that is asked for has come again, while the rest holds. Refinements of
// date and count do not matter (semantics §2.5). Errors are those of Records.
func (f Filter) Recurs(ctx context.Context, env FilterEnv, happened Happening) (bool, error) {
	if f.test == nil {
		return false, nil
	}
	truth, anew, err := recurs(ctx, newEvaluation(env), f.test, happened)
	return truth == Yes && anew, err
}

// recurs answers a test, and tells whether that is new.
func recurs(ctx context.Context, e *evaluation, one test, happened Happening) (truth Truth, anew bool, err error) {
	switch one := one.(type) {
	case allOf:
		truth = Yes
		for _, inner := range one.tests {
			found, fresh, err := recurs(ctx, e, inner, happened)
			if err != nil {
				return No, false, err
			}
			truth, anew = min(truth, found), anew || fresh
		}
		return truth, anew, nil
	case anyOf:
		for _, inner := range one.tests {
			found, fresh, err := recurs(ctx, e, inner, happened)
			if err != nil {
				return No, false, err
			}
			truth, anew = max(truth, found), anew || fresh && found == Yes
		}
		return truth, anew, nil
	case propertyTest:
		truth, err = one.match(ctx, e)
		return truth, one.operator.name == "known" && one.known && happened.Values[one.property.Text] != "", err
	case formTest:
		truth, err = one.match(ctx, e)
		event := happened.Event
		return truth, one.submitted && event != nil && event.Type == EventFormSubmitted && Text(event.Properties["form_id"]) == one.form.Text, err
	case eventTest:
		return one.recurs(ctx, e, happened.Event)
	}
	truth, err = one.match(ctx, e)
	return truth, false, err
}

func (t eventTest) recurs(ctx context.Context, e *evaluation, event *Event) (truth Truth, anew bool, err error) {
	unrefined := t
	unrefined.within, unrefined.limited, unrefined.atLeast = Duration{}, false, 1
	if truth, err = unrefined.match(ctx, e); err != nil || event == nil || event.Type != t.event.Text {
		return truth, false, err
	}
	if t.where == nil {
		return truth, true, nil
	}
	env := e.FilterEnv
	env.Event = event
	passes, err := t.where.match(ctx, newEvaluation(env))
	return truth, passes == Yes, err
}

// DayOf reads the day of a date or datetime property's canonical value in a zone.
func DayOf(value string, zone *time.Location) (Date, bool) {
	read, known := readMoment(value, zone)
	return read.day, known
}
