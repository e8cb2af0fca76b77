package testsuite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

// TestEntering walks the rules about who enters and leaves (semantics §2.2 to §2.7), one file each in testdata/entering.
func TestEntering(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/entering/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			workspace, script := txtar.Parse(content), &txtar.Archive{}
			script.Comment, workspace.Comment = workspace.Comment, nil
			script.Files = workspace.Files[len(workspace.Files)-2:]
			workspace.Files = workspace.Files[:len(workspace.Files)-2]
			scenario, problems := testsuite.ReadScenario(file, txtar.Format(script))
			require.Empty(t, problems)
			_, err = scenario.Run(t.Context(), compiled(t, string(txtar.Format(workspace))))
			require.NoError(t, err)
			shown := txtar.Parse(scenario.Content())
			workspace.Comment, workspace.Files = shown.Comment, append(workspace.Files, shown.Files...)
			golden.Equal(t, file, string(txtar.Format(workspace)))
		})
	}
}

func TestAScenarioSaysWhichLineIsWrong(t *testing.T) {
	t.Parallel()
	for line, wanted := range map[string]string{
		"2027-03-01 09:00 contact/1":                   "says too little",
		"2027-02-01 09:00 contact/1 waits":             "comes after the one before",
		"2027-03-01 09:00 contact waits":               "is not a record",
		"2027-03-01 09:00 contact/1 sings":             `nothing is called "sings"`,
		"2027-03-01 09:00 contact/1 is Rome":           "this is not JSON",
		"2027-03-01 09:00 contact/1 completes missing": "is not in missing",
	} {
		scenario, problems := testsuite.ReadScenario("a.txtar", []byte("start: 2027-03-01T09:00:00Z\n-- happens --\n"+line+"\n"))
		require.Empty(t, problems)
		_, err := scenario.Run(t.Context(), compiled(t, ""))
		require.ErrorContains(t, err, "happens: line 1: ")
		require.ErrorContains(t, err, wanted)
	}
	_, problems := testsuite.ReadScenario("a.txtar", []byte("start: 2027-03-01T09:00:00Z\n"))
	require.Contains(t, problems[0].Message, "names no workflow")
}
