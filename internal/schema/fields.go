package schema

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// field is what the tags of a struct field say.
type field struct {
	index    []int // through embedded structs
	key      string
	doc      string
	required bool
	fallback *Node // the tag `default`, read as YAML
	enum     []string
	min, max *float64
	typ      reflect.Type
}

// tags that a field may have; `json` names the key.
var tags = []string{"json", "doc", "required", "default", "enum", "min", "max"}

var tagPattern = regexp.MustCompile(`([^\s:"]+):"(?:[^"\\]|\\.)*"`)

var unmarshalerType = reflect.TypeFor[Unmarshaler]()

// fieldCache holds the fields of struct types by reflect.Type.
var fieldCache sync.Map

// fieldsOf returns the fields of a struct type in order, those of embedded structs in place. It panics
// on a programmer's mistake.
func fieldsOf(t reflect.Type) []field {
	if known, found := fieldCache.Load(t); found {
		return known.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		declared := t.Field(i)
		name := fmt.Sprintf("%s.%s", t, declared.Name)
		if declared.Anonymous && declared.Tag.Get("json") == "" {
			if declared.Type.Kind() != reflect.Struct {
				panic(name + ": only structs can be embedded")
			}
			for _, inner := range fieldsOf(declared.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
			continue
		}
		if !declared.IsExported() || declared.Tag.Get("json") == "-" {
			continue
		}
		fields = append(fields, newField(name, declared))
	}
	for i, one := range fields {
		if slices.ContainsFunc(fields[:i], func(earlier field) bool { return earlier.key == one.key }) {
			panic(fmt.Sprintf("%s: two fields have the key %s", t, one.key))
		}
	}
	fieldCache.Store(t, fields)
	return fields
}

func newField(name string, declared reflect.StructField) field {
	for _, tag := range tagPattern.FindAllStringSubmatch(string(declared.Tag), -1) {
		if !slices.Contains(tags, tag[1]) {
			panic(fmt.Sprintf("%s: unknown tag %s; allowed: %s", name, tag[1], strings.Join(tags, ", ")))
		}
	}
	one := field{index: declared.Index, doc: declared.Tag.Get("doc"), typ: declared.Type}
	one.key, _, _ = strings.Cut(declared.Tag.Get("json"), ",")
	if one.key == "" || one.doc == "" {
		panic(name + ": an exported field needs the tags json and doc")
	}
	if text, set := declared.Tag.Lookup("required"); set {
		if text != "true" {
			panic(name + `: the tag required is "true" or absent`)
		}
		one.required = true
	}
	if text, set := declared.Tag.Lookup("default"); set {
		node, problems := Parse("default", []byte(text))
		if problems.HasErrors() || node.Kind == Null || one.required {
			panic(name + ": the tag default has to be a YAML value, and not on a required field")
		}
		node.Pos = Pos{}
		one.fallback = node
	}
	if text, set := declared.Tag.Lookup("enum"); set {
		for _, value := range strings.Split(text, ",") {
			one.enum = append(one.enum, strings.TrimSpace(value))
		}
	}
	one.min, one.max = bound(name, declared, "min"), bound(name, declared, "max")
	return one
}

func bound(name string, declared reflect.StructField, tag string) *float64 {
	text, set := declared.Tag.Lookup(tag)
	if !set {
		return nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("%s: the tag %s is not a number: %q", name, tag, text))
	}
	return &value
}

// CheckType panics when t cannot be decoded into, or its tags are wrong: a missing doc, an unknown
// tag, a default that does not pass, a type that no source text has, a zero value that could not be
// written as JSON and read back.
func CheckType(t reflect.Type) { checkType(t, t.String(), nil) }

func checkType(t reflect.Type, name string, outer []reflect.Type) {
	if reflect.PointerTo(t).Implements(unmarshalerType) {
		return
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
	case reflect.Interface:
		if t.NumMethod() > 0 {
			panic(name + ": the only interface that can be decoded is any")
		}
	case reflect.Pointer, reflect.Slice:
		checkType(t.Elem(), name, outer)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			panic(name + ": the keys of a map have to be strings")
		}
		checkType(t.Elem(), name, outer)
	case reflect.Struct:
		if slices.Contains(outer, t) {
			panic(name + ": a type that contains itself has to implement Unmarshaler")
		}
		for _, one := range fieldsOf(t) {
			inner := t.String() + "." + one.key
			checkType(one.typ, inner, append(outer, t))
			checkZero(t, one, inner)
			if one.fallback != nil {
				var problems Diagnostics
				one.decode(one.fallback, reflect.New(one.typ).Elem(), &problems)
				if len(problems) > 0 {
					panic(fmt.Sprintf("%s: the default does not pass: %s", inner, problems[0].Message))
				}
			}
		}
	default:
		panic(fmt.Sprintf("%s: the type %s cannot be decoded", name, t))
	}
}

// checkZero panics when an optional field that was left out would be written by encoding/json in a
// form that Decode refuses.
func checkZero(t reflect.Type, one field, name string) {
	declared := t.FieldByIndex(one.index)
	_, options, _ := strings.Cut(declared.Tag.Get("json"), ",")
	if one.required || one.fallback != nil || strings.Contains(options, "omit") {
		return
	}
	numeric := one.typ.Kind() == reflect.Float64 || one.typ.Kind() >= reflect.Int && one.typ.Kind() <= reflect.Int64
	if numeric && (one.min != nil && *one.min > 0 || one.max != nil && *one.max < 0) || one.isStruct() && hasRequired(one.typ) {
		panic(name + ": left out, it could not be read back from JSON: add omitzero to its json tag")
	}
}

func hasRequired(t reflect.Type) bool {
	return slices.ContainsFunc(fieldsOf(t), func(one field) bool {
		return one.required || one.isStruct() && hasRequired(one.typ)
	})
}

// isStruct tells whether the field is a struct that is decoded by its tags.
func (f field) isStruct() bool {
	return f.typ.Kind() == reflect.Struct && !reflect.PointerTo(f.typ).Implements(unmarshalerType)
}
