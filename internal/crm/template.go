package crm

import (
	"context"

	"github.com/millrace/millrace/internal/schema"
)

// Template is a Liquid text.
type Template struct{ source string }

// Token is one name in a template.
type Token struct {
	Path []string
	Pos  schema.Pos
}

// Warning says that a token was empty.
type Warning struct {
	Token   string
	Message string
}

func (w Warning) String() string { return w.Message }

func ParseTemplate(text string) (Template, error) { return Template{text}, nil }

func (t *Template) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {}

func (t Template) MarshalJSON() ([]byte, error) { return nil, nil }

func (t Template) String() string { return t.source }

func (t Template) IsZero() bool { return false }

func (t Template) Tokens() []Token { return nil }

func (t Template) Render(ctx context.Context, scope Scope) (string, []Warning, error) {
	return "", nil, nil
}

func (t Template) RenderHTML(ctx context.Context, scope Scope) (string, []Warning, error) {
	return "", nil, nil
}
