package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/sandbox"
)

type extensionActionConfig struct {
	Action    crm.ExtensionName    `json:"action" doc:"Definition in actions/, without its ending." required:"true"`
	Inputs    map[string]crm.Value `json:"inputs,omitempty" doc:"Values of the definition's input fields."`
	Signature crm.Secret           `json:"signature" doc:"Secret that the server shares, with which requests are signed as HubSpot does, in versions 2 and 3." required:"true"`
}

var extensionAction = action.Define(action.Spec[extensionActionConfig]{
	ID:       "extension_action",
	Category: action.App,
	Summary:  "Call an action of somebody else's server",
	Doc: `Calls a server by HubSpot's protocol for custom workflow actions, so that one which was written for HubSpot works as it is; your own
actions are plugged in the same way. The definition stands in ` + "`actions/NAME.json`" + `, as HubSpot's API gives it, or in
` + "`actions/NAME-hsmeta.json`" + ` of a project; ` + "`millrace check`" + ` holds the inputs against it. It is read when the action runs, as it is then.

The request is a signed POST with ` + "`callbackId`, `origin`, `context`, `object`, `inputFields`, `fields` and `typedInputs`" + `; inputs are texts, dates in
ISO 8601. Where HubSpot has numbers that Millrace has not (portal, workflow, enrollment) a number stands that is the same for the same name;
the names are beside it in ` + "`context`" + `. The functions ` + "`PRE_ACTION_EXECUTION` and `POST_ACTION_EXECUTION`" + ` run in the sandbox of run_custom_code, without
network. A repeated call has the same ` + "`callbackId` and `Idempotency-Key`" + `.

Any 2xx is a success, also with a body that is no JSON, unless ` + "`hs_execution_state`" + ` among the ` + "`outputFields`" + ` says otherwise: ` + "`FAIL_CONTINUE`" + ` fails the
action, with its outputs; ` + "`BLOCK` and `ASYNC`" + ` wait until the server posts to ` + "`/automation/v4/actions/callbacks/{callbackId}/complete`" + ` of ` + "`millrace serve`" + `, at
most for ` + "`hs_expiration_duration`" + ` (a week). After that the action fails and the path goes on. The first completion counts. A workflow
that is switched off or outside its windows lets what was called finish. 429, 5xx and no answer are tried again for three days, as in send_webhook;
other answers fail the action (` + "`http-404`" + `). Outputs that the definition does not declare are dropped.

Unconfirmed, and so our design: ` + "`ASYNC`" + ` is as ` + "`BLOCK`" + `; an action that expires fails; a call has 30 seconds. Option look-ups are of HubSpot's editor and not used.`,
	Example: `extension_action: {action: create-widget, inputs: {name: "{{ contact.first_name }}"}, signature: secret://widgets}`,
	Outputs: []action.Output{{Name: "hs_execution_state", Type: "string", Doc: "SUCCESS, FAIL_CONTINUE, BLOCK or ASYNC. The outputs of the definition stand beside it."}},
	Channel: "webhook",
	Effect:  action.Requests,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg extensionActionConfig) (plan.Outcome, error) {
		definition, err := cfg.definition(ctx, env)
		if err != nil {
			return plan.Outcome{}, err
		}
		use := extensionUse{cfg, definition, env, call}
		waits, waited := env.Waited()
		if !waited {
			if waits, err = use.start(ctx); err != nil || waits.Event == "" {
				return waits, err
			}
		}
		return use.completed(ctx, waits)
	},
})

// Extends returns the extension that the action uses, and what it is given.
func (c extensionActionConfig) Extends() (crm.ExtensionName, map[string]crm.Value) {
	return c.Action, c.Inputs
}

func (c extensionActionConfig) definition(ctx context.Context, env *action.Env) (*crm.Extension, error) {
	for _, path := range crm.ExtensionPaths(c.Action.Text) {
		content, found, err := env.Asset(ctx, path)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		definition, problems := crm.ReadExtension(path, content)
		if problems.HasErrors() {
			return nil, action.Permanent("bad-definition", "%s: %s", path, problems[0].Message)
		}
		return definition, nil
	}
	return nil, action.Permanent("no-definition", "the workspace has no actions/%s.json", c.Action)
}

// extensionUse is one call of an extension.
type extensionUse struct {
	extensionActionConfig
	definition *crm.Extension
	env        *action.Env
	call       plan.Call
}

// start calls the server. The outcome has an event when it is to be completed later.
func (u extensionUse) start(ctx context.Context) (plan.Outcome, error) {
	request, err := u.request(ctx)
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	response, err := u.env.HTTP.Do(ctx, request)
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	u.env.Note(plan.JournalWebhook, "%s %d in %d ms", request.Method, response.Status, response.Took.Milliseconds())
	if err := answered(response, u.env.Now()); err != nil {
		return plan.Outcome{}, err
	}
	answer, err := u.answer(ctx, response)
	if err != nil {
		return plan.Outcome{}, err
	}
	return u.outcome(nil, answer)
}

// answer takes the output fields out of an answer. One that cannot be read has none.
func (u extensionUse) answer(ctx context.Context, response provider.Response) (map[string]any, error) {
	body := response.Body
	if source := u.definition.Functions[crm.FunctionPost]; source != "" {
		var err error
		if body, err = u.function(ctx, crm.FunctionPost, source, map[string]string{"responseBody": string(body)}); err != nil {
			return nil, err
		}
	}
	var read struct {
		OutputFields map[string]any `json:"outputFields"`
	}
	if err := json.Unmarshal(body, &read); err != nil {
		u.env.Warn("the answer is not JSON: no outputs")
	}
	return read.OutputFields, nil
}

// function runs one of the definition's functions.
func (u extensionUse) function(ctx context.Context, name, source string, event any) (json.RawMessage, error) {
	encoded, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	result, lines, err := u.env.Script(ctx, sandbox.Script{Source: source, Event: encoded})
	for _, line := range lines {
		u.env.Note(plan.JournalConsole, "%s: %s", name, line)
	}
	return result, scriptFailure(err, u.env.Now())
}

// Reserved outputs.
const (
	outputState   = "hs_execution_state"
	outputExpires = "hs_expiration_duration"
	outputDefault = "hs_default_expiration" // its other name in HubSpot's documents
)

// outcome is what an answer or completion leads to; kept are the outputs of an answer before.
func (u extensionUse) outcome(kept json.RawMessage, fields map[string]any) (plan.Outcome, error) {
	outputs := map[string]any{}
	if len(kept) > 0 {
		if err := json.Unmarshal(kept, &outputs); err != nil {
			return plan.Outcome{}, fmt.Errorf("outputs of %s: %w", u.call.Key(), err)
		}
	}
	texts := map[string]string{}
	for _, output := range u.definition.Outputs {
		text, err := output.Canonical(fields[output.Name])
		if err != nil {
			u.env.Warn("output: %s", quoted.ReplaceAllString(err.Error(), `"…"`))
		} else if texts[output.Name] = text; text != "" {
			outputs[output.Name] = output.Value(text)
		}
	}
	state := strings.ToUpper(crm.Text(fields[outputState]))
	outcome := plan.Outcome{}
	switch state {
	case "BLOCK", "ASYNC":
		if kept == nil {
			outcome.Event, outcome.Since, outcome.Until = plan.EventCallback, u.call.Arrived, u.expires(fields)
			outcome.Note = "for its completion, until " + outcome.Until.UTC().Format(time.RFC3339)
		}
	case "FAIL_CONTINUE":
		outcome.Port, outcome.Note = plan.PortFailed, "extension-failed: the server says FAIL_CONTINUE"
	case "", "SUCCESS":
		state = "SUCCESS"
	default:
		u.env.Warn("%s is none of SUCCESS, FAIL_CONTINUE, BLOCK and ASYNC: taken as SUCCESS", outputState)
		state = "SUCCESS"
	}
	outputs[outputState], texts[outputState] = state, state
	if says := u.definition.Says(texts); says != "" && outcome.Event == "" {
		outcome.Note = strings.TrimPrefix(outcome.Note+"; "+says, "; ")
	}
	var err error
	outcome.Output, err = json.Marshal(outputs)
	return outcome, err
}

var isoDuration = regexp.MustCompile(`^P(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?$`)

// expires is when an action that was not completed is given up: after a week, or what the answer says.
func (u extensionUse) expires(fields map[string]any) time.Time {
	text := crm.Text(fields[outputExpires])
	if text == "" {
		text = crm.Text(fields[outputDefault])
	}
	units := []crm.Duration{{Days: 365}, {Days: 30}, {Days: 7}, {Days: 1}, {Clock: time.Hour}, {Clock: time.Minute}, {Clock: time.Second}}
	var span crm.Duration
	if parts := isoDuration.FindStringSubmatch(strings.ToUpper(text)); parts != nil {
		for i, unit := range units {
			n, _ := strconv.Atoi(parts[i+1])
			span.Days += n * unit.Days
			span.Clock += time.Duration(n) * unit.Clock
		}
	}
	if span.IsZero() {
		if text != "" {
			u.env.Warn("%s is not a duration such as P1WT1H: a week", outputExpires)
		}
		span = crm.Duration{Days: 7}
	}
	return span.After(u.env.Now(), time.UTC, false)
}

// completed goes on when the server has completed the action, or when it is too late for that.
func (u extensionUse) completed(ctx context.Context, waits plan.Outcome) (plan.Outcome, error) {
	if event := u.call.Event; event != nil && event.Type == plan.EventCallback && event.Source == u.call.Key() {
		return u.complete(waits, event.ID, event.Properties)
	}
	events, err := u.env.Records.Events(ctx, u.env.Record(), plan.EventCallback, waits.Since, u.env.Now())
	if err != nil {
		return plan.Outcome{}, err
	}
	for _, event := range events {
		if event.Source == u.call.Key() {
			return u.complete(waits, event.ID, event.Properties)
		}
	}
	if !u.call.Due && waits.Until.After(u.env.Now()) {
		return waits, nil
	}
	return plan.Outcome{Port: plan.PortFailed, Output: waits.Output, Note: "expired: the server did not complete the action in time"}, nil
}

func (u extensionUse) complete(waits plan.Outcome, event string, properties map[string]any) (plan.Outcome, error) {
	fields, _ := properties["outputs"].(map[string]any)
	outcome, err := u.outcome(waits.Output, fields)
	outcome.Took = event
	return outcome, err
}

// number is a stable number for a name, where HubSpot has a number: the name itself when it is one.
func stableNumber(name string) int64 {
	if number, err := strconv.ParseInt(name, 10, 64); err == nil && number >= 0 {
		return number
	}
	sum := fnv.New64a()
	sum.Write([]byte(name))
	return int64(sum.Sum64() & (1<<53 - 1)) // what every reader of JSON holds exactly
}

// identity is an id as HubSpot sends it: a number when it is one.
func identity(id string) any {
	if number, err := strconv.ParseInt(id, 10, 64); err == nil && strconv.FormatInt(number, 10) == id {
		return number
	}
	return id
}

// payload is the request as HubSpot sends it (format §6.4).
func (u extensionUse) payload(ctx context.Context) (map[string]any, error) {
	inputs, typed, err := u.inputs(ctx)
	if err != nil {
		return nil, err
	}
	record := u.env.Record()
	object := map[string]any{"objectId": identity(record.ID), "objectType": strings.ToUpper(record.Object)}
	if len(u.definition.Properties) > 0 {
		full, err := u.env.Records.Get(ctx, record)
		if err != nil {
			return nil, err
		}
		properties := map[string]string{}
		for _, name := range u.definition.Properties {
			if value := full.Property(name); value != "" {
				properties[name] = value
			}
		}
		object["properties"] = properties
	}
	id, version := u.definition.ID, u.definition.Version
	if id == "" {
		id = u.Action.Text
	}
	if version == "" {
		version = "1"
	}
	index := map[string]any{"enrollmentId": stableNumber(u.call.Enrollment), "actionExecutionIndex": u.call.Visit - 1}
	return map[string]any{
		"callbackId": plan.CallbackID(u.call.Key()),
		"origin": map[string]any{
			"portalId": 0, "userId": nil, "actionDefinitionId": stableNumber(id), "actionDefinitionVersion": stableNumber(version),
			"actionExecutionIndexIdentifier": index, "extensionDefinitionId": stableNumber(id), "extensionDefinitionVersionId": stableNumber(version),
		},
		"context": map[string]any{
			"source": "WORKFLOWS", "workflowId": stableNumber(u.call.Workflow()), "actionId": stableNumber(u.call.Node), "actionExecutionIndexIdentifier": index,
			"workflow": u.call.Workflow(), "action": u.call.Node, "enrollment": u.call.Enrollment,
		},
		"object": object, "fields": inputs, "inputFields": inputs, "typedInputs": typed,
	}, nil
}

// inputs are the values of the input fields, as texts, and the same with their types. Empty ones are left out.
func (u extensionUse) inputs(ctx context.Context) (map[string]string, map[string]any, error) {
	inputs, typed := map[string]string{}, map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(u.Inputs)) {
		field, known := u.definition.Input(name)
		if !known {
			return nil, nil, action.Permanent("unknown-input", "%s has no input %s", u.Action, name)
		}
		value, err := u.env.Value(ctx, u.Inputs[name])
		if err != nil {
			return nil, nil, err
		}
		text, err := field.Canonical(value)
		if err != nil {
			return nil, nil, err
		}
		if text != "" {
			inputs[name], typed[name] = text, map[string]string{"value": text, "type": strings.ToUpper(string(field.Type))}
		}
	}
	for _, field := range u.definition.Inputs {
		if field.Required && inputs[field.Name] == "" {
			return nil, nil, action.Permanent("missing-value", "the input %s is empty", field.Name)
		}
	}
	return inputs, typed, nil
}

// preparedRequest is what a PRE_ACTION_EXECUTION function makes of the call.
type preparedRequest struct {
	URL         string            `json:"webhookUrl"`
	Body        string            `json:"body"`
	Header      map[string]string `json:"httpHeaders"`
	ContentType string            `json:"contentType"`
	Accept      string            `json:"accept"`
	Method      string            `json:"httpMethod"`
}

func (u extensionUse) request(ctx context.Context) (provider.Request, error) {
	payload, err := u.payload(ctx)
	if err != nil {
		return provider.Request{}, err
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return provider.Request{}, err
	}
	prepared := preparedRequest{URL: u.definition.URL, Body: string(body)}
	if source := u.definition.Functions[crm.FunctionPre]; source != "" {
		payload["webhookUrl"] = u.definition.URL
		result, err := u.function(ctx, crm.FunctionPre, source, payload)
		if err != nil {
			return provider.Request{}, err
		}
		if err := json.Unmarshal(result, &prepared); err != nil {
			return provider.Request{}, action.Permanent("code-error", "%s: its result is not a request: %v", crm.FunctionPre, err)
		}
	}
	request := provider.Request{Key: u.call.Key(), Method: strings.ToUpper(prepared.Method), URL: prepared.URL, Header: http.Header{}, Body: []byte(prepared.Body)}
	if request.Method == "" {
		request.Method = http.MethodPost
	}
	for name, value := range prepared.Header {
		request.Header.Set(name, value)
	}
	for name, value := range map[string]string{"Content-Type": prepared.ContentType, "Accept": prepared.Accept} {
		if value == "" {
			value = "application/json"
		}
		request.Header.Set(name, value)
	}
	return request, webhookAuth{Signature: u.Signature}.sign(u.env, &request)
}
