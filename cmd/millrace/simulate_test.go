package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSimulateIsAboutOneDefinition(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.write("workflows/broken.yaml", "workflow: broken\n")
	term.write("drafts/new.yaml", "workflow: new\nobject: contact\nactions:\n  - {id: hello, send_email: {email: welcome}}\n")
	for _, path := range []string{definitionFile, "drafts/new.yaml"} {
		require.Contains(t, term.run("simulate", path).succeeds().stdout, "send_email", path)
	}
	require.Empty(t, term.run("simulate", "drafts/new.yaml", "-o", "json").succeeds().stderr)

	failed := term.run("simulate", "workflows/broken.yaml")
	require.Equal(t, 1, failed.code)
	require.Empty(t, failed.stdout)
	require.Contains(t, failed.stderr, `workflows/broken.yaml:1:1: error: the key "actions" is missing`)
	term.run("simulate", "workflows").fails(1, "no workspace")
	term.run("simulate", ".").fails(2, ". is a folder: name a definition")
	term.run("simulate", "missing.yaml").fails(1, "there is no missing.yaml")
}
