package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// Truth is the answer of a filter. Unknown means that the data cannot say: an order between values
// that are not comparable, the history of a calculated property. It is not a match, and its negation
// is unknown as well.
type Truth int

// Truths, the weaker first.
const (
	No Truth = iota
	Unknown
	Yes
)

// String writes no, unknown or yes.
func (t Truth) String() string { return [...]string{"no", "unknown", "yes"}[t] }

func (t Truth) not() Truth { return Yes - t }

// when is the truth if it is known.
func (t Truth) when(known bool) Truth {
	if !known {
		return Unknown
	}
	return t
}

func truthOf(yes bool) Truth {
	if yes {
		return Yes
	}
	return No
}

// FilterEnv is what a filter is evaluated on.
type FilterEnv struct {
	Records Reader
	Ref     Ref            // the record in question
	Record  *Record        // when set, that record as it was read already
	Event   *Event         // when set, property tests read this event's properties instead of the record's
	Now     time.Time      // of `within` and its like
	Zone    *time.Location // in which days begin; nil = UTC
	Catalog *Catalog
}

// Filter is a condition on a record (language §2, semantics §1.6). The rules that matter:
//
//   - a property without a value fails every operator but `known: false`, negative ones too, unless
//     the test says `empty: match`; `not` around what it fails is true;
//   - text compares without regard to case, whether with a constant or with another property; option
//     values compare exactly, and `is` and `in` hold when one of several selected options does;
//   - a day compares with times by the day in the zone;
//   - event and form tests look at the whole past unless `within` narrows it.
//
// The zero Filter is missing and matches everything.
type Filter struct {
	source *schema.Node
	test   test
}

// EventFilter is a filter on the properties of an event.
type EventFilter struct{ Filter }

// Operators of a PropertyUse that are none of a filter.
const (
	Writes    = "write" // changes the property
	ReadsDate = "date"  // needs a date or datetime
)

// PropertyUse is one mention of a property in a filter, a target or an edit.
type PropertyUse struct {
	Object   string // "" = the type of the enrolled record
	Name     string
	Operator string
	Operands []string // as written
	Pos      schema.Pos

	constants []constant
}

// Finding is what one test of a filter answers.
type Finding struct {
	Pos   schema.Pos
	Test  string // its source as JSON
	Truth Truth
}

// test is a condition: a leaf or a group.
type test interface {
	match(ctx context.Context, e *evaluation) (Truth, error)
	forecaster
	condition(s setting, wanted Truth) Condition
}

type (
	allOf     struct{ tests []test }
	anyOf     struct{ tests []test }
	noneOf    struct{ test test } // not
	leaf      struct{ source *schema.Node }
	eventTest struct {
		leaf
		event   EventType
		where   test // nil = every event
		within  Duration
		limited bool // within is given
		atLeast int
	}
	listTest struct {
		leaf
		list ListName
	}
	workflowTest struct {
		leaf
		workflow WorkflowName
		status   string
	}
	associatedTest struct {
		leaf
		object ObjectName
		label  string
		where  test // nil = every record
	}
	subscriptionTest struct {
		leaf
		subscription SubscriptionName
		state        string
	}
	formTest struct {
		leaf
		form      FormName
		submitted bool
	}
	propertyTest struct {
		leaf
		property     PropertyName
		operator     operator
		operands     []constant
		other        PropertyName // {property: B}
		duration     Duration
		known        bool
		within       operator // of was_ever and was_never
		emptyMatches bool
	}
)

// EventFormSubmitted is the type of the event that a form test looks for; its property form_id names
// the form.
const EventFormSubmitted = "form_submitted"

// UnmarshalNode reads a filter and reports every problem at its place.
func (f *Filter) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	*f = Filter{source: node, test: (&filterReader{d: d}).read(node)}
}

// UnmarshalNode reads a filter on an event's properties, in which nothing else can be tested.
func (f *EventFilter) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	f.Filter = Filter{source: node, test: (&filterReader{d: d, onEvent: true}).read(node)}
}

// UnmarshalJSON reads a stored filter. The error is the first problem.
func (f *Filter) UnmarshalJSON(data []byte) error {
	node, problems := schema.Parse("filter.json", data)
	if node != nil && node.Kind != schema.Null {
		f.UnmarshalNode(node, &problems)
	}
	if problems.HasErrors() {
		return invalidf("filter: %s", problems[0].Message)
	}
	return nil
}

// ReadFilter reads a filter as published plans keep it; no text is no filter.
func ReadFilter(text json.RawMessage) (*Filter, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	filter := &Filter{}
	return filter, filter.UnmarshalJSON(text)
}

// ReadEventFilter reads a filter on an event's properties, as ReadFilter.
func ReadEventFilter(text json.RawMessage) (*Filter, error) {
	filter := &EventFilter{}
	node, problems := schema.Parse("filter.json", text)
	if node != nil {
		filter.UnmarshalNode(node, &problems)
	}
	if problems.HasErrors() {
		return nil, invalidf("filter: %s", problems[0].Message)
	}
	return &filter.Filter, nil
}

// MarshalJSON writes the filter as it was read; null for a missing one.
func (f Filter) MarshalJSON() ([]byte, error) {
	if f.source == nil {
		return []byte("null"), nil
	}
	return f.source.MarshalJSON()
}

// Describe tells readers about the source form.
func (Filter) Describe() schema.Description {
	return schema.Description{
		Name: "filter", Doc: "A condition: {property: P, OPERATOR: value}, {list: L}, {event: E}, … or a group: all, any, not.",
		Schema: map[string]any{"type": "object"},
	}
}

// IsZero tells whether the filter is missing.
func (f Filter) IsZero() bool { return f.source == nil }

// Pos returns where the filter stands in its file.
func (f Filter) Pos() schema.Pos {
	if f.source == nil {
		return schema.Pos{}
	}
	return f.source.Pos
}

// Match evaluates the filter. Errors are those of Records.
func (f Filter) Match(ctx context.Context, env FilterEnv) (Truth, error) {
	if f.test == nil {
		return Yes, nil
	}
	return f.test.match(ctx, newEvaluation(env))
}

// Explain evaluates every test of the filter on its own, to tell which ones fail.
func (f Filter) Explain(ctx context.Context, env FilterEnv) ([]Finding, error) {
	var findings []Finding
	e := newEvaluation(env)
	var err error
	walk(f.test, func(one test) {
		found, isLeaf := one.(interface{ node() *schema.Node })
		if !isLeaf || err != nil {
			return
		}
		finding := Finding{Pos: found.node().Pos}
		var source []byte
		if source, err = json.Marshal(found.node()); err != nil {
			return
		}
		finding.Test = string(source)
		finding.Truth, err = one.match(ctx, e)
		findings = append(findings, finding)
	})
	return findings, err
}

func (l leaf) node() *schema.Node { return l.source }

// walk visits a test and, in groups, those within it. It does not enter `where`.
func walk(one test, visit func(test)) {
	if one == nil {
		return
	}
	visit(one)
	switch one := one.(type) {
	case allOf:
		for _, inner := range one.tests {
			walk(inner, visit)
		}
	case anyOf:
		for _, inner := range one.tests {
			walk(inner, visit)
		}
	case noneOf:
		walk(one.test, visit)
	}
}

// Properties returns the properties of records that the filter mentions; those of events have no
// declaration and are left out.
func (f Filter) Properties() []PropertyUse { return propertiesOf(f.test, "") }

// Properties returns nothing: events have no declared properties.
func (f EventFilter) Properties() []PropertyUse { return nil }

func propertiesOf(root test, object string) []PropertyUse {
	var uses []PropertyUse
	walk(root, func(one test) {
		switch one := one.(type) {
		case associatedTest:
			uses = append(uses, propertiesOf(one.where, one.object.Text)...)
		case propertyTest:
			use := PropertyUse{Object: object, Name: one.property.Text, Operator: one.operator.name, Pos: one.property.pos, constants: one.operands}
			for _, operand := range one.operands {
				use.Operands = append(use.Operands, operand.text)
			}
			uses = append(uses, use)
			if !one.other.IsZero() {
				uses = append(uses, PropertyUse{Object: object, Name: one.other.Text, Operator: one.operator.name, Pos: one.other.pos})
			}
		}
	})
	return uses
}

// References returns the lists, workflows, forms, subscriptions, events and record types that the
// filter names.
func (f Filter) References() []Reference { return referencesOf(f.test) }

func referencesOf(root test) []Reference {
	var references []Reference
	walk(root, func(one test) {
		switch one := one.(type) {
		case eventTest:
			references = append(references, one.event)
		case listTest:
			references = append(references, one.list)
		case workflowTest:
			references = append(references, one.workflow)
		case associatedTest:
			references = append(append(references, one.object), referencesOf(one.where)...)
		case subscriptionTest:
			references = append(references, one.subscription)
		case formTest:
			references = append(references, one.form)
		}
	})
	return references
}

// Check reports when the operator does not fit the declared property, or an operand is no value of it.
func (u PropertyUse) Check(property Property, d *schema.Diagnostics) {
	kind := property.Type
	if kind == "" {
		kind = TypeString
	}
	if u.Operator == ReadsDate && !slices.Contains(timeTypes, kind) {
		d.Errorf(u.Pos, codeWrongValue, "%s is a %s, not a date", u.Name, kind)
	}
	used, found := findOperator(u.Operator)
	if !found {
		return
	}
	if used.types != nil && !slices.Contains(used.types, kind) {
		d.Errorf(u.Pos, codeWrongValue, "%s cannot be used on %s, which is a %s", u.Operator, u.Name, kind)
		return
	}
	if used.takes == takesHistory && !property.Calculated.IsZero() {
		d.Warningf(u.Pos, codeWrongValue, "%s is calculated and has no history: %s never matches", u.Name, u.Operator)
	}
	if used.takes == takesMoment && used.holds == nil { // the time of a change, whatever the property's type
		return
	}
	for _, operand := range u.constants {
		if err := fits(operand.text, property); err != nil {
			problem := d.Errorf(operand.pos, codeWrongValue, "%s: %s", u.Name, reason(err))
			if slices.Contains(timeTypes, kind) {
				problem.Suggest(operand.text, relativeWords())
			}
			if len(property.Options) > 0 {
				values := make([]string, len(property.Options))
				for i, option := range property.Options {
					values[i] = option.Value
				}
				problem.Suggest(operand.text, values)
			}
		}
	}
}

// fits tells whether a constant can be compared with the values of a property.
func fits(text string, property Property) error {
	switch property.Type {
	case TypeDate, TypeDatetime:
		if _, known := (comparison{zone: time.UTC}).operandMoment(text); !known {
			return invalidf("%q is not a date or time", clip(text))
		}
	case TypeNumber, TypeBool:
		_, err := property.canonical(text)
		return err
	case TypeEnumeration:
		property.Multiple = true
		_, err := property.canonical(text)
		return err
	}
	return nil
}

// filterReader turns source nodes into tests.
type filterReader struct {
	d       *schema.Diagnostics
	onEvent bool // property tests read an event; nothing else can be tested
}

// subjects are the keys that say what a filter is about.
var subjects = []string{"property", "all", "any", "not", "event", "list", "workflow", "associated", "subscription", "form"}

// FilterWords are all words of filters, for their documentation: what they may be about, their operators, and words for times.
func FilterWords() []string { return slices.Concat(subjects, operatorNames(), relativeWords()) }

// eventSubjects are those of them that an event can be asked.
var eventSubjects = subjects[:4]

// read returns the test that a node describes, nil when it describes none.
func (r *filterReader) read(node *schema.Node) test {
	if node.Kind != schema.Mapping {
		problem := r.d.WrongType(node, "", "a filter")
		if node.Kind == schema.List {
			problem.Hint = "write {all: […]} or {any: […]}"
		}
		return nil
	}
	allowed := subjects
	if r.onEvent {
		allowed = eventSubjects
	}
	var found []*schema.Node
	for _, field := range node.Fields {
		if slices.Contains(subjects, field.Key.Value) {
			found = append(found, field.Key)
		}
	}
	switch {
	case len(found) > 1:
		r.d.Errorf(found[1].Pos, codeManyOperators, "a filter is about one thing; this one is about %s and %s", found[0].Value, found[1].Value).
			Hint = "combine several with {all: […]} or {any: […]}"
		return nil
	case len(found) == 0 && len(node.Fields) > 0:
		r.d.UnknownKey(node.Fields[0].Key, allowed)
		return nil
	case len(found) == 0:
		r.d.Errorf(node.Pos, codeEmptyGroup, "the filter is empty; it needs one of %s", strings.Join(allowed, ", "))
		return nil
	case !slices.Contains(allowed, found[0].Value):
		r.d.Errorf(found[0].Pos, codeWrongValue, "here only properties of the event can be tested, not %s", found[0].Value)
		return nil
	}
	subject := node.Get(found[0].Value)
	switch found[0].Value {
	case "property":
		return r.property(node)
	case "all":
		return allOf{r.group(node, found[0], subject)}
	case "any":
		return anyOf{r.group(node, found[0], subject)}
	case "not":
		r.only(node, "not")
		return noneOf{r.read(subject)}
	}
	return r.leaf(node, found[0].Value)
}

func (r *filterReader) group(node, key, list *schema.Node) []test {
	r.only(node, key.Value)
	if list.Kind != schema.List {
		r.d.WrongType(list, key.Value, "a list of filters")
		return nil
	}
	if len(list.Items) == 0 {
		r.d.Errorf(list.Pos, codeEmptyGroup, "%s needs at least one filter", key.Value)
	}
	tests := make([]test, len(list.Items))
	for i, item := range list.Items {
		tests[i] = r.read(item)
	}
	return tests
}

// only reports the keys of a filter that it does not have.
func (r *filterReader) only(node *schema.Node, allowed ...string) {
	for _, field := range node.Fields {
		if !slices.Contains(allowed, field.Key.Value) {
			r.d.UnknownKey(field.Key, allowed)
		}
	}
}

// Source forms of the leaves that are plain structs.
type (
	eventSource struct {
		Event   EventType `json:"event" doc:"Type of the event." required:"true"`
		Within  *Duration `json:"within" doc:"Only events of the last days or hours."`
		AtLeast int       `json:"at_least" doc:"How many there have to be." default:"1" min:"1"`
	}
	listSource struct {
		List ListName `json:"list" doc:"The list." required:"true"`
	}
	workflowSource struct {
		Workflow WorkflowName `json:"workflow" doc:"The workflow." required:"true"`
		Status   string       `json:"status" doc:"Where the record stands in it." enum:"active,ever,completed,goal_met" default:"active"`
	}
	associatedSource struct {
		Associated ObjectName `json:"associated" doc:"Record type." required:"true"`
		Label      string     `json:"label" doc:"Only associations with this label."`
	}
	subscriptionSource struct {
		Subscription SubscriptionName `json:"subscription" doc:"The subscription type." required:"true"`
		Is           string           `json:"is" doc:"Its state." enum:"opted_in,opted_out,not_specified" required:"true"`
	}
	formSource struct {
		Form      FormName `json:"form" doc:"The form." required:"true"`
		Submitted bool     `json:"submitted" doc:"Whether it was submitted." default:"true"`
	}
)

// leaf reads a test that is not about a property.
func (r *filterReader) leaf(node *schema.Node, subject string) test {
	base := leaf{node}
	switch subject {
	case "event":
		var source eventSource
		rest, where := without(node, "where")
		r.decode(rest, &source)
		result := eventTest{leaf: base, event: source.Event, atLeast: source.AtLeast}
		if source.Within != nil {
			result.within, result.limited = *source.Within, true
		}
		if where != nil {
			result.where = (&filterReader{d: r.d, onEvent: true}).read(where)
		}
		return result
	case "list":
		var source listSource
		r.decode(node, &source)
		return listTest{base, source.List}
	case "workflow":
		var source workflowSource
		r.decode(node, &source)
		return workflowTest{base, source.Workflow, source.Status}
	case "associated":
		var source associatedSource
		rest, where := without(node, "where")
		r.decode(rest, &source)
		result := associatedTest{leaf: base, object: source.Associated, label: source.Label}
		if where != nil {
			result.where = r.read(where)
		}
		return result
	case "subscription":
		var source subscriptionSource
		r.decode(node, &source)
		return subscriptionTest{base, source.Subscription, source.Is}
	}
	var source formSource
	r.decode(node, &source)
	return formTest{base, source.Form, source.Submitted}
}

func (r *filterReader) decode(node *schema.Node, into any) {
	*r.d = append(*r.d, schema.Decode(node, into)...)
}

// without takes a key out of a mapping.
func without(node *schema.Node, key string) (rest, value *schema.Node) {
	copied := *node
	copied.Fields = slices.DeleteFunc(slices.Clone(node.Fields), func(field schema.Field) bool { return field.Key.Value == key })
	return &copied, node.Get(key)
}

// property reads a test of a property.
func (r *filterReader) property(node *schema.Node) test {
	result := propertyTest{leaf: leaf{node}}
	result.property.UnmarshalNode(node.Get("property"), r.d)
	if empty := node.Get("empty"); empty != nil {
		if result.emptyMatches = empty.Value == "match"; !result.emptyMatches {
			r.d.NotAllowed(empty, "empty", []string{"match"})
		}
	}
	var key *schema.Node
	for _, field := range node.Fields {
		switch name := field.Key.Value; {
		case name == "property" || name == "empty":
		case !slices.Contains(operatorNames(), name):
			problem := r.d.Errorf(field.Key.Pos, "unknown-key", "there is no operator %s", name)
			problem.Suggest(name, append(operatorNames(), "empty"))
			if problem.Hint == "" {
				problem.Hint = "the operators are " + strings.Join(operatorNames(), ", ")
			}
			return nil
		case key != nil:
			r.d.Errorf(field.Key.Pos, codeManyOperators, "a filter has one operator; this one has %s and %s", key.Value, name).
				Hint = "combine several with {all: […]}"
			return nil
		default:
			key = field.Key
		}
	}
	if key == nil {
		r.d.Errorf(node.Pos, "missing-key", "the filter does not say what %s has to be", result.property.Text).
			Hint = "add an operator: " + strings.Join(operatorNames(), ", ")
		return nil
	}
	result.operator, _ = findOperator(key.Value)
	r.operands(&result, key.Value, node.Get(key.Value))
	return result
}

// operands reads what stands behind an operator.
func (r *filterReader) operands(t *propertyTest, name string, node *schema.Node) {
	switch t.operator.takes {
	case takesBool:
		if node.Kind != schema.Bool {
			r.d.WrongType(node, name, "true or false")
		}
		t.known = strings.EqualFold(node.Value, "true")
	case takesDuration:
		t.duration.UnmarshalNode(node, r.d)
	case takesSeveral:
		t.operands = r.constants(name, node)
	case takesHistory:
		if node.Kind == schema.Mapping {
			r.history(t, node)
			return
		}
		t.within, _ = findOperator("in")
		t.operands = r.oneOrMore(name, node)
	case takesAny:
		t.operands = r.oneOrMore(name, node)
	case takesPair:
		if t.operands = r.constants(name, node); len(t.operands) != 2 {
			if node.Kind == schema.List {
				r.d.Errorf(node.Pos, codeWrongValue, "%s needs two values, the lesser first: [1, 10]", name)
			}
			return
		}
		r.ordered(name, t.operands)
		low, high := t.operands[0].text, t.operands[1].text
		if order, known := (comparison{text: low, zone: time.UTC}).order(high); known && order > 0 && Infer(low) == Infer(high) {
			r.d.Errorf(node.Pos, codeWrongValue, "%s: %s is greater than %s", name, low, high).
				Hint = "write the lesser value first"
		}
	default:
		if node.Kind == schema.Mapping {
			r.only(node, "property")
			if other := node.Get("property"); other != nil {
				t.other.UnmarshalNode(other, r.d)
			} else if len(node.Fields) == 0 {
				r.d.WrongType(node, name, "a value or {property: NAME}")
			}
			return
		}
		t.operands = r.constant(name, node)
		if t.operator.takes != takesOne {
			r.ordered(name, t.operands)
		}
	}
}

// history reads was_ever: {contains: x}.
func (r *filterReader) history(t *propertyTest, node *schema.Node) {
	r.only(node, historyOperators...)
	if len(node.Fields) != 1 {
		r.d.Errorf(node.Pos, codeManyOperators, "write one operator here: %s", strings.Join(historyOperators, ", "))
		return
	}
	name := node.Fields[0].Key.Value
	t.within, _ = findOperator(name)
	t.operands = r.oneOrMore(name, node.Fields[0].Value)
}

func (r *filterReader) constant(name string, node *schema.Node) []constant {
	if !node.IsScalar() {
		problem := r.d.WrongType(node, name, "a value")
		if node.Kind == schema.List {
			problem.Hint = "for one of several values write in: […]"
		}
		return nil
	}
	text := node.Value
	if node.Kind == schema.Bool {
		text = strings.ToLower(text)
	}
	return []constant{{text, node.Kind, node.Pos}}
}

func (r *filterReader) constants(name string, node *schema.Node) []constant {
	if node.Kind != schema.List {
		problem := r.d.WrongType(node, name, "a list of values")
		if node.IsScalar() {
			problem.Hint = fmt.Sprintf("write [%s]", node.Value)
		}
		return nil
	}
	if len(node.Items) == 0 {
		r.d.Errorf(node.Pos, codeWrongValue, "%s needs at least one value", name)
	}
	var found []constant
	for _, item := range node.Items {
		found = append(found, r.constant(name, item)...)
	}
	return found
}

func (r *filterReader) oneOrMore(name string, node *schema.Node) []constant {
	if node.Kind == schema.List {
		return r.constants(name, node)
	}
	return r.constant(name, node)
}

// ordered reports operands that have no order.
func (r *filterReader) ordered(name string, operands []constant) {
	for _, operand := range operands {
		_, isNumber := asNumber(operand.text)
		_, isMoment := (comparison{zone: time.UTC}).operandMoment(operand.text)
		momentOnly := strings.HasSuffix(name, "before") || strings.HasSuffix(name, "after")
		switch {
		case momentOnly && (!isMoment || operand.kind == schema.Number):
			r.d.Errorf(operand.pos, codeWrongValue, "%s needs a date such as 2027-05-10, a time, or a word for one such as now, today or this_month; found %q", name, clip(operand.text)).
				Suggest(operand.text, relativeWords())
		case !isMoment && !isNumber:
			r.d.Errorf(operand.pos, codeWrongValue, "%s needs a number, a date or a time; found %q", name, clip(operand.text))
		}
	}
}
