package testsuite_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

// simulateRounds takes a contact through three hundred rounds of two actions, which are several runs.
func simulateRounds(t *testing.T, until time.Time, events ...testsuite.Planned) (testsuite.Simulated, error) {
	t.Helper()
	return testsuite.Simulate(t.Context(), testsuite.Simulation{
		Workspace: compiled(t, `
-- objects/contact.yaml --
object: contact
properties:
  - {name: points, type: number}
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: count, adjust_number_property: {property: points, by: 1}}
  - {id: pause, delay_set_amount: {for: 1h}}
  - {id: again, go_to: count, max_visits: 300}
  - {id: open, delay_until_event: {event: page_viewed}}
  - {id: last, adjust_number_property: {property: points, by: 1}}
  - {id: really, adjust_number_property: {property: points, by: 1}}
`),
		Workflow: "journey", Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC), Until: until, Events: events,
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1"},
	})
}

func TestSimulationGoesOnInTheNextRun(t *testing.T) {
	t.Parallel()
	shown, err := simulateRounds(t, time.Time{},
		testsuite.Planned{After: "0s", Fail: "count", Error: "400", Times: 1},
		testsuite.Planned{After: "299h", Set: map[string]any{"points": 5000}},
		testsuite.Planned{After: "400h", Type: "page_viewed"})
	require.NoError(t, err)
	require.Len(t, shown.Steps, 603)
	require.Equal(t, "failed", shown.Steps[0].Port)
	opened := shown.Steps[600]
	require.Equal(t, "open", opened.Node)
	require.Equal(t, time.Date(2027, 3, 13, 21, 0, 0, 0, time.UTC), opened.At, "no time is lost between runs")
	require.Equal(t, time.Date(2027, 3, 18, 1, 0, 0, 0, time.UTC), shown.Steps[601].At)
	require.Equal(t, testsuite.SimulatedExit{Reason: "completed", Node: "really"}, shown.Exit, "the last one, though it is folded")
}

func TestSimulationEndsWhereItIsTold(t *testing.T) {
	t.Parallel()
	shown, err := simulateRounds(t, time.Date(2027, 3, 12, 9, 30, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Len(t, shown.Steps, 530)
	require.Equal(t, testsuite.SimulatedExit{Reason: "waiting", Node: "pause", Detail: "nothing more can happen before --until 2027-03-12T09:30:00Z"}, shown.Exit)
	shown, err = simulateRounds(t, time.Time{})
	require.NoError(t, err)
	require.Equal(t, testsuite.SimulatedExit{Reason: "waiting", Node: "open", Detail: "nothing more can happen"}, shown.Exit)
}

func TestPlannedEntriesAreValidated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, entry, wants string
	}{
		{"no time", `{"type": "opened"}`, "write either `after` or `at`"},
		{"two times", `{"after": "1d", "at": "2027-05-10T09:00:00Z", "type": "opened"}`, "write either `after` or `at`"},
		{"no duration", `{"after": "soon", "type": "opened"}`, `after: invalid value: "soon" is not a duration`},
		{"before the start", `{"after": "-1d", "type": "opened"}`, `after: "-1d" is before the start`},
		{"no instant", `{"at": "tomorrow", "type": "opened"}`, `at: "tomorrow" is not an instant`},
		{"nothing", `{"after": "1d"}`, "write exactly one of `type`, `set`, `fail`, `answer` and `switch`"},
		{"two things", `{"after": "1d", "type": "opened", "set": {"points": 1}}`, "write exactly one of `type`, `set`, `fail`, `answer` and `switch`"},
		{"no name", `{"after": "1d", "type": "page viewed"}`, `type: "page viewed" is not a name of an event: use letters`},
		{"properties of a set", `{"after": "1d", "set": {"points": 1}, "properties": {}}`, "`properties` belongs to `type`"},
		{"unknown property", `{"after": "1d", "set": {"pionts": 1}}`, "set: "},
		{"wrong value", `{"after": "1d", "set": {"points": "many"}}`, "set: property points"},
		{"unknown action", `{"after": "1d", "fail": "cuont", "error": "500"}`, `fail: no action "cuont" runs in journey: did you mean "count"?`},
		{"no status", `{"after": "1d", "fail": "count"}`, `error: "" is not an HTTP status of a failure`},
		{"a good status", `{"after": "1d", "fail": "count", "error": "200"}`, `error: "200" is not an HTTP status of a failure`},
		{"negative times", `{"after": "1d", "fail": "count", "error": "500", "times": -1}`, "times: -1 is negative"},
		{"times without fail", `{"after": "1d", "type": "opened", "times": 2}`, "`times` belongs to `fail` and `answer`"},
		{"error without fail", `{"after": "1d", "type": "opened", "error": "500"}`, "`error` belongs to `fail`"},
		{"answer to nobody", `{"after": "1d", "answer": "cuont", "with": "x"}`, `answer: no action "cuont" runs in journey: did you mean "count"?`},
		{"answer without a question", `{"after": "1d", "answer": "count", "with": "x"}`, "answer: count asks nobody, being of the kind adjust_number_property"},
		{"with without answer", `{"after": "1d", "type": "opened", "with": "x"}`, "`with` belongs to `answer`"},
		{"null", `null`, "null says nothing: write an object {…}"},
		{"wrong type", `{"after": 1}`, `after: write text as in "…", not a number`},
		{"no whole number", `{"times": 1.5}`, "times: write a whole number, not 1.5"},
		{"unknown key", `{"afetr": "1d"}`, `unknown key "afetr"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			events, err := testsuite.ParseEvents([]byte(`[{"after": "0s", "type": "opened"}, ` + test.entry + `]`))
			if err == nil {
				_, err = simulateRounds(t, time.Time{}, events...)
			}
			var mistakes testsuite.Mistakes
			require.ErrorAs(t, err, &mistakes)
			require.Len(t, mistakes, 1)
			require.Contains(t, mistakes[0], "entry 2: "+test.wants)
			require.NotContains(t, mistakes[0], "Go ")
		})
	}
}

func TestInputOfASimulationIsOneJSONValue(t *testing.T) {
	t.Parallel()
	for text, wants := range map[string]string{
		``:      "there is no JSON value",
		`null`:  "null says nothing: write a list […]",
		`{}`:    "write a list […], not an object",
		`[`:     "the JSON value has no end",
		`[] []`: "there is text behind the end of the JSON value",
		`[}`:    "this is not JSON: invalid character '}'",
	} {
		_, err := testsuite.ParseEvents([]byte(text))
		require.ErrorContains(t, err, wants, text)
	}
	for text, wants := range map[string]string{
		`null`:                          "null says nothing: write an object {…}",
		`{"associations": [{"id": 7}]}`: `associations.id: write text as in "…", not a number`,
		`{"associations": {}}`:          "associations: write a list […], not an object",
		`{"primary": "yes"}`:            "primary: write true or false, not text",
	} {
		_, err := testsuite.ParseRecord([]byte(text))
		require.ErrorContains(t, err, wants, text)
	}
}

func TestSimulationMakesWhatWasScheduled(t *testing.T) {
	t.Parallel()
	shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
		Workspace: compiled(t, `
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: stop, set_marketing_contact_status: {status: non_marketing}}
  - {id: wait, delay_set_amount: {for: 27d}}
  - {id: still, branch_value_equals: {value: "{{ contact.marketing_status }}", branches: [{name: "no", is: non_marketing}]}, then: {"no": [], default: []}}
  - {id: month, delay_set_amount: {for: 1d}}
  - {id: over, branch_value_equals: {value: "{{ contact.marketing_status }}", branches: [{name: "no", is: non_marketing}]}, then: {"no": [], default: []}}
`),
		Workflow: "journey", Start: time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC),
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1", Properties: map[string]any{"marketing_status": "marketing"}},
	})
	require.NoError(t, err)
	require.Equal(t, "non_marketing from 2027-02-01 for 1", shown.Steps[0].Note)
	require.Equal(t, "default no", shown.Steps[2].Port+" "+shown.Steps[4].Port)
}

// TestSimulationAnswersAsItIsTold asks a model, a provider of enrichment and a URL, and is answered by entries.
func TestSimulationAnswersAsItIsTold(t *testing.T) {
	t.Parallel()
	journey := testsuite.Simulation{
		Workspace: compiled(t, `
-- millrace.yaml --
providers: {openai: {api_key: secret://X}, enrichment: {url: "https://enrichment.example.com"}}
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - id: feeling
    openai_ask: {model: m, prompt: "How?", outputs: {mood: {type: enumeration, options: [good, bad]}}}
  - id: free
    openai_ask: {model: m, prompt: "What?"}
  - id: more
    enrich_record: {by: [email], properties: [city, job_title]}
  - id: call
    send_webhook: {url: "https://example.com", outputs: {id: {path: data.id}}}
  - id: keep
    edit_record: {set: {message: "{{ actions.feeling.mood }} / {{ actions.free.response }} / {{ contact.city }} / {{ actions.call.id }}"}}
  - id: look
    branch_value_equals: {value: "{{ contact.message }}", branches: [{name: right, is: "bad / Anything. / Rome / 7"}]}
`),
		Workflow: "journey", Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1", Properties: map[string]any{"email": "ada@example.com"}},
	}
	var err error
	journey.Events, err = testsuite.ParseEvents([]byte(`[
		{"after": "0s", "answer": "feeling", "with": {"mood": "bad"}},
		{"after": "0s", "answer": "feeling", "with": {"mood": "splendid"}, "times": 1},
		{"after": "0s", "answer": "free", "with": "Nothing."},
		{"after": "0s", "answer": "free", "with": "Anything."},
		{"after": "1d", "answer": "free", "with": "Too late."},
		{"after": "0s", "answer": "more", "with": {"city": "Rome", "score": 3}},
		{"after": "0s", "answer": "call", "with": {"data": {"id": 7}}}]`))
	require.NoError(t, err)
	shown, err := testsuite.Simulate(t.Context(), journey)
	require.NoError(t, err)
	require.Equal(t, "right", shown.Steps[len(shown.Steps)-1].Port, "%+v", shown.Steps)
	require.Contains(t, shown.Steps[0].Note, "asked once more", "the first answer is none of its options")

	journey.Events = []testsuite.Planned{{After: "0s", Answer: "more", With: json.RawMessage(`"nothing"`)}}
	shown, err = testsuite.Simulate(t.Context(), journey)
	require.NoError(t, err)
	require.Equal(t, "failed", shown.Steps[2].Port)
	require.Contains(t, shown.Steps[2].Note, "cannot be read")
}
