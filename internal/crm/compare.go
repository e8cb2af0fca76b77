package crm

import (
	"cmp"
	"strings"
	"time"
)

func truthOf(yes bool) Truth {
	if yes {
		return Yes
	}
	return No
}

// compareValues orders two values of templates and properties: numbers by size, days and instants by
// time, everything else by its text without regard to case.
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

func asNumber(value any) (Number, bool) {
	switch value := value.(type) {
	case Number:
		return value, true
	case string:
		number, err := ParseNumber(value)
		return number, err == nil
	case int:
		return NumberOf(int64(value)), true
	}
	return Number{}, false
}

func asInstant(value any) (time.Time, bool) {
	switch value := value.(type) {
	case time.Time:
		return value, true
	case Date:
		return value.In(time.UTC), true
	case string:
		at, err := parseInstant(value)
		return at, err == nil
	}
	return time.Time{}, false
}

// propertyValue returns a record's property as a value, nil when it is empty. The instants of creation
// and of the last change are properties as well.
func propertyValue(catalog *Catalog, record Record, name string) any {
	return catalog.Typed(record.Object, name, record.Property(name))
}
