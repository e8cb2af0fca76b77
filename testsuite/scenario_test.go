package testsuite_test

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

// everyExample holds the examples, also those that the program does not carry.
var everyExample = os.DirFS("../examples")

// exampleFiles are the files of an example, which has nothing to complain of.
func exampleFiles(t *testing.T, name string) fs.FS {
	t.Helper()
	files, err := fs.Sub(everyExample, name)
	require.NoError(t, err)
	_, problems, err := definition.ReadWorkspace(files, activities.Kinds())
	require.NoError(t, err)
	require.Empty(t, problems, "an example has nothing to complain of")
	return files
}

// TestExamplesDoWhatTheirScenariosSay walks the scenarios of every example.
func TestExamplesDoWhatTheirScenariosSay(t *testing.T) {
	t.Parallel()
	workspaces, err := fs.ReadDir(everyExample, ".")
	require.NoError(t, err)
	for _, workspace := range workspaces {
		if !workspace.IsDir() {
			continue
		}
		workspaceFiles := exampleFiles(t, workspace.Name())
		files, err := fs.Glob(everyExample, path.Join(workspace.Name(), "tests", "*.txtar"))
		require.NoError(t, err)
		require.NotEmpty(t, files, "%s has no scenario", workspace.Name())
		for _, file := range files {
			content, err := fs.ReadFile(everyExample, file)
			require.NoError(t, err)
			scenario, problems := testsuite.ReadScenario(file, content)
			require.Empty(t, problems)
			difference, err := scenario.Run(t.Context(), workspaceFiles)
			require.NoError(t, err)
			require.Empty(t, difference, file)
		}
	}
}

func TestScenarioTellsWhatIsDifferent(t *testing.T) {
	t.Parallel()
	scenario, problems := testsuite.ReadScenario("late.txtar", []byte(`workflow: trial-nurture
start: 2027-03-01T09:00:00Z
-- record.json --
{"object": "contact", "id": "1", "properties": {"email": "ada@example.com"}}
-- exit --
goal_met
`))
	require.Empty(t, problems)
	difference, err := scenario.Run(t.Context(), exampleFiles(t, "trial-nurture"))
	require.NoError(t, err)
	require.Equal(t, "exit, wanted:\n  goal_met\nshown:\n  completed\n", difference)
	require.Contains(t, string(scenario.Content()), "-- exit --\ncompleted\n")
}

func TestScenarioWithAWrongHeadOrPartIsADiagnostic(t *testing.T) {
	t.Parallel()
	_, problems := testsuite.ReadScenario("wrong.txtar", []byte("workflow: w\nbegin: 2027-03-01T09:00:00Z\n-- timelime --\n"))
	var codes []string
	for _, problem := range problems {
		codes = append(codes, problem.Code+" "+problem.Hint)
	}
	require.Len(t, codes, 3)
	require.Contains(t, codes[0]+codes[1], "unknown-key")
	require.Contains(t, codes[2], "unknown-part")
}
