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
		err := file.MayOpen(catalog, zoe)
		if test.opens {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, crm.ErrForbidden)
		}
		require.Empty(t, file.Denied(nil, catalog, crm.Actor{Name: "the machine's"}))
	}
}
