package crm

import (
	"context"

	"github.com/millrace/millrace/internal/schema"
)

// Value is a literal of any JSON type or a template.
type Value struct{ literal any }

func (v *Value) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {}

func (v Value) MarshalJSON() ([]byte, error) { return nil, nil }

func (v Value) IsZero() bool { return false }

func (v Value) Tokens() []Token { return nil }

func (v Value) Literal() (any, bool) { return nil, false }

func (v Value) Resolve(ctx context.Context, scope Scope) (any, []Warning, error) {
	return nil, nil, nil
}
