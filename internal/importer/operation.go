package importer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

// propertyCheck is one test of a property in our language.
type propertyCheck struct {
	operator string
	operand  *yaml.Node
	other    string // property to compare with, instead of the operand
	negated  bool   // it holds when the operator does not
	shape    shape
}

// shape is what a use tells about a property.
type shape struct {
	kind     crm.PropertyType // "" = nothing
	multiple bool
	values   []string
}

// operation is one of HubSpot's types of operation: our spellings of its operators, and its operand.
// A spelling of two words is an operator within another; nil operands are properties to compare with.
type operation struct {
	kind      crm.PropertyType
	operators map[text]string
	operand   func(operationDocument) (*yaml.Node, error)
}

// operations by type. TIME_POINT, TIME_RANGED and CALENDAR_DATE are apart: see point.go.
var operations = map[text]operation{
	"STRING": {crm.TypeString, map[text]string{
		"IS_EQUAL_TO": "is", "IS_NOT_EQUAL_TO": "is_not", "CONTAINS": "contains", "DOES_NOT_CONTAIN": "not_contains",
		"STARTS_WITH": "starts_with", "ENDS_WITH": "ends_with", "HAS_EVER_BEEN_EQUAL_TO": "was_ever", "HAS_NEVER_BEEN_EQUAL_TO": "was_never",
		"HAS_EVER_CONTAINED": "was_ever contains", "HAS_NEVER_CONTAINED": "was_never contains",
	}, oneText},
	"MULTISTRING": {crm.TypeString, map[text]string{
		"IS_EQUAL_TO": "in", "IS_NOT_EQUAL_TO": "not_in", "CONTAINS": "contains", "DOES_NOT_CONTAIN": "not_contains",
		"CONTAINS_EXACTLY": "contains", "DOES_NOT_CONTAIN_EXACTLY": "not_contains", "STARTS_WITH": "starts_with", "ENDS_WITH": "ends_with",
	}, severalTexts},
	"NUMBER": {crm.TypeNumber, map[text]string{
		"IS_EQUAL_TO": "is", "IS_NOT_EQUAL_TO": "is_not", "IS_GREATER_THAN": "gt", "IS_GREATER_THAN_OR_EQUAL_TO": "gte",
		"IS_LESS_THAN": "lt", "IS_LESS_THAN_OR_EQUAL_TO": "lte", "HAS_EVER_BEEN_EQUAL_TO": "was_ever", "HAS_NEVER_BEEN_EQUAL_TO": "was_never",
	}, func(o operationDocument) (*yaml.Node, error) { return number(o.value()) }},
	"NUMBER_RANGED": {crm.TypeNumber, betweens, func(o operationDocument) (*yaml.Node, error) { return pair(number, o.LowerBound, o.UpperBound) }},
	"BOOL": {crm.TypeBool, map[text]string{
		"IS_EQUAL_TO": "is", "IS_NOT_EQUAL_TO": "is_not", "HAS_EVER_BEEN_EQUAL_TO": "was_ever", "HAS_NEVER_BEEN_EQUAL_TO": "was_never",
	}, oneBool},
	"ENUMERATION": {crm.TypeEnumeration, map[text]string{
		"IS_ANY_OF": "in", "IS_NONE_OF": "not_in", "IS_EXACTLY": "is_exactly", "IS_NOT_EXACTLY": "is_not_exactly",
		"CONTAINS_ALL": "has_all", "DOES_NOT_CONTAIN_ALL": "not has_all",
		"HAS_EVER_BEEN_ANY_OF": "was_ever", "HAS_NEVER_BEEN_ANY_OF": "was_never",
		"HAS_EVER_BEEN_EXACTLY": "was_ever is_exactly", "HAS_NEVER_BEEN_EXACTLY": "was_never is_exactly",
		"HAS_EVER_CONTAINED_ALL": "was_ever has_all", "HAS_NEVER_CONTAINED_ALL": "was_never has_all",
	}, severalTexts},
	"DATETIME": {crm.TypeDatetime, map[text]string{"IS_EQUAL_TO": "is", "IS_BEFORE": "before", "IS_AFTER": "after"},
		func(o operationDocument) (*yaml.Node, error) { return epoch(o.Timestamp) }},
	"DATE": {crm.TypeDatetime, map[text]string{
		"IS_EQUAL_TO": "is", "IS_BEFORE": "before", "IS_BEFORE_DATE": "before", "IS_AFTER": "after", "IS_AFTER_DATE": "after",
	}, func(o operationDocument) (*yaml.Node, error) { return day(o.Year, o.Month, o.Day) }},
	"RANGED_DATE": {crm.TypeDatetime, betweens, func(o operationDocument) (*yaml.Node, error) { return pair(epoch, o.LowerBound, o.UpperBound) }},
	"ROLLING_DATE_RANGE": {crm.TypeDatetime, map[text]string{
		"IS_LESS_THAN_X_DAYS_AGO": "within_last", "IS_MORE_THAN_X_DAYS_AGO": "more_than_ago",
		"IS_LESS_THAN_X_DAYS_FROM_NOW": "within_next", "IS_MORE_THAN_X_DAYS_FROM_NOW": "more_than_ahead",
	}, someDays},
	"ROLLING_PROPERTY_UPDATED": {"", map[text]string{
		"UPDATED_IN_LAST_X_DAYS": "updated_within", "NOT_UPDATED_IN_LAST_X_DAYS": "not_updated_within",
	}, someDays},
	"COMPARATIVE_DATE":             {crm.TypeDatetime, map[text]string{"IS_BEFORE": "before", "IS_AFTER": "after"}, nil},
	"COMPARATIVE_PROPERTY_UPDATED": {"", map[text]string{"IS_BEFORE": "updated_before", "IS_AFTER": "updated_after"}, nil},
	"COMPARATIVE_STRING":           {crm.TypeString, map[text]string{"IS_EQUAL_TO": "is", "IS_NOT_EQUAL_TO": "is_not"}, nil},
}

var betweens = map[text]string{"IS_BETWEEN": "between", "IS_NOT_BETWEEN": "not_between"}

// knowns are the operators that every type has.
var knowns = map[text]bool{"IS_KNOWN": true, "IS_NOT_BLANK": true, "IS_UNKNOWN": false, "IS_BLANK": false}

// singles are how operators with a list of one are written.
var singles = map[string]string{
	"in": "is", "not_in": "is_not", "contains": "contains", "not_contains": "not_contains", "starts_with": "starts_with", "ends_with": "ends_with",
	"was_ever": "was_ever", "was_never": "was_never",
}

// spell finds our spelling of an operation.
func (o operationDocument) spell() (propertyCheck, error) {
	kind, known := operations[o.Type]
	check := propertyCheck{shape: shape{kind: kind.kind}}
	if value, always := knowns[o.Operator]; always {
		check.operator, check.operand = "known", boolean(value)
		return check, nil
	}
	switch o.Type {
	case "TIME_POINT":
		return o.spellPoint()
	case "TIME_RANGED":
		return o.spellRange()
	case "CALENDAR_DATE":
		return o.spellCalendar()
	}
	spelling := kind.operators[o.Operator]
	if !known || spelling == "" {
		return check, fmt.Errorf("the operator %s of type %s has no spelling", quote(string(o.Operator)), quote(string(o.Type)))
	}
	if kind.operand == nil {
		check.operator, check.other = spelling, string(o.ComparisonPropertyName)
		switch {
		case check.other == "":
			return check, errors.New("no property to compare with is named")
		case o.DefaultComparisonValue != "":
			return check, errors.New("a default for the property to compare with has no spelling")
		}
		return check, nil
	}
	operand, err := kind.operand(o)
	if err != nil {
		return check, err
	}
	outer, inner, nested := strings.Cut(spelling, " ")
	switch {
	case outer == "not":
		check.operator, check.operand, check.negated = inner, operand, true
	case nested:
		check.operator, check.operand = outer, mapping(entry{inner, operand})
	default:
		check.operator, check.operand = shorten(spelling, operand)
	}
	if kind.kind == crm.TypeEnumeration {
		check.shape.multiple = strings.Contains(spelling, "exactly") || strings.Contains(spelling, "has_all")
		for _, value := range o.Values {
			check.shape.values = append(check.shape.values, string(value))
		}
	}
	return check, nil
}

// shorten writes a list of one as that one.
func shorten(operator string, operand *yaml.Node) (string, *yaml.Node) {
	if shorter, has := singles[operator]; has && operand.Kind == yaml.SequenceNode && len(operand.Content) == 1 {
		return shorter, operand.Content[0]
	}
	return operator, operand
}

func (o operationDocument) value() text {
	if o.Value == nil {
		return ""
	}
	return *o.Value
}

func oneText(o operationDocument) (*yaml.Node, error) {
	if o.value() == "" {
		return nil, errors.New("the operation has no value")
	}
	return str(string(*o.Value)), nil
}

func oneBool(o operationDocument) (*yaml.Node, error) {
	if value := o.value(); value != "true" && value != "false" {
		return nil, fmt.Errorf("%s is neither true nor false", quote(string(value)))
	}
	return boolean(o.Value.yes()), nil
}

func severalTexts(o operationDocument) (*yaml.Node, error) {
	values := o.Values
	if len(values) == 0 && o.value() != "" {
		values = []text{*o.Value}
	}
	if len(values) == 0 {
		return nil, errors.New("the operation has no values")
	}
	return strs(values), nil
}

func number(value text) (*yaml.Node, error) {
	number, err := crm.ParseNumber(string(value))
	if err != nil {
		return nil, fmt.Errorf("%s is not a number", quote(string(value)))
	}
	return bare(number.String()), nil
}

func pair(read func(text) (*yaml.Node, error), low, high text) (*yaml.Node, error) {
	lower, err := read(low)
	if err != nil {
		return nil, err
	}
	upper, err := read(high)
	if err != nil {
		return nil, err
	}
	return list(lower, upper), nil
}

// epoch writes epoch milliseconds as a time.
func epoch(milliseconds text) (*yaml.Node, error) {
	n, err := milliseconds.whole()
	if err != nil || milliseconds == "" {
		return nil, fmt.Errorf("%s is not a time", quote(string(milliseconds)))
	}
	return moment(time.UnixMilli(int64(n)))
}

func moment(at time.Time) (*yaml.Node, error) {
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return nil, fmt.Errorf("the year %d is out of range", year)
	}
	return str(crm.Text(at)), nil
}

// day writes a calendar day; the month may be a name.
func day(year, month, day text) (*yaml.Node, error) {
	date, err := dateOf(year, month, day)
	if err != nil {
		return nil, err
	}
	return str(date.String()), nil
}

// months by their names in capitals.
var months = map[text]int{
	"JANUARY": 1, "FEBRUARY": 2, "MARCH": 3, "APRIL": 4, "MAY": 5, "JUNE": 6,
	"JULY": 7, "AUGUST": 8, "SEPTEMBER": 9, "OCTOBER": 10, "NOVEMBER": 11, "DECEMBER": 12,
}

func dateOf(year, month, day text) (crm.Date, error) {
	m, named := months[text(strings.ToUpper(string(month)))]
	y, yearErr := year.whole()
	d, dayErr := day.whole()
	if !named {
		m, _ = month.whole()
	}
	date, err := crm.ParseDate(fmt.Sprintf("%04d-%02d-%02d", y, m, d))
	if err := errors.Join(yearErr, dayErr, err); err != nil {
		return crm.Date{}, fmt.Errorf("%s-%s-%s is not a date", year, month, day)
	}
	return date, nil
}

func someDays(o operationDocument) (*yaml.Node, error) {
	n, err := o.NumberOfDays.whole()
	if err != nil || o.NumberOfDays == "" || n < 0 {
		return nil, fmt.Errorf("%s is not a number of days", quote(string(o.NumberOfDays)))
	}
	return spanNode(crm.Duration{Days: n})
}
