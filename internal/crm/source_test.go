package crm_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// everything is a config with a field of every type that has a syntax of its own.
type everything struct {
	Number   crm.Number       `json:"number,omitempty" doc:"x"`
	Date     crm.Date         `json:"date,omitempty" doc:"x"`
	Time     *crm.TimeOfDay   `json:"time,omitempty" doc:"x"`
	Days     crm.Weekdays     `json:"days,omitempty" doc:"x"`
	For      crm.Duration     `json:"for,omitempty" doc:"x"`
	Offset   crm.Offset       `json:"offset,omitempty" doc:"x"`
	Property crm.PropertyName `json:"property,omitempty" doc:"x"`
	User     crm.UserName     `json:"user,omitempty" doc:"x"`
	Template crm.Template     `json:"template,omitempty" doc:"x"`
	Value    crm.Value        `json:"value,omitempty" doc:"x"`
	Formula  crm.Formula      `json:"formula,omitempty" doc:"x"`
	Filter   crm.Filter       `json:"filter,omitempty" doc:"x"`
	Where    crm.EventFilter  `json:"where,omitempty" doc:"x"`
	On       crm.Target       `json:"on,omitzero" doc:"x"`
	Object   crm.Object       `json:"object,omitzero" doc:"x"`
}

func TestConfigsComeBackFromJSON(t *testing.T) {
	t.Parallel()
	schema.CheckType(reflect.TypeFor[everything]())
	for _, source := range []string{
		"{}",
		`
number: 12.50
date: 2027-05-10
time: "09:00"
days: [mon, Friday]
for: 1w12h
offset: -3d
property: email
user: ada@example.com
template: Hi {{ contact.first_name }}
value: {a: ["{{ deal.amount }}", 1.50, null, true]}
formula: 1 + deal.amount
filter: {not: {property: score, gt: 5}}
where: {property: url, is: x}
on: {associated: company, sort: name desc}
object: {object: vessel, properties: [{name: flag, type: enumeration, options: [it, {value: gr, label: Greece}]}]}
`,
	} {
		first, err := json.Marshal(mustDecode[everything](t, source))
		require.NoError(t, err)
		second, err := json.Marshal(mustDecode[everything](t, string(first)))
		require.NoError(t, err)
		require.JSONEq(t, string(first), string(second))
		if source != "{}" {
			require.Contains(t, string(first), `"for":"7d12h","offset":"-3d"`)
			require.Contains(t, string(first), `"days":["monday","friday"]`)
		}
	}
}

func TestConfigsAreDescribed(t *testing.T) {
	t.Parallel()
	described := schema.JSONSchema(reflect.TypeFor[everything]())
	_, err := json.Marshal(described)
	require.NoError(t, err)
	properties := described["properties"].(map[string]any)
	require.Equal(t, "number", properties["number"].(map[string]any)["type"])
	require.Contains(t, properties["for"].(map[string]any)["pattern"], "w)?")
	markdown := schema.Markdown(reflect.TypeFor[everything]())
	for _, name := range []string{"duration", "offset", "weekday", "filter", "template", "value", "formula", "property", "user", "time of day"} {
		require.Contains(t, markdown, name)
	}
}

func TestRecordReferences(t *testing.T) {
	t.Parallel()
	var ref crm.Ref
	require.NoError(t, ref.UnmarshalText([]byte("contact/51")))
	text, err := ref.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "contact/51", string(text))
	for _, wrong := range []string{"", "contact", "contact/", "/51", "contact/5 1", "contact/5/1", "contact/zoë", "contact/\x7f", "contact/" + strings.Repeat("5", 201)} {
		_, err := crm.ParseRef(wrong)
		require.Error(t, err, wrong)
	}
}
