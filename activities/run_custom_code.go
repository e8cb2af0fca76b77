package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/sandbox"
	"github.com/millrace/millrace/internal/schema"
)

// Limits of a run (semantics §3.7).
const (
	maxCodeInputs  = 50
	maxCodeSecrets = 1000   // characters of all secrets
	maxCodeText    = 65_000 // characters of an output
)

type runCustomCodeConfig struct {
	Source  string                      `json:"source" doc:"JavaScript with exports.main." required:"true" min:"1"`
	Inputs  map[string]crm.Value        `json:"inputs,omitempty" doc:"Values for event.inputFields; at most 50."`
	Secrets []crm.Secret                `json:"secrets,omitempty" doc:"Secrets as secret://NAME, for process.env.NAME; 1,000 characters of values in total."`
	Returns map[string]crm.PropertyType `json:"outputs,omitempty" doc:"Names of output fields and their types." enum:"string,number,bool,enumeration,date,datetime,phone_number,json"`
}

var runCustomCode = action.Define(action.Spec[runCustomCodeConfig]{
	ID:       "run_custom_code",
	Category: action.Data,
	Summary:  "Run JavaScript",
	Doc: `Runs code as HubSpot's custom code actions have it: ` + "`exports.main = async (event, callback) => { … callback({outputFields: {…}}) }`" + `. What an async
main returns counts as well; the first result does. ` + "`event`" + ` has ` + "`origin`, `object` (`objectType`, `objectId`), `inputFields`, `fields` (the same) and `callbackId`" + `, and
` + "`idempotencyKey`" + `, which is the same in every attempt of one visit. Inputs are texts, dates and times among them milliseconds since 1970, and null when they are empty. Secrets stand in ` + "`process.env`" + ` under their names, with underscores too; their values are
taken out of what the history shows. Outputs are the declared ones, of their types; others are dropped, and so is a value of another type, with
a warning. ` + "`hs_execution_state: \"FAIL_CONTINUE\"`" + ` among the output fields fails the action, with its outputs.

A run has 20 seconds, 128 MB and no state of an earlier one. There is no file system, and of the network only ` + "`fetch`" + `, behind the same guard as
webhooks: requests wait for each other, the first 64 KiB of an answer are read, and each has an ` + "`Idempotency-Key`" + ` of its own that stays the same when the
code is run again. ` + "`console`" + ` writes to the history, 100 lines of 1,000 characters. ` + "`setTimeout`" + ` is there; Node's modules and the libraries that HubSpot
offers (axios, lodash, its own client, …) are not: ` + "`require`" + ` of one fails, and ` + "`fetch`" + ` takes the place of HTTP clients. Python is not there either.

An error that carries the status 429 or 5xx of an answer (` + "`error.response.status`, `error.status` or `error.code`" + `) is tried again from the top for three
days, after ` + "`Retry-After`" + ` if it says so. Everything else fails the action: ` + "`code-error`, `code-timeout`, `code-memory`, `code-output`, `too-many-secrets`" + `, and
` + "`code-crashed`" + ` when the engine itself broke. A worker runs scripts in processes of their own and survives all of it.

HubSpot gives no help against effects that are repeated; ` + "`idempotencyKey`" + ` is ours. Unconfirmed, and so our design: that a returned value counts.`,
	Example: `run_custom_code:
  source: |
    exports.main = async (event, callback) => {
      callback({outputFields: {initial: event.inputFields.name.charAt(0)}});
    };
  inputs: {name: "{{ contact.first_name }}"}
  outputs: {initial: string}`,
	Channel: "webhook",
	Effect:  action.Requests,
	Check: func(cfg runCustomCodeConfig, at schema.Pos, problems *schema.Diagnostics) {
		if len(cfg.Inputs) > maxCodeInputs {
			problems.Errorf(at, "out-of-range", "inputs: %d of them; at most %d are allowed", len(cfg.Inputs), maxCodeInputs)
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg runCustomCodeConfig) (plan.Outcome, error) {
		script, err := cfg.script(ctx, env, call)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		result, lines, err := env.Script(ctx, script)
		for _, line := range lines {
			env.Note(plan.JournalConsole, "%s", line)
		}
		if err != nil {
			return plan.Outcome{}, scriptFailure(err, env.Now())
		}
		return cfg.outcome(env, result)
	},
})

// script is the code with what it is given.
func (c runCustomCodeConfig) script(ctx context.Context, env *action.Env, call plan.Call) (sandbox.Script, error) {
	inputs := map[string]any{}
	for name, value := range c.Inputs {
		resolved, err := env.Value(ctx, value)
		if err != nil {
			return sandbox.Script{}, err
		}
		inputs[name] = codeInput(resolved)
	}
	environment, size := map[string]string{}, 0
	for _, secret := range c.Secrets {
		value, err := env.Secret(secret.String())
		if err != nil {
			return sandbox.Script{}, err
		}
		environment[secret.Text] = value
		environment[strings.ReplaceAll(secret.Text, "-", "_")] = value
		size += utf8.RuneCountInString(value)
	}
	if size > maxCodeSecrets {
		return sandbox.Script{}, action.Permanent("too-many-secrets", "the secrets have %d characters; at most %d are allowed", size, maxCodeSecrets)
	}
	record := env.Record()
	event, err := json.Marshal(map[string]any{
		"origin":      map[string]any{"portalId": 0, "actionDefinitionId": stableNumber(call.Workflow() + "/" + call.Node)},
		"object":      map[string]any{"objectType": strings.ToUpper(record.Object), "objectId": identity(record.ID)},
		"inputFields": inputs, "fields": inputs, "callbackId": plan.CallbackID(call.Key()), "idempotencyKey": call.Key(),
	})
	return sandbox.Script{Source: c.Source, Event: event, Environment: environment, Fetch: fetching(env, call)}, err
}

// codeInput is a value as HubSpot gives it to code: a text, of a date or time its milliseconds since 1970; nil for an empty one.
func codeInput(value any) any {
	switch value := value.(type) {
	case crm.Date:
		return strconv.FormatInt(value.In(time.UTC).UnixMilli(), 10)
	case time.Time:
		return strconv.FormatInt(value.UnixMilli(), 10)
	}
	if text := crm.Text(value); text != "" {
		return text
	}
	return nil
}

// fetching lends a script the account's way to the web. The key of a request is that of its place in the run.
func fetching(env *action.Env, call plan.Call) func(context.Context, sandbox.Request) (sandbox.Response, error) {
	return func(ctx context.Context, request sandbox.Request) (sandbox.Response, error) {
		header := http.Header{}
		for name, value := range request.Header {
			header.Set(name, value)
		}
		response, err := env.HTTP.Do(ctx, provider.Request{
			Key: fmt.Sprintf("%s/fetch-%d", call.Key(), request.Number), Method: request.Method, URL: request.URL, Header: header, Body: []byte(request.Body),
		})
		answer := sandbox.Response{Status: response.Status, Header: map[string]string{}, Body: string(response.Body)}
		for name := range response.Header {
			answer.Header[strings.ToLower(name)] = response.Header.Get(name)
		}
		return answer, err
	}
}

// Outputs returns the outputs that the config declares.
func (c runCustomCodeConfig) Outputs() []action.Output {
	var outputs []action.Output
	for _, name := range slices.Sorted(maps.Keys(c.Returns)) {
		outputs = append(outputs, action.Output{Name: name, Type: string(c.Returns[name])})
	}
	return outputs
}

// outcome takes the declared outputs out of the result.
func (c runCustomCodeConfig) outcome(env *action.Env, result json.RawMessage) (outcome plan.Outcome, err error) {
	var read struct {
		OutputFields map[string]json.RawMessage `json:"outputFields"`
	}
	if len(result) > 0 && json.Unmarshal(result, &read) != nil {
		env.Warn("the result has no outputFields: no outputs")
	}
	values := map[string]any{}
	for _, output := range c.Outputs() {
		property := crm.Property{Name: output.Name, Type: crm.PropertyType(output.Type), Multiple: true}
		text, err := canonicalJSON(property, read.OutputFields[output.Name])
		switch {
		case err != nil:
			env.Warn("output: %s", quoted.ReplaceAllString(err.Error(), `"…"`))
		case utf8.RuneCountInString(text) > maxCodeText:
			return outcome, action.Permanent("code-output", "the output %s has more than %d characters", output.Name, maxCodeText)
		case text != "":
			values[output.Name] = property.Value(text)
		}
	}
	var state string
	if raw := read.OutputFields[outputState]; len(raw) > 0 && json.Unmarshal(raw, &state) == nil && strings.EqualFold(state, "FAIL_CONTINUE") {
		outcome.Port, outcome.Note = plan.PortFailed, "code-failed: the code says FAIL_CONTINUE"
	}
	outcome.Output, err = json.Marshal(values)
	return outcome, err
}

// canonicalJSON is a JSON value as the canonical text of a property.
func canonicalJSON(property crm.Property, raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", err
	}
	return property.Canonical(value)
}
