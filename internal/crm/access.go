package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// ErrForbidden says that somebody may not do what he wants; the error that wraps it says what is missing.
var ErrForbidden = errors.New("is not allowed")

// Role is one thing that users and API keys may be allowed to do (semantics §5.4). None contains another, but that
// RoleAdmin is all of them.
type Role string

// Roles.
const (
	RoleView    Role = "view"    // see workflows, records, enrollments and events
	RoleEdit    Role = "edit"    // change definitions that are off, and records
	RolePublish Role = "publish" // change what is on, switch on and off
	RoleEnroll  Role = "enroll"  // send events, enroll, take out, pause, move
	RoleAdmin   Role = "admin"   // everything; API keys, the audit log, the roles of others
)

// Roles are all roles.
var Roles = []Role{RoleView, RoleEdit, RolePublish, RoleEnroll, RoleAdmin}

// ParseRole reads a role. Errors: ErrInvalid.
func ParseRole(text string) (Role, error) {
	if role := Role(text); slices.Contains(Roles, role) {
		return role, nil
	}
	return "", invalidf("%q is not a role: the roles are %s", clip(text), JoinRoles(Roles))
}

// JoinRoles writes roles as people read them.
func JoinRoles(roles []Role) string {
	texts := make([]string, len(roles))
	for i, role := range roles {
		texts[i] = string(role)
	}
	return strings.Join(texts, ", ")
}

// Actor is who does something: a user, an API key, or whoever operates the machine.
type Actor struct {
	Name  string // as the audit log shows it
	Roles []Role
	User  *User // whose access to properties counts; nil is not bound by it
}

// Has tells whether the actor has a role.
func (a Actor) Has(role Role) bool {
	return slices.Contains(a.Roles, role) || slices.Contains(a.Roles, RoleAdmin)
}

// Must fails with ErrForbidden when the actor does not have a role.
func (a Actor) Must(role Role) error {
	if a.Has(role) {
		return nil
	}
	has := "has none"
	if len(a.Roles) > 0 {
		has = "has " + JoinRoles(a.Roles)
	}
	return fmt.Errorf("this %w: it needs the role %s, and %s %s", ErrForbidden, role, a.Name, has)
}

// Access is what the actor may do with a property.
func (a Actor) Access(property Property) AccessLevel {
	if a.User == nil || a.Has(RoleAdmin) {
		return AccessEdit
	}
	return property.Access.Of(*a.User)
}

// SeesAll tells whether there is no property that the actor may not see.
func (a Actor) SeesAll(catalog *Catalog) bool {
	if a.User == nil || a.Has(RoleAdmin) {
		return true
	}
	for _, name := range catalog.Objects() {
		object, _ := catalog.Object(name)
		for _, property := range object.Properties {
			if a.Access(property) == AccessNone {
				return false
			}
		}
	}
	return true
}

// MustAsk fails with ErrForbidden when a filter about records of an object asks for a property that the actor may not see,
// also through active lists and associations: whom it matches would tell the value.
func (a Actor) MustAsk(catalog *Catalog, object string, filter Filter) error {
	for _, source := range filter.Sources(catalog) {
		if source.Kind != SourceProperty {
			continue
		}
		on := object
		if last := len(source.Through) - 1; last >= 0 {
			on = source.Through[last]
		}
		if property, declared := catalog.Property(on, source.Name); declared {
			if err := a.MustAccess(on, property, AccessView); err != nil {
				return err
			}
		}
	}
	return nil
}

// MustAccess fails with ErrForbidden when the actor may do less with a property of an object than wanted.
func (a Actor) MustAccess(object string, property Property, wanted AccessLevel) error {
	if has := a.Access(property); has.less(wanted) {
		return fmt.Errorf("this %w: it needs the access %s to %s of %s, and %s has %s", ErrForbidden, wanted, property.Name, object, a.Name, has)
	}
	return nil
}

// AccessLevel is what somebody may do with a property.
type AccessLevel string

// Levels, each with what the ones before it allow.
const (
	AccessNone AccessLevel = "none"
	AccessView AccessLevel = "view"
	AccessEdit AccessLevel = "edit"
)

var accessLevels = []AccessLevel{AccessNone, AccessView, AccessEdit}

func (l AccessLevel) less(other AccessLevel) bool {
	return slices.Index(accessLevels, l) < slices.Index(accessLevels, other)
}

// Access is what people may do with a property (semantics §3.0.4). A file writes one level for everybody, or a mapping.
// The zero Access lets everybody edit.
type Access struct {
	Everyone AccessLevel            `json:"everyone" doc:"Level of everybody else." required:"true" enum:"edit,view,none"`
	Teams    map[string]AccessLevel `json:"teams,omitempty" doc:"Levels of teams; somebody in several has the highest." enum:"edit,view,none"`
	Users    map[string]AccessLevel `json:"users,omitempty" doc:"Levels of users by id, above those of their teams." enum:"edit,view,none"`
}

// Of is the level of a user: his own, else the highest of his teams, else that of everyone.
func (a Access) Of(user User) AccessLevel {
	if level, named := a.Users[user.ID]; named {
		return level
	}
	found, named := AccessNone, false
	for _, team := range append([]string{user.Team}, user.Teams...) {
		if level, listed := a.Teams[team]; listed {
			named = true
			if found.less(level) {
				found = level
			}
		}
	}
	switch {
	case named:
		return found
	case a.Everyone == "":
		return AccessEdit
	}
	return a.Everyone
}

// anybodyEdits tells whether there is anybody who may edit.
func (a Access) anybodyEdits() bool {
	if a.Everyone == "" || a.Everyone == AccessEdit {
		return true
	}
	for _, levels := range []map[string]AccessLevel{a.Teams, a.Users} {
		for _, level := range levels {
			if level == AccessEdit {
				return true
			}
		}
	}
	return false
}

// UnmarshalNode reads a level for everybody, or a mapping.
func (a *Access) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	type mapping Access
	if !node.IsScalar() {
		*d = append(*d, schema.Decode(node, (*mapping)(a))...)
		return
	}
	a.Everyone = AccessLevel(node.Value)
	if !slices.Contains(accessLevels, a.Everyone) {
		d.NotAllowed(node, "access", []string{string(AccessEdit), string(AccessView), string(AccessNone)})
	}
}

// MarshalJSON writes the source form: a level alone where it is for everybody.
func (a Access) MarshalJSON() ([]byte, error) {
	if len(a.Teams)+len(a.Users) == 0 {
		return json.Marshal(a.Everyone)
	}
	type mapping Access
	return json.Marshal(mapping(a))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Access) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &a.Everyone); err == nil {
		return nil
	}
	type mapping Access
	return json.Unmarshal(text, (*mapping)(a))
}

// Describe tells readers about the source form.
func (Access) Describe() schema.Description {
	levels := map[string]any{"enum": []any{string(AccessEdit), string(AccessView), string(AccessNone)}}
	each := map[string]any{"type": "object", "additionalProperties": levels}
	return schema.Description{
		Name: "access", Doc: "A level for everybody, or levels of everyone, teams and users.",
		Schema: map[string]any{"anyOf": []any{levels, map[string]any{
			"type": "object", "required": []any{"everyone"}, "additionalProperties": false,
			"properties": map[string]any{"everyone": levels, "teams": each, "users": each},
		}}},
	}
}
