package activities

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestFormatDataComputes(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{formula: "round(contact.score * 1.22, 2)"}`:                                `15.25`,
		`{formula: "concat(upper(contact.first_name), ', ', contact.city)"}`:         `"ADA, "`,
		`{formula: "capitalize('henry FORD')"}`:                                      `"Henry ford"`,
		`{formula: "root(abs(-16)) + 2 * (3 - 1)"}`:                                  `8`,
		`{formula: "contact.score > 10 and contact.vip"}`:                            `true`,
		`{formula: "plus_time('2027-01-31', 1, 'month')"}`:                           `"2027-02-28"`,
		`{formula: "format_datetime('2027-01-04T23:30:00Z', 'd MMM HH:mm')"}`:        `"5 Jan 00:30"`, // in the workflow's zone
		`{formula: "contact.score", type: string}`:                                   `"12.5"`,
		`{formula: "'7' ", type: number}`:                                            `7`,
		`{formula: contact.renewal, type: date}`:                                     `"2027-05-10"`,
		`{formula: "split('a,b', ',')"}`:                                             `["a","b"]`,
		`{formula: contact.city}`:                                                    `null`,
		`{formula: "contact.city + 1"}`:                                              `1`,
		`{formula: "default(contact.city, 'Rome')"}`:                                 `"Rome"`,
		`{formula: "company.name"}`:                                                  `null`,
		`{function: capitalize, values: ["{{ contact.first_name }}"]}`:               `"Ada"`,
		`{function: divisible, values: ["{{ contact.score }}", 2.5]}`:                `true`,
		`{function: replace, values: ["{{ contact.email }}", "@example.com", ""]}`:   `"ada"`,
		`{function: join, values: [[a, "{{ contact.first_name }}"], "-"]}`:           `"a-Ada"`,
		`{function: minus_time, values: ["{{ contact.renewal }}", 1, day]}`:          `"2027-05-09"`,
		`{function: unixtimestamp, values: ["{{ contact.renewal }}"], type: number}`: `1809900000000`,
	} {
		b := newBench(t, "format_data: "+config)
		b.set(map[string]string{"score": "12.5", "vip": "true", "renewal": "2027-05-10"})
		require.JSONEq(t, `{"result":`+want+`}`, string(b.ok().Output), config)
		require.Equal(t, "12.5", b.property(ada, "score"), "nothing is written")
	}
}

func TestFormatDataTellsOfAnEmptyResult(t *testing.T) {
	t.Parallel()
	b := newBench(t, "format_data: {formula: contact.city}")
	b.ok()
	require.Equal(t, []string{"{{ contact.city }} is empty"}, b.journal(plan.JournalWarning))
}

func TestFormatDataFailsForGood(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		`{formula: "divide(1, contact.score)"}`, `{formula: "contact.first_name * 2"}`, `{formula: "regex_replace('a', '(', '')"}`,
		`{formula: "contact.first_name", type: number}`, `{formula: "plus_time(now, 1, 'fortnights')"}`,
		`{formula: "format_datetime(now, 'MMM', 'Europe/Rome', 'it')"}`, `{function: number, values: ["{{ contact.email }}"]}`,
	} {
		b := newBench(t, "format_data: "+config)
		_, err := b.run()
		failure := requirePermanent(t, err, "invalid-value")
		require.NotContains(t, failure.Error(), "ada@", "histories hold no values")
	}
}

func TestFormatDataDrawsOnceForEachCall(t *testing.T) {
	t.Parallel()
	b := newBench(t, `format_data: {formula: "randomNumber(1, 1000000)"}`)
	first, again, later := b.ok(), b.ok(), b.ok(arrived(monday.AddDate(0, 0, 1)))
	require.Equal(t, first.Output, again.Output)
	require.NotEqual(t, first.Output, later.Output)
}

func TestFormatDataReadsWhatWasLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t, `format_data: {formula: "actions.a.result * 2"}`)
	outcome := b.ok(func(call *plan.Call) {
		call.Outputs = map[string]json.RawMessage{"a": json.RawMessage(`{"result":0.1}`)}
	})
	require.JSONEq(t, `{"result":0.2}`, string(outcome.Output))
}

func TestFormatDataChecks(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		"{}", `{formula: "1", function: abs, values: [1]}`, `{formula: "1", values: [1]}`, `{function: abs, values: []}`, `{function: abs, values: [1, 2]}`, "{function: abbs, values: [1]}",
	} {
		requireProblems(t, "format_data: "+config, "wrong-value")
	}
	requireProblems(t, "format_data: {formula: 'upper(1'}", "template")
	requireProblems(t, "format_data: {function: [abs], values: [1]}", "wrong-type")
	_, _, problems := decode(t, "format_data: {function: uper, values: [a]}")
	require.Equal(t, `did you mean "upper"?`, problems[0].Hint)
	problems = inWorkspace(t, "workflow: w\nobject: contact\nactions:\n  - {id: a, format_data: {formula: upper(contact.frist_name)}}\n")
	require.Len(t, problems, 1)
	require.Equal(t, "unknown-property", problems[0].Code)
}
