package main

import (
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/internal/importer"
	"github.com/stretchr/testify/require"
)

// flow is a HubSpot workflow with one action.
func flow(action string) string {
	return `{"id": "9", "name": "Follow up", "type": "CONTACT_FLOW", "objectTypeId": "0-1", "isEnabled": true, "startActionId": "1",
		"actions": [{"type": "SINGLE_CONNECTION", "actionId": "1", "actionTypeVersion": 0, ` + action + `}],
		"enrollmentCriteria": {"type": "MANUAL", "shouldReEnroll": false}}`
}

const (
	runnableFlow    = `"actionTypeId": "0-1", "fields": {"delta": "10080", "time_unit": "MINUTES"}`
	unrunnableFlow  = `"actionTypeId": "1-12345", "fields": {"custom": "1"}`
	importedFlow    = "workflows/follow-up-9.yaml"
	importedFlowDir = "imported"
)

func TestImportOfHubSpotFlows(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.write("flow.json", flow(runnableFlow))
	result := term.run("import", "hubspot", "flow.json", "-o", importedFlowDir).succeeds()
	require.Contains(t, result.stdout, "follow-up-9: runnable")
	require.Equal(t, "written to "+filepath.Join(term.Folder, importedFlowDir)+"\n", result.stderr)
	require.FileExists(t, filepath.Join(term.Folder, importedFlowDir, importedFlow))
	term.run("check", importedFlowDir).succeeds()

	var report importer.Report
	term.run("import", "hubspot", "flow.json", "-o", importedFlowDir, "-o", "json").succeeds().decode(&report)
	require.True(t, report.Runnable)

	ours := filepath.Join(importedFlowDir, importedFlow)
	term.replace(ours, "workflow: ", "# Ours.\nworkflow: ")
	result = term.run("import", "hubspot", "flow.json", "-o", importedFlowDir).succeeds()
	require.Contains(t, result.stdout, "kept      "+importedFlow)
	term.replace(ours, "# Ours.", "# Still ours.")
}

func TestImportWithPlaceholdersExitsWithThree(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.Stdin = flow(unrunnableFlow)
	result := term.run("import", "hubspot", "-", "-o", "json")
	require.Equal(t, 3, result.code, result.stderr)
	var report importer.Report
	result.decode(&report)
	require.Len(t, report.Flows[0].Placeholders, 1)
	require.FileExists(t, filepath.Join(term.Folder, importedFlow), "the working directory, where there is no workspace")
	failed := term.run("push")
	require.Equal(t, 1, failed.code)
	require.Contains(t, failed.stderr, "placeholder")
}

func TestImportOfWhatIsNoFlow(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.run("import", "hubspot", "missing.json").fails(1, "importing: open ")
	term.write("flow.json", "{}")
	term.run("import", "hubspot", "flow.json").fails(1, "importing: reading flow.json: this is not a flow")
	term.run("import", "hubspt", "flow.json").fails(2, `did you mean "hubspot"?`)
}
