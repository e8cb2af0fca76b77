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
	require.Equal(t, []switched{{Workflow: "trial-nurture", Switch: plan.SwitchOn, Inside: 1}}, got, "one that does not exist switches none")
	require.Equal(t, "trial-nurture: off; 1 inside keep moving, and their actions are skipped\n", term.run("workflows", "off", "trial-nurture").succeeds().stdout)
	term.run("enroll", "trial-nurture", "contact/51").fails(1, "trial-nurture admits nobody: the workflow is switched off")
	require.Equal(t, "trial-nurture: on\n", term.run("workflows", "on", "trial-nurture").succeeds().stdout)
}

func TestSwitchesTurnByThemselves(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	require.Equal(t, "trial-nurture: pause; 1 inside are held before their next action\n", term.run("workflows", "pause", "trial-nurture").succeeds().stdout)
	term.run("workflows", "off", "trial-nurture", "--at", "2001-01-01T09:00").fails(1, "is past")
	term.run("workflows", "off", "trial-nurture", "--at", "tomorrow").fails(1, "is no time: write 2027-12-24T18:00")
	require.Regexp(t, `^trial-nurture: on from 2097-12-24 18:00:00 \S+ on\n$`, term.run("workflows", "on", "trial-nurture", "--at", "2097-12-24T18:00").succeeds().stdout)
	require.Regexp(t, `switch +pause \(on from 2097-12-24 18:00:00 \S+ on\)`, term.run("workflows", "show", "trial-nurture").succeeds().stdout)
	require.Equal(t, "trial-nurture: drain; 1 inside finish as usual\n", term.run("workflows", "drain", "trial-nurture").succeeds().stdout)
	term.run("enroll", "trial-nurture", "contact/51").fails(1, "trial-nurture admits nobody: the workflow is drained")
	require.Equal(t, "trial-nurture: stop; 1 inside are taken out\n", term.run("workflows", "stop", "trial-nurture").succeeds().stdout)
}

func TestAWorkflowWithPlaceholdersStaysOff(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.replace(definitionFile, "send_email: {email: welcome}", "placeholder: true")
	term.replace(definitionFile, ", source: welcome", "")
	term.run("push", "--off").succeeds()
	term.run("workflows", "on", "trial-nurture").fails(1, "trial-nurture has placeholders in revision 1 (welcome): fill them in and `millrace push` first")
}
