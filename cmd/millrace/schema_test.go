package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSchemaKnowsEveryKind(t *testing.T) {
	t.Parallel()
	var got map[string]any
	term := newTerminal(t)
	printed := term.run("schema").succeeds()
	printed.decode(&got)
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", got["$schema"])
	a, _, _ := term.app()
	for _, kind := range a.Kinds {
		require.Contains(t, got["$defs"].(map[string]any)["action"].(map[string]any)["properties"], kind.ID)
	}
	require.Equal(t, printed, term.run("schema", "-o", "json").succeeds())
}
