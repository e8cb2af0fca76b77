package importer_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

// An import without placeholders runs as it is.
func TestImportedFlowsRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, input string
		object      string
		properties  map[string]any
		steps       []string
	}{
		{"one deal and tickets", "9005_static_branch_complex", "company", map[string]any{"num_associated_deals": 1, "number_of_associated_tickets": 2, "engagement_score_workflow": 40},
			[]string{"branch_1 1", "edit_3 next", "edit_2 next", "branch_7 branch-1", "edit_8 next"}},
		{"one deal and no tickets", "9005_static_branch_complex", "company", map[string]any{"num_associated_deals": 1},
			[]string{"branch_1 1", "edit_3 next", "edit_2 next", "branch_7 none_met"}},
		{"two deals and a ticket", "9005_static_branch_complex", "company", map[string]any{"num_associated_deals": 2, "number_of_associated_tickets": 1},
			[]string{"branch_1 default", "branch_9 branch-1", "edit_11 next", "edit_10 next"}},
		{"a company with a name", "9006_company_scoring", "company", map[string]any{"name": "Acme"}, []string{"edit_1 next"}},
		{"the way that another one joins", "graph_convergence", "contact", map[string]any{"email": "ada@example.com"}, []string{"branch_40 a", "edit_7 next", "edit_30 next"}},
		{"a way that joins in its middle", "graph_convergence", "contact", map[string]any{"phone": "1"}, []string{"branch_40 a-2", "edit_9 next", "edit_7 next", "edit_30 next"}},
		{"a branch without a way on", "graph_convergence", "contact", map[string]any{"city": "Rome"}, []string{"branch_40 next-branch-3"}},
		{"a way that joins near its end", "graph_convergence", "contact", nil, []string{"branch_40 none_met", "edit_12 next", "edit_30 next"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := importFile(t, "testdata/"+test.input+".json")
			require.True(t, result.Report.Runnable)
			require.Zero(t, result.Report.Placeholders())
			workspace, found := check(t, result.Files)
			require.Empty(t, found)
			start := time.Date(2026, 5, 7, 9, 0, 0, 0, time.UTC)
			published, diagnostics, err := publish.Workspace(workspace, publish.Options{At: start})
			require.NoError(t, err)
			require.Empty(t, diagnostics)
			journey, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
				Workspace: published, Workflow: result.Report.Flows[0].Workflow, Start: start,
				Record: testsuite.SimulatedRecord{Object: test.object, ID: "51", Properties: test.properties},
			})
			require.NoError(t, err)
			var steps []string
			for _, step := range journey.Steps {
				steps = append(steps, step.Node+" "+step.Port)
			}
			require.Equal(t, test.steps, steps)
			require.Equal(t, "completed", journey.Exit.Reason)
		})
	}
}
