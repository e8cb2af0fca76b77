package importer_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/internal/importer"
	"github.com/stretchr/testify/require"
)

// The golden file of testdata/X.json is X.txt: the report and every file of the workspace.
func TestImportedWorkspaces(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, inputs)
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".json"), func(t *testing.T) {
			t.Parallel()
			result := importFile(t, input)
			golden.Equal(t, strings.TrimSuffix(input, ".json")+".txt", string(show(t, result)))
			require.Empty(t, problems(t, result))
		})
	}
}

func importFile(t *testing.T, name string) importer.Result {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	result, err := importer.Import(map[string][]byte{filepath.Base(name): content}, importer.Options{})
	require.NoError(t, err)
	return result
}

// show writes a result as one text.
func show(t *testing.T, result importer.Result) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, result.Report.Print(&out))
	for _, name := range slices.Sorted(maps.Keys(result.Files)) {
		fmt.Fprintf(&out, "\n-- %s --\n%s", name, result.Files[name])
	}
	return out.Bytes()
}

// check reads a result as a workspace.
func check(t *testing.T, files map[string][]byte) (*definition.Workspace, []string) {
	t.Helper()
	folder := fstest.MapFS{}
	for name, content := range files {
		folder[name] = &fstest.MapFile{Data: content}
	}
	workspace, found, err := definition.ReadWorkspace(folder, activities.Kinds())
	require.NoError(t, err)
	var lines []string
	for _, one := range found {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s: %s", one.File, one.Line, one.Column, one.Code, one.Message))
	}
	return workspace, lines
}

// problems are what `check` says of a result beyond placeholders, workflows without actions, and tokens about an
// event where the event has no spelling.
func problems(t *testing.T, result importer.Result) []string {
	t.Helper()
	_, lines := check(t, result.Files)
	return slices.DeleteFunc(lines, func(line string) bool {
		return strings.Contains(line, ": placeholder: ") || strings.Contains(line, ": no-actions: ") || strings.Contains(line, ": no-event: ")
	})
}
