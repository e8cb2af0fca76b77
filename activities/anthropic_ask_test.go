package activities

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnthropicAsk(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `anthropic_ask: {model: claude-x, prompt: "Greet {{ contact.first_name }}.", reasoning_effort: low, temperature: 0, max_tokens: 50}`, "Hello Ada")
	require.JSONEq(t, `{"response": "Hello Ada"}`, string(b.ok().Output))
	require.JSONEq(t, `{"model": "claude-x", "messages": [{"role": "user", "content": [{"type": "text", "text": "Greet Ada."}]}], "output_config": {"effort": "low"},
		"temperature": 0, "max_tokens": 50}`, server.bodies[0])
}

func TestAnthropicAskKeepsAnAnswerThatWasCut(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `anthropic_ask: {model: m, prompt: "Hello"}`, "fin")
	server.stop = "max_tokens"
	require.JSONEq(t, `{"response": "fin"}`, string(b.ok().Output))
	require.Len(t, b.journal("warning"), 1)
}
