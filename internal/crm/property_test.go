package crm_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func TestCanonicalText(t *testing.T) {
	t.Parallel()
	rome := zone(t, "Europe/Rome")
	tests := []struct {
		kind  crm.PropertyType
		value any
		want  string
	}{
		{crm.TypeString, " keeps spaces ", " keeps spaces "},
		{crm.TypeString, json.Number("1.50"), "1.5"},
		{crm.TypeString, true, "true"},
		{crm.TypeString, nil, ""},
		{crm.TypeNumber, "1e3", "1000"},
		{crm.TypeNumber, 0.1, "0.1"},
		{crm.TypeNumber, 1e21, "1000000000000000000000"},
		{crm.TypeNumber, " 12.50 ", "12.5"},
		{crm.TypeNumber, 7, "7"},
		{crm.TypeNumber, "", ""},
		{crm.TypeBool, "TRUE", "true"},
		{crm.TypeBool, false, "false"},
		{crm.TypeEnumeration, "gold", "gold"},
		{crm.TypeDate, "2027-05-10", "2027-05-10"},
		{crm.TypeDate, "1809907200000", "2027-05-10"},
		{crm.TypeDate, json.Number("1809907200000"), "2027-05-10"},
		{crm.TypeDate, "2027-05-10T00:00:00+02:00", "2027-05-10"},
		{crm.TypeDate, time.Date(2027, 5, 10, 0, 30, 0, 0, rome), "2027-05-10"},
		{crm.TypeDate, crm.Date{Year: 2027, Month: 5, Day: 10}, "2027-05-10"},
		{crm.TypeDatetime, "2027-05-10T11:00:00+02:00", "2027-05-10T09:00:00Z"},
		{crm.TypeDatetime, "2027-05-10T09:00:00.120Z", "2027-05-10T09:00:00.12Z"},
		{crm.TypeDatetime, "2027-05-10", "2027-05-10T00:00:00Z"},
		{crm.TypeDatetime, "1809939600123", "2027-05-10T09:00:00.123Z"},
		{crm.TypePhoneNumber, " +39 06 1234 ", "+39 06 1234"},
		{crm.TypeJSON, map[string]any{"a": 1}, `{"a":1}`},
		{crm.TypeJSON, ` {"a": [1, 2]} `, `{"a":[1,2]}`},
	}
	for _, test := range tests {
		got, err := crm.Property{Name: "p", Type: test.kind}.Canonical(test.value)
		require.NoError(t, err, "%s %v", test.kind, test.value)
		require.Equal(t, test.want, got, "%s %v", test.kind, test.value)
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind  crm.PropertyType
		value any
		says  string
	}{
		{crm.TypeNumber, "many", "not a number"},
		{crm.TypeNumber, []any{1, 2}, "not a list"},
		{crm.TypeBool, "yes", "neither true nor false"},
		{crm.TypeDate, "10.05.2027", "not a date"},
		{crm.TypeDate, "2027-02-30", "not a date"},
		{crm.TypeDatetime, "2027-05-10 09:00", "not a time"},
		{crm.TypeDatetime, "99999999999999999", "not a time"},
		{crm.TypeJSON, "{", "JSON"},
		{crm.TypeString, "a\x00b", "NUL"},
		{crm.TypeString, "a\xff", "UTF-8"},
		{crm.TypeString, strings.Repeat("é", crm.MaxValue+1), "longer than 65536"},
		{crm.TypeEnumeration, "a;b", "one option"},
	}
	for _, test := range tests {
		_, err := crm.Property{Name: "plan", Type: test.kind}.Canonical(test.value)
		require.ErrorIs(t, err, crm.ErrInvalid, "%v", test.value)
		require.ErrorContains(t, err, "property plan")
		require.ErrorContains(t, err, test.says)
	}
	_, err := crm.Property{Name: "p", Type: crm.TypeString}.Canonical(strings.Repeat("é", crm.MaxValue))
	require.NoError(t, err)
}

func TestEnumerationTakesItsOptions(t *testing.T) {
	t.Parallel()
	property := mustDecode[crm.Property](t, `{name: interests, type: enumeration, multiple: true, options: [golf, {value: chess, label: Chess}]}`)
	got, err := property.Canonical([]any{"chess", " golf", "chess"})
	require.NoError(t, err)
	require.Equal(t, "chess;golf", got)
	require.Equal(t, []any{"chess", "golf"}, property.Value(got))
	_, err = property.Canonical("golf;polo")
	require.ErrorContains(t, err, `"polo" is not an option`)
}

func TestInfer(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]crm.PropertyType{
		"true": crm.TypeBool, "12.5": crm.TypeNumber, "-3": crm.TypeNumber, "0123": crm.TypeString, "+39": crm.TypeString, "2027-05-10": crm.TypeDate,
		"2027-05-10T09:00:00Z": crm.TypeDatetime, "": crm.TypeString, "IT": crm.TypeString, "True": crm.TypeString, "1.50": crm.TypeString,
	} {
		require.Equal(t, want, crm.Infer(value), value)
	}
}

func TestCatalogKnowsBuiltinAndDeclaredObjects(t *testing.T) {
	t.Parallel()
	catalog := crm.Builtin()
	require.Len(t, catalog.Objects(), 17)
	email, declared := catalog.Property("contact", "email")
	require.True(t, declared)
	require.Equal(t, crm.TypeString, email.Type)
	created, _ := catalog.Property("deal", "created_at")
	require.False(t, created.Writable())

	for _, source := range []string{
		"object: vessel\nproperties:\n  tonnage: {type: number}\n  flag:\n",
		"object: vessel\nproperties:\n  - {name: tonnage, type: number}\n  - name: flag\n",
	} {
		vessel := mustDecode[crm.Object](t, source)
		catalog.Add(vessel)
		tonnage, _ := catalog.Property("vessel", "tonnage")
		require.Equal(t, crm.TypeNumber, tonnage.Type)
		flag, _ := catalog.Property("vessel", "flag")
		require.Equal(t, crm.TypeString, flag.Type)
	}
	catalog.Add(mustDecode[crm.Object](t, "object: contact\nproperties: {plan: {type: enumeration, options: [gold, free]}}"))
	_, declared = catalog.Property("contact", "email")
	require.True(t, declared, "a file about a built-in object adds to it")

	_, err := catalog.Canonical("contact", "plan", "silver")
	require.ErrorIs(t, err, crm.ErrInvalid)
	_, err = catalog.Canonical("contact", "nickname", "x")
	require.ErrorContains(t, err, "contact has no property nickname")
	catalog.Open = true
	for value, want := range map[any]string{"0123": "0123", "2027-05-10T11:00:00+02:00": "2027-05-10T09:00:00Z", 1.5: "1.5", "1.50": "1.50"} {
		got, err := catalog.Canonical("contact", "nickname", value)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestObjectFilesAreChecked(t *testing.T) {
	t.Parallel()
	_, problems := decode[crm.Object]("object: vessel\nproperties:\n  9lives: {type: number}\n  flag: {type: text}\n  port: {options: [\"a;b\"]}\n")
	require.Len(t, problems, 3)
	require.Equal(t, 3, problems[0].Line)
	require.Equal(t, 4, problems[1].Line)
	require.Equal(t, 5, problems[2].Line)
}
