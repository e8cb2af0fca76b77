package crm

import (
	"context"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// maxSource bounds the source of a template, in bytes.
const maxSource = 256 << 10

// Template is a Liquid text (language §2). The zero Template is missing and renders nothing.
type Template struct {
	source string
	pos    schema.Pos
	tokens []Token
	blocks []block
	set    bool
}

// Token is one name that a template reads from its scope, such as contact.first_name or
// actions.opened.hs_event_criteria_met. Names that the template defines itself are none.
type Token struct {
	Path []string // contact, first_name
	Cut  bool     // the path goes on with an index that is no name: contact[x], actions.a.list[0]
	Pos  schema.Pos

	offset int // in the source
}

// String writes the token with dots.
func (t Token) String() string { return strings.Join(t.Path, ".") }

// place gives tokens their positions in the scalar that holds the source.
func place(tokens []Token, node *schema.Node) {
	for i, token := range tokens {
		tokens[i].Pos = node.PosAt(token.offset)
	}
}

// Warning says that a token without a default was empty (semantics §1.5).
type Warning struct {
	Token string // as written between the braces
}

func (w Warning) String() string { return "{{ " + w.Token + " }} is empty" }

// ParseTemplate reads a Liquid text. Errors wrap ErrInvalid.
func ParseTemplate(source string) (Template, error) {
	template := Template{source: source, set: true}
	if len(source) > maxSource {
		return template, invalidf("the text has more than %d bytes", maxSource)
	}
	chunks, err := chunksOf(source)
	if err != nil {
		return template, err
	}
	reader := liquid{chunks: chunks}
	if template.blocks, _, err = reader.blocks(chunk{}); err != nil {
		return template, err
	}
	template.tokens = reader.found
	return template, nil
}

// UnmarshalNode reads a template and reports a syntax error where it stands.
func (t *Template) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	if node.Kind != schema.String && node.Kind != schema.Number {
		d.WrongType(node, "", "text")
		return
	}
	template, err := ParseTemplate(node.Value)
	template.pos = node.Pos
	place(template.tokens, node)
	reportSyntax(err, node, d)
	*t = template
}

// IsZero tells whether the template is missing; an empty text is not.
func (t Template) IsZero() bool { return !t.set }

// Pos returns where the template stands in its file.
func (t Template) Pos() schema.Pos { return t.pos }

// String returns the source.
func (t Template) String() string { return t.source }

// MarshalJSON writes the source; null for a missing template.
func (t Template) MarshalJSON() ([]byte, error) {
	if t.source == "" && t.set {
		return []byte(`""`), nil
	}
	return jsonText(t.source)
}

// Describe tells readers about the source form.
func (Template) Describe() schema.Description {
	return schema.Description{
		Name: "template", Doc: `Text with Liquid tokens, as in Hello {{ contact.first_name | default: "there" }}.`,
		Schema: map[string]any{"type": []any{"string", "number"}},
	}
}

// Tokens returns the names that the template reads from its scope.
func (t Template) Tokens() []Token { return t.tokens }

// Render fills the template. An empty token without a default renders as nothing and is returned as a
// warning. Errors: those of Records, and ErrInvalid when a filter gets what it cannot work with or
// the template does too much.
func (t Template) Render(ctx context.Context, scope Scope) (string, []Warning, error) {
	return t.render(ctx, scope, false)
}

// RenderHTML fills a template that is HTML: the values of tokens are escaped, the template's own
// markup is not. The filter `safe` lets a value through as it is.
func (t Template) RenderHTML(ctx context.Context, scope Scope) (string, []Warning, error) {
	return t.render(ctx, scope, true)
}

func (t Template) render(ctx context.Context, scope Scope, html bool) (string, []Warning, error) {
	r := newRendering(ctx, scope)
	r.html = html
	var out strings.Builder
	err := r.blocks(t.blocks, &out)
	if err != nil {
		return "", r.warnings, err
	}
	return out.String(), r.warnings, nil
}

// single returns the expression of a template that is one token and nothing else.
func (t Template) single() (output, bool) {
	if len(t.blocks) != 1 {
		return output{}, false
	}
	only, ok := t.blocks[0].(output)
	return only, ok
}
