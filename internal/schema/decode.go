package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unmarshaler is implemented, on the pointer, by types with a syntax of their own. UnmarshalNode reads
// n and reports what is wrong with it. Such a type also implements json.Marshaler giving its source
// form (null for the zero value), so that a decoded config can be stored as JSON and decoded again.
type Unmarshaler interface {
	UnmarshalNode(n *Node, d *Diagnostics)
}

// Decode reads n into what into points to: a struct, by the tags of its fields, or what a field of
// one may be. Nothing at all counts as an empty mapping. The tags are
//
//	json      the key
//	doc       what it means, for the reference
//	required  "true": it has to be there
//	default   what it is when left out, as YAML
//	enum      the allowed values of a text, or of the texts in a list, separated by commas
//	min, max  bounds of a number, or of the length of a text, list or mapping
//
// A key whose value is null counts as left out; so does an empty text for an optional enum. A number
// is accepted where text is expected, as written (`to: 007`). A single value is not accepted for a
// list of one. All problems are reported: unknown-key, missing-key, wrong-type, not-allowed,
// out-of-range, and those of the Unmarshalers.
func Decode(n *Node, into any) Diagnostics {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		panic(fmt.Sprintf("schema.Decode: %T is not a pointer", into))
	}
	if n == nil {
		n = &Node{}
	}
	whole := field{typ: target.Type().Elem()}
	if n.Kind == Null && (whole.isStruct() || whole.typ.Kind() == reflect.Map) {
		n = &Node{Kind: Mapping, Pos: n.Pos}
	}
	var problems Diagnostics
	whole.decode(n, target.Elem(), &problems)
	return problems
}

// WrongType reports that n is not what was expected ("a list of names"); name is its key or "".
func (d *Diagnostics) WrongType(n *Node, name, expected string) *Diagnostic {
	if name != "" {
		name += ": "
	}
	return d.Errorf(n.Pos, "wrong-type", "%sexpected %s, found %s", name, expected, n.What())
}

// NotAllowed reports that the text n is none of the allowed values; name is its key or "".
func (d *Diagnostics) NotAllowed(n *Node, name string, allowed []string) *Diagnostic {
	if name != "" {
		name += ": "
	}
	problem := d.Errorf(n.Pos, "not-allowed", "%s%s is not allowed; allowed: %s", name, n.What(), strings.Join(allowed, ", "))
	problem.Suggest(n.Value, allowed)
	return problem
}

// UnknownKey reports a key of a mapping that is none of the allowed ones.
func (d *Diagnostics) UnknownKey(key *Node, allowed []string) *Diagnostic {
	problem := d.Errorf(key.Pos, "unknown-key", "unknown key %s; allowed: %s", quote(key.Value), strings.Join(allowed, ", "))
	if len(allowed) == 0 {
		problem.Message = fmt.Sprintf("unknown key %s; no key is allowed here", quote(key.Value))
	}
	problem.Suggest(key.Value, allowed)
	return problem
}

// decode reads n into v, a value of the field's type or of one within it.
func (f field) decode(n *Node, v reflect.Value, d *Diagnostics) {
	if own, ok := v.Addr().Interface().(Unmarshaler); ok {
		own.UnmarshalNode(n, d)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.decode(n, v.Elem(), d)
	case reflect.Interface:
		if value := plain(n); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	case reflect.Struct:
		f.decodeStruct(n, v, d)
	case reflect.Map:
		f.decodeMap(n, v, d)
	case reflect.Slice:
		f.decodeSlice(n, v, d)
	default:
		f.decodeScalar(n, v, d)
	}
}

func (f field) decodeStruct(n *Node, v reflect.Value, d *Diagnostics) {
	if n.Kind != Mapping {
		d.WrongType(n, f.key, "a mapping")
		return
	}
	fields := fieldsOf(v.Type())
	keys := make([]string, len(fields))
	for i, one := range fields {
		keys[i] = one.key
		value, target := n.Get(one.key), v.FieldByIndex(one.index)
		leftOut := value == nil || value.Kind == Null ||
			len(one.enum) > 0 && value.Kind == String && value.Value == "" && !slices.Contains(one.enum, "")
		switch {
		case !leftOut:
			one.decode(value, target, d)
		case one.required:
			d.Errorf(n.Pos, "missing-key", "the key %s is missing", quote(one.key))
		default:
			one.setDefault(target)
		}
	}
	for _, given := range n.Fields {
		if !slices.Contains(keys, given.Key.Value) {
			d.UnknownKey(given.Key, keys)
		}
	}
}

// setDefault gives a field that was left out its default, and those within a struct theirs.
func (f field) setDefault(v reflect.Value) {
	if f.fallback != nil {
		f.decode(f.fallback, v, &Diagnostics{})
		return
	}
	if f.isStruct() {
		for _, inner := range fieldsOf(v.Type()) {
			inner.setDefault(v.FieldByIndex(inner.index))
		}
	}
}

func (f field) decodeMap(n *Node, v reflect.Value, d *Diagnostics) {
	if n.Kind != Mapping {
		d.WrongType(n, f.key, "a mapping")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Fields)))
	for _, given := range n.Fields {
		value := reflect.New(v.Type().Elem()).Elem()
		field{key: given.Key.Value, enum: f.enum}.decode(given.Value, value, d)
		v.SetMapIndex(reflect.ValueOf(given.Key.Value).Convert(v.Type().Key()), value)
	}
	f.checkLength(n, len(n.Fields), "entries", d)
}

func (f field) decodeSlice(n *Node, v reflect.Value, d *Diagnostics) {
	if n.Kind != List {
		problem := d.WrongType(n, f.key, "a list")
		if n.IsScalar() {
			problem.Hint = "write [" + n.Value + "]"
		}
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
	for i, item := range n.Items {
		field{key: f.key, enum: f.enum}.decode(item, v.Index(i), d)
	}
	f.checkLength(n, len(n.Items), "entries", d)
}

func (f field) decodeScalar(n *Node, v reflect.Value, d *Diagnostics) {
	switch v.Kind() {
	case reflect.String:
		f.decodeString(n, v, d)
	case reflect.Bool:
		if n.Kind != Bool {
			problem := d.WrongType(n, f.key, "true or false")
			switch strings.ToLower(n.Value) {
			case "yes", "on", "true", "1":
				problem.Hint = "write true"
			case "no", "off", "false", "0":
				problem.Hint = "write false"
			}
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Float64:
		value, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != Number || err != nil {
			f.notNumber(n, "a number", d)
			return
		}
		v.SetFloat(value)
		f.checkRange(n, value, d)
	default:
		value, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if n.Kind != Number || err != nil {
			f.notNumber(n, "a whole number", d)
			return
		}
		v.SetInt(value)
		f.checkRange(n, float64(value), d)
	}
}

func (f field) decodeString(n *Node, v reflect.Value, d *Diagnostics) {
	if n.Kind != String && n.Kind != Number {
		problem := d.WrongType(n, f.key, "text")
		if n.Kind == Bool {
			problem.Hint = "write " + quote(n.Value) + " in quotes"
		}
		return
	}
	v.SetString(n.Value)
	if len(f.enum) > 0 && !slices.Contains(f.enum, n.Value) {
		d.NotAllowed(n, f.key, f.enum)
		return
	}
	f.checkLength(n, utf8.RuneCountInString(n.Value), "characters", d)
}

func (f field) notNumber(n *Node, expected string, d *Diagnostics) {
	problem := d.WrongType(n, f.key, expected)
	if n.Kind == String && number.MatchString(n.Value) {
		problem.Hint = "take away the quotes"
	}
}

func (f field) checkRange(n *Node, value float64, d *Diagnostics) {
	switch {
	case f.min != nil && value < *f.min:
		d.Errorf(n.Pos, "out-of-range", "%s: %s is less than %v, the least that is allowed", f.key, n.Value, *f.min)
	case f.max != nil && value > *f.max:
		d.Errorf(n.Pos, "out-of-range", "%s: %s is more than %v, the most that is allowed", f.key, n.Value, *f.max)
	}
}

func (f field) checkLength(n *Node, length int, unit string, d *Diagnostics) {
	switch {
	case f.min != nil && float64(length) < *f.min:
		d.Errorf(n.Pos, "out-of-range", "%s: at least %v %s are needed, found %d", f.key, *f.min, unit, length)
	case f.max != nil && float64(length) > *f.max:
		d.Errorf(n.Pos, "out-of-range", "%s: at most %v %s are allowed, found %d", f.key, *f.max, unit, length)
	}
}

// plain is n as a Go value: nil, bool, json.Number, string, []any or map[string]any.
func plain(n *Node) any {
	switch n.Kind {
	case Bool:
		return strings.EqualFold(n.Value, "true")
	case Number:
		return json.Number(jsonNumber(n.Value))
	case String:
		return n.Value
	case List:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = plain(item)
		}
		return list
	case Mapping:
		mapping := make(map[string]any, len(n.Fields))
		for _, one := range n.Fields {
			mapping[one.Key.Value] = plain(one.Value)
		}
		return mapping
	}
	return nil
}
