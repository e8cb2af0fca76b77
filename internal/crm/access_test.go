package crm_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// readProperty reads a property of a file in objects/.
func readProperty(t *testing.T, source string) (crm.Property, schema.Diagnostics) {
	t.Helper()
	node, problems := schema.Parse("vessel.yaml", []byte(source))
	require.Empty(t, problems)
	var property crm.Property
	problems = schema.Decode(node, &property)
	return property, problems
}

func TestAccessToAProperty(t *testing.T) {
	t.Parallel()
	zoe := crm.User{ID: "zoe", Team: "sales", Teams: []string{"legal"}}
	max := crm.User{ID: "max", Team: "support"}
	for _, test := range []struct {
		source   string
		zoe, max crm.AccessLevel
		writable bool // by an action that somebody writes
	}{
		{"{name: p}", "edit", "edit", true},
		{"{name: p, access: view}", "view", "view", false},
		{"{name: p, access: none}", "none", "none", false},
		{"{name: p, access: {everyone: view, teams: {sales: edit}}}", "edit", "view", true},
		{"{name: p, access: {everyone: edit, teams: {sales: none, legal: view}}}", "view", "edit", true},
		{"{name: p, access: {everyone: none, teams: {sales: edit}, users: {zoe: view, max: view}}}", "view", "view", true},
		{"{name: p, access: {everyone: view, teams: {sales: none}}}", "none", "view", false},
		{"{name: p, access: edit, read_only: true}", "edit", "edit", false},
	} {
		property, problems := readProperty(t, test.source)
		require.Empty(t, problems, test.source)
		require.Equal(t, test.writable, property.Writable(), test.source)
		stored, err := json.Marshal(property)
		require.NoError(t, err)
		var again crm.Property
		require.NoError(t, json.Unmarshal(stored, &again))
		require.Equal(t, property, again, "as it is stored: %s", stored)
		for _, user := range []struct {
			crm.User
			want crm.AccessLevel
		}{{zoe, test.zoe}, {max, test.max}} {
			actor := crm.Actor{Name: user.ID, User: &user.User, Roles: []crm.Role{crm.RoleEdit}}
			require.Equal(t, user.want, actor.Access(again), "%s for %s", test.source, user.ID)
			actor.Roles = []crm.Role{crm.RoleAdmin}
			require.Equal(t, crm.AccessEdit, actor.Access(again), "an admin may everything")
			require.Equal(t, crm.AccessEdit, crm.Actor{Name: "a key"}.Access(again), "who is no user is not bound")
		}
	}
	for source, want := range map[string]string{
		"{name: p, access: write}":                                   "not-allowed",
		"{name: p, access: {teams: {sales: edit}}}":                  "missing-key",
		"{name: p, access: {everyone: view, teams: {sales: write}}}": "not-allowed",
		"{name: p, access: [view]}":                                  "wrong-type",
	} {
		_, problems := readProperty(t, source)
		require.Len(t, problems, 1, source)
		require.Equal(t, want, problems[0].Code, source)
	}
}

func TestWhoMayNotIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	zoe := crm.Actor{Name: "zoe", Roles: []crm.Role{crm.RoleView, crm.RoleEdit}, User: &crm.User{ID: "zoe"}}
	require.NoError(t, zoe.Must(crm.RoleEdit))
	require.NoError(t, crm.Actor{Roles: []crm.Role{crm.RoleAdmin}}.Must(crm.RolePublish))
	err := zoe.Must(crm.RolePublish)
	require.ErrorIs(t, err, crm.ErrForbidden)
	require.EqualError(t, err, "this is not allowed: it needs the role publish, and zoe has view, edit")
	require.EqualError(t, crm.Actor{Name: "max"}.Must(crm.RoleView), "this is not allowed: it needs the role view, and max has none")

	salary, _ := readProperty(t, "{name: salary, access: {everyone: none, users: {zoe: view}}}")
	require.NoError(t, zoe.MustAccess("contact", salary, crm.AccessView))
	err = zoe.MustAccess("contact", salary, crm.AccessEdit)
	require.ErrorIs(t, err, crm.ErrForbidden)
	require.EqualError(t, err, "this is not allowed: it needs the access edit to salary of contact, and zoe has view")
	_, err = crm.ParseRole("owner")
	require.EqualError(t, err, `invalid value: "owner" is not a role: the roles are view, edit, publish, enroll, admin`)
}
