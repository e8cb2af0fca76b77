package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/provider"
)

func TestOpenaiAsk(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `openai_ask: {model: gpt-x, prompt: "Greet {{ contact.first_name }}.", reasoning_effort: low, temperature: 0, max_tokens: 50}`, "Hello Ada")
	require.JSONEq(t, `{"response": "Hello Ada"}`, string(b.ok().Output))
	require.JSONEq(t, `{"model": "gpt-x", "messages": [{"role": "user", "content": "Greet Ada."}], "reasoning_effort": "low", "temperature": 0,
		"max_completion_tokens": 50}`, server.bodies[0])
}

func TestOpenaiAskTakesTheKeyOfTheAction(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `openai_ask: {model: m, prompt: "Hello", api_key: secret://crm}`, "fine")
	b.settle(func(account *crm.Account) { account.Providers.OpenAI.APIKey = "secret://nobody" })
	b.ok()
	require.Equal(t, 1, server.asked())
}

func TestOpenaiAskReachesOnlyWhatEgressOpens(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `openai_ask: {model: m, prompt: "Hello"}`, "fine")
	for _, egress := range []provider.Egress{{HTTP: true}, {Allow: []string{"127.0.0.0/8"}}} {
		closed, err := provider.NewModels(egress)
		require.NoError(t, err)
		b.ways.AI = closed
		_, err = b.run()
		requirePermanent(t, err, "egress-denied")
	}
	require.Zero(t, server.asked())
}

func TestOpenaiAskKeepsAnAnswerThatWasCut(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `openai_ask: {model: m, prompt: "Hello"}`, "fin")
	server.stop = "length"
	require.JSONEq(t, `{"response": "fin"}`, string(b.ok().Output))
	require.Len(t, b.journal("warning"), 1)

	b, server = withModel(t, `openai_ask: {model: m, prompt: "Hello", outputs: {a: {}}}`, `{"a": "b`)
	server.stop = "length"
	_, err := b.run()
	requirePermanent(t, err, "bad-answer")
	require.Equal(t, 1, server.asked(), "a longer answer is not to be had")
}
