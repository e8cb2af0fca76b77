package definition

import (
	"fmt"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Denied reports where a definition uses a property more than somebody may: what it writes needs the access edit, what
// it reads the access view (semantics §3.0.4). Access is that of catalog, and not of the workspace that is about to change
// it; in is nil outside of one.
func (f *File) Denied(in *Workspace, catalog *crm.Catalog, actor crm.Actor) (found schema.Diagnostics) {
	for _, use := range f.uses(in, catalog) {
		wanted := crm.AccessView
		if use.Operator == crm.Writes {
			wanted = crm.AccessEdit
		}
		if property, known := catalog.Property(use.Object, use.Name); known {
			if err := actor.MustAccess(use.Object, property, wanted); err != nil {
				found.Errorf(use.Pos, "no-access", "%v", err)
			}
		}
	}
	return found
}

// MayOpen fails with crm.ErrForbidden when the definition uses a property that somebody may not see: then it is not his
// to read (semantics §3.0.4).
func (f *File) MayOpen(catalog *crm.Catalog, actor crm.Actor) error {
	for _, use := range f.uses(nil, catalog) {
		property, known := catalog.Property(use.Object, use.Name)
		if !known {
			continue
		}
		if err := actor.MustAccess(use.Object, property, crm.AccessView); err != nil {
			return fmt.Errorf("the workflow %s uses %s of %s: %w", f.Workflow.Text, use.Name, use.Object, err)
		}
	}
	return nil
}

// uses are the properties that a definition names, with an object each.
func (f *File) uses(in *Workspace, catalog *crm.Catalog) []crm.PropertyUse {
	if f.node == nil {
		return nil
	}
	return f.checked(in, catalog).uses
}
