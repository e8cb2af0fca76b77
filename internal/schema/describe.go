package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Description tells readers and editors about a type with a syntax of its own.
type Description struct {
	Name   string         // in the type column of a reference: duration
	Doc    string         // the syntax, in a sentence
	Schema map[string]any // JSON Schema of its source form; nil = any value
}

// Describer is implemented by types with a syntax of their own, see Unmarshaler.
type Describer interface {
	Describe() Description
}

func describe(t reflect.Type) (Description, bool) {
	describer, ok := reflect.New(t).Interface().(Describer)
	if !ok {
		return Description{}, false
	}
	return describer.Describe(), true
}

// JSONSchema describes a tagged struct as JSON Schema (2020-12), without the key $schema.
func JSONSchema(t reflect.Type) map[string]any {
	if described, ok := describe(t); ok {
		result := map[string]any{}
		maps.Copy(result, described.Schema)
		if described.Doc != "" {
			result["description"] = described.Doc
		}
		return result
	}
	switch t.Kind() {
	case reflect.Pointer:
		return JSONSchema(t.Elem())
	case reflect.String:
		return map[string]any{"type": []any{"string", "number"}}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": JSONSchema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": JSONSchema(t.Elem())}
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(unmarshalerType) {
			return map[string]any{}
		}
		return structSchema(t)
	}
	return map[string]any{}
}

func structSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []any{}
	for _, one := range fieldsOf(t) {
		properties[one.key] = one.schema()
		if one.required {
			required = append(required, one.key)
		}
	}
	result := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		result["required"] = required
	}
	return result
}

func (f field) schema() map[string]any {
	result := JSONSchema(f.typ)
	result["description"] = f.doc
	if f.fallback != nil {
		result["default"] = plain(f.fallback)
	}
	if len(f.enum) > 0 {
		values := map[string]any{"type": "string", "enum": toAny(f.enum)}
		switch result["type"] {
		case "array":
			result["items"] = values
		case "object":
			result["additionalProperties"] = values
		default:
			maps.Copy(result, values)
		}
	}
	least, most := "minimum", "maximum"
	switch kind := result["type"].(type) {
	case []any:
		least, most = "minLength", "maxLength"
	case string:
		switch kind {
		case "array":
			least, most = "minItems", "maxItems"
		case "object":
			least, most = "minProperties", "maxProperties"
		}
	}
	if f.min != nil {
		result[least] = *f.min
	}
	if f.max != nil {
		result[most] = *f.max
	}
	return result
}

func toAny(texts []string) []any {
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	return values
}

// Markdown describes a tagged struct as a table: field, type, required, default, meaning. Fields of
// nested structs have rows of their own, as a.b, a[].b or a.*.b.
func Markdown(t reflect.Type) string {
	var out strings.Builder
	out.WriteString("| field | type | required | default | meaning |\n|---|---|---|---|---|\n")
	rows(&out, t, "")
	return out.String()
}

func rows(out *strings.Builder, t reflect.Type, prefix string) {
	for _, one := range fieldsOf(t) {
		required, fallback := "", ""
		if one.required {
			required = "yes"
		}
		if one.fallback != nil {
			if fallback = one.fallback.Value; !one.fallback.IsScalar() {
				text, _ := json.Marshal(one.fallback) // a tree that was parsed
				fallback = string(text)
			}
			fallback = "`" + fallback + "`"
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s | %s | %s |\n", prefix, one.key, cell(one.typeName()), required, cell(fallback), cell(one.doc))
		if inner, path := innerStruct(one.typ); inner != nil {
			rows(out, inner, prefix+one.key+path+".")
		}
	}
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

func (f field) typeName() string {
	if len(f.enum) == 0 {
		return typeName(f.typ)
	}
	allowed := "`" + strings.Join(f.enum, "`, `") + "`"
	switch f.typ.Kind() {
	case reflect.Slice:
		return "list of " + allowed
	case reflect.Map:
		return "mapping to " + allowed
	}
	return allowed
}

func typeName(t reflect.Type) string {
	if described, ok := describe(t); ok {
		return described.Name
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "whole number"
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "mapping to " + typeName(t.Elem())
	case reflect.Struct:
		return "mapping"
	}
	return "any value"
}

// innerStruct returns the struct whose fields follow those of a field of type t, and the path to it.
func innerStruct(t reflect.Type) (inner reflect.Type, path string) {
	if reflect.PointerTo(t).Implements(unmarshalerType) {
		return nil, ""
	}
	switch t.Kind() {
	case reflect.Struct:
		return t, ""
	case reflect.Pointer:
		return innerStruct(t.Elem())
	case reflect.Slice:
		inner, path = innerStruct(t.Elem())
		return inner, "[]" + path
	case reflect.Map:
		inner, path = innerStruct(t.Elem())
		return inner, ".*" + path
	}
	return nil, ""
}

// Walk calls visit with a pointer to every value within v whose type implements Unmarshaler, outer ones
// before those inside them: through exported struct fields, pointers, interfaces, lists, and maps in
// the order of their keys. What visit is given must not be changed.
func Walk(v any, visit func(value any)) { walk(reflect.ValueOf(v), visit) }

func walk(v reflect.Value, visit func(value any)) {
	if !v.IsValid() {
		return
	}
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		walk(v.Elem(), visit)
		return
	}
	if !v.CanAddr() {
		addressable := reflect.New(v.Type()).Elem()
		addressable.Set(v)
		v = addressable
	}
	if v.Addr().Type().Implements(unmarshalerType) {
		visit(v.Addr().Interface())
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() || field.Anonymous {
				walk(v.Field(i), visit)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			walk(v.MapIndex(key), visit)
		}
	}
}
