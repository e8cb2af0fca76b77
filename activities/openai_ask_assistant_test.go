package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func TestOpenaiAskAssistant(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `openai_ask_assistant: {assistant: support, prompt: "Greet {{ contact.first_name }}.", max_tokens: 50}`, "Hello Ada")
	warm := 0.7
	b.settle(func(account *crm.Account) {
		account.AI.Assistants["support"] = crm.Assistant{
			Model: "gpt-x", Instructions: "You help customers of Acme.", Effort: "low", Temperature: &warm, VectorStores: []string{"vs_1"},
		}
	})
	require.JSONEq(t, `{"response": "Hello Ada"}`, string(b.ok().Output))
	require.JSONEq(t, `{"model": "gpt-x", "instructions": "You help customers of Acme.", "input": [{"role": "user", "content": "Greet Ada."}],
		"reasoning": {"effort": "low"}, "temperature": 0.7, "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}],
		"max_output_tokens": 50, "store": false}`, server.bodies[0])
}

func TestOpenaiAskAssistantThatIsGone(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `openai_ask_assistant: {assistant: a, prompt: "Hello"}`, "fine")
	b.settle(func(account *crm.Account) { account.AI.Assistants = nil })
	_, err := b.run()
	requirePermanent(t, err, "no-assistant")
	require.Zero(t, server.asked())
	require.Empty(t, b.usage())
}

func TestOpenaiAskAssistantIsOfTheWorkspace(t *testing.T) {
	t.Parallel()
	definition := "workflow: w\nobject: contact\nactions:\n  - id: ask\n    openai_ask_assistant: {assistant: help, prompt: Hello}\n"
	settings := "ai: {assistants: {helper: {model: m, instructions: Help.}}}\nproviders: {openai: {api_key: secret://X}}\n"
	problems := inWorkspaceWith(t, map[string]string{"millrace.yaml": settings}, definition)
	require.Len(t, problems, 1)
	require.Equal(t, "unknown-assistant", problems[0].Code)
	require.Contains(t, problems[0].Hint, "helper")
}
