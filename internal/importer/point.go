package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

var errPoint = errors.New("this comparison with a point in time has no spelling")

// units of time that a span may have. HubSpot's editor counts days, hours and minutes together, in minutes.
var units = map[text]string{"SECONDS": "s", "MINUTES": "m", "HOURS": "h", "DAYS": "d", "WEEKS": "w"}

// spanOf reads an amount of a unit of time.
func spanOf(amount, unit text) (crm.Duration, error) {
	n, err := amount.whole()
	letter, known := units[unit]
	switch {
	case err != nil || amount == "":
		return crm.Duration{}, fmt.Errorf("%s is not a whole amount of time", quote(string(amount)))
	case !known:
		return crm.Duration{}, fmt.Errorf("%s is not a unit of a span", quote(string(unit)))
	}
	written := fmt.Sprintf("%d%s", n, letter)
	if unit == "MINUTES" {
		written = strings.ReplaceAll(fmt.Sprintf("%dd%dm", n/1440, n%1440), "d-", "d")
		if n < 0 && !strings.HasPrefix(written, "-") {
			written = "-" + written
		}
	}
	span, err := crm.ParseDuration(written)
	if err != nil {
		return crm.Duration{}, fmt.Errorf("%s %s is not a span", amount, unit)
	}
	return span, nil
}

func spanNode(span crm.Duration) (*yaml.Node, error) {
	if span.Negative() {
		return nil, fmt.Errorf("the span %s points the wrong way", span)
	}
	if span.IsZero() {
		return str("0d"), nil
	}
	return str(span.String()), nil
}

// relative is a point in time that moves: now or the start of today, and an offset.
type relative struct {
	today  bool
	offset crm.Duration
}

// periods are the spans of days that have words in our language.
var periods = map[text]string{
	"WEEK": "week", "MONTH": "month", "QUARTER": "quarter", "YEAR": "year", "FISCAL_QUARTER": "fiscal_quarter", "FISCAL_YEAR": "fiscal_year",
}

// period is our word for the span that begins at an INDEXED point, such as this_month, or "".
func (p *timePoint) period() string {
	if p == nil || p.TimeType != "INDEXED" || p.Index == nil || p.Index.Hour != "" {
		return ""
	}
	first := func(value text, is ...text) bool {
		return value == "" || slices.Contains(is, text(strings.ToUpper(string(value))))
	}
	word := periods[p.Index.Type]
	if word == "" || !first(p.Index.Day, "1") || !first(p.Index.Month) || !first(p.Index.Week, "MONDAY") {
		return ""
	}
	which := "this_"
	for unit, amount := range p.Offset {
		switch {
		case amount == "" || amount == "0":
		case which != "this_" || strings.TrimSuffix(strings.ToUpper(unit), "S") != strings.TrimPrefix(string(p.Index.Type), "FISCAL_"):
			return ""
		default:
			if which = map[text]string{"-1": "last_", "1": "next_"}[amount]; which == "" {
				return ""
			}
		}
	}
	return which + word
}

// spellCalendar finds our spelling of a test of whether a day lies in this, the last or the next span of days.
func (o operationDocument) spellCalendar() (propertyCheck, error) {
	check := propertyCheck{operator: "is", shape: shape{kind: crm.TypeDatetime}}
	which := map[text]string{"IN_THIS_TIME_UNIT": "this", "IN_THIS_TIME_UNIT_SO_FAR": "this", "IN_LAST_TIME_UNIT": "last", "IN_NEXT_TIME_UNIT": "next"}[o.Operator]
	unit := periods[o.TimeUnit]
	word := which + "_" + unit
	if o.TimeUnit == "DAY" {
		word = map[string]string{"this": "today", "last": "yesterday", "next": "tomorrow"}[which]
	}
	switch {
	case which == "" || word == "" || unit == "" && o.TimeUnit != "DAY":
		return check, fmt.Errorf("the operator %s of %s has no spelling", quote(string(o.Operator)), quote(string(o.TimeUnit)))
	case o.TimeUnitCount != "" && o.TimeUnitCount != "1":
		return check, fmt.Errorf("a span of %s times %s has no spelling", o.TimeUnitCount, o.TimeUnit)
	case !o.UseFiscalYear.yes() || o.FiscalYearStart == "JANUARY" || unit != "quarter" && unit != "year":
	case o.FiscalYearStart == "":
		word = which + "_fiscal_" + unit
	default:
		return check, fmt.Errorf("say fiscal_year: %d in millrace.yaml, and write %s_fiscal_%s here", months[o.FiscalYearStart], which, unit)
	}
	check.operand = str(word)
	if o.Operator == "IN_THIS_TIME_UNIT_SO_FAR" {
		check.operator, check.operand = "between", list(str(word), str("now"))
	}
	return check, nil
}

// relative reads an INDEXED point. An offset in days from now counts as hours, so that it stays exact.
func (p *timePoint) relative() (relative, error) {
	if p == nil || p.TimeType != "INDEXED" || p.Index == nil || p.Index.Hour != "" {
		return relative{}, errPoint
	}
	point := relative{today: p.Index.Type == "TODAY"}
	if !point.today && p.Index.Type != "NOW" {
		return relative{}, errPoint
	}
	for key, amount := range p.Offset {
		if amount == "" || amount == "0" {
			delete(p.Offset, key)
		}
	}
	if len(p.Offset) > 1 {
		return relative{}, errPoint
	}
	for key, amount := range p.Offset {
		span, err := spanOf(amount, text(strings.ToUpper(key)))
		if err != nil {
			return relative{}, err
		}
		point.offset = span
	}
	if point.today && point.offset.Clock != 0 {
		return relative{}, errPoint
	}
	if !point.today {
		point.offset = crm.Duration{Clock: point.offset.Elapsed()}
	}
	return point, nil
}

// instant reads a DATE point.
func (p *timePoint) instant() (time.Time, error) {
	if p == nil || p.TimeType != "DATE" {
		return time.Time{}, errPoint
	}
	date, err := dateOf(p.Year, p.Month, p.Day)
	if err != nil {
		return time.Time{}, err
	}
	zone, err := crm.LoadZone(string(p.ZoneID))
	if err != nil {
		return time.Time{}, fmt.Errorf("there is no time zone %s", quote(string(p.ZoneID)))
	}
	var clock [4]int
	for i, part := range []text{p.Hour, p.Minute, p.Second, p.Millisecond} {
		if clock[i], err = part.whole(); err != nil || clock[i] < 0 || clock[i] > 999 {
			return time.Time{}, fmt.Errorf("%s is not a part of a time", quote(string(part)))
		}
	}
	return time.Date(date.Year, date.Month, date.Day, clock[0], clock[1], clock[2], clock[3]*int(time.Millisecond), zone), nil
}

// spellPoint finds our spelling of a comparison with one point in time.
func (o operationDocument) spellPoint() (propertyCheck, error) {
	check := propertyCheck{operator: map[text]string{"IS_BEFORE": "before", "IS_AFTER": "after"}[o.Operator], shape: shape{kind: crm.TypeDatetime}}
	if check.operator == "" || o.TimePoint == nil {
		return check, errPoint
	}
	if o.PropertyParser == "UPDATED_AT" {
		return o.spellUpdate(check, o.TimePoint)
	}
	switch o.TimePoint.TimeType {
	case "PROPERTY_REFERENCED":
		if check.other = string(o.TimePoint.Property); o.TimePoint.Reference != "VALUE" {
			return check, fmt.Errorf("the time when %s was last changed cannot be compared with", o.TimePoint.Property)
		}
		return check, nil
	case "INDEXED":
		return o.spellRelative(check)
	}
	at, err := o.TimePoint.instant()
	if err != nil {
		return check, err
	}
	if o.Endpoint == "INCLUSIVE" {
		at = at.Add(map[text]time.Duration{"IS_BEFORE": time.Millisecond, "IS_AFTER": -time.Millisecond}[o.Operator])
	}
	check.operand, err = moment(at)
	return check, err
}

// spellUpdate finds our spelling of tests of when a property was last changed.
func (o operationDocument) spellUpdate(check propertyCheck, since *timePoint) (propertyCheck, error) {
	check.shape.kind = ""
	if o.TimePoint == since {
		check.operator = map[text]string{"IS_BEFORE": "updated_before", "IS_AFTER": "updated_after"}[o.Operator]
		switch word := since.period(); {
		case since.TimeType == "PROPERTY_REFERENCED" && since.Reference == "UPDATED_AT":
			check.other = string(since.Property)
			return check, nil
		case since.TimeType == "DATE":
			at, err := since.instant()
			if err == nil {
				check.operand, err = moment(at)
			}
			return check, err
		case word != "" && o.Operator == "IS_BEFORE":
			check.operand = str(word)
			return check, nil
		}
	}
	point, err := since.relative()
	if err != nil {
		return check, errors.New("the time of its last change cannot be compared with that")
	}
	check.operator = map[text]string{
		"IS_AFTER": "updated_within", "IS_BETWEEN": "updated_within", "IS_BEFORE": "not_updated_within", "IS_NOT_BETWEEN": "not_updated_within",
	}[o.Operator]
	check.operand, err = spanNode(point.offset.Neg())
	return check, err
}

// spellRelative finds our spelling of a comparison with a point that moves.
func (o operationDocument) spellRelative(check propertyCheck) (propertyCheck, error) {
	if word := o.TimePoint.period(); word != "" { // the instant at which it begins
		if check.operand = str(word); o.Operator == "IS_AFTER" {
			check.operator = "gte"
		}
		return check, nil
	}
	point, err := o.TimePoint.relative()
	if err != nil {
		return check, err
	}
	before := o.Operator == "IS_BEFORE"
	switch {
	case !point.offset.IsZero():
	case !point.today:
		check.operand = str("now")
		return check, nil
	case before:
		check.operand = str("today")
		return check, nil
	default:
		check.operator, check.operand = "gte", str("today")
		return check, nil
	}
	past := point.offset.Negative()
	check.operator, check.negated = "more_than_ahead", before
	if past {
		check.operator, check.negated = "more_than_ago", !before
		point.offset = point.offset.Neg()
	}
	check.operand, err = spanNode(point.offset)
	return check, err
}

// spellRange finds our spelling of a test between two points in time.
func (o operationDocument) spellRange() (propertyCheck, error) {
	check := propertyCheck{operator: betweens[o.Operator], shape: shape{kind: crm.TypeDatetime}}
	if check.operator == "" || o.LowerTimePoint == nil || o.UpperTimePoint == nil {
		return check, errPoint
	}
	if o.LowerTimePoint.TimeType == "DATE" {
		return o.spellDates(check)
	}
	if word := o.LowerTimePoint.period(); word != "" && o.PropertyParser != "UPDATED_AT" {
		if upper, err := o.UpperTimePoint.relative(); err == nil && upper == (relative{}) {
			check.operand = list(str(word), str("now"))
			return check, nil
		}
	}
	lower, err := o.LowerTimePoint.relative()
	if err != nil {
		return check, err
	}
	upper, err := o.UpperTimePoint.relative()
	if err != nil {
		return check, err
	}
	now := relative{}
	switch {
	case upper == now && o.PropertyParser == "UPDATED_AT":
		return o.spellUpdate(check, o.LowerTimePoint)
	case o.PropertyParser == "UPDATED_AT":
		return check, errPoint
	case upper == now && lower != now:
		check.operator = map[text]string{"IS_BETWEEN": "within_last", "IS_NOT_BETWEEN": "not_within_last"}[o.Operator]
		check.operand, err = spanNode(lower.offset.Neg())
	case lower == now:
		check.operator, check.negated = "within_next", o.Operator == "IS_NOT_BETWEEN"
		check.operand, err = spanNode(upper.offset)
	default:
		err = errPoint
	}
	return check, err
}

func (o operationDocument) spellDates(check propertyCheck) (propertyCheck, error) {
	if o.PropertyParser == "UPDATED_AT" {
		return check, errPoint
	}
	from, err := o.LowerTimePoint.instant()
	if err != nil {
		return check, err
	}
	until, err := o.UpperTimePoint.instant()
	if err != nil {
		return check, err
	}
	if o.LowerEndpoint == "EXCLUSIVE" {
		from = from.Add(time.Millisecond)
	}
	if o.UpperEndpoint == "EXCLUSIVE" {
		until = until.Add(-time.Millisecond)
	}
	if until.Before(from) {
		return check, errPoint
	}
	lower, err := moment(from)
	if err != nil {
		return check, err
	}
	upper, err := moment(until)
	if err != nil {
		return check, err
	}
	check.operand = list(lower, upper)
	return check, nil
}

// zones are the time zones that an operation names.
func (o operationDocument) zones() []text {
	var zones []text
	for _, point := range []*timePoint{o.TimePoint, o.LowerTimePoint, o.UpperTimePoint} {
		if point != nil && point.TimeType == "INDEXED" {
			zones = append(zones, point.ZoneID)
		}
	}
	return zones
}
