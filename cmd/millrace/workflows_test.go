package main

import (
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

func TestWorkflows(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	var listed []listedWorkflow
	term.run("workflows", "list", "-o", "json").succeeds().decode(&listed)
	require.Len(t, listed, 1)
	require.Equal(t, "trial-nurture", listed[0].Workflow)
	require.Equal(t, plan.SwitchOn, listed[0].Switch)
	require.Equal(t, 1, listed[0].Inside)
	require.Equal(t, term.run("workflows").succeeds(), term.run("workflows", "list").succeeds())
	require.Regexp(t, `(?m)^trial-nurture  on      1         \d{4}-\d\d-\d\d .* 1$`, term.run("workflows").stdout)

	var shown shownWorkflow
	term.run("workflows", "show", "trial-nurture", "-o", "json").succeeds().decode(&shown)
	require.Equal(t, "contact", shown.Object)
	require.Equal(t, "ada", shown.Newest.By)
	require.Equal(t, []string{"welcome", "opened"}, []string{shown.Actions[0].ID, shown.Actions[1].ID})
	require.Equal(t, shownAction{ID: "opened", Kind: "delay_until_event", Label: "Wait for the first open", Inside: 1}, shown.Actions[1])
	require.Len(t, shown.Actions, shown.Newest.Actions)
	require.Regexp(t, `(?m)^opened +delay_until_event +1 +Wait for the first open$`, term.run("workflows", "show", "trial-nurture").succeeds().stdout)
	term.run("workflows", "show", "trial-nurtur").fails(1, `did you mean "trial-nurture"?`)
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	term.run("push").succeeds()
	var revisions []shownRevision
	term.run("workflows", "revisions", "trial-nurture", "-o", "json").succeeds().decode(&revisions)
	require.Len(t, revisions, 2)
	require.Equal(t, 1, revisions[0].Revision)
	require.Equal(t, plan.InFlightFollow, revisions[1].InFlight)
	require.Regexp(t, `(?m)^2 .* ada +follow +\d+ +0$`, term.run("workflows", "revisions", "trial-nurture").succeeds().stdout)
	term.run("workflows", "revisions", "none").fails(1, `no workflow "none" was published`)
}

func TestWorkflowsAreSwitched(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.run("workflows", "off", "trial-nurture", "other").fails(1, `no workflow "other" was published`)
	var got []switched
	term.run("workflows", "on", "trial-nurture", "-o", "json").succeeds().decode(&got)
	require.Equal(t, []switched{{"trial-nurture", plan.SwitchOn, 1}}, got, "one that does not exist switches none")
	require.Equal(t, "trial-nurture: off; 1 inside keep moving, and their actions are skipped\n", term.run("workflows", "off", "trial-nurture").succeeds().stdout)
	term.run("enroll", "trial-nurture", "contact/51").fails(1, "is switched off and admits nobody")
	require.Equal(t, "trial-nurture: on\n", term.run("workflows", "on", "trial-nurture").succeeds().stdout)
}

func TestAWorkflowWithPlaceholdersStaysOff(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.replace(definitionFile, "send_email: {email: welcome}", "placeholder: true")
	term.replace(definitionFile, ", source: welcome", "")
	term.run("push", "--off").succeeds()
	term.run("workflows", "on", "trial-nurture").fails(1, "trial-nurture has placeholders in revision 1 (welcome): fill them in and `millrace push` first")
}
