package activities

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

// coded makes an action of some code; HOST in it stands for a receiver on this machine, more for further keys of the config.
func coded(t *testing.T, source, more string) (*bench, *receiver) {
	t.Helper()
	b, r := hook(t, `{url: "HOST"}`)
	quotedSource, err := json.Marshal(strings.ReplaceAll(source, "HOST", r.URL))
	require.NoError(t, err)
	web := b.ways.HTTP
	b = newBench(t, fmt.Sprintf("run_custom_code: {source: %s%s}", quotedSource, more))
	b.ways.HTTP = web
	return b, r
}

func TestRunCustomCodeAsHubSpotDoes(t *testing.T) {
	t.Parallel()
	b, _ := coded(t, `exports.main = async (event, callback) => {
	  console.log("hello", event.inputFields.name);
	  callback({outputFields: {event: JSON.stringify(event), score: Number(event.inputFields.score) + 1, on: "2027-05-10", other: "dropped", wrong: "many", key: process.env.api_key.length}});
	}`, `, secrets: [secret://api-key], inputs: {name: "{{ contact.first_name }}", score: "{{ contact.score }}", none: "{{ contact.city }}", day: "{{ contact.renewal }}"}, outputs: {event: json, score: number, on: date, wrong: number, key: number, missing: string}`)
	b.secrets["secret://api-key"] = "hush"
	b.set(map[string]string{"score": "3", "renewal": "2027-05-10"})
	var output map[string]any
	require.NoError(t, json.Unmarshal(b.ok().Output, &output))
	require.InDelta(t, 4, output["score"], 0)
	require.Equal(t, "2027-05-10", output["on"])
	require.InDelta(t, 4, output["key"], 0)
	require.Len(t, output, 4)
	key := "w/contact/51/1/a1/1"
	event := output["event"].(map[string]any)
	require.Equal(t, map[string]any{"objectType": "CONTACT", "objectId": 51.0}, event["object"])
	require.Equal(t, map[string]any{"name": "Ada", "score": "3", "none": nil, "day": "1809907200000"}, event["inputFields"])
	require.Equal(t, event["inputFields"], event["fields"])
	require.Equal(t, plan.CallbackID(key), event["callbackId"])
	require.Equal(t, key, event["idempotencyKey"])
	require.Contains(t, event["origin"], "portalId")
	require.Equal(t, []string{"hello Ada"}, b.journal(plan.JournalConsole))
	require.Len(t, b.journal(plan.JournalWarning), 2, "an empty input, an output of another type")
}

func TestRunCustomCodeFetchesBehindTheGuard(t *testing.T) {
	t.Parallel()
	b, server := coded(t, `exports.main = async () => {
	  const answer = await fetch("HOST/a", {method: "POST", headers: {"X-Key": process.env.crm}, body: "{}"});
	  await fetch("HOST/b");
	  return {outputFields: {id: (await answer.json()).id}};
	}`, `, secrets: [secret://crm], outputs: {id: string}`)
	server.answer = `{"id": "7"}`
	require.JSONEq(t, `{"id":"7"}`, string(b.ok().Output))
	require.Equal(t, "hush", server.requests[0].Header.Get("X-Key"))
	require.Equal(t, "w/contact/51/1/a1/1/fetch-1", server.requests[0].Header.Get("Idempotency-Key"))
	require.Equal(t, "w/contact/51/1/a1/1/fetch-2", server.requests[1].Header.Get("Idempotency-Key"))
	b.ok()
	require.Len(t, server.requests, 2, "once done it is not run again")

	b, _ = coded(t, `exports.main = async () => { await fetch("http://169.254.169.254/latest") }`, "")
	_, err := b.run()
	require.ErrorContains(t, err, "not on the public internet")
	requirePermanent(t, err, "code-error")
}

func TestRunCustomCodeIsTriedAgainAfter429And5xx(t *testing.T) {
	t.Parallel()
	source := `exports.main = async () => {
	  const answer = await fetch("HOST");
	  if (!answer.ok) throw Object.assign(new Error("no"), {response: answer});
	}`
	b, server := coded(t, source, "")
	server.status = http.StatusServiceUnavailable
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	server.status, server.header = http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}
	_, err = b.run()
	requireRetry(t, err, 7*time.Second)
	server.status = http.StatusOK
	b.ok()
	for _, request := range server.requests {
		require.Equal(t, "w/contact/51/1/a1/1/fetch-1", request.Header.Get("Idempotency-Key"), "it is run from the top, under the same key")
	}
	server.Close()
	b, server = coded(t, source, "")
	server.status = http.StatusNotFound
	_, err = b.run()
	requirePermanent(t, err, "code-error")
}

func TestRunCustomCodeFailsForGood(t *testing.T) {
	t.Parallel()
	for source, reason := range map[string]string{
		`exports.main = () => { throw new Error("x") }`: "code-error", `nonsense(`: "code-error", `const axios = require("axios")`: "code-error",
		`exports.main = () => { const a = []; for (;;) a.push(new Uint8Array(1e7)) }`: "code-memory",
		`exports.main = () => ({outputFields: {a: "x".repeat(65001)}})`:               "code-output",
	} {
		b, _ := coded(t, source, ", outputs: {a: string}")
		_, err := b.run()
		requirePermanent(t, err, reason)
	}
	b, _ := coded(t, `exports.main = () => { console.log(process.env.crm); throw new Error(process.env.crm) }`, ", secrets: [secret://crm]")
	_, err := b.run()
	require.NotContains(t, requirePermanent(t, err, "code-error").Error(), "hush")
	require.Equal(t, []string{"[crm]"}, b.journal(plan.JournalConsole), "the console is told of a failed run too")
	b, _ = coded(t, `exports.main = () => {}`, ", secrets: [secret://crm]")
	b.secrets["secret://crm"] = strings.Repeat("é", 1001)
	_, err = b.run()
	requirePermanent(t, err, "too-many-secrets")
	delete(b.secrets, "secret://crm")
	_, err = b.run()
	requireRetry(t, err, time.Minute) // the operator may set it
}

func TestRunCustomCodeMaySayThatItFailed(t *testing.T) {
	t.Parallel()
	b, _ := coded(t, `exports.main = () => ({outputFields: {a: "x", hs_execution_state: "FAIL_CONTINUE"}})`, ", outputs: {a: string}")
	outcome := b.ok()
	require.Equal(t, plan.PortFailed, outcome.Port)
	require.JSONEq(t, `{"a":"x"}`, string(outcome.Output))
	require.Equal(t, []string{"code-failed: the code says FAIL_CONTINUE"}, b.journal(plan.JournalFailed))
}

func TestRunCustomCodeWithoutResult(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`exports.main = () => {}`, `exports.main = () => 7`, `exports.main = (event, callback) => callback()`} {
		b, _ := coded(t, source, ", outputs: {a: string}")
		require.JSONEq(t, `{}`, string(b.ok().Output), source)
	}
}

func TestRunCustomCodeChecks(t *testing.T) {
	t.Parallel()
	var inputs []string
	for i := range 51 {
		inputs = append(inputs, fmt.Sprintf("i%d: 1", i))
	}
	requireProblems(t, "run_custom_code: {source: x, inputs: {"+strings.Join(inputs, ", ")+"}}", "out-of-range")
	requireProblems(t, "run_custom_code: {}", "missing-key")
	requireProblems(t, "run_custom_code: {source: x, secrets: [hush]}", "wrong-value")
	requireProblems(t, "run_custom_code: {source: x, outputs: {a: blob}}", "not-allowed")
}
