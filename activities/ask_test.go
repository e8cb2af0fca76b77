package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
)

// modelServer answers as OpenAI and Anthropic do, and checks that it is asked as they want to be.
type modelServer struct {
	*httptest.Server
	mu      sync.Mutex
	status  int
	header  http.Header
	raw     string   // the whole body, instead of an answer
	stop    string   // why the answer ended; "" = it was done
	answers []string // in turn; the last one stays
	keys    []string
	bodies  []string
}

// withModel is a bench for an action that asks a model, with a server that answers so.
func withModel(t *testing.T, source string, answers ...string) (*bench, *modelServer) {
	t.Helper()
	server := &modelServer{status: http.StatusOK, answers: answers}
	server.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { server.serve(t, w, request) }))
	t.Cleanup(server.Close)
	b := newBench(t, source)
	models, err := provider.NewModels(provider.Egress{Allow: []string{"127.0.0.0/8"}, HTTP: true})
	require.NoError(t, err)
	b.ways.AI = models
	b.settle(func(account *crm.Account) {
		account.Providers.OpenAI = &crm.Model{APIKey: "secret://crm", BaseURL: server.URL + "/v1"}
		account.Providers.Anthropic = &crm.Model{APIKey: "secret://crm", BaseURL: server.URL}
		account.AI.Assistants = map[string]crm.Assistant{"a": {Model: "m", Instructions: "Be brief."}}
		account.AI.Model = "m"
	})
	return b, server
}

// settle publishes other settings of the account.
func (b *bench) settle(change func(*crm.Account)) {
	b.t.Helper()
	catalog, err := b.store.Catalog(b.t.Context())
	require.NoError(b.t, err)
	text, err := b.store.Account(b.t.Context())
	require.NoError(b.t, err)
	b.publish(store.Publication{Catalog: catalog, Account: account(b.t, func(settings *crm.Account) {
		require.NoError(b.t, json.Unmarshal(text, settings))
		change(settings)
	})})
}

func (s *modelServer) serve(t *testing.T, w http.ResponseWriter, request *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(request.Body)
	s.bodies, s.keys = append(s.bodies, string(body)), append(s.keys, request.Header.Get("Idempotency-Key"))
	text := s.answers[min(len(s.bodies), len(s.answers))-1]
	answer := map[string]any{}
	switch request.Method + " " + request.URL.Path {
	case "POST /v1/chat/completions":
		if request.Header.Get("Authorization") != "Bearer hush" {
			t.Errorf("the key is missing")
		}
		answer["choices"] = []any{map[string]any{"message": map[string]any{"role": "assistant", "content": text}, "finish_reason": s.ended("stop", "content_filter")}}
		answer["usage"] = map[string]any{"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
	case "POST /v1/responses":
		if request.Header.Get("Authorization") != "Bearer hush" {
			t.Errorf("the key is missing")
		}
		answer["output"] = []any{map[string]any{"type": "message", "role": "assistant", "content": []any{map[string]any{"type": "output_text", "text": text}}}}
		answer["usage"] = map[string]any{"input_tokens": 100, "output_tokens": 7}
		if s.stop != "" {
			answer["incomplete_details"] = map[string]any{"reason": s.ended("", "content_filter")}
		}
	case "POST /v1/messages":
		if request.Header.Get("X-Api-Key") != "hush" || request.Header.Get("Anthropic-Version") == "" {
			t.Errorf("the key or the version is missing")
		}
		answer["content"] = []any{map[string]any{"type": "text", "text": text}}
		answer["stop_reason"] = s.ended("end_turn", "refusal")
		answer["usage"] = map[string]any{"input_tokens": 90, "cache_read_input_tokens": 10, "output_tokens": 7}
	default:
		t.Errorf("%s %s is not asked for", request.Method, request.URL.Path)
	}
	for name, values := range s.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.status)
	if s.raw != "" {
		_, _ = io.WriteString(w, s.raw)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// refused is the stop of a vendor that will not answer, in whose word it is told.
const refused = "refused"

func (s *modelServer) ended(done, refusal string) string {
	switch s.stop {
	case "":
		return done
	case refused:
		return refusal
	}
	return s.stop
}

// asked is how often the server was asked.
func (s *modelServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

// usage is what was used in the month of the bench: executions, tokens read and written.
func (b *bench) usage() string {
	b.t.Helper()
	rows, err := b.store.Usage(b.t.Context(), "2027-01")
	require.NoError(b.t, err)
	var lines []string
	for _, row := range rows {
		lines = append(lines, fmt.Sprintf("%s %d %d %d", row.Action, row.Executions, row.Input, row.Output))
	}
	return strings.Join(lines, "\n")
}

const sentiment = `prompt: "How is {{ contact.first_name }}?", data: [notes], outputs: {
	sentiment: {type: enumeration, options: [good, bad]}, score: {type: number}, since: {type: date, optional: true}}`

// asks are the kinds that ask with a prompt of the author, and what each has beside it.
var asks = map[string]string{"openai_ask": "model: m", "openai_ask_assistant": "assistant: a", "anthropic_ask": "model: m", "ask_ai": "model: m"}

// eachAsk runs a test for each of them. with writes an action of the kind.
func eachAsk(t *testing.T, test func(t *testing.T, with func(config string) string)) {
	for kind, own := range asks {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, func(config string) string { return kind + ": {" + own + ", " + config + "}" })
		})
	}
}

func TestAskTakesTypedOutputs(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		b, server := withModel(t, with(sentiment), "```json\n{\"sentiment\": \"good\", \"score\": 0.90, \"since\": null, \"more\": 1}\n```")
		var output map[string]any
		require.NoError(t, json.Unmarshal(b.ok().Output, &output))
		delete(output, "response")
		require.Equal(t, map[string]any{"sentiment": "good", "score": 0.9}, output)
		require.Equal(t, []string{"w/contact/51/1/a1/1"}, server.keys)
		require.Contains(t, server.bodies[0], `"additionalProperties":false`, "the schema goes along")
		require.Equal(t, "w/a1 1 100 7", b.usage())

		b.ok()
		require.Equal(t, 1, server.asked(), "once done it is not asked again")
		require.Equal(t, "w/a1 1 100 7", b.usage())
	})
}

func TestAskSeesOnlyWhatTheAuthorNamed(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		b, server := withModel(t, with(sentiment), `{"sentiment": "good", "score": 1}`)
		b.set(map[string]string{"notes": "named-canary", "last_name": "canary-1", "city": "canary-2", "company": "canary-3", "phone": "+390612345678"})
		b.ok()
		require.Contains(t, server.bodies[0], "How is Ada?")
		require.Contains(t, server.bodies[0], "named-canary")
		for _, secret := range []string{"canary-1", "canary-2", "canary-3", "ada@example.com", "390612345678"} {
			require.NotContains(t, server.bodies[0], secret)
		}
	})
}

func TestAskRepairsOnce(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		b, server := withModel(t, with(sentiment), `{"sentiment": "splendid", "score": "high"}`, `{"sentiment": "bad", "score": 2}`)
		require.Contains(t, string(b.ok().Output), `"sentiment":"bad"`)
		require.Equal(t, []string{"w/contact/51/1/a1/1", "w/contact/51/1/a1/1/repair"}, server.keys)
		require.Contains(t, server.bodies[1], "splendid", "the model sees its answer")
		require.Contains(t, server.bodies[1], "That is not a valid answer")
		require.Equal(t, "w/a1 1 200 14", b.usage(), "one execution, the tokens of both")

		b, server = withModel(t, with(sentiment), `{"sentiment": "splendid"}`)
		_, err := b.run()
		requirePermanent(t, err, "bad-answer")
		require.NotContains(t, err.Error(), "splendid")
		require.Equal(t, 2, server.asked())
		require.Equal(t, "w/a1 1 200 14", b.usage(), "what failed was paid for")
	})
}

func TestAskFails(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		source := with(`prompt: "the prompt about {{ contact.first_name }}"`)
		for reason, change := range map[string]func(*modelServer){
			"http-400":        func(s *modelServer) { s.status, s.raw = 400, `{"error": {"message": "the prompt about Ada, hush"}}` },
			"http-401":        func(s *modelServer) { s.status = 401 },
			"http-302":        func(s *modelServer) { s.status, s.header = 302, http.Header{"Location": {"/elsewhere"}} },
			"bad-answer":      func(s *modelServer) { s.raw = "<html>the prompt about Ada" },
			"model-refused":   func(s *modelServer) { s.stop = refused },
			"answer-too-long": func(s *modelServer) { s.answers = []string{strings.Repeat("x", 65_001)} },
		} {
			b, server := withModel(t, source, "fine")
			change(server)
			_, err := b.run()
			failure := requirePermanent(t, err, reason)
			require.NotContains(t, failure.Error(), "prompt about")
			require.NotContains(t, failure.Error(), "hush")
			require.Equal(t, 1, server.asked(), reason)
		}
		for name, raw := range map[string]string{"empty": "{}", "no JSON": "[", "10 MB": `{"x": "` + strings.Repeat("x", 10<<20) + `"}`} {
			b, server := withModel(t, source, "fine")
			server.raw = raw
			_, err := b.run()
			requirePermanent(t, err, "bad-answer")
			require.Equal(t, 1, server.asked(), name)
		}
		b, server := withModel(t, with(`prompt: "{{ contact.city }}"`), "fine")
		_, err := b.run()
		requirePermanent(t, err, "no-prompt")
		require.Zero(t, server.asked())
		require.Empty(t, b.usage())

		b, _ = withModel(t, source, "fine")
		b.settle(func(account *crm.Account) { account.Providers = crm.Providers{} })
		_, err = b.run()
		requirePermanent(t, err, "no-provider")
	})
}

func TestAskIsTriedAgain(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		b, server := withModel(t, with(`prompt: "the prompt"`), "fine")
		server.status = http.StatusServiceUnavailable
		_, err := b.run()
		requireRetry(t, err, time.Minute)
		server.status, server.header = http.StatusTooManyRequests, http.Header{"Retry-After": {"90"}}
		_, err = b.run()
		requireRetry(t, err, 90*time.Second)
		require.NotContains(t, err.Error(), "the prompt")
		require.Equal(t, 2, server.asked(), "the vendor's library does not repeat")
		server.status, server.header = http.StatusOK, nil
		require.JSONEq(t, `{"response": "fine"}`, string(b.ok().Output))
		require.Equal(t, "w/a1 1 100 7", b.usage(), "however often it is tried, it is one execution")
		require.Equal(t, server.keys[0], server.keys[2])

		b, server = withModel(t, with(`prompt: "the prompt"`), "fine")
		server.Close()
		_, err = b.run()
		requireRetry(t, err, time.Minute)
	})
}

func TestAskIsCountedOnceWhenItIsCut(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		b, server := withModel(t, with(`prompt: "the prompt"`), "fine")
		books := b.runtime.Store
		b.runtime.Store = &losing{transacting: books.(transacting), after: 2} // begin, the execution; then the answer is lost
		_, err := b.run()
		require.Error(t, err)
		require.Equal(t, 1, server.asked())
		b.runtime.Store = books
		b.ok()
		require.Equal(t, []string{"w/contact/51/1/a1/1", "w/contact/51/1/a1/1"}, server.keys, "it is asked again under the same key")
		require.Equal(t, "w/a1 1 100 7", b.usage())
	})
}

func TestAskHasLimits(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		b, server := withModel(t, with(`prompt: "the prompt"`), "fine")
		b.settle(func(account *crm.Account) { account.AI.Executions = 2 })
		visit := func(n int) func(*plan.Call) { return func(call *plan.Call) { call.Visit = n } }
		b.ok(visit(1))
		b.ok(visit(2))
		_, err := b.run(visit(3))
		requirePermanent(t, err, "monthly-limit")
		b.ok(visit(2))
		require.Equal(t, 2, server.asked())
		require.Equal(t, "w/a1 2 200 14", b.usage())
		b.ok(visit(3), asked(monday.AddDate(0, 1, 0)))

		b.settle(func(account *crm.Account) { account.AI.Executions, account.AI.Tokens = 0, 214 })
		_, err = b.run(visit(4))
		requirePermanent(t, err, "token-limit")
		b.settle(func(account *crm.Account) { account.AI.Tokens = 215 })
		b.ok(visit(4))
	})
}

func TestAskLimitIsThreeThousandByDefault(t *testing.T) {
	t.Parallel()
	b, _ := withModel(t, `openai_ask: {model: m, prompt: "the prompt"}`, "fine")
	require.NoError(t, b.store.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddUsage(t.Context(), plan.Usage{Month: "2027-01", Action: "w/a1", Executions: 2999})
		return err
	}))
	b.ok()
	_, err := b.run(func(call *plan.Call) { call.Visit = 2 })
	requirePermanent(t, err, "monthly-limit")
}

func TestAskOfWhomThereIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "openai_ask: {model: m, "+sentiment+"}")
	b.settle(func(account *crm.Account) {
		account.Providers.OpenAI = &crm.Model{BaseURL: "https://models.example.com/v1"}
	})
	var output map[string]any
	require.NoError(t, json.Unmarshal(b.ok().Output, &output))
	delete(output, "response")
	require.Equal(t, map[string]any{"sentiment": "good", "score": 0.0, "since": "1970-01-01"}, output, "a specimen follows the types")
	require.Equal(t, []string{"m: chat-completions"}, b.sent())
}

func TestAskRefusesOutputsThatCannotBe(t *testing.T) {
	t.Parallel()
	eachAsk(t, func(t *testing.T, with func(string) string) {
		requireProblems(t, with(`prompt: x, outputs: {response: {}}`), "wrong-value")
		requireProblems(t, with(`prompt: x, outputs: {a: {type: enumeration}, b: {options: [c]}}`), "wrong-value", "wrong-value")
	})
}

func TestAskIsToldOfAProviderThatIsMissing(t *testing.T) {
	t.Parallel()
	const (
		openAI    = "providers: {openai: {api_key: secret://X}}\n"
		anthropic = "providers: {anthropic: {base_url: \"https://models.example.com\"}}\n"
		assistant = "ai: {assistants: {a: {model: m, instructions: Help.}}}\n"
	)
	for _, test := range []struct{ action, settings, missing string }{
		{`openai_ask: {model: m, prompt: x}`, "", "providers.openai"},
		{`openai_ask: {model: m, prompt: x}`, anthropic, "providers.openai"},
		{`openai_ask: {model: m, prompt: x}`, openAI, ""},
		{`openai_ask: {model: m, prompt: x, api_key: secret://Y}`, "", ""},
		{`anthropic_ask: {model: m, prompt: x}`, openAI, "providers.anthropic"},
		{`anthropic_ask: {model: m, prompt: x}`, anthropic, ""},
		{`openai_ask_assistant: {assistant: a, prompt: x}`, assistant, "providers.openai"},
		{`openai_ask_assistant: {assistant: a, prompt: x}`, assistant + openAI, ""},
		{`ask_ai: {prompt: x}`, openAI, "ai.model"},
		{`ask_ai: {prompt: x, model: m}`, openAI, ""},
		{`ask_ai: {prompt: x}`, "ai: {model: m}\n", "providers.openai"},
		{`ask_ai: {prompt: x}`, "ai: {provider: anthropic, model: m}\n" + openAI, "providers.anthropic"},
		{`ask_ai: {prompt: x}`, "ai: {provider: anthropic, model: m}\n" + anthropic, ""},
		{`generate_sales_profile: {offer: x, data: [email]}`, openAI, "ai.model"},
		{`generate_sales_profile: {offer: x, data: [email]}`, "ai: {model: m}\n" + openAI, ""},
	} {
		problems := inWorkspaceWith(t, map[string]string{"millrace.yaml": test.settings}, "workflow: w\nobject: contact\nactions:\n  - id: ask\n    "+test.action+"\n")
		if test.missing == "" {
			require.Empty(t, problems, "%s with %s", test.action, test.settings)
			continue
		}
		require.Len(t, problems, 1, "%s with %s", test.action, test.settings)
		require.Equal(t, "no-provider", problems[0].Code)
		require.Contains(t, problems[0].Message, test.missing)
		require.Equal(t, 5, problems[0].Line)
	}
}

// losing is a store that goes away after some transactions: the others are begun, and lost before they are committed.
type losing struct {
	transacting
	after int
}

func (c *losing) Transact(ctx context.Context, step func(action.Transaction) error) error {
	if c.after--; c.after >= 0 {
		return c.transacting.Transact(ctx, step)
	}
	return c.transacting.Transact(ctx, func(books action.Transaction) error { return errors.Join(step(books), errors.New("cut")) })
}
