package definition_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
)

func TestADefinitionIsForThoseWhoMayUseItsProperties(t *testing.T) {
	t.Parallel()
	file, problems := definition.Read("raise.yaml", []byte(`workflow: raise
object: contact
enroll: {when: {property: grade, gt: 3}}
actions:
  - id: raise
    edit_record: {set: {salary: "{{ contact.bonus }}"}}
`), activities.Kinds())
	require.Empty(t, problems)
	zoe := crm.Actor{Name: "zoe", User: &crm.User{ID: "zoe"}}
	for _, test := range []struct {
		grade, bonus, salary crm.AccessLevel
		denied               []string
		opens                bool
	}{
		{"edit", "edit", "edit", nil, true},
		{"view", "view", "edit", nil, true},
		{"view", "view", "view", []string{"raise.yaml:6:25 no-access this is not allowed: it needs the access edit to salary of contact, and zoe has view"}, true},
		{"none", "view", "edit", []string{"raise.yaml:3:27 no-access this is not allowed: it needs the access view to grade of contact, and zoe has none"}, false},
		{"view", "none", "edit", []string{"raise.yaml:6:37 no-access this is not allowed: it needs the access view to bonus of contact, and zoe has none"}, false},
	} {
		catalog := crm.Builtin()
		number := func(name string, level crm.AccessLevel) crm.Property {
			return crm.Property{Name: name, Type: crm.TypeNumber, Access: crm.Access{Everyone: level}}
		}
		catalog.Add(crm.Object{Name: "contact", Properties: crm.Properties{number("grade", test.grade), number("bonus", test.bonus), number("salary", test.salary)}})
		var denied []string
		for _, problem := range file.Denied(nil, catalog, zoe) {
			denied = append(denied, fmt.Sprintf("%s:%d:%d %s %s", problem.File, problem.Line, problem.Column, problem.Code, problem.Message))
		}
		require.Equal(t, test.denied, denied)
		err := file.MayOpen(nil, catalog, zoe)
		if test.opens {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		require.Empty(t, file.Denied(nil, catalog, crm.Actor{Name: "the machine's"}))
	}
}

func TestAListAndAMailUseThePropertiesOfTheirs(t *testing.T) {
	t.Parallel()
	zoe := crm.Actor{Name: "zoe", Roles: []crm.Role{crm.RoleEdit}, User: &crm.User{ID: "zoe"}}
	for name, action := range map[string]string{
		"list": "branch_and_or: {branches: [{name: rich, when: {list: rich}}]}", "mail": "send_email: {email: raised}",
	} {
		workspace, problems := definition.ReadAssets(map[string][]byte{
			"millrace.yaml":    []byte("time_zone: UTC\nsender: {email: a@example.com}\n"),
			"objects/c.yaml":   []byte("object: contact\nproperties: [{name: salary, type: number, access: none}]\n"),
			"lists/rich.yaml":  []byte("list: rich\nobject: contact\nfilter: {property: salary, gt: 500}\n"),
			"emails/raised.md": []byte("---\nsubject: s\n---\n{{ contact.salary }}\n"),
			"workflows/w.yaml": []byte("workflow: w\nobject: contact\nactions: [{id: a, " + action + "}]\n"),
		}, activities.Kinds())
		require.False(t, problems.HasErrors(), "%v", problems)
		file := workspace.Definition("w")
		require.ErrorIs(t, file.MayOpen(workspace, workspace.Catalog, zoe), crm.ErrForbidden, name)
		require.Len(t, file.Denied(workspace, workspace.Catalog, zoe), 1, name)
		require.NoError(t, file.MayOpen(workspace, workspace.Catalog, crm.Actor{Name: "ann"}))
	}
}
