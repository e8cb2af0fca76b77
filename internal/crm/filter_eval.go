package crm

import (
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// evaluation is a filter at work on one record or event.
type evaluation struct {
	FilterEnv
	record *Record  // once it is read
	lists  []string // active lists on the way here
}

func newEvaluation(env FilterEnv) *evaluation {
	if env.Zone == nil {
		env.Zone = time.UTC
	}
	return &evaluation{FilterEnv: env, record: env.Record}
}

// value returns a property's canonical text, "" when it is empty, with the type it is known to have;
// "" when nothing is known about it.
func (e *evaluation) value(ctx context.Context, name string) (string, Property, error) {
	if e.Event != nil {
		return e.eventValue(name)
	}
	if e.record == nil {
		record, err := e.Records.Get(ctx, e.Ref)
		if err != nil {
			return "", Property{}, err
		}
		e.record = &record
	}
	property, declared := e.Catalog.Property(e.Ref.Object, name)
	if declared && property.Type == "" {
		property.Type = TypeString
	}
	return e.record.Property(name), property, nil
}

// eventValue reads a property of the event: JSON types tell more than nothing.
func (e *evaluation) eventValue(name string) (string, Property, error) {
	value := settled(e.Event.Properties[name])
	property := Property{Name: name}
	switch value.(type) {
	case Number:
		property.Type = TypeNumber
	case bool:
		property.Type = TypeBool
	case []any:
		property.Type = TypeEnumeration
	}
	return Text(value), property, nil
}

func (g allOf) match(ctx context.Context, e *evaluation) (Truth, error) {
	least := Yes
	for _, one := range g.tests {
		truth, err := one.match(ctx, e)
		if least = min(least, truth); err != nil || least == No {
			return least, err
		}
	}
	return least, nil
}

func (g anyOf) match(ctx context.Context, e *evaluation) (Truth, error) {
	most := No
	for _, one := range g.tests {
		truth, err := one.match(ctx, e)
		if most = max(most, truth); err != nil || most == Yes {
			return most, err
		}
	}
	return most, nil
}

func (n noneOf) match(ctx context.Context, e *evaluation) (Truth, error) {
	truth, err := n.test.match(ctx, e)
	return truth.not(), err
}

func (t listTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	if list, active := e.Catalog.ActiveList(t.list.Text); active {
		inner, truth := e.within(list)
		if inner == nil {
			return truth, nil
		}
		return list.Filter.test.match(ctx, inner)
	}
	on, err := e.Records.InList(ctx, e.Ref, t.list.Text)
	return truthOf(on), err
}

// within is the evaluation of an active list's filter on the same record. It is nil when the answer is known before: a
// record of another type is not on the list, one without a filter has every record, and nobody knows who is on a list
// that depends on itself, which check refuses.
func (e *evaluation) within(list ActiveList) (*evaluation, Truth) {
	switch {
	case list.Object != e.Ref.Object:
		return nil, No
	case list.Filter.test == nil:
		return nil, Yes
	case slices.Contains(e.lists, list.Name):
		return nil, Unknown
	}
	inner := newEvaluation(e.FilterEnv)
	inner.record, inner.lists = e.record, append(slices.Clone(e.lists), list.Name)
	return inner, Unknown
}

func (t workflowTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	member, err := e.Records.Membership(ctx, e.Ref, t.workflow.Text)
	switch t.status {
	case "ever":
		return truthOf(member.Ever), err
	case "completed":
		return truthOf(member.Completed), err
	case "goal_met":
		return truthOf(member.GoalMet), err
	}
	return truthOf(member.Active), err
}

func (t subscriptionTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	state, err := e.Records.Subscription(ctx, e.Ref, t.subscription.Text)
	if state == "" {
		state = "not_specified"
	}
	return truthOf(state == t.state), err
}

// match holds when some associated record passes all of the inner filter; tests do not mix across
// records (semantics §1.6).
func (t associatedTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	found, err := associated(ctx, e.Records, e.Ref, t.object.Text, t.label)
	if err != nil {
		return No, err
	}
	most := No
	for _, association := range found {
		truth, err := associatedRecord{association.Ref, t.where}.match(ctx, e)
		if most = max(most, truth); err != nil || most == Yes {
			return most, err
		}
	}
	return most, nil
}

// associatedRecord is a filter on another record; one that is gone does not pass.
type associatedRecord struct {
	ref   Ref
	where test // nil = every record
}

// of is the evaluation of the other record.
func (a associatedRecord) of(e *evaluation) *evaluation {
	env := e.FilterEnv
	env.Ref, env.Record, env.Event = a.ref, nil, nil
	other := newEvaluation(env)
	other.lists = e.lists
	return other
}

func (a associatedRecord) match(ctx context.Context, e *evaluation) (Truth, error) {
	if a.where == nil {
		_, err := e.Records.Get(ctx, a.ref)
		if gone(err) {
			return No, nil
		}
		return Yes, err
	}
	truth, err := a.where.match(ctx, a.of(e))
	if gone(err) {
		return No, nil
	}
	return truth, err
}

func (a associatedRecord) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	if a.where == nil {
		truth, err := a.match(ctx, e)
		return forecast{truth: truth}, err
	}
	found, err := a.where.forecast(ctx, a.of(e))
	if gone(err) {
		return forecast{truth: No}, nil
	}
	return found, err
}

// match counts the events of the past, or of `within`, that pass the inner filter.
func (t eventTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	var since time.Time
	if t.limited {
		since = startOfLast(e.Now, t.within, e.Zone)
	}
	events, err := e.Records.Events(ctx, e.Ref, t.event.Text, since, e.Now)
	if err != nil {
		return No, err
	}
	counts := [3]int{}
	for _, event := range events {
		truth := Yes
		if t.where != nil {
			env := e.FilterEnv
			env.Event = &event
			if truth, err = t.where.match(ctx, newEvaluation(env)); err != nil {
				return No, err
			}
		}
		counts[truth]++
	}
	switch {
	case counts[Yes] >= t.atLeast:
		return Yes, nil
	case counts[Yes]+counts[Unknown] >= t.atLeast:
		return Unknown, nil
	}
	return No, nil
}

func (t formTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	events, err := e.Records.Events(ctx, e.Ref, EventFormSubmitted, time.Time{}, e.Now)
	for _, event := range events {
		if Text(event.Properties["form_id"]) == t.form.Text {
			return truthOf(t.submitted), err
		}
	}
	return truthOf(!t.submitted), err
}

func (t propertyTest) match(ctx context.Context, e *evaluation) (Truth, error) {
	switch t.operator.name {
	case "was_ever", "was_never":
		return t.matchHistory(ctx, e)
	case "updated_within", "not_updated_within", "updated_before", "updated_after":
		return t.matchUpdate(ctx, e)
	}
	text, property, err := e.value(ctx, t.property.Text)
	if err != nil {
		return No, err
	}
	if t.operator.name == "known" {
		return truthOf((text != "") == t.known || t.emptyMatches && text == ""), nil
	}
	operands := t.operands
	if !t.other.IsZero() {
		other, otherProperty, err := e.value(ctx, t.other.Text)
		if err != nil || other == "" {
			return truthOf(t.emptyMatches), err
		}
		operands = []constant{{text: other, kind: schema.String}}
		if property.Type == "" {
			property.Type = otherProperty.Type
		}
	}
	if text == "" {
		return truthOf(t.emptyMatches), nil
	}
	return t.operator.holds(t.compare(e, text, property, operands)), nil
}

// compare puts a value beside operands, both read as the property's type or, when it is not declared,
// as the type that operator and operands suggest (language §2).
func (t propertyTest) compare(e *evaluation, text string, property Property, operands []constant) comparison {
	kind := property.Type
	if kind == "" {
		kind = suggested(t.operator, operands)
	}
	return comparison{text: text, kind: kind, operands: operands, stored: !t.other.IsZero(), duration: t.duration, now: e.Now, zone: e.Zone, fiscal: e.Catalog.fiscalYear()}
}

// suggested is the type of an undeclared property.
func suggested(used operator, operands []constant) PropertyType {
	switch {
	case used.takes == takesDuration || used.takes == takesMoment:
		return TypeDatetime
	case len(used.types) == 1:
		return used.types[0]
	case len(operands) == 0 || used.takes == takesAny:
		return TypeString
	}
	kinds := map[PropertyType]bool{}
	for _, operand := range operands {
		kinds[suggestedBy(operand)] = true
	}
	if len(kinds) > 1 {
		return TypeString
	}
	return suggestedBy(operands[0])
}

func suggestedBy(operand constant) PropertyType {
	switch operand.kind {
	case schema.Number:
		return TypeNumber
	case schema.Bool:
		return TypeBool
	}
	if guess := Infer(operand.text); guess == TypeDate || guess == TypeDatetime || isRelative(operand) {
		return TypeDatetime
	}
	return TypeString
}

func isRelative(operand constant) bool {
	_, is := readRelative(operand.text)
	return is
}

// versions returns the history of the tested property, newest first. It is unknown for calculated
// properties and for events.
func (t propertyTest) versions(ctx context.Context, e *evaluation) (versions []PropertyVersion, property Property, known bool, err error) {
	current, property, err := e.value(ctx, t.property.Text)
	if err != nil || e.Event != nil || !property.Calculated.IsZero() {
		return nil, property, false, err
	}
	versions, err = e.Records.History(ctx, e.Ref, t.property.Text)
	if len(versions) == 0 && current != "" {
		versions = []PropertyVersion{{Value: current}} // from before there was a history
	}
	return versions, property, true, err
}

// matchHistory answers was_ever and was_never. A property that never had a value is empty.
func (t propertyTest) matchHistory(ctx context.Context, e *evaluation) (Truth, error) {
	versions, property, known, err := t.versions(ctx, e)
	if err != nil || !known {
		return Unknown, err
	}
	had, most := false, No
	for _, version := range versions {
		if version.Value == "" {
			continue
		}
		had = true
		inner := t
		inner.operator = t.within
		most = max(most, t.within.holds(inner.compare(e, version.Value, property, t.operands)))
	}
	if !had {
		return truthOf(t.emptyMatches), nil
	}
	if t.operator.name == "was_never" {
		most = most.not()
	}
	return most, nil
}

// matchUpdate answers updated_within, not_updated_within, updated_before and updated_after.
func (t propertyTest) matchUpdate(ctx context.Context, e *evaluation) (Truth, error) {
	versions, _, known, err := t.versions(ctx, e)
	if err != nil || !known {
		return Unknown, err
	}
	if len(versions) == 0 {
		return truthOf(t.emptyMatches), nil
	}
	at := versions[0].At
	if t.operator.takes == takesMoment {
		return t.compareUpdate(ctx, e, at)
	}
	updated := truthOf(!at.Before(startOfLast(e.Now, t.duration, e.Zone)) && !at.After(e.Now)).when(!at.IsZero())
	if t.operator.name == "not_updated_within" {
		updated = updated.not()
	}
	return updated, nil
}

// compareUpdate puts the time of the last change before or after a day, a time, or the last change of another property.
func (t propertyTest) compareUpdate(ctx context.Context, e *evaluation, at time.Time) (Truth, error) {
	var other moment
	var known bool
	if t.other.IsZero() {
		other, known = t.compare(e, "", Property{Type: TypeDatetime}, nil).operandMoment(t.operands[0].text)
	} else {
		versions, _, remembered, err := propertyTest{property: t.other}.versions(ctx, e)
		if err != nil || remembered && len(versions) == 0 {
			return truthOf(t.emptyMatches), err
		}
		if known = remembered && !versions[0].At.IsZero(); known {
			other = momentOf(versions[0].At, e.Zone)
		}
	}
	order := momentOf(at, e.Zone).compare(other)
	return truthOf(order != 0 && order < 0 == (t.operator.name == "updated_before")).when(known && !at.IsZero()), nil
}

func momentOf(at time.Time, zone *time.Location) moment {
	return moment{day: DateOf(at, zone), at: at}
}
