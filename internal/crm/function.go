package crm

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/schema"
)

// Function is one of the functions of templates and formulas, by name (semantics §3.7). The zero Function is missing.
type Function struct {
	name string
	pos  schema.Pos
	function
}

// UnmarshalNode reads the name of a function.
func (f *Function) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	if node.Kind != schema.String {
		d.WrongType(node, "", "the name of a function")
		return
	}
	found, known := functions[node.Value]
	if !known {
		d.Errorf(node.Pos, codeWrongValue, "there is no function %q", clip(node.Value)).Suggest(node.Value, functionNames())
		return
	}
	*f = Function{node.Value, node.Pos, found}
}

// IsZero tells whether the function is missing.
func (f Function) IsZero() bool { return f.name == "" }

// Pos returns where the name stands in its file.
func (f Function) Pos() schema.Pos { return f.pos }

// String returns the name.
func (f Function) String() string { return f.name }

// MarshalJSON writes the name; null for a missing function.
func (f Function) MarshalJSON() ([]byte, error) { return jsonText(f.name) }

// Describe tells readers about the source form.
func (Function) Describe() schema.Description {
	names := functionNames()
	options := make([]any, len(names))
	for i, name := range names {
		options[i] = name
	}
	return schema.Description{Name: "function", Doc: "Name of a function.", Schema: map[string]any{"enum": options}}
}

// Takes returns how many values the function takes at least and at most.
func (f Function) Takes() (least, most int) { return f.least, f.most }

// Resolve computes values and applies the function to them; see Value.Resolve. An empty one is a warning.
func (f Function) Resolve(ctx context.Context, scope Scope, values ...Value) (any, []Warning, error) {
	r := newRendering(ctx, scope)
	arguments := make([]expression, len(values))
	for i := range values {
		arguments[i] = argument{&values[i]}
	}
	if len(values) < f.least || len(values) > f.most {
		return nil, nil, invalidf("%s takes %d to %d values, found %d", f.name, f.least, f.most, len(values))
	}
	result, err := output{call{f.name, f.function, arguments}, fmt.Sprintf("%s(…)", f.name)}.eval(r)
	return settled(result), r.warnings, err
}

// argument is a value of a config where an expression stands.
type argument struct{ value *Value }

func (a argument) eval(r *rendering) (any, error) { return a.value.resolve(r) }
