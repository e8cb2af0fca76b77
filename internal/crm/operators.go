package crm

import (
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// operator is what a filter can ask of a property.
type operator struct {
	name  string
	takes operandShape
	types []PropertyType // that it works on; nil = all
	// holds answers for a value that is not empty.
	holds func(v comparison) Truth
}

type operandShape int

const (
	takesOne      operandShape = iota // a value or {property: B}
	takesSeveral                      // a list of values
	takesAny                          // a value or a list of values
	takesOrdered                      // a number, day, time or {property: B}
	takesPair                         // two of these, the lesser first
	takesMoment                       // a day, a time, a word for one, or {property: B}
	takesDuration                     // a duration
	takesBool                         // true or false
	takesHistory                      // a value, a list of values, or another operator with its operand
)

var (
	textTypes  = []PropertyType{TypeString, TypePhoneNumber, TypeEnumeration, TypeJSON}
	orderTypes = []PropertyType{TypeNumber, TypeDate, TypeDatetime}
	timeTypes  = []PropertyType{TypeDate, TypeDatetime}
	setTypes   = []PropertyType{TypeEnumeration}
)

// propertyOperators are the operators of language §2 (semantics §1.6). Those without holds look at
// more than the value; see propertyTest.match.
var propertyOperators = []operator{
	{"is", takesOne, nil, comparison.isAny},
	{"is_not", takesOne, nil, negated(comparison.isAny)},
	{"in", takesSeveral, nil, comparison.isAny},
	{"not_in", takesSeveral, nil, negated(comparison.isAny)},
	{"contains", takesAny, textTypes, comparison.contains},
	{"not_contains", takesAny, textTypes, negated(comparison.contains)},
	{"starts_with", takesAny, textTypes, comparison.startsWith},
	{"ends_with", takesAny, textTypes, comparison.endsWith},
	{"known", takesBool, nil, nil},
	{"gt", takesOrdered, orderTypes, ordering(func(order int) bool { return order > 0 })},
	{"gte", takesOrdered, orderTypes, ordering(func(order int) bool { return order >= 0 })},
	{"lt", takesOrdered, orderTypes, ordering(func(order int) bool { return order < 0 })},
	{"lte", takesOrdered, orderTypes, ordering(func(order int) bool { return order <= 0 })},
	{"between", takesPair, orderTypes, comparison.between},
	{"not_between", takesPair, orderTypes, negated(comparison.between)},
	{"before", takesMoment, timeTypes, ordering(func(order int) bool { return order < 0 })},
	{"after", takesMoment, timeTypes, ordering(func(order int) bool { return order > 0 })},
	{"within_last", takesDuration, timeTypes, comparison.withinLast},
	{"not_within_last", takesDuration, timeTypes, negated(comparison.withinLast)},
	{"within_next", takesDuration, timeTypes, comparison.withinNext},
	{"more_than_ago", takesDuration, timeTypes, comparison.moreThanAgo},
	{"more_than_ahead", takesDuration, timeTypes, comparison.moreThanAhead},
	{"has_all", takesAny, setTypes, comparison.hasAll},
	{"is_exactly", takesAny, setTypes, comparison.isExactly},
	{"is_not_exactly", takesAny, setTypes, negated(comparison.isExactly)},
	{"was_ever", takesHistory, nil, nil},
	{"was_never", takesHistory, nil, nil},
	{"updated_within", takesDuration, nil, nil},
	{"not_updated_within", takesDuration, nil, nil},
	{"updated_before", takesMoment, nil, nil},
	{"updated_after", takesMoment, nil, nil},
}

// historyOperators are those that may stand within was_ever and was_never.
var historyOperators = []string{"is", "in", "contains", "starts_with", "ends_with", "has_all", "is_exactly"}

func operatorNames() []string {
	names := make([]string, len(propertyOperators))
	for i, one := range propertyOperators {
		names[i] = one.name
	}
	return names
}

func findOperator(name string) (operator, bool) {
	at := slices.IndexFunc(propertyOperators, func(one operator) bool { return one.name == name })
	if at < 0 {
		return operator{}, false
	}
	return propertyOperators[at], true
}

// constant is a value that a filter writes out.
type constant struct {
	text string
	kind schema.Kind // Bool, Number or String, as written
	pos  schema.Pos
}

// comparison is a value that is not empty beside the operands of its test.
type comparison struct {
	text     string
	kind     PropertyType // how both sides are read
	operands []constant
	stored   bool // the operand is a value of the record as well
	duration Duration
	now      time.Time
	zone     *time.Location
	fiscal   time.Month // in which fiscal years begin
}

func negated(holds func(comparison) Truth) func(comparison) Truth {
	return func(c comparison) Truth { return holds(c).not() }
}

func ordering(wanted func(order int) bool) func(comparison) Truth {
	return func(c comparison) Truth {
		order, known := c.order(c.operands[0].text)
		return truthOf(wanted(order)).when(known)
	}
}

// isAny tells whether the value is one of the operands. Text is equal without regard to case, option
// values are equal exactly, one selected option is enough, and a day equals every time on it (§1.6).
func (c comparison) isAny() Truth {
	return truthOf(slices.ContainsFunc(c.operands, func(one constant) bool { return c.equals(one.text) }))
}

func (c comparison) equals(operand string) bool {
	switch c.kind {
	case TypeNumber, TypeDate, TypeDatetime:
		if order, known := c.order(operand); known {
			return order == 0
		}
	case TypeEnumeration:
		return slices.Contains(SplitOptions(c.text), strings.TrimSpace(operand))
	case TypeJSON:
		return c.text == operand
	}
	return strings.EqualFold(c.text, operand)
}

// contains looks for operands in the text without regard to case; among the options of an
// enumeration it looks for whole ones.
func (c comparison) contains() Truth {
	if c.kind == TypeEnumeration {
		return c.isAny()
	}
	return c.anyText(strings.Contains)
}

func (c comparison) startsWith() Truth { return c.anyText(strings.HasPrefix) }
func (c comparison) endsWith() Truth   { return c.anyText(strings.HasSuffix) }

func (c comparison) anyText(holds func(text, part string) bool) Truth {
	text := fold(c.text)
	return truthOf(slices.ContainsFunc(c.operands, func(one constant) bool { return holds(text, fold(one.text)) }))
}

func (c comparison) hasAll() Truth {
	options := SplitOptions(c.text)
	return truthOf(!slices.ContainsFunc(c.operands, func(one constant) bool { return !slices.Contains(options, one.text) }))
}

func (c comparison) isExactly() Truth {
	for _, option := range SplitOptions(c.text) {
		if !slices.ContainsFunc(c.operands, func(one constant) bool { return one.text == option }) {
			return No
		}
	}
	return c.hasAll()
}

func (c comparison) between() Truth {
	low, lowKnown := c.order(c.operands[0].text)
	high, highKnown := c.order(c.operands[1].text)
	return truthOf(low >= 0 && high <= 0).when(lowKnown && highKnown)
}

// order compares the value with an operand: numbers by size, times exactly, and days with days and
// times by the day in the zone. What lies within a span of days is equal to it. It is unknown when one of them is neither.
func (c comparison) order(operand string) (order int, known bool) {
	if c.kind != TypeDate && c.kind != TypeDatetime {
		value, valueErr := ParseNumber(strings.TrimSpace(c.text))
		other, otherErr := ParseNumber(strings.TrimSpace(operand))
		if valueErr == nil && otherErr == nil {
			return value.Cmp(other), true
		}
		if c.kind == TypeNumber {
			return 0, false
		}
	}
	value, valueKnown := readMoment(c.text, c.zone)
	other, otherKnown := c.operandMoment(operand)
	if !valueKnown || !otherKnown {
		return 0, false
	}
	return value.compare(other), true
}

// moment is a day, a span of days, or an instant together with its day in the zone.
type moment struct {
	isDay bool
	day   Date
	last  Date // of a span; zero = it is one day
	at    time.Time
}

// compare returns -1 when m is before other, 1 when it is after; within a span of days it is neither.
func (m moment) compare(other moment) int {
	switch {
	case !m.isDay && !other.isDay:
		return m.at.Compare(other.at)
	case m.day.Compare(other.lastDay()) > 0:
		return 1
	}
	return min(0, m.day.Compare(other.day))
}

func (m moment) lastDay() Date {
	if m.last.IsZero() {
		return m.day
	}
	return m.last
}

// operandMoment reads a day or an instant; a filter may also say it in words.
func (c comparison) operandMoment(text string) (moment, bool) {
	if word, is := readRelative(text); is && !c.stored {
		return word.moment(c.now, c.zone, c.fiscal), true
	}
	return readMoment(text, c.zone)
}

// readMoment reads a day or an instant.
func readMoment(text string, zone *time.Location) (moment, bool) {
	text = strings.TrimSpace(text)
	if day, err := ParseDate(text); err == nil {
		return moment{isDay: true, day: day}, true
	}
	at, err := parseInstant(text)
	if err != nil {
		return moment{}, false
	}
	return momentOf(at, zone), true
}

// withinLast holds from the start of the day that lies the duration back until now, so it is anchored
// to calendar days on the far side; durations with hours are exact (semantics §1.6).
func (c comparison) withinLast() Truth {
	value, known := readMoment(c.text, c.zone)
	start := startOfLast(c.now, c.duration, c.zone)
	if value.isDay {
		return truthOf(value.day.Compare(DateOf(start, c.zone)) >= 0 && value.day.Compare(DateOf(c.now, c.zone)) <= 0).when(known)
	}
	return truthOf(!value.at.Before(start) && !value.at.After(c.now)).when(known)
}

func (c comparison) moreThanAgo() Truth {
	value, known := readMoment(c.text, c.zone)
	start := startOfLast(c.now, c.duration, c.zone)
	if value.isDay {
		return truthOf(value.day.Compare(DateOf(start, c.zone)) < 0).when(known)
	}
	return truthOf(value.at.Before(start)).when(known)
}

// withinNext holds from now until the end of the day that lies the duration ahead.
func (c comparison) withinNext() Truth {
	value, known := readMoment(c.text, c.zone)
	end := endOfNext(c.now, c.duration, c.zone)
	if value.isDay {
		return truthOf(value.day.Compare(DateOf(c.now, c.zone)) >= 0 && value.day.Compare(DateOf(end, c.zone)) <= 0).when(known)
	}
	return truthOf(!value.at.Before(c.now) && !value.at.After(end)).when(known)
}

func (c comparison) moreThanAhead() Truth {
	value, known := readMoment(c.text, c.zone)
	end := endOfNext(c.now, c.duration, c.zone)
	if value.isDay {
		return truthOf(value.day.Compare(DateOf(end, c.zone)) > 0).when(known)
	}
	return truthOf(value.at.After(end)).when(known)
}

// startOfLast is the first instant of `the last d`.
func startOfLast(now time.Time, d Duration, zone *time.Location) time.Time {
	if d.Clock != 0 {
		return d.Neg().After(now, zone, false)
	}
	return DateOf(now, zone).AddDays(-d.Days).In(zone)
}

// endOfNext is the last instant of `the next d`.
func endOfNext(now time.Time, d Duration, zone *time.Location) time.Time {
	if d.Clock != 0 {
		return d.After(now, zone, false)
	}
	return DateOf(now, zone).AddDays(d.Days + 1).In(zone).Add(-1)
}
