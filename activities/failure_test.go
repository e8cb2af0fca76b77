package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
)

func TestFailuresNameThePropertyAndItsRuleButNoValue(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		property crm.Property
		value    string
	}{
		`invalid value: "…" is not an option`:          {crm.Property{Type: crm.TypeEnumeration, Options: []crm.Option{{Value: "gold"}}}, `a "secret" \ value`},
		`invalid value: takes one option, got "…"`:     {crm.Property{Type: crm.TypeEnumeration}, "secret;value"},
		`invalid value: "…" is neither true nor false`: {crm.Property{Type: crm.TypeBool}, "secret\nvalue"},
		`invalid value: "…" is not a number`:           {crm.Property{Type: crm.TypeNumber}, "secret"},
		`digits`:                                       {crm.Property{Type: crm.TypeNumber}, "12345678e4000"},
	} {
		test.property.Name = "plan"
		_, err := test.property.Canonical(test.value)
		require.ErrorIs(t, err, crm.ErrInvalid)
		failed := failure(err)
		require.True(t, action.IsPermanent(failed))
		require.Contains(t, failed.Error(), "property plan: ")
		require.Contains(t, failed.Error(), want)
		require.NotContains(t, failed.Error(), "secret")
		require.NotContains(t, failed.Error(), "12345678")
	}
}
