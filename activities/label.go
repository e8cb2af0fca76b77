package activities

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// maxLabel is how many characters a label of an association has.
const maxLabel = 100

// label is the label of an association. The zero one is missing.
type label struct{ Text string }

// UnmarshalNode reads a label.
func (l *label) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	if !node.IsScalar() {
		problems.WrongType(node, "", "a label")
		return
	}
	l.Text = node.Value
	if strings.TrimSpace(l.Text) != l.Text || l.Text == "" || utf8.RuneCountInString(l.Text) > maxLabel || strings.ContainsFunc(l.Text, unicode.IsControl) {
		problems.Errorf(node.Pos, "wrong-value", "a label has 1 to %d characters on one line, without spaces around them", maxLabel)
	}
}

// MarshalJSON writes the source form; null for none.
func (l label) MarshalJSON() ([]byte, error) {
	if l.Text == "" {
		return []byte("null"), nil
	}
	return json.Marshal(l.Text)
}

// Describe tells readers about the source form.
func (label) Describe() schema.Description {
	return schema.Description{Name: "label", Doc: "Label of an association.", Schema: map[string]any{"type": "string", "maxLength": maxLabel}}
}

// labelsOf are the labels of the enrolled record's associations with records of a type.
func labelsOf(ctx context.Context, env *action.Env, object crm.ObjectName) (map[crm.Ref][]string, error) {
	associations, err := env.Records.Associated(ctx, env.Record(), object.Text)
	labels := make(map[crm.Ref][]string, len(associations))
	for _, one := range associations {
		labels[one.Ref] = one.Labels
	}
	return labels, err
}

// linked tells whether there is an association with a record that has a label, "" = any.
func linked(known []crm.Association, ref crm.Ref, label string) bool {
	return slices.ContainsFunc(known, func(one crm.Association) bool {
		return one.Ref == ref && (label == "" || slices.Contains(one.Labels, label))
	})
}

// among tells whether a record is one of records.
func among(records []crm.Record, ref crm.Ref) bool {
	return slices.ContainsFunc(records, func(one crm.Record) bool { return one.Ref == ref })
}
