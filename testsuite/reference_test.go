package testsuite_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/api"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/internal/schema"
	"github.com/stretchr/testify/require"
)

// TestReferenceIsFresh compares docs/reference with what the kinds say about themselves; with -update it
// writes it.
func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	described, err := json.MarshalIndent(definition.JSONSchema(activities.Kinds()), "", "  ")
	require.NoError(t, err)
	openapi, err := api.Document()
	require.NoError(t, err)
	for name, content := range map[string]string{
		"openapi.json":           string(openapi),
		"actions.md":             actionReference(t, activities.Kinds()),
		"definitions.md":         definitionReference(),
		"definition.schema.json": string(described) + "\n",
	} {
		golden.Equal(t, filepath.Join("..", "docs", "reference", name), content)
	}
}

func actionReference(t *testing.T, kinds []action.Kind) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(`# Actions

Written by ` + "`go test ./... -update`" + ` from the kinds themselves; do not edit.

Every action has an ` + "`id`" + `, one kind with its config, and ports: the ways on. A port that ` + "`then`" + ` does not draw leads to the
next action, ` + "`failed`" + ` too.

| kind | | what it does |
|---|---|---|
`)
	for _, kind := range kinds {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s | %s |\n", kind.ID, kind.ID, kind.Category, kind.Summary)
	}
	for _, kind := range kinds {
		fmt.Fprintf(&out, "\n## %s\n\n%s.\n\n", kind.ID, strings.TrimSuffix(kind.Summary, "."))
		if kind.Doc != "" {
			fmt.Fprintf(&out, "%s\n\n", strings.TrimSpace(kind.Doc))
		}
		fmt.Fprintf(&out, "```yaml\n%s\n```\n\n", strings.TrimSpace(kind.Example))
		fmt.Fprintf(&out, "- Record types: %s\n", either(strings.Join(kind.Objects, ", "), "any"))
		fmt.Fprintf(&out, "- Ports: %s\n", portsOf(t, kind))
		fmt.Fprintf(&out, "- Runs as: %s\n", runsAs(kind))
		if len(kind.Aliases) > 0 {
			fmt.Fprintf(&out, "- Earlier names: %s\n", strings.Join(kind.Aliases, ", "))
		}
		fmt.Fprintf(&out, "\n%s", schema.Markdown(kind.Config))
		if len(kind.Outputs) > 0 {
			out.WriteString("\n| output | type | meaning |\n|---|---|---|\n")
			for _, output := range kind.Outputs {
				fmt.Fprintf(&out, "| `%s` | %s | %s |\n", output.Name, output.Type, output.Doc)
			}
		}
	}
	return out.String()
}

func definitionReference() string {
	var out strings.Builder
	out.WriteString(`# Files of a workspace

Written by ` + "`go test ./... -update`" + ` from the types that they are read into; do not edit. [What they mean together](../definitions.md).
`)
	for _, part := range definition.Parts() {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n%s", part.Name, part.Doc, schema.Markdown(part.Type))
	}
	return out.String()
}

// portsOf lists a kind's ports. Those that a config names are recognised in the example.
func portsOf(t *testing.T, kind action.Kind) string {
	t.Helper()
	source, problems := schema.Parse(kind.ID+".yaml", []byte(kind.Example))
	require.Empty(t, problems, "the example of %s", kind.ID)
	require.Len(t, source.Fields, 1, "the example of %s", kind.ID)
	config, problems := kind.Decode(source.Fields[0].Value)
	require.Empty(t, problems, "the example of %s", kind.ID)
	ports := "`" + strings.Join(kind.StaticPorts(), "`, `") + "`"
	if len(kind.Ports(config)) > len(kind.StaticPorts()) {
		ports = "the names of its branches, " + ports
	}
	return ports
}

// runsAs tells what the kind is in Temporal, and what a repeated attempt does.
func runsAs(kind action.Kind) string {
	how := "an activity"
	if kind.Local {
		how = "a local activity"
	}
	switch kind.Effect {
	case action.Edits:
		return how + ", in one transaction with its line in the history"
	case action.Requests:
		return how + "; a call that was cut is made again under the same key"
	case action.Messages:
		return how + "; a send that was cut is `unknown` and not repeated"
	case action.Reads:
		return how + ", without effects"
	}
	return how
}

func either(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
