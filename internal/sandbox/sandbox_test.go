package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/sandbox"
)

// jail runs scripts in processes of this program.
var jail = sandbox.Jail{Program: []string{os.Args[0], "serve-scripts"}}

func TestMain(m *testing.M) {
	var in io.Reader = os.Stdin
	switch os.Args[len(os.Args)-1] {
	case "serve-scripts-hungrily":
		in = hungry{in}
		fallthrough
	case "serve-scripts":
		if err := sandbox.Serve(in, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	jail.Close()
	os.Exit(code)
}

// hungry takes a gigabyte that the engine does not count.
type hungry struct{ io.Reader }

func (h hungry) Read(into []byte) (int, error) {
	taken := bytes.Repeat([]byte("x"), 1<<30)
	n, err := h.Reader.Read(into)
	return n + len(taken) - 1<<30, err
}

func run(t *testing.T, body string, changes ...func(*sandbox.Script)) (string, []string, error) {
	t.Helper()
	script := sandbox.Script{Source: body, Event: json.RawMessage(`{"a":1}`), Time: time.Minute}
	for _, change := range changes {
		change(&script)
	}
	result, lines, err := jail.Run(t.Context(), script)
	return string(result), lines, err
}

func TestResultsComeByCallbackAndByReturn(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`exports.main = (event, callback) => { callback({outputFields: {b: event.a + 1}}); callback({}) }`:                               `{"outputFields":{"b":2}}`,
		`exports.main = async (event, callback) => { await null; callback({b: [event.a]}) }`:                                             `{"b":[1]}`,
		`exports.main = async (event) => ({b: event.a})`:                                                                                 `{"b":1}`,
		`module.exports = (event) => ({b: event?.none ?? "x"})`:                                                                          `{"b":"x"}`,
		`exports.main = (event, callback) => { setTimeout((n) => callback({n}), 5, 7); clearTimeout(setTimeout(() => callback(1), 1)) }`: `{"n":7}`,
		`exports.main = async () => { await new Promise((go) => setTimeout(go, 3)); return {late: true} }`:                               `{"late":true}`,
		`exports.main = () => {}`: ``,
	} {
		got, _, err := run(t, body)
		require.NoError(t, err, body)
		require.Equal(t, want, got, body)
	}
}

func TestConsoleIsBounded(t *testing.T) {
	t.Parallel()
	_, lines, err := run(t, `exports.main = () => { console.log("a", {b: 1}, null); console.error(new Error("x")); for (let i = 0; i < 5000; i++) console.info("y".repeat(1e5)) }`)
	require.NoError(t, err)
	require.Equal(t, `a {"b":1} null`, lines[0])
	require.Contains(t, lines[1], "Error: x")
	require.Len(t, lines, sandbox.MaxLines+1)
	require.Equal(t, "and 4902 more lines", lines[sandbox.MaxLines])
	require.LessOrEqual(t, len(lines[2]), sandbox.MaxLine+len("…"))
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	withKey := func(s *sandbox.Script) { s.Environment = map[string]string{"KEY": "hush-hush"} }
	got, lines, err := run(t, `exports.main = () => { console.log("k=" + process.env.KEY); return {known: process.env.KEY.length} }`, withKey)
	require.NoError(t, err)
	require.Equal(t, []string{"k=[KEY]"}, lines)
	require.Equal(t, `{"known":9}`, got)
	_, _, err = run(t, `exports.main = () => { throw new Error(process.env.KEY) }`, withKey)
	require.EqualError(t, err, "code-error: Error: [KEY]")
}

// TestHostileScriptsEnd is what a worker has to survive.
func TestHostileScriptsEnd(t *testing.T) {
	t.Parallel()
	for body, reason := range map[string]string{
		`for (;;) {}`: "code-timeout",
		`exports.main = () => { for (;;) { try { for (;;) {} } catch {} finally { for (;;) {} } } }`:                       "code-timeout",
		`exports.main = async () => { for (;;) await null }`:                                                               "code-timeout",
		`exports.main = () => { const again = () => setTimeout(again, 0); again() }`:                                       "code-timeout",
		`exports.main = () => { setTimeout(() => {}, 1e15) }`:                                                              "code-timeout",
		`exports.main = () => /^(a+)+$/.test("a".repeat(50) + "!")`:                                                        "code-timeout",
		`exports.main = () => { const a = []; for (;;) a.push(new Array(1e5).fill(7)) }`:                                   "code-memory",
		`exports.main = () => { const a = []; for (;;) a.push(new Uint8Array(1e7)) }`:                                      "code-memory",
		`exports.main = () => { let s = "x"; const a = []; for (;;) { a.push(s += s.slice(0, 1e7) + 1) } }`:                "code-memory",
		`exports.main = () => "x".repeat(5e8)`:                                                                             "code-memory",
		`exports.main = () => "x".repeat(3e6)`:                                                                             "code-output",
		`const f = () => f() + 1; exports.main = f`:                                                                        "code-error",
		`exports.main = () => { let o = {}; for (let i = 0; i < 1e5; i++) o = {o}; return o }`:                             "code-error",
		`exports.main = () => { let a = []; for (let i = 0; i < 3e5; i++) a = [a]; a = null; return f() }`:                 "code-error",
		`exports.main = () => { let s = ""; for (let i = 0; i < 5e3; i++) s = "a" + s + "b"; return s.at(5).x.y }`:         "code-error",
		`exports.main = () => { const o = {}; o.o = o; return o }`:                                                         "code-error",
		`exports.main = () => ({ toJSON() { for (;;) {} } })`:                                                              "code-timeout",
		`exports.main = () => Array.prototype.indexOf.call({length: 2**53 - 1}, 1)`:                                        "code-timeout", // nothing interrupts these
		`exports.main = () => { const a = []; a.length = 2**32 - 1; return a.sort().length }`:                              "code-timeout",
		`exports.main = () => "a".repeat(5e7).indexOf("a".repeat(2e7) + "b")`:                                              "code-timeout",
		`exports.main = () => { const a = new Uint8Array(1e8); for (;;) a.sort() }`:                                        "code-timeout",
		`exports.main = () => { const f = () => { try { f() } finally { f() } }; f() }`:                                    "code-timeout",
		`exports.main = () => { let s = "x"; for (;;) s = s.replace(/x/g, "xx") }`:                                         "code-timeout",
		`exports.main = async () => { const f = () => Promise.resolve().then(f); f(); await new Promise(() => {}) }`:       "code-timeout",
		`exports.main = () => { for (;;) console.log("y".repeat(1e6)) }`:                                                   "code-timeout",
		`exports.main = () => { for (;;) setTimeout(() => {}, 0) }`:                                                        "code-memory",
		`exports.main = () => { const o = {}; for (let i = 0; ; i++) o["k" + i] = i }`:                                     "code-memory",
		`exports.main = () => { let f = () => 1; for (;;) f = f.bind(null) }`:                                              "code-memory",
		`exports.main = () => JSON.parse("[".repeat(5e6))`:                                                                 "code-error",
		`exports.main = () => eval("[".repeat(1e6) + "]".repeat(1e6))`:                                                     "code-error",
		`exports.main = () => new RegExp("(".repeat(1e6) + ")".repeat(1e6))`:                                               "code-error",
		`exports.main = () => { const g = function* () { yield* g() }; return [...g()] }`:                                  "code-error",
		`exports.main = () => { const a = (1n << 30000000n) - 1n; return String(a * a) }`:                                  "code-error",
		`exports.main = async () => { await fetch("https://example.com", {body: "x".repeat(3e6)}) }`:                       "code-error",
		`JSON.stringify = JSON.parse = null; Promise.prototype.then = null; exports.main = () => { throw new Error("x") }`: "code-error",
		`Object.defineProperty(Array.prototype, "map", {value: () => { throw 1 }}); exports.main = () => console.log(1)`:   "code-error",
		`}); for (;;) {} (function () {`:                                                                                   "code-timeout",
		`exports.main = 7`:                                                                                                 "code-error",
		`syntax error`:                                                                                                     "code-error",
		`require("fs")`:                                                                                                    "code-error",
		`import("fs"); exports.main = async () => { await import("/etc/passwd") }`:                                         "code-error",
		`exports.main = () => hostRequest("{}")`:                                                                           "code-error",
		`exports.main = () => std.open("/etc/passwd", "r")`:                                                                "code-error",
		`exports.main = async () => { await fetch("https://example.com") }`:                                                "code-error",
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			_, _, err := run(t, body, func(s *sandbox.Script) {
				if s.Time = time.Minute; reason == "code-timeout" {
					s.Time = 100 * time.Millisecond
				}
			})
			var failure *sandbox.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, reason, failure.Reason, failure.Message)
			require.LessOrEqual(t, len(failure.Message), 2*sandbox.MaxLine)
		})
	}
}

func TestOneScriptKnowsNothingOfAnother(t *testing.T) {
	t.Parallel()
	_, _, err := run(t, `globalThis.kept = 1; Object.prototype.kept = 1; exports.main = () => {}`)
	require.NoError(t, err)
	got, _, err := run(t, `exports.main = () => ({kept: typeof kept})`)
	require.NoError(t, err)
	require.JSONEq(t, `{"kept":"undefined"}`, got)
}

func TestFetchGoesThroughTheCaller(t *testing.T) {
	t.Parallel()
	var seen []sandbox.Request
	lent := func(s *sandbox.Script) {
		s.Fetch = func(_ context.Context, request sandbox.Request) (sandbox.Response, error) {
			seen = append(seen, request)
			if strings.Contains(request.URL, "inside") {
				return sandbox.Response{}, errors.New("egress-denied")
			}
			return sandbox.Response{Status: 201, Header: map[string]string{"x-a": "b"}, Body: `{"id":7}`}, nil
		}
	}
	got, _, err := run(t, `exports.main = async () => {
	  const answer = await fetch("https://example.com/a", {method: "post", headers: {"X-Key": 1}, body: JSON.stringify({a: 1})});
	  const refused = await fetch("https://inside").catch((e) => String(e));
	  return {status: answer.status, ok: answer.ok, head: answer.headers.get("X-A"), id: (await answer.json()).id, refused};
	}`, lent)
	require.NoError(t, err)
	require.JSONEq(t, `{"status":201,"ok":true,"head":"b","id":7,"refused":"TypeError: fetch failed: egress-denied"}`, got)
	require.Equal(t, sandbox.Request{Method: "POST", URL: "https://example.com/a", Header: map[string]string{"x-key": "1"}, Body: `{"a":1}`, Number: 1}, seen[0])
	require.Equal(t, 2, seen[1].Number)
}

func TestErrorsCarryTheStatusTheyCameFrom(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		`throw Object.assign(new Error("x"), {response: {status: 429, headers: {"retry-after": "7"}}})`: 429,
		`throw Object.assign(new Error("x"), {status: 503})`:                                            503,
		`throw Object.assign(new Error("x"), {code: 500})`:                                              500,
		`throw Object.assign(new Error("x"), {code: "ECONNREFUSED"})`:                                   0,
		`throw "text"`: 0,
	} {
		_, _, err := run(t, `exports.main = async () => { `+body+` }`)
		var failure *sandbox.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, status, failure.Status)
		if status == 429 {
			require.Equal(t, "7", failure.After)
		}
	}
}

func TestACutRunIsNotTheScriptsFault(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := jail.Run(ctx, sandbox.Script{
		Source: `exports.main = async () => { await fetch("https://example.com"); for (;;) {} }`, Event: json.RawMessage(`{}`),
		Fetch: func(context.Context, sandbox.Request) (sandbox.Response, error) {
			cancel()
			return sandbox.Response{}, nil
		},
	})
	require.ErrorIs(t, err, context.Canceled)
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		_, _, err := jail.Run(b.Context(), sandbox.Script{Source: `exports.main = (event, callback) => callback({outputFields: {n: event.a + 1}})`, Event: json.RawMessage(`{"a":1}`)})
		require.NoError(b, err)
	}
}

func TestAProcessIsLimitedInWhatTheEngineDoesNotCount(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // there is no such limit elsewhere
	}
	hungry := sandbox.Jail{Program: []string{os.Args[0], "serve-scripts-hungrily"}}
	_, _, err := hungry.Run(t.Context(), sandbox.Script{Source: `exports.main = () => {}`, Event: json.RawMessage(`{}`)})
	var failure *sandbox.Error
	require.ErrorAs(t, err, &failure)
	require.Contains(t, []string{"code-memory", "code-crashed"}, failure.Reason, failure.Message) // it may be too late to say why
}

func TestAProcessThatEndsFailsItsScriptAlone(t *testing.T) {
	t.Parallel()
	for _, program := range [][]string{{"false"}, {"sh", "-c", "read line; echo 'SIGSEGV: hush' >&2; kill -9 $$"}, {"sh", "-c", "read line; echo nonsense"}} {
		broken := sandbox.Jail{Program: program}
		_, _, err := broken.Run(t.Context(), sandbox.Script{Source: `exports.main = () => {}`, Event: json.RawMessage(`{}`), Environment: map[string]string{"KEY": "hush"}})
		var failure *sandbox.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "code-crashed", failure.Reason)
		require.NotContains(t, failure.Message, "hush")
	}
	missing := sandbox.Jail{Program: []string{"/no/such/program"}}
	_, _, err := missing.Run(t.Context(), sandbox.Script{Event: json.RawMessage(`{}`)})
	require.ErrorContains(t, err, "starting a sandbox")
	var failure *sandbox.Error
	require.NotErrorAs(t, err, &failure, "that is not the script's fault")
}

func TestAProcessKnowsNothingOfThisOnesEnvironment(t *testing.T) {
	t.Setenv("MILLRACE_SECRET_CRM", "hush")
	bare := sandbox.Jail{Program: []string{"sh", "-c", `read line; printf '{"result":{"env":"%s"}}' "$MILLRACE_SECRET_CRM"`}}
	got, _, err := bare.Run(t.Context(), sandbox.Script{Event: json.RawMessage(`{}`)})
	require.NoError(t, err)
	require.JSONEq(t, `{"env":""}`, string(got))
}

func TestAProcessThatNobodyEndsEndsItself(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), jail.Program[0], jail.Program[1:]...)
	orders, err := command.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = fmt.Fprintln(orders, `{"script": {"source": "exports.main = () => Array.prototype.indexOf.call({length: 2**53 - 1}, 1)", "event": {}, "time": 1000000000}}`)
	require.NoError(t, err)
	require.NoError(t, orders.Close())
	require.ErrorContains(t, command.Wait(), "exit status 3")
}
