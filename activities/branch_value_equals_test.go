package activities

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

func TestBranchValueEquals(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, is, set, want string }{
		{"an option", "{{ contact.plan }}", "gold", "gold", "hit"},
		{"another option", "{{ contact.plan }}", "silver", "gold", "default"},
		{"nothing", "{{ contact.plan }}", "gold", "", "default"},
		{"a text, with regard to case", "{{ contact.notes }}", "Yes", "yes", "default"},
		{"a number", "{{ contact.score }}", "10", "10", "hit"},
		{"a number written differently", "{{ contact.score }}", `"10.0"`, "10", "hit"},
		{"a number that is none", "{{ contact.score }}", "ten", "10", "default"},
		{"a date", "{{ contact.renewal }}", "2027-05-10", "2027-05-10", "hit"},
		{"a date in milliseconds", "{{ contact.renewal }}", `"1809907200000"`, "2027-05-10", "hit"},
		{"an instant", "{{ contact.seen }}", `"2027-05-10T09:00:00+02:00"`, "2027-05-10T07:00:00Z", "hit"},
		{"a truth", "{{ contact.vip }}", "true", "true", "hit"},
		{"several options are one value", "{{ contact.interests }}", `"skiing;golf"`, "skiing;golf", "hit"},
		{"a composed text", "{{ contact.plan }}!", "gold!", "gold", "hit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, fmt.Sprintf("branch_value_equals: {value: %q, branches: [{name: other, is: xyz}, {name: hit, is: %s}]}", test.value, test.is))
			property := strings.Trim(strings.TrimPrefix(test.value, "{{ contact."), " }!")
			b.set(map[string]string{property: test.set})
			outcome := b.ok()
			require.Equal(t, test.want, outcome.Port)
			require.JSONEq(t, `{"branch":"`+test.want+`"}`, string(outcome.Output))
		})
	}
}

func TestBranchValueEqualsOfAnOutput(t *testing.T) {
	t.Parallel()
	b := newBench(t, `branch_value_equals: {value: "{{ actions.opened.hs_event_criteria_met }}", branches: [{name: opened, is: true}]}`)
	output := func(text string) func(*plan.Call) {
		return func(call *plan.Call) { call.Outputs = map[string]json.RawMessage{"opened": json.RawMessage(text)} }
	}
	require.Equal(t, "opened", b.ok(output(`{"hs_event_criteria_met":true}`)).Port)
	require.Equal(t, "default", b.ok(output(`{"hs_event_criteria_met":false}`)).Port)
	require.Equal(t, "default", b.ok().Port, "a failed action left none")
}

func TestBranchValueEqualsPorts(t *testing.T) {
	t.Parallel()
	kind, config, _ := decode(t, "branch_value_equals: {value: x, branches: [{name: a, is: 1}, {name: b, is: 2}]}")
	require.Equal(t, []string{"a", "b", "default", "failed"}, kind.Ports(config))
}

func TestBranchValueEqualsCheck(t *testing.T) {
	t.Parallel()
	branches := func(list string) string {
		return `branch_value_equals: {value: "{{ contact.plan }}", branches: [` + list + "]}"
	}
	requireProblems(t, branches(""), "out-of-range")
	requireProblems(t, branches("{name: a, is: 1}, {name: b, is: 1}"), "duplicate-value")
	requireProblems(t, branches("{name: a, is: 1}, {name: a, is: 2}"), "duplicate-branch")
	requireProblems(t, branches("{name: default, is: 1}"), "reserved-name")
	requireProblems(t, branches("{name: '', is: 1}"), "wrong-value")
	requireProblems(t, branches("{name: [a], is: 1}"), "wrong-type")
	requireProblems(t, branches(`{name: a, is: "{{ contact.plan }}"}`), "wrong-value")
	requireProblems(t, branches(strings.Repeat("{name: a, is: 1},", 251)), "out-of-range")
	for value, hint := range map[string]string{
		"deal.amount": `write a token: "{{ deal.amount }}"`, "gold": `write a token: "{{ contact.plan }}"`, "1.5": `write a token: "{{ contact.plan }}"`,
	} {
		_, _, problems := decode(t, "branch_value_equals: {value: "+value+", branches: [{name: a, is: 1}]}")
		require.Len(t, problems, 1)
		require.Equal(t, schema.Warning, problems[0].Severity)
		require.Equal(t, hint, problems[0].Hint)
	}
}

func TestBranchValueEqualsWithoutAValueOrRegardToCase(t *testing.T) {
	t.Parallel()
	none := newBench(t, `branch_value_equals: {value: "{{ contact.city }}", branches: [{name: none, is: ""}, {name: rome, is: Rome}]}`)
	require.Equal(t, "none", none.ok().Port)
	none.set(map[string]string{"city": "Oslo"})
	require.Equal(t, "default", none.ok().Port)

	folded := newBench(t, `branch_value_equals: {value: "{{ contact.city }}", ignore_case: true, branches: [{name: rome, is: Rome}]}`)
	folded.set(map[string]string{"city": "ROME"})
	require.Equal(t, "rome", folded.ok().Port)
	requireProblems(t, `branch_value_equals: {value: "{{ contact.city }}", ignore_case: true, branches: [{name: a, is: Rome}, {name: b, is: rome}]}`, "duplicate-value")
}
