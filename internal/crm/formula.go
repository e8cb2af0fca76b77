package crm

import (
	"context"

	"github.com/millrace/millrace/internal/schema"
)

// Formula is an expression of format_data (semantics §3.7): tokens, operators and nested functions, as
// in `round(deal.amount * 1.22, 2)`. The zero Formula is missing.
type Formula struct {
	source     string
	pos        schema.Pos
	tokens     []Token
	expression expression
}

// ParseFormula reads a formula. Errors wrap ErrInvalid.
func ParseFormula(source string) (Formula, error) {
	formula := Formula{source: source}
	if len(source) > maxSource {
		return formula, invalidf("the formula has more than %d bytes", maxSource)
	}
	var reader parser
	var err error
	formula.expression, err = reader.expression(source, 0)
	formula.tokens = reader.found
	return formula, err
}

// UnmarshalNode reads a formula and reports a syntax error where it stands.
func (f *Formula) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	if node.Kind != schema.String && node.Kind != schema.Number {
		d.WrongType(node, "", "a formula")
		return
	}
	formula, err := ParseFormula(node.Value)
	formula.pos = node.Pos
	place(formula.tokens, node)
	reportSyntax(err, node, d)
	*f = formula
}

// IsZero tells whether the formula is missing.
func (f Formula) IsZero() bool { return f.source == "" }

// Pos returns where the formula stands in its file.
func (f Formula) Pos() schema.Pos { return f.pos }

// String returns the source.
func (f Formula) String() string { return f.source }

// MarshalJSON writes the source; null for a missing formula.
func (f Formula) MarshalJSON() ([]byte, error) { return jsonText(f.source) }

// Describe tells readers about the source form.
func (Formula) Describe() schema.Description {
	return schema.Description{
		Name: "formula", Doc: `Tokens, operators and functions, as in round(deal.amount * 1.22, 2).`,
		Schema: map[string]any{"type": []any{"string", "number"}},
	}
}

// Tokens returns the names that the formula reads from its scope.
func (f Formula) Tokens() []Token { return f.tokens }

// Resolve computes the formula; see Value.Resolve.
func (f Formula) Resolve(ctx context.Context, scope Scope) (any, []Warning, error) {
	if f.expression == nil {
		return nil, nil, nil
	}
	r := newRendering(ctx, scope)
	result, err := output{f.expression, f.source}.eval(r)
	return settled(result), r.warnings, err
}
