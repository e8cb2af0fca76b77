package crm

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Target says which records an action works on: nothing = the enrolled record, else records that are
// associated with it (language §2). HubSpot's default, all of them, is ours (semantics §1.3).
type Target struct {
	Associated ObjectName `json:"associated,omitzero" doc:"Record type of the associated records." required:"true"`
	Label      string     `json:"label,omitempty" doc:"Only those whose association has this label."`
	Primary    bool       `json:"primary,omitempty" doc:"Only the primary one."`
	Sort       Sort       `json:"sort,omitzero" doc:"Order, as PROPERTY asc or PROPERTY desc; the primary one first, then the oldest association, if left out."`
	Limit      int        `json:"limit,omitempty" doc:"At most so many; 0 = all." min:"0" max:"10000"`
}

// Sort orders records by a property. Records without a value come last.
type Sort struct {
	Property   PropertyName
	Descending bool
}

// IsZero tells whether the target is the enrolled record.
func (t Target) IsZero() bool { return t.Associated.IsZero() }

// Object returns the type of the target's records, given that of the enrolled record.
func (t Target) Object(enrolled string) string {
	if t.IsZero() {
		return enrolled
	}
	return t.Associated.Text
}

// Properties returns the property that the target sorts by.
func (t Target) Properties() []PropertyUse {
	if t.Sort.Property.IsZero() {
		return nil
	}
	return []PropertyUse{{Object: t.Associated.Text, Name: t.Sort.Property.Text, Operator: "sort", Pos: t.Sort.Property.Pos()}}
}

// Resolve returns the target's records. Associated records that are gone are left out; the enrolled
// one is an error then. Errors: those of Records.
func (t Target) Resolve(ctx context.Context, records Records, catalog *Catalog, enrolled Ref) ([]Record, error) {
	if t.IsZero() {
		record, err := records.Get(ctx, enrolled)
		if err != nil {
			return nil, err
		}
		return []Record{record}, nil
	}
	found, err := associated(ctx, records, enrolled, t.Associated.Text, t.Label)
	if err != nil {
		return nil, err
	}
	var result []Record
	for _, association := range found {
		if t.Primary && !association.Primary {
			continue
		}
		record, err := records.Get(ctx, association.Ref)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		result = append(result, record)
	}
	if name := t.Sort.Property.Text; name != "" {
		slices.SortStableFunc(result, func(a, b Record) int {
			return t.Sort.compare(propertyValue(catalog, a, name), propertyValue(catalog, b, name))
		})
	}
	if t.Limit > 0 && len(result) > t.Limit {
		result = result[:t.Limit]
	}
	return result, nil
}

// associated returns the associations of a record to an object type that carry a label, "" = any.
func associated(ctx context.Context, records Reader, ref Ref, object, label string) ([]Association, error) {
	found, err := records.Associated(ctx, ref, object)
	if label == "" || err != nil {
		return found, err
	}
	return slices.DeleteFunc(slices.Clone(found), func(a Association) bool { return !slices.Contains(a.Labels, label) }), nil
}

// gone tells whether an error says that a record does not exist (any more).
func gone(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeleted) }

func (s Sort) compare(a, b any) int {
	if a == nil || b == nil {
		if a == nil && b == nil {
			return 0
		}
		if a == nil {
			return 1
		}
		return -1
	}
	if s.Descending {
		a, b = b, a
	}
	return compareValues(a, b)
}

// ParseSort reads PROPERTY, PROPERTY asc or PROPERTY desc.
func ParseSort(text string) (Sort, error) {
	words := strings.Fields(text)
	sort := Sort{}
	if len(words) == 2 && (words[1] == "asc" || words[1] == "desc") {
		sort.Descending = words[1] == "desc"
		words = words[:1]
	}
	if len(words) != 1 || !propertyName.MatchString(words[0]) {
		return Sort{}, invalidf("%q is not an order: write PROPERTY asc or PROPERTY desc", clip(text))
	}
	sort.Property.Text = words[0]
	return sort, nil
}

// UnmarshalNode reads an order.
func (s *Sort) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	scalar(s, node, d, ParseSort)
	s.Property.pos = node.Pos
}

// IsZero tells whether there is no order.
func (s Sort) IsZero() bool { return s.Property.IsZero() }

// String writes the source form.
func (s Sort) String() string {
	if s.Descending {
		return s.Property.Text + " desc"
	}
	return s.Property.Text
}

// MarshalJSON writes the source form; null for no order.
func (s Sort) MarshalJSON() ([]byte, error) { return jsonText(s.String()) }

// Describe tells readers about the source form.
func (Sort) Describe() schema.Description {
	return schema.Description{Name: "sort", Doc: "PROPERTY asc or PROPERTY desc.", Schema: asText("")}
}

// propertyValue returns a record's property as a value, nil when it is empty.
func propertyValue(catalog *Catalog, record Record, name string) any {
	return catalog.Typed(record.Object, name, record.Property(name))
}
