package main

import (
	"testing"

	"github.com/millrace/millrace/internal/definition"
	"github.com/stretchr/testify/require"
)

func TestDiffOfAnUnchangedWorkspace(t *testing.T) {
	t.Parallel()
	newWorkspace(t).run("diff").fails(1, "run `millrace push` or `millrace dev` first")
	term := newPushed(t)
	require.Equal(t, "trial-nurture: unchanged, revision 1\n", term.run("diff").succeeds().stdout)
	term.run("diff", definitionFile).fails(2, "is a file")
}

func TestDiffSaysWhatAPushWouldDoToWhom(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.replace(definitionFile, "id: opened", "id: open")
	term.replace(definitionFile, "{for: 1w}", "{for: 2w}")
	term.write("workflows/other.yaml", "workflow: other\nobject: deal\nactions: [{id: wait, delay_set_amount: {for: 1d}}]\n")
	term.replace("emails/nudge.md", "subject", "# a comment\nsubject")
	var got differences
	term.run("diff", "-o", "json").succeeds().decode(&got)
	require.Equal(t, []changedFile{{"emails/nudge.md", definition.Edited}}, got.Files)
	require.Len(t, got.Workflows, 2)
	require.Equal(t, changeNew, got.Workflows[0].Change)
	revised := got.Workflows[1]
	require.Equal(t, changeRevised, revised.Change)
	require.Equal(t, 2, revised.Revision)
	require.Equal(t, 1, revised.Inside)
	removed := revised.Actions[len(revised.Actions)-1]
	require.Equal(t, "opened", removed.ID)
	require.Equal(t, "nudge", removed.To)
	require.Equal(t, 1, removed.Inside)

	shown := term.run("diff").succeeds().stdout
	require.Contains(t, shown, "other: new\ntrial-nurture: would become revision 2, 1 inside\n")
	require.Regexp(t, `(?m)^  added +open +delay_until_event$`, shown)
	require.Regexp(t, `(?m)^  edited +week +delay_set_amount +for 7d → 14d$`, shown)
	require.Regexp(t, `(?m)^  removed +opened +delay_until_event +1 inside go on at nudge$`, shown)
	require.Contains(t, shown, "emails/nudge.md: edited\n")

	term.run("push", "--yes").succeeds()
	revision, _, err := term.store().LatestRevision(t.Context(), "trial-nurture")
	require.NoError(t, err)
	require.Equal(t, removed.To, revision.Plan.Moved["opened"], "a push does what was shown")
}

func TestDiffOfWhatTheWorkspaceNoLongerHas(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.replace(definitionFile, "workflow: trial-nurture", "workflow: trial")
	require.Contains(t, term.run("diff").succeeds().stdout, "trial: new\ntrial-nurture: not in the workspace; stays as it is, 1 inside\n")
	term.replace(definitionFile, "send_email", "send_emial")
	broken := term.run("diff")
	require.Equal(t, 1, broken.code)
	require.Contains(t, broken.stderr, `did you mean "send_email"?`)
}
