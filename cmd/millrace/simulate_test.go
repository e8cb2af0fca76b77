package main

import (
	"testing"

	"github.com/millrace/millrace/testsuite"
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

func TestSimulateTellsEveryMistakeOfTheEvents(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.write("events.json", `[{"after": "1d", "type": "email_opened"}, {"type": "email_opened"}, {"after": "1d", "fail": "welcom", "error": "500"}]`)
	failed := term.run("simulate", definitionFile, "--events", "events.json")
	require.Equal(t, 1, failed.code)
	require.Empty(t, failed.stdout)
	require.Equal(t, "events.json: entry 2: write either `after` or `at`\n"+
		"events.json: entry 3: fail: no action \"welcom\" runs in trial-nurture: did you mean \"welcome\"?\n", failed.stderr)
	term.write("events.json", `[{"after": 1}, null]`)
	require.Equal(t, "events.json: entry 1: after: write text as in \"…\", not a number\n"+
		"events.json: entry 2: null says nothing: write an object {…}\n", term.run("simulate", definitionFile, "--events", "events.json").stderr)
	term.write("record.json", `{"properties": []}`)
	term.run("simulate", definitionFile, "--record", "record.json").fails(1, "record.json: properties: write an object {…}, not a list")
}

func TestSimulateWarnsOfPlaceholdersAndNamesTheZone(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.write("drafts/new.yaml", "workflow: new\nobject: contact\nactions:\n  - {id: later, placeholder: true, label: Later}\n  - {id: pause, delay_set_amount: {for: 1d}}\n")
	shown := term.run("simulate", "drafts/new.yaml").succeeds()
	require.Equal(t, "warning: later is a placeholder: it is passed over\n", shown.stderr)
	require.Contains(t, shown.stdout, "AT (UTC) ")
	require.NotContains(t, shown.stdout, "later")
}

func TestSimulateLooksAsFarAsItIsTold(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	var shown testsuite.Simulated
	start := "2027-03-01T09:00:00Z"
	term.run("simulate", definitionFile, "--start", start, "--until", "0s", "-o", "json").succeeds().decode(&shown)
	require.Equal(t, "waiting", shown.Exit.Reason)
	require.Equal(t, "nothing more can happen before --until "+start, shown.Exit.Detail)
}
