package crm_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func TestCalculationsAreChecked(t *testing.T) {
	t.Parallel()
	for source, problem := range map[string]string{
		`gross: {type: number, calculated: "deal.amount * 1.22"}`:                                        "",
		`gross: {type: number, calculated: "record.amount * 1.22"}`:                                      "",
		`a: {type: number, calculated: true}`:                                                            "",
		`a: {type: number, calculated: false}`:                                                           "",
		`n: {type: number, calculated: {rollup: count, of: contact}}`:                                    "",
		`d: {type: date, calculated: {rollup: max, of: invoice, property: due_date}}`:                    "",
		`gross: {type: number, calculated: "deal.amont * 1.22"}`:                                         `deal has no property "amont"`,
		`a: {type: number, calculated: "company.employees"}`:                                             "a formula reads the record's own properties, as in deal.name",
		`a: {type: datetime, calculated: "now"}`:                                                         "a formula reads the record's own properties, as in deal.name",
		`a: {type: number, calculated: "deal.amount *"}`:                                                 "expected a value",
		`a: {type: number, calculated: "a.b", b: 1}`:                                                     `unknown key "b"`,
		`a: {type: number, calculated: {rollup: sum, of: contact}}`:                                      "count takes no property, and the other rollups need one",
		`a: {type: number, calculated: {rollup: sum, of: contac, property: score}}`:                      `there is no object "contac"`,
		`a: {type: number, calculated: {rollup: sum, of: contact, property: scor}}`:                      `contact has no property "scor"`,
		`a: {type: number, calculated: {rollup: sum, of: contact, property: email}}`:                     "a is a number: a sum of string cannot be kept in it",
		`a: {calculated: {rollup: sum, of: contact, property: score}}`:                                   "a is a string: a sum of number cannot be kept in it",
		`a: {type: number, calculated: "deal.a + 1"}`:                                                    "deal.a is computed from itself",
		"a: {type: number, calculated: \"deal.b + 1\"}\n  b: {type: number, calculated: \"deal.a + 1\"}": "deal.a is computed from itself",
	} {
		object, problems := decode[crm.Object]("object: deal\nproperties:\n  " + source)
		catalog := crm.Builtin()
		catalog.Add(object)
		if !problems.HasErrors() {
			catalog.CheckCalculations(&problems)
		}
		if problem == "" {
			require.Empty(t, problems, source)
			continue
		}
		require.NotEmpty(t, problems, source)
		require.Contains(t, problems[0].Message, problem, source)
		require.NotZero(t, problems[0].Line, source)
	}
}

func TestCalculationsComeBackFromJSON(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`"record.amount * 1.22"`, `{"rollup":"sum","of":"deal","property":"amount","label":"won"}`, `{"rollup":"count","of":"deal"}`, `true`, `false`} {
		var calculation crm.Calculation
		require.NoError(t, json.Unmarshal([]byte(source), &calculation))
		text, err := json.Marshal(calculation)
		require.NoError(t, err)
		require.JSONEq(t, source, string(text))
		require.Equal(t, source == "false", calculation.IsZero())
	}
	var calculation crm.Calculation
	require.ErrorIs(t, json.Unmarshal([]byte(`{"rollup":"median"}`), &calculation), crm.ErrInvalid)
}

func TestRollups(t *testing.T) {
	t.Parallel()
	values := []string{"1.5", "", "3", "many"}
	for rollup, want := range map[string]string{"count": "4", "sum": "4.5", "average": "2.25", "min": "1.5", "max": "3"} {
		require.Equal(t, want, crm.Rollup{Rollup: rollup}.Value(crm.Property{Type: crm.TypeNumber}, values), rollup)
	}
	for rollup, want := range map[string]string{"count": "0", "sum": "0", "average": "", "min": "", "max": ""} {
		require.Equal(t, want, crm.Rollup{Rollup: rollup}.Value(crm.Property{Type: crm.TypeNumber}, nil), rollup)
	}
	require.Equal(t, "2027-05-10", crm.Rollup{Rollup: "max"}.Value(crm.Property{Type: crm.TypeDate}, []string{"2027-05-09", "2027-05-10", ""}))
}

func TestWhatCannotBeCalculatedIsEmpty(t *testing.T) {
	t.Parallel()
	property := crm.Property{Name: "share", Type: crm.TypeNumber}
	require.NoError(t, property.Calculated.UnmarshalJSON([]byte(`"deal.amount / deal.parts"`)))
	catalog := crm.Builtin()
	catalog.Add(crm.Object{Name: "deal", Properties: crm.Properties{{Name: "parts", Type: crm.TypeNumber}, property}})
	deal := func(parts string) crm.Record {
		return crm.Record{Ref: crm.Ref{Object: "deal", ID: "1"}, Properties: map[string]string{"amount": "10", "parts": parts}}
	}
	require.Equal(t, "2.5", catalog.Calculate(t.Context(), deal("4"), property))
	require.Empty(t, catalog.Calculate(t.Context(), deal("0"), property))
	require.NoError(t, property.Calculated.UnmarshalJSON([]byte(`"company.name"`)))
	require.Empty(t, catalog.Calculate(t.Context(), deal("4"), property), "an unchecked formula reads nothing else")
}

func TestUniqueKeys(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ann@example.com", crm.UniqueKey(" Ann@Example.COM"))
	require.Empty(t, crm.UniqueKey("  "))
	long := make([]byte, 500)
	for i := range long {
		long[i] = 'x'
	}
	require.Len(t, crm.UniqueKey(string(long)), 71)
}
