package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGraphOfADefinition(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	mermaid := term.run("graph", definitionFile).succeeds().stdout
	require.True(t, strings.HasPrefix(mermaid, "flowchart TD\n  start([\"contact<br>enrolled by hand\"])\n"), mermaid)
	require.Contains(t, mermaid, `{{"Wait for the first open<br>opened: delay_until_event"}}`)
	require.Contains(t, mermaid, `-->|"enterprise"|`)

	svg := term.run("graph", definitionFile, "--format", "svg").succeeds().stdout
	require.NoError(t, xml.Unmarshal([]byte(svg), new(struct{})))
	require.Contains(t, svg, ">Wait for the first open</text>")
	term.run("graph", definitionFile, "--format", "png").fails(2, "write mermaid or svg")

	term.replace(definitionFile, "send_email:", "send_emial:")
	broken := term.run("graph", definitionFile)
	require.Equal(t, 1, broken.code)
	require.Empty(t, broken.stdout)
	require.Contains(t, broken.stderr, `did you mean "send_email"?`)
}

func TestGraphsOfAWorkspace(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.write("workflows/other.yaml", "workflow: other\nobject: deal\nactions: [{id: wait, label: 'a \"b\" <c>', delay_set_amount: {for: 1d}}]\n")
	page := term.run("graph").succeeds().stdout
	require.True(t, strings.HasPrefix(page, "## other\n\n```mermaid\nflowchart TD\n"), page)
	require.Contains(t, page, `(["a #quot;b#quot; #lt;c#gt;<br>wait: delay_set_amount"])`)
	require.Contains(t, page, "```\n\n## trial-nurture\n\n```mermaid\n")

	term.run("graph", "--format", "svg").fails(2, "name a definition, or a folder with --write")
	written := term.run("graph", "--format", "svg", "--write", "pictures").succeeds().stdout
	require.Equal(t, filepath.Join("pictures", "other.svg")+"\n"+filepath.Join("pictures", "trial-nurture.svg")+"\n", written)
	var drawings []drawn
	term.run("graph", "--format", "svg", "-o", "json").succeeds().decode(&drawings)
	require.Len(t, drawings, 2)
	content, err := os.ReadFile(filepath.Join(term.Folder, "pictures", "other.svg"))
	require.NoError(t, err)
	require.Equal(t, drawings[0].Graph, string(content))
}
