package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func TestAskAiAsksWhomTheWorkspaceHasChosen(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"openai": "max_completion_tokens", "anthropic": "max_tokens"} {
		b, server := withModel(t, `ask_ai: {task: summarise, prompt: "Mind the tone.", data: [notes]}`, "All is well.")
		b.settle(func(account *crm.Account) { account.AI.Provider, account.AI.Model = name, "m-1" })
		b.set(map[string]string{"notes": "well", "city": "canary"})
		require.JSONEq(t, `{"response": "All is well."}`, string(b.ok().Output))
		require.Contains(t, server.bodies[0], `"`+path+`"`)
		require.Contains(t, server.bodies[0], `"model":"m-1"`)
		require.Contains(t, server.bodies[0], "Summarise")
		require.NotContains(t, server.bodies[0], "canary")
	}
}

func TestAskAiCategorises(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `ask_ai: {task: categorise, prompt: "Which?", model: m-2, data: [notes], outputs: {topic: {type: enumeration, options: [price, other]}}}`,
		`{"topic": "weather"}`, `{"topic": "price"}`)
	require.Contains(t, string(b.ok().Output), `"topic":"price"`)
	require.Contains(t, server.bodies[0], `"model":"m-2"`)
	require.Equal(t, 2, server.asked())
}

func TestAskAiNeedsAModel(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `ask_ai: {prompt: "Which?"}`, "fine")
	b.settle(func(account *crm.Account) { account.AI.Model = "" })
	_, err := b.run()
	requirePermanent(t, err, "no-provider")
	require.Zero(t, server.asked())
	require.Empty(t, b.usage())
}

func TestAskAiChecksItsTask(t *testing.T) {
	t.Parallel()
	requireProblems(t, `ask_ai: {task: summarise, prompt: x}`, "missing-key")
	requireProblems(t, `ask_ai: {task: extract, prompt: x, data: [notes]}`, "missing-key")
	requireProblems(t, `ask_ai: {task: categorise, prompt: x, data: [notes], outputs: {a: {}}}`, "wrong-value")
}
