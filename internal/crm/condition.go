package crm

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Condition is when a filter answers yes, said over what a database keeps: a form of the filter for many records at
// once. Every node of it holds for a record or does not; the third truth is gone, because yes and no were worked out
// apart. Where the database cannot tell, it says Perhaps, and the filter itself has to be asked.
type Condition interface{ isCondition() }

// Conditions.
type (
	// Every holds when all of them do; the empty one always holds.
	Every []Condition
	// Some holds when one of them does; the empty one never holds.
	Some []Condition
	// Not holds when the other does not.
	Not struct{ Condition Condition }
	// Perhaps may hold.
	Perhaps struct{}

	// HasKey holds when one of the keys of a property (Property.Keys) is among some, or holds a part.
	HasKey struct {
		Property string
		Single   bool     // the property has one key at most
		Any      bool     // every key will do
		Is       []string // these keys
		IsNot    []string // other keys than these
		In       []KeyRange
		Contains []string // parts of keys that are no longer than KeyLimit; of longer keys nobody knows
		Ends     []string // likewise, at the end
	}
	// Updated holds when the last change of a property lies in a span, both ends included.
	Updated struct {
		Property     string
		Since, Until time.Time
	}
	// Remembered holds when a property has a history.
	Remembered struct{ Property string }
	// OnList holds for members of a static list.
	OnList struct{ List string }
	// InWorkflow holds when Membership has the status.
	InWorkflow struct{ Workflow, Status string }
	// Subscribed holds when a subscription has a state, opted_in or opted_out.
	Subscribed struct{ Subscription, State string }
	// Happened holds when there are AtLeast events of a type in a span, both ends included.
	Happened struct {
		Event        string
		Since, Until time.Time
		AtLeast      int
	}
	// HasAssociated holds when an associated record of a type, with a label unless that is "", fulfils a condition.
	HasAssociated struct {
		Object, Label string
		Where         Condition
	}
)

func (Every) isCondition()         {}
func (Some) isCondition()          {}
func (Not) isCondition()           {}
func (Perhaps) isCondition()       {}
func (HasKey) isCondition()        {}
func (Updated) isCondition()       {}
func (Remembered) isCondition()    {}
func (OnList) isCondition()        {}
func (InWorkflow) isCondition()    {}
func (Subscribed) isCondition()    {}
func (Happened) isCondition()      {}
func (HasAssociated) isCondition() {}

// Condition returns when the filter answers yes for records of an object type. Of env it reads Now, Zone and Catalog,
// whose indexed properties are taken to have their keys in the database.
func (f Filter) Condition(object string, env FilterEnv) Condition {
	if f.test == nil {
		return Every{}
	}
	return f.test.condition(setting{newEvaluation(env), object}, Yes)
}

// setting is what a condition is worked out for.
type setting struct {
	*evaluation
	object string
}

func (g allOf) condition(s setting, wanted Truth) Condition {
	if wanted == No {
		return Some(conditions(g.tests, s, No))
	}
	return Every(conditions(g.tests, s, Yes))
}

func (g anyOf) condition(s setting, wanted Truth) Condition {
	if wanted == No {
		return Every(conditions(g.tests, s, No))
	}
	return Some(conditions(g.tests, s, Yes))
}

func conditions(tests []test, s setting, wanted Truth) []Condition {
	found := make([]Condition, len(tests))
	for i, one := range tests {
		found[i] = one.condition(s, wanted)
	}
	return found
}

func (n noneOf) condition(s setting, wanted Truth) Condition {
	return n.test.condition(s, wanted.not())
}

// decided is the condition of a test that is never unknown, of which yes is the positive answer.
func decided(yes Condition, wanted Truth) Condition {
	if wanted == No {
		return Not{yes}
	}
	return yes
}

func (t listTest) condition(s setting, wanted Truth) Condition {
	list, active := s.Catalog.ActiveList(t.list.Text)
	if !active {
		return decided(OnList{t.list.Text}, wanted)
	}
	here := *s.evaluation
	here.Ref.Object = s.object
	inner, truth := here.within(list)
	switch {
	case inner != nil:
		return list.Filter.test.condition(setting{inner, s.object}, wanted)
	case truth == wanted:
		return Every{}
	}
	return Some{}
}

func (t workflowTest) condition(_ setting, wanted Truth) Condition {
	return decided(InWorkflow{t.workflow.Text, t.status}, wanted)
}

func (t subscriptionTest) condition(_ setting, wanted Truth) Condition {
	if t.state == "not_specified" {
		return decided(Not{Some{Subscribed{t.subscription.Text, "opted_in"}, Subscribed{t.subscription.Text, "opted_out"}}}, wanted)
	}
	return decided(Subscribed{t.subscription.Text, t.state}, wanted)
}

func (t associatedTest) condition(s setting, wanted Truth) Condition {
	s.object = t.object.Text
	var where Condition = Every{}
	switch {
	case t.where != nil && wanted == No:
		where = Not{t.where.condition(s, No)}
	case t.where != nil:
		where = t.where.condition(s, Yes)
	}
	return decided(HasAssociated{t.object.Text, t.label, where}, wanted)
}

func (t eventTest) condition(s setting, wanted Truth) Condition {
	if strings.HasPrefix(t.event.Text, "property_changed") { // is made of histories
		return Perhaps{}
	}
	happened := Happened{Event: t.event.Text, Until: s.Now, AtLeast: t.atLeast}
	if t.limited {
		happened.Since = startOfLast(s.Now, t.within, s.Zone)
	}
	switch {
	case t.where == nil:
		return decided(happened, wanted)
	case wanted == No:
		return Some{Not{happened}, Perhaps{}}
	}
	return Every{happened, Perhaps{}}
}

func (t formTest) condition(s setting, wanted Truth) Condition {
	happened := Happened{Event: EventFormSubmitted, Until: s.Now, AtLeast: 1}
	if truthOf(t.submitted) == wanted {
		return Every{happened, Perhaps{}}
	}
	return Some{Not{happened}, Perhaps{}}
}

func (t propertyTest) condition(s setting, wanted Truth) Condition {
	property, declared := s.Catalog.Property(s.object, t.property.Text)
	known := present(property, declared)
	switch t.operator.name {
	case "was_ever", "was_never":
		return Perhaps{}
	case "updated_within", "not_updated_within":
		return t.updateCondition(s, property, known, wanted)
	case "updated_before", "updated_after":
		if t.emptyMatches == (wanted == Yes) {
			return Perhaps{}
		}
		return Every{Remembered{t.property.Text}, Perhaps{}}
	case "known":
		switch {
		case t.known && t.emptyMatches:
			return decided(Every{}, wanted)
		case t.known:
			return decided(known, wanted)
		}
		return decided(Not{known}, wanted)
	}
	if !t.other.IsZero() {
		if t.emptyMatches || wanted == No {
			return Perhaps{}
		}
		other, otherDeclared := s.Catalog.Property(s.object, t.other.Text)
		return Every{known, present(other, otherDeclared), Perhaps{}}
	}
	passes, fails := t.valueConditions(s, property, known)
	withEmpty := t.emptyMatches == (wanted == Yes)
	_, negative := t.operator.positive()
	switch negative = negative != (wanted == No); {
	case negative && fails == nil && withEmpty:
		return Not{passes}
	case negative && fails == nil:
		return Every{known, Not{passes}}
	case negative:
		passes = fails
	}
	if withEmpty {
		return Some{passes, Not{known}}
	}
	return passes
}

// present holds when a property has a value.
func present(property Property, declared bool) Condition {
	if !declared || !property.Indexed || !property.CanIndex() {
		return Perhaps{}
	}
	return HasKey{Property: property.Name, Single: property.Type != TypeEnumeration, Any: true}
}

// positive is the operator without its negation.
func (o operator) positive() (name string, negated bool) {
	if rest, found := strings.CutPrefix(o.name, "not_"); found {
		return rest, true
	}
	if rest, found := strings.CutPrefix(o.name, "is_not"); found {
		return "is" + rest, true
	}
	return o.name, false
}

func (t propertyTest) updateCondition(s setting, property Property, known Condition, wanted Truth) Condition {
	if !property.Calculated.IsZero() { // has no history, so it is unknown
		return Some{}
	}
	var answer Condition = Updated{t.property.Text, startOfLast(s.Now, t.duration, s.Zone), s.Now}
	if (t.operator.name == "not_updated_within") != (wanted == No) {
		answer = Every{Remembered{t.property.Text}, Not{answer}}
	}
	if t.emptyMatches == (wanted == Yes) {
		return Some{answer, Every{Not{Remembered{t.property.Text}}, Not{known}}}
	}
	return answer
}

// valueConditions say when a value that is there passes the operator without its negation, and when it fails; nil when
// every value that does not pass fails.
func (t propertyTest) valueConditions(s setting, property Property, known Condition) (passes, fails Condition) {
	if _, unindexed := known.(Perhaps); unindexed {
		return Perhaps{}, Perhaps{}
	}
	name, _ := t.operator.positive()
	switch property.Type {
	case TypeEnumeration:
		passes = t.optionCondition(name, property)
	case TypeNumber, TypeDate, TypeDatetime:
		if name == "is" || name == "in" {
			passes = t.equalCondition(s, property)
			break
		}
		valid, among, compares := t.orderedKeys(name, s, property)
		switch {
		case !compares:
			passes = Perhaps{}
		case valid == nil:
			return Some{}, Some{} // nobody knows
		default:
			return keysIn(property, among), keysIn(property, valid.without(among))
		}
	default:
		passes = t.textCondition(name, property)
	}
	if _, undecided := passes.(Perhaps); undecided {
		return Every{known, Perhaps{}}, Every{known, Perhaps{}}
	}
	return passes, nil
}

func keysIn(property Property, among ranges) Condition {
	if len(among) == 0 {
		return Some{}
	}
	return HasKey{Property: property.Name, Single: true, In: among}
}

// texts are the operands that a stored text may be equal to.
func (t propertyTest) texts() (texts []string) {
	for _, operand := range t.operands {
		if utf8.ValidString(operand.text) && !strings.ContainsRune(operand.text, 0) {
			texts = append(texts, operand.text)
		}
	}
	return texts
}

// optionCondition compares the options of an enumeration.
func (t propertyTest) optionCondition(name string, property Property) Condition {
	texts := t.texts()
	var keys []string
	for _, text := range texts {
		if name == "is" || name == "in" || name == "contains" {
			text = strings.TrimSpace(text)
		}
		if text != "" { // which is the key of no option
			keys = append(keys, bounded(text))
		}
	}
	switch name {
	case "is", "in", "contains":
		if len(keys) == 0 {
			return Some{}
		}
		return HasKey{Property: property.Name, Is: keys}
	case "has_all", "is_exactly":
		if len(keys) < len(t.operands) {
			return Some{} // no text has one of them
		}
		var all Every
		for _, key := range keys {
			all = append(all, HasKey{Property: property.Name, Is: []string{key}})
		}
		if name == "is_exactly" {
			all = append(all, Not{HasKey{Property: property.Name, IsNot: keys}})
		}
		return all
	}
	return Perhaps{}
}

// textCondition compares texts without regard to case.
func (t propertyTest) textCondition(name string, property Property) Condition {
	found := HasKey{Property: property.Name, Single: true}
	if !slices.Contains([]string{"is", "in", "contains", "ends_with", "starts_with"}, name) {
		return Perhaps{}
	}
	for _, text := range t.texts() {
		switch name {
		case "is", "in":
			found.Is = append(found.Is, textKey(text))
		case "contains":
			found.Contains = append(found.Contains, fold(text))
		case "ends_with":
			found.Ends = append(found.Ends, fold(text))
		case "starts_with":
			within, short := textsWith(fold(text))
			if !short {
				return Perhaps{}
			}
			found.In = append(found.In, within)
		}
	}
	if len(found.Is)+len(found.In)+len(found.Contains)+len(found.Ends) == 0 {
		return Some{}
	}
	return found
}

// equalCondition compares numbers, days and times, and what is stored instead of them as texts.
func (t propertyTest) equalCondition(s setting, property Property) Condition {
	found := HasKey{Property: property.Name, Single: true}
	for _, text := range t.texts() {
		found.Is = append(found.Is, otherRegion+textKey(text))
		if property.Type == TypeNumber {
			if number, err := ParseNumber(strings.TrimSpace(text)); err == nil {
				found.Is = append(found.Is, number.key())
			}
		} else if at, known := t.compare(s.evaluation, "", property, nil).operandMoment(text); known {
			found.In = append(found.In, momentsUpTo(at, true, s.Zone).without(momentsUpTo(at, false, s.Zone))...)
		}
	}
	if len(found.Is) == 0 {
		return Some{}
	}
	return found
}

// orderedKeys are the keys that can be compared at all (nil when an operand cannot), and those among them that pass. It
// is false for an operator that looks at the text.
func (t propertyTest) orderedKeys(name string, s setting, property Property) (valid, among ranges, compares bool) {
	valid = wholeRegion(numberRegion)
	if property.Type != TypeNumber {
		valid = append(wholeRegion(dayRegion), wholeRegion(instantRegion)...)
	}
	upTo := func(operand int, included bool) (found ranges, known bool) {
		text := t.operands[operand].text
		if property.Type == TypeNumber {
			number, err := ParseNumber(strings.TrimSpace(text))
			return numbersUpTo(number, included), err == nil
		}
		at, known := t.compare(s.evaluation, "", property, nil).operandMoment(text)
		return momentsUpTo(at, included, s.Zone), known
	}
	known := true
	switch name {
	case "lt", "before", "lte":
		among, known = upTo(0, name == "lte")
	case "gt", "after", "gte":
		among, known = upTo(0, name != "gte")
		among = valid.without(among)
	case "between":
		low, lowKnown := upTo(0, false)
		high, highKnown := upTo(1, true)
		among, known = high.without(low), lowKnown && highKnown
	case "within_last", "more_than_ago", "within_next", "more_than_ahead":
		if property.Type == TypeNumber {
			return nil, nil, false
		}
		among = valid.sharedBy(rolling(name, s, t.duration))
	default:
		return nil, nil, false
	}
	if !known {
		valid = nil
	}
	return valid, among, true
}

// rolling are the days and instants that stand to the present as an operator wants them.
func rolling(name string, s setting, d Duration) ranges {
	start, end := startOfLast(s.Now, d, s.Zone), endOfNext(s.Now, d, s.Zone)
	day := func(at time.Time, later int) string { return dayKey(DateOf(at, s.Zone).AddDays(later)) }
	lastDay, lastInstant := string(dayRegion[0]+1), string(instantRegion[0]+1)
	switch name {
	case "within_last":
		return ranges{{day(start, 0), day(s.Now, 1)}, {instantKey(start), instantKey(s.Now.Add(1))}}
	case "more_than_ago":
		return ranges{{dayRegion, day(start, 0)}, {instantRegion, instantKey(start)}}
	case "within_next":
		return ranges{{day(s.Now, 0), day(end, 1)}, {instantKey(s.Now), instantKey(end.Add(1))}}
	}
	return ranges{{day(end, 1), lastDay}, {instantKey(end.Add(1)), lastInstant}}
}
