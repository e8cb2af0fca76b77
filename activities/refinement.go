package activities

import (
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// refinement is a filter on associated records. Its properties are those of their type, which the config knows.
type refinement struct{ filter crm.Filter }

// UnmarshalNode reads a filter.
func (r *refinement) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	r.filter.UnmarshalNode(node, problems)
}

// MarshalJSON writes the source form.
func (r refinement) MarshalJSON() ([]byte, error) { return r.filter.MarshalJSON() }

// Describe tells readers about the source form.
func (refinement) Describe() schema.Description { return crm.Filter{}.Describe() }

// References returns what the filter names.
func (r refinement) References() []crm.Reference { return r.filter.References() }

// of returns the properties that the filter tests, of records of a type.
func (r *refinement) of(object crm.ObjectName) []crm.PropertyUse {
	if r == nil {
		return nil
	}
	uses := r.filter.Properties()
	for i := range uses {
		if uses[i].Object == "" {
			uses[i].Object = object.Text
		}
	}
	return uses
}
