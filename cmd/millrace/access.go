package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// roles are what commands on a database need of the user whom --as names; the rest of a command's path decides where
// both are listed. A command that is not here needs no user: it reads no records, or it is a program of its own.
var roles = map[string]crm.Role{
	"workflows":         crm.RoleView,
	"workflows on":      crm.RolePublish,
	"workflows off":     crm.RolePublish,
	"workflows pause":   crm.RolePublish,
	"workflows drain":   crm.RolePublish,
	"workflows stop":    crm.RolePublish,
	"enrollments":       crm.RoleView,
	"why":               crm.RoleView,
	"history":           crm.RoleView,
	"outbox":            crm.RoleView,
	"usage":             crm.RoleView,
	"events":            crm.RoleView,
	"events send-again": crm.RoleEnroll,
	"diff":              crm.RoleView,
	"doctor":            crm.RoleView,
	"records":           crm.RoleEdit,
	"records get":       crm.RoleView,
	"records list":      crm.RoleView,
	"records export":    crm.RoleView,
	"lists":             crm.RoleEdit,
	"lists list":        crm.RoleView,
	"lists show":        crm.RoleView,
	"lists count":       crm.RoleView,
	"records purge":     crm.RoleAdmin,
	"enroll":            crm.RoleEnroll,
	"unenroll":          crm.RoleEnroll,
	"pause":             crm.RoleEnroll,
	"resume":            crm.RoleEnroll,
	"skip-wait":         crm.RoleEnroll,
	"move":              crm.RoleEnroll,
	"event":             crm.RoleEnroll,
	"prune":             crm.RoleAdmin,
	"push":              crm.RoleEdit, // and RolePublish for what is on
	"keys":              crm.RoleAdmin,
	"audit":             crm.RoleAdmin,
}

// roleOf is the role that a command needs, by its path without the program, as in "workflows on".
func roleOf(path string) (role crm.Role, needed bool) {
	for path != "" {
		if role, needed = roles[path]; needed {
			return role, true
		}
		path = path[:max(strings.LastIndex(path, " "), 0)]
	}
	return "", false
}

// actor is who runs the command: the user whom --as names, else whoever operates the machine, who may do everything,
// since the database is his.
func (a *app) actor(ctx context.Context, books *store.Store) (crm.Actor, error) {
	if a.as == "" {
		return crm.Actor{Name: cmp.Or(a.Environment.get("USER"), "operator"), Roles: []crm.Role{crm.RoleAdmin}}, nil
	}
	user, err := books.User(ctx, a.as)
	switch {
	case errors.Is(err, crm.ErrNotFound):
		return crm.Actor{}, fmt.Errorf("there is no user %q: users.yaml says who there is, as it was last pushed", a.as)
	case err != nil:
		return crm.Actor{}, err
	case !user.Active:
		return crm.Actor{}, fmt.Errorf("the user %q is not active", a.as)
	}
	return crm.Actor{Name: user.ID, Roles: user.Roles, User: &user}, nil
}

// admit finds out who runs the command, and fails when the command is not for him.
func (a *app) admit(ctx context.Context, books *store.Store) (err error) {
	if a.who, err = a.actor(ctx, books); err != nil || a.as == "" {
		return err
	}
	role, needed := roleOf(a.command)
	if !needed {
		return usagef("`millrace %s` does nothing in the name of a user: leave out --as", a.command)
	}
	return a.who.Must(role)
}

// deed is a line of the audit log about what the user does now.
func (a *app) deed(action, subject string, before, after any) store.Deed {
	return store.Deed{At: a.Now(), Actor: a.who.Name, Via: "cli", Action: action, Subject: subject, Before: encoded(before), After: encoded(after)}
}

func encoded(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	text, _ := json.Marshal(value) // texts, numbers, and mappings of them
	return text
}

// audited writes a line of the audit log and does what it is about, which is not done in our store. What fails is noted.
func (a *app) audited(ctx context.Context, books *store.Store, action, subject string, do func() error) error {
	numbers, err := books.Audit(ctx, a.deed(action, subject, nil, nil))
	if err != nil {
		return err
	}
	failed := do()
	if failed == nil {
		return nil
	}
	return errors.Join(failed, books.AuditFailed(context.WithoutCancel(ctx), numbers[0], oneLine(failed)))
}

// mayOpen returns what fails with crm.ErrForbidden for a revision that uses a property that somebody may not see, itself or
// in the mails that it sends today (semantics §3.0.4).
func (a *app) mayOpen(ctx context.Context, books *store.Store, actor crm.Actor) (func(plan.Revision) error, error) {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	if actor.SeesAll(catalog) {
		return func(plan.Revision) error { return nil }, nil
	}
	hashes, err := books.Assets(ctx)
	if err != nil {
		return nil, err
	}
	assets := map[string][]byte{}
	for path := range hashes {
		if assets[path], _, err = books.Asset(ctx, path); err != nil {
			return nil, err
		}
	}
	workspace, _ := definition.ReadAssets(assets, a.Kinds)
	return func(revision plan.Revision) error {
		file, _ := definition.Read("revision.yaml", []byte(revision.Source), a.Kinds)
		return file.MayOpen(workspace, catalog, actor)
	}, nil
}

// mayPublish fails, or reports where a definition uses a property, when the user may not publish something: what is on
// needs the role publish, other people and their access to properties the role admin. What he may is what is published,
// not what he is about to publish.
func (p *publisher) mayPublish(ctx context.Context, tx *store.Tx, publication store.Publication) error {
	if p.who.User == nil {
		return nil
	}
	users, err := tx.Users(ctx)
	if err != nil {
		return err
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(encoded(users), encoded(publication.Users)) || !sameAccess(catalog, publication.Catalog) {
		if err := p.who.Must(crm.RoleAdmin); err != nil {
			return fmt.Errorf("changing users.yaml, or access in objects/: %w", err)
		}
	}
	for i, file := range p.Workspace.Definitions {
		one := p.result.Workflows[i]
		if one.Change == changeUnchanged {
			continue
		}
		if one.On {
			if err := p.who.Must(crm.RolePublish); err != nil {
				return fmt.Errorf("publishing %s, which is on: %w", one.Workflow, err)
			}
		}
		p.add(file.Denied(p.Workspace, catalog, p.who))
	}
	return nil
}

// sameAccess tells whether people may do the same with each property under two catalogs.
func sameAccess(before, after *crm.Catalog) bool {
	for _, catalogs := range [][2]*crm.Catalog{{before, after}, {after, before}} {
		for _, name := range catalogs[0].Objects() {
			object, _ := catalogs[0].Object(name)
			for _, property := range object.Properties {
				other, _ := catalogs[1].Property(name, property.Name)
				if !reflect.DeepEqual(encoded(property.Access), encoded(other.Access)) {
					return false
				}
			}
		}
	}
	return true
}

// writeDown writes the new revisions into the audit log, and which files of the workspace are others: settings, users,
// properties, mails. files are the hashes of those that were there; each version is kept under its hash.
func (p *publisher) writeDown(ctx context.Context, tx *store.Tx, latest map[string]*plan.Plan, files map[string]string, published store.Published) error {
	type revision struct {
		Revision int    `json:"revision"`
		Plan     string `json:"plan"` // its hash
	}
	var deeds []store.Deed
	for _, one := range published.Revisions {
		var before any
		if earlier := latest[one.Workflow]; earlier != nil {
			before = revision{earlier.Revision, earlier.Hash}
		}
		deeds = append(deeds, p.deed(store.DeedPublish, one.Workflow, before, revision{one.Number, one.Plan.Hash}))
	}
	now, err := tx.Assets(ctx)
	if err != nil {
		return err
	}
	changed := p.deed(store.DeedPublish, "workspace", nil, nil)
	if changed.Changed(files, now) {
		deeds = append(deeds, changed)
	}
	_, err = tx.Audit(ctx, deeds...)
	return err
}
