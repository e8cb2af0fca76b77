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
	used := f.used(in, catalog)
	for _, use := range used.uses {
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
	for _, list := range used.lists {
		if err := mustAsk(catalog, actor, list); err != nil {
			found.Errorf(list.Pos(), "no-access", "%v", err)
		}
	}
	return found
}

// MayOpen fails with crm.ErrForbidden when the definition, or a mail that it sends, uses a property that somebody may not
// see: then it is not his to read (semantics §3.0.4). The mails are those of in.
func (f *File) MayOpen(in *Workspace, catalog *crm.Catalog, actor crm.Actor) error {
	used := f.used(in, catalog)
	for _, use := range used.uses {
		property, known := catalog.Property(use.Object, use.Name)
		if !known {
			continue
		}
		if err := actor.MustAccess(use.Object, property, crm.AccessView); err != nil {
			return fmt.Errorf("the workflow %s uses %s of %s: %w", f.Workflow.Text, use.Name, use.Object, err)
		}
	}
	for _, list := range used.lists {
		if err := mustAsk(catalog, actor, list); err != nil {
			return fmt.Errorf("the workflow %s asks who is on a list: %w", f.Workflow.Text, err)
		}
	}
	return nil
}

// mustAsk fails with crm.ErrForbidden when the filter of an active list asks for a property that somebody may not see.
func mustAsk(catalog *crm.Catalog, actor crm.Actor, reference crm.Reference) error {
	_, name := reference.Target()
	list, _ := catalog.ActiveList(name)
	return actor.MustAsk(catalog, list.Object, list.Filter)
}

// used is a checker that has found the properties that a definition names, with an object each.
func (f *File) used(in *Workspace, catalog *crm.Catalog) *checker {
	if f.node == nil {
		return &checker{}
	}
	return f.checked(in, catalog)
}
