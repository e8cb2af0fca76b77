package crm

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Value is what a config may compute: a literal of any JSON type, a template, or a list or mapping of
// such. A text that is one single token keeps the token's type: `"{{ deal.amount }}"` is a number.
// The zero Value is missing.
type Value struct {
	literal  any // Number, bool or text without tokens
	template Template
	items    []Value
	fields   []fieldValue
	kind     valueKind
	pos      schema.Pos
}

type fieldValue struct {
	key   string
	value Value
}

type valueKind int

const (
	valueMissing valueKind = iota
	valueLiteral
	valueTemplate
	valueList
	valueMapping
)

// UnmarshalNode reads any value.
func (v *Value) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	*v = Value{kind: valueLiteral, pos: node.Pos}
	switch node.Kind {
	case schema.Bool:
		v.literal = strings.EqualFold(node.Value, "true")
	case schema.Number:
		var number Number
		number.UnmarshalNode(node, d)
		v.literal = number
	case schema.String:
		v.template.UnmarshalNode(node, d)
		if v.literal = node.Value; strings.Contains(node.Value, "{{") || strings.Contains(node.Value, "{%") {
			v.kind = valueTemplate
		}
	case schema.List:
		v.kind = valueList
		v.items = make([]Value, len(node.Items))
		for i, item := range node.Items {
			v.items[i].UnmarshalNode(item, d)
		}
	case schema.Mapping:
		v.kind = valueMapping
		v.fields = make([]fieldValue, len(node.Fields))
		for i, field := range node.Fields {
			v.fields[i].key = field.Key.Value
			v.fields[i].value.UnmarshalNode(field.Value, d)
		}
	}
}

// IsZero tells whether the value is missing.
func (v Value) IsZero() bool { return v.kind == valueMissing }

// Pos returns where the value stands in its file.
func (v Value) Pos() schema.Pos { return v.pos }

// Literal returns the value as far as it is known without a scope: nil, bool, text, Number, []any or
// map[string]any. It is false when a part of it is a template.
func (v Value) Literal() (any, bool) {
	switch v.kind {
	case valueTemplate:
		return nil, false
	case valueList:
		list := make([]any, len(v.items))
		for i, item := range v.items {
			literal, known := item.Literal()
			if !known {
				return nil, false
			}
			list[i] = literal
		}
		return list, true
	case valueMapping:
		mapping := make(map[string]any, len(v.fields))
		for _, field := range v.fields {
			literal, known := field.value.Literal()
			if !known {
				return nil, false
			}
			mapping[field.key] = literal
		}
		return mapping, true
	}
	return v.literal, true
}

// Tokens returns the names that the value reads from its scope.
func (v Value) Tokens() []Token {
	tokens := v.template.Tokens()
	for _, item := range v.items {
		tokens = append(tokens, item.Tokens()...)
	}
	for _, field := range v.fields {
		tokens = append(tokens, field.value.Tokens()...)
	}
	return tokens
}

// Resolve computes the value: nil, bool, text, Number, Date, time.Time, []any or map[string]any. Empty
// tokens and errors are as in Template.Render.
func (v Value) Resolve(ctx context.Context, scope Scope) (any, []Warning, error) {
	r := newRendering(ctx, scope)
	result, err := v.resolve(r)
	return result, r.warnings, err
}

func (v Value) resolve(r *rendering) (any, error) {
	switch v.kind {
	case valueTemplate:
		if only, single := v.template.single(); single {
			result, err := only.eval(r)
			return settled(result), err
		}
		var out strings.Builder
		err := r.blocks(v.template.blocks, &out)
		return out.String(), err
	case valueList:
		list := make([]any, len(v.items))
		for i, item := range v.items {
			var err error
			if list[i], err = item.resolve(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	case valueMapping:
		mapping := make(map[string]any, len(v.fields))
		for _, field := range v.fields {
			result, err := field.value.resolve(r)
			if err != nil {
				return nil, err
			}
			mapping[field.key] = result
		}
		return mapping, nil
	}
	return v.literal, nil
}

// MarshalJSON writes the source form; null for a missing value.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case valueTemplate:
		return json.Marshal(v.template.source)
	case valueList:
		return json.Marshal(v.items)
	case valueMapping:
		mapping := make(map[string]Value, len(v.fields))
		for _, field := range v.fields {
			mapping[field.key] = field.value
		}
		return json.Marshal(mapping)
	}
	return json.Marshal(v.literal)
}

// Describe tells readers about the source form.
func (Value) Describe() schema.Description {
	return schema.Description{Name: "value", Doc: `A literal or a template; one single token keeps its type: "{{ deal.amount }}" is a number.`}
}
