package activities

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
)

// widgetDefinition is in the form of HubSpot's API; HOST stands for the server, FUNCTIONS for its functions.
const widgetDefinition = `{
  "id": "10860211", "revisionId": "3", "actionUrl": "HOST/widgets", "published": true, "objectTypes": ["CONTACT"],
  "inputFields": [
    {"typeDefinition": {"name": "widgetName", "type": "string", "fieldType": "text"}, "supportedValueTypes": ["STATIC_VALUE"], "isRequired": true},
    {"typeDefinition": {"name": "size", "type": "enumeration", "fieldType": "select", "options": [{"value": "s", "label": "S"}, {"value": "l", "label": "L"}]}},
    {"typeDefinition": {"name": "price", "type": "currency_number", "fieldType": "number"}}
  ],
  "outputFields": [{"typeDefinition": {"name": "widget_id", "type": "string"}}, {"typeDefinition": {"name": "total", "type": "number"}}],
  "objectRequestOptions": {"properties": ["email", "city"]}, "functions": [FUNCTIONS],
  "labels": {"en": {"actionName": "Create widget", "executionRules": {"made": "Widget made", "odd": "Out of stock"}}},
  "executionRules": [{"labelName": "odd", "conditions": {"hs_execution_state": "FAIL_CONTINUE"}}, {"labelName": "made", "conditions": {"widget_id": ["w1", "w2"]}}]
}`

// extended makes the action call a server by a definition.
func extended(t *testing.T, inputs, functions string) (*bench, *receiver) {
	t.Helper()
	b, r := hook(t, `{url: "HOST"}`)
	b.publish(store.Publication{
		Account: account(t, nil), Definitions: []plan.Revision{{Plan: b.plan("extension_action: {action: widget, signature: secret://crm, inputs: " + inputs + "}"), On: true}},
		Assets: map[string][]byte{"actions/widget.json": []byte(strings.NewReplacer("HOST", r.URL, "FUNCTIONS", functions).Replace(widgetDefinition))},
	})
	return b, r
}

func TestExtensionActionCallsAsHubSpotDoes(t *testing.T) {
	t.Parallel()
	b, server := extended(t, `{widgetName: "for {{ contact.first_name }}", size: l, price: "{{ contact.score }}"}`, "")
	b.set(map[string]string{"score": "12.50"})
	server.answer = `{"outputFields": {"widget_id": "w1", "total": "15.50", "other": "dropped"}}`
	outcome := b.ok()
	require.JSONEq(t, `{"hs_execution_state":"SUCCESS","widget_id":"w1","total":15.5}`, string(outcome.Output))
	require.False(t, outcome.Waits())
	require.Equal(t, []string{"Widget made"}, b.journal(plan.JournalSucceeded))

	key := "w/contact/51/1/a1/1"
	require.Equal(t, "POST /widgets", server.requests[0].Method+" "+server.requests[0].URL.String())
	require.Equal(t, key, server.requests[0].Header.Get("Idempotency-Key"))
	for name, values := range provider.Sign("hush", "POST", server.URL+"/widgets", []byte(server.bodies[0]), monday) {
		require.Equal(t, values, server.requests[0].Header.Values(name), name)
	}
	var sent map[string]any
	require.NoError(t, json.Unmarshal([]byte(server.bodies[0]), &sent))
	inputs := map[string]any{"widgetName": "for Ada", "size": "l", "price": "12.5"}
	require.Equal(t, plan.CallbackID(key), sent["callbackId"])
	require.Equal(t, inputs, sent["inputFields"])
	require.Equal(t, inputs, sent["fields"])
	require.Equal(t, map[string]any{"value": "12.5", "type": "NUMBER"}, sent["typedInputs"].(map[string]any)["price"])
	require.Equal(t, map[string]any{"objectId": 51.0, "objectType": "CONTACT", "properties": map[string]any{"email": "ada@example.com"}}, sent["object"])
	require.InDelta(t, 10860211, sent["origin"].(map[string]any)["actionDefinitionId"], 0)
	require.InDelta(t, 3, sent["origin"].(map[string]any)["extensionDefinitionVersionId"], 0)
	require.Equal(t, "WORKFLOWS", sent["context"].(map[string]any)["source"])
	require.IsType(t, 1.0, sent["context"].(map[string]any)["workflowId"])

	b.ok()
	require.Len(t, server.requests, 1, "once done it is not called again")
}

func TestExtensionActionSortsAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		answer string
		port   string
		output string
		reason string
	}{
		{200, `<html>`, "", `{"hs_execution_state":"SUCCESS"}`, ""},
		{204, ``, "", `{"hs_execution_state":"SUCCESS"}`, ""},
		{200, `{"outputFields":{"hs_execution_state":"success","total":"many"}}`, "", `{"hs_execution_state":"SUCCESS"}`, ""},
		{200, `{"outputFields":{"hs_execution_state":"FAIL_CONTINUE","widget_id":"w1"}}`, plan.PortFailed, `{"hs_execution_state":"FAIL_CONTINUE","widget_id":"w1"}`, ""},
		{200, `{"outputFields":{"hs_execution_state":"MAYBE"}}`, "", `{"hs_execution_state":"SUCCESS"}`, ""},
		{404, `{}`, "", "", "http-404"},
		{503, `{}`, "", "", "retry"},
	} {
		b, server := extended(t, `{widgetName: x}`, "")
		server.status, server.answer = test.status, test.answer
		outcome, err := b.run()
		switch test.reason {
		case "retry":
			requireRetry(t, err, time.Minute)
		case "":
			require.NoError(t, err)
			require.Equal(t, test.port, outcome.Port, test.answer)
			require.JSONEq(t, test.output, string(outcome.Output), test.answer)
		default:
			requirePermanent(t, err, test.reason)
		}
		if test.port == plan.PortFailed {
			require.Equal(t, []string{"extension-failed: the server says FAIL_CONTINUE; Out of stock"}, b.journal(plan.JournalFailed))
		}
	}
	b, server := extended(t, `{widgetName: x}`, "")
	server.status, server.header = http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}
	_, err := b.run()
	requireRetry(t, err, 7*time.Second)
}

// completes is the event by which `millrace serve` tells of a completion.
func completes(source, outputs string) *plan.Event {
	fields := map[string]any{}
	if err := json.Unmarshal([]byte(outputs), &fields); err != nil {
		panic(err)
	}
	return &plan.Event{ID: "done/" + source, Type: plan.EventCallback, At: monday.Add(time.Hour), Record: ada.String(), Source: source, Properties: map[string]any{"outputs": fields}}
}

const widgetStep = "w/contact/51/1/a1/1"

func TestExtensionActionWaitsUntilItIsCompleted(t *testing.T) {
	t.Parallel()
	b, server := extended(t, `{widgetName: x}`, "")
	server.answer = `{"outputFields":{"hs_execution_state":"BLOCK","widget_id":"w1","hs_expiration_duration":"P1WT1H"}}`
	waits := b.ok()
	require.Equal(t, plan.EventCallback, waits.Event)
	require.Equal(t, monday.Add(7*24*time.Hour+time.Hour), waits.Until.UTC())
	require.Equal(t, []string{"for its completion, until 2027-01-11T09:00:00Z"}, b.journal(plan.JournalDelayStarted))

	require.Equal(t, waits.Until, b.ok(asked(monday.Add(time.Minute))).Until, "a crash between the call and its result does not call again")
	other := b.ok(asked(monday.Add(time.Hour)), func(call *plan.Call) { call.Event = completes("w/contact/51/1/a0/1", `{}`) })
	require.Equal(t, plan.EventCallback, other.Event, "another action's completion is none")

	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	done := b.ok(asked(monday.Add(time.Hour)), func(call *plan.Call) {
		call.Awaits = plan.EventCallback
		call.Event = completes(widgetStep, `{"hs_execution_state":"SUCCESS","total":"3"}`)
	})
	require.False(t, done.Waits())
	require.Equal(t, "done/"+widgetStep, done.Took)
	require.JSONEq(t, `{"hs_execution_state":"SUCCESS","widget_id":"w1","total":3}`, string(done.Output), "what is begun finishes, switched off or not")
	require.Equal(t, done.Output, b.ok(asked(monday.Add(2*time.Hour))).Output)
	require.Len(t, server.requests, 1)
}

func TestExtensionActionFailsByItsCompletion(t *testing.T) {
	t.Parallel()
	b, server := extended(t, `{widgetName: x}`, "")
	server.answer = `{"outputFields":{"hs_execution_state":"ASYNC"}}`
	require.Equal(t, monday.AddDate(0, 0, 7), b.ok().Until.UTC())
	failed := b.ok(func(call *plan.Call) { call.Event = completes(widgetStep, `{"hs_execution_state":"FAIL_CONTINUE"}`) })
	require.Equal(t, plan.PortFailed, failed.Port)
	require.JSONEq(t, `{"hs_execution_state":"FAIL_CONTINUE"}`, string(failed.Output))
}

func TestExtensionActionFindsACompletionWhoseSignalWasLost(t *testing.T) {
	t.Parallel()
	b, server := extended(t, `{widgetName: x}`, "")
	server.answer = `{"outputFields":{"hs_execution_state":"BLOCK"}}`
	until := b.ok().Until
	event := completes(widgetStep, `{"widget_id":"w2"}`)
	_, _, err := b.store.AddEvent(t.Context(), *event)
	require.NoError(t, err)
	due := b.ok(asked(until), func(call *plan.Call) { call.Due = true })
	require.JSONEq(t, `{"hs_execution_state":"SUCCESS","widget_id":"w2"}`, string(due.Output))
}

func TestExtensionActionExpires(t *testing.T) {
	t.Parallel()
	b, server := extended(t, `{widgetName: x}`, "")
	server.answer = `{"outputFields":{"hs_execution_state":"BLOCK","hs_default_expiration":"PT30M"}}`
	until := b.ok().Until
	require.Equal(t, monday.Add(30*time.Minute), until.UTC())
	expired := b.ok(asked(until), func(call *plan.Call) { call.Due, call.Awaits = true, plan.EventCallback })
	require.Equal(t, plan.PortFailed, expired.Port)
	require.Equal(t, []string{"expired: the server did not complete the action in time"}, b.journal(plan.JournalFailed))
	require.Len(t, server.requests, 1)
}

func TestExtensionActionFunctions(t *testing.T) {
	t.Parallel()
	functions := `{"functionType": "PRE_ACTION_EXECUTION", "functionSource": "exports.main = (event, callback) => { console.log(event.inputFields.widgetName); callback({webhookUrl: event.webhookUrl + '?v=2', body: JSON.stringify({n: event.inputFields.widgetName}), httpHeaders: {'X-A': 'b'}, httpMethod: 'PUT', accept: 'text/plain'}) }"},
  {"functionType": "POST_ACTION_EXECUTION", "functionSource": "exports.main = (event, callback) => callback({outputFields: {widget_id: JSON.parse(event.responseBody).id}})"}`
	b, server := extended(t, `{widgetName: x}`, functions)
	server.answer = `{"id": "w2"}`
	require.JSONEq(t, `{"hs_execution_state":"SUCCESS","widget_id":"w2"}`, string(b.ok().Output))
	require.Equal(t, "PUT /widgets?v=2", server.requests[0].Method+" "+server.requests[0].URL.String())
	require.JSONEq(t, `{"n":"x"}`, server.bodies[0])
	require.Equal(t, "b", server.requests[0].Header.Get("X-A"))
	require.Equal(t, "text/plain", server.requests[0].Header.Get("Accept"))
	require.NotEmpty(t, server.requests[0].Header.Get("X-HubSpot-Signature-v3"))
	require.Equal(t, []string{"PRE_ACTION_EXECUTION: x"}, b.journal(plan.JournalConsole))

	b, server = extended(t, `{widgetName: x}`, `{"functionType": "PRE_ACTION_EXECUTION", "functionSource": "exports.main = () => { throw new Error('no') }"}`)
	_, err := b.run()
	requirePermanent(t, err, "code-error")
	require.Empty(t, server.requests)
}

func TestExtensionActionFailsForGood(t *testing.T) {
	t.Parallel()
	for inputs, reason := range map[string]string{
		`{widgetName: "{{ contact.city }}"}`: "missing-value", `{}`: "missing-value", `{widgetName: x, size: "{{ contact.first_name }}"}`: "invalid-value",
		`{widgetName: x, price: "{{ contact.email }}"}`: "invalid-value", `{widgetName: x, colour: red}`: "unknown-input",
	} {
		b, server := extended(t, inputs, "")
		_, err := b.run()
		require.NotContains(t, requirePermanent(t, err, reason).Error(), "Ada")
		require.Empty(t, server.requests)
	}
	b := newBench(t, "extension_action: {action: nowhere, signature: secret://crm}")
	_, err := b.run()
	requirePermanent(t, err, "no-definition")
}

func TestExtensionActionIsCheckedAgainstItsDefinition(t *testing.T) {
	t.Parallel()
	project := `{"uid": "w", "type": "workflow-action", "config": {"actionUrl": "https://example.com", "isPublished": true, "objectTypes": ["COMPANY"],
  "inputFields": [{"typeDefinition": {"name": "a", "type": "number"}, "isRequired": true}], "outputFields": [{"typeDefinition": {"name": "out", "type": "string"}}]}}`
	check := func(object, config, token string) []string {
		problems := inWorkspaceWith(t, map[string]string{"actions/w-hsmeta.json": project}, `
workflow: w
object: `+object+`
actions:
  - {id: x, extension_action: `+config+`}
  - {id: y, create_note: {body: "{{ actions.x.`+token+` }}"}}
`)
		var codes []string
		for _, problem := range problems {
			codes = append(codes, problem.Code)
		}
		return codes
	}
	require.Empty(t, check("company", `{action: w, inputs: {a: 1}, signature: secret://s}`, "out"))
	require.Empty(t, check("company", `{action: w, inputs: {a: "{{ company.name }}"}, signature: secret://s}`, "hs_execution_state"))
	require.Equal(t, []string{"wrong-object"}, check("contact", `{action: w, inputs: {a: 1}, signature: secret://s}`, "out"))
	require.Equal(t, []string{"missing-input", "unknown-input"}, check("company", `{action: w, inputs: {b: 1}, signature: secret://s}`, "out"))
	require.Equal(t, []string{"wrong-value"}, check("company", `{action: w, inputs: {a: many}, signature: secret://s}`, "out"))
	require.Equal(t, []string{"unknown-token"}, check("company", `{action: w, inputs: {a: 1}, signature: secret://s}`, "other"))
	require.Equal(t, []string{"unknown-extension"}, check("company", `{action: v, signature: secret://s}`, "other"))
	requireProblems(t, "extension_action: {action: w, signature: hush}", "wrong-value")
}

func TestExtensionDefinitionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`{"actionUrl": "example.com"}`, `{}`, `{"actionUrl": 7}`, `{"actionUrl": "https://e.com", "inputFields": [{"typeDefinition": {"name": "a", "type": "blob"}}]}`,
		`{"actionUrl": "https://e.com", "inputFields": [{"typeDefinition": {"type": "string"}}]}`,
		`{"actionUrl": "https://e.com", "outputFields": [{"typeDefinition": {"name": "a", "type": "string"}}, {"typeDefinition": {"name": "a", "type": "string"}}]}`,
	} {
		_, problems := crm.ReadExtension("actions/a.json", []byte(source))
		require.True(t, problems.HasErrors(), source)
		require.Equal(t, "actions/a.json", problems[0].File)
	}
}
