package crm

import (
	"cmp"
	"hash/fnv"
	"strings"
	"time"
)

// equalValues tells whether two values of templates are equal: as numbers when one of them is a
// number, as instants when one of them is a day or time, else by their text.
func equalValues(a, b any) bool {
	if isNumber(a) || isNumber(b) {
		x, xOK := asNumber(a)
		y, yOK := asNumber(b)
		return xOK && yOK && x.Cmp(y) == 0
	}
	if isTime(a) || isTime(b) {
		x, xOK := asInstant(a)
		y, yOK := asInstant(b)
		return xOK && yOK && x.Equal(y)
	}
	return Text(a) == Text(b)
}

// compareValues orders two values: numbers by size, days and instants by time, everything else by its
// text without regard to case.
func compareValues(a, b any) int {
	if x, ok := asNumber(a); ok {
		if y, ok := asNumber(b); ok {
			return x.Cmp(y)
		}
	}
	if x, ok := asInstant(a); ok {
		if y, ok := asInstant(b); ok {
			return x.Compare(y)
		}
	}
	return cmp.Compare(strings.ToLower(Text(a)), strings.ToLower(Text(b)))
}

func isNumber(value any) bool {
	_, ok := value.(Number)
	return ok
}

func isTime(value any) bool {
	switch value.(type) {
	case time.Time, Date:
		return true
	}
	return false
}

// asNumber returns a number, or the number that a text writes.
func asNumber(value any) (Number, bool) {
	switch value := value.(type) {
	case Number:
		return value, true
	case string:
		number, err := ParseNumber(strings.TrimSpace(value))
		return number, err == nil
	}
	return Number{}, false
}

// asInstant returns an instant, the midnight in UTC of a day, or what a text writes of these.
func asInstant(value any) (time.Time, bool) {
	switch value := value.(type) {
	case time.Time:
		return value, true
	case Date:
		return value.In(time.UTC), true
	case string:
		at, err := parseInstant(strings.TrimSpace(value))
		return at, err == nil
	}
	return time.Time{}, false
}

// arithmetic computes left operator right. An empty value counts as 0.
func arithmetic(operator string, left, right any) (any, error) {
	a, err := operand(left)
	if err != nil {
		return nil, err
	}
	b, err := operand(right)
	if err != nil {
		return nil, err
	}
	switch operator {
	case "+":
		return a.Add(b).bounded()
	case "-":
		return a.Add(b.Neg()).bounded()
	case "*":
		return a.Mul(b)
	case "/":
		return a.Div(b)
	}
	quotient, err := a.Div(b) // %: the remainder that has the sign of b
	if err != nil {
		return nil, err
	}
	product, err := quotient.Floor().Mul(b)
	return a.Add(product.Neg()), err
}

// operand is a value as a number.
func operand(value any) (Number, error) {
	if isEmpty(value) {
		return Number{}, nil
	}
	number, ok := asNumber(value)
	if !ok {
		return Number{}, invalidf("%q is not a number", clip(Text(value)))
	}
	return number, nil
}

// wholeNumber is a value as a whole number that fits 32 bits.
func wholeNumber(value any) (int, error) {
	number, err := operand(value)
	if err != nil {
		return 0, err
	}
	n, ok := number.Int()
	if !ok {
		return 0, invalidf("%q is not a whole number of use here", number)
	}
	return n, nil
}

// hash spreads text over all numbers, the same on every machine and for ever.
func hash(text string) uint64 {
	sum := fnv.New64a()
	sum.Write([]byte(text))
	return sum.Sum64()
}
