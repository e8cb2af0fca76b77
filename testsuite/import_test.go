package testsuite_test

import (
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

// TestRealExportsRunToTheirEnd takes workflows that were exported from HubSpot from the file to the end of an
// enrollment on the real server, with the commands that a newcomer types: the record enters by the trigger that the export has.
func TestRealExportsRunToTheirEnd(t *testing.T) {
	t.Parallel()
	for name, journey := range map[string]struct {
		values []string
		score  any
		path   []string
	}{
		"9005_static_branch_complex": {
			values: []string{"num_associated_deals=1", "number_of_associated_tickets=2", "engagement_score_workflow=7"},
			score:  float64(80), path: []string{"branch_1 1", "edit_3 next", "edit_2 next", "branch_7 branch-1", "edit_8 next"},
		},
		"9006_company_scoring": {values: []string{"name=Acme"}, score: float64(100), path: []string{"edit_1 next"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "")
			s.work(t)
			shell := s.shell(t, "")
			export, err := filepath.Abs(filepath.Join("..", "internal", "importer", "testdata", name+".json"))
			require.NoError(t, err)
			shell.ok(t, "import", "hubspot", export, "-o", "imported")
			shell.folder = filepath.Join(shell.folder, "imported")
			shell.ok(t, "check")
			files, err := filepath.Glob(filepath.Join(shell.folder, "workflows", "*.yaml"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			var shown testsuite.Simulated
			shell.json(t, &shown, "simulate", files[0])
			require.Equal(t, plan.ExitCompleted, shown.Exit.Reason)
			shell.ok(t, "push")
			workflow := filepath.Base(files[0][:len(files[0])-len(".yaml")])
			shell.ok(t, append([]string{"records", "set", "company/7"}, journey.values...)...)
			shell.whyWhen(t, plan.ExitCompleted, workflow, "company/7")
			var record struct{ Properties map[string]any }
			shell.json(t, &record, "records", "get", "company/7")
			require.Equal(t, journey.score, record.Properties["engagement_score_workflow"])
			entries, err := s.Books.JournalOf(t.Context(), workflow, "company/7")
			require.NoError(t, err)
			require.Equal(t, journey.path, ports(testsuite.Simulated{Steps: testsuite.Steps(entries)}))
		})
	}
}
