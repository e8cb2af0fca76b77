package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Codes of the diagnostics that the types of this package write, beside schema's own.
const (
	codeWrongValue    = "wrong-value"    // the kind of value is right, the value is not
	codeTemplate      = "template"       // the Liquid text has a syntax error
	codeFrontMatter   = "front-matter"   // an e-mail without it
	codeEmptyGroup    = "empty-group"    // all, any or not without a filter
	codeManyOperators = "many-operators" // a filter tests one thing
)

// scalar reads a scalar with a syntax of its own into target.
func scalar[T any](target *T, node *schema.Node, d *schema.Diagnostics, parse func(string) (T, error)) {
	if !node.IsScalar() {
		d.WrongType(node, "", "text")
		return
	}
	value, err := parse(node.Value)
	if err != nil {
		d.Errorf(node.Pos, codeWrongValue, "%s", reason(err))
		return
	}
	*target = value
}

// reason is what an error says to an author, without the sentinel it wraps.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": ")
}

// asText is the JSON Schema of types whose source form is text.
func asText(pattern string) map[string]any {
	result := map[string]any{"type": "string"}
	if pattern != "" {
		result["pattern"] = pattern
	}
	return result
}

// jsonText writes text as JSON, null when it is empty.
func jsonText(text string) ([]byte, error) {
	if text == "" {
		return []byte("null"), nil
	}
	return json.Marshal(text)
}

// invalidf returns an error that wraps ErrInvalid.
func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// reportSyntax reports what is wrong with the text of a template or formula, at its place in node.
func reportSyntax(err error, node *schema.Node, d *schema.Diagnostics) {
	var mistake *syntaxError
	switch {
	case errors.As(err, &mistake):
		mistake.report(node, d)
	case err != nil:
		d.Errorf(node.Pos, codeTemplate, "%s", reason(err))
	}
}
