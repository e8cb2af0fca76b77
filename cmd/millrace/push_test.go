package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/stretchr/testify/require"
)

const definitionFile = "workflows/trial-nurture.yaml"

func TestCheckOfASoundWorkspace(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	require.Empty(t, term.run("check").succeeds().stdout)
	require.Contains(t, term.run("check", "-o", "json").succeeds().stdout, `"diagnostics": []`)
	require.Empty(t, term.run("check", term.Folder, "-o", "github").succeeds().stdout)
}

func TestCheckTellsEveryMistake(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.replace(definitionFile, "send_email:", "send_emial:")
	for _, args := range [][]string{{"check"}, {"check", "."}, {"check", definitionFile}} {
		var got diagnosed
		checked := term.run(append(args, "-o", "json")...)
		require.Equal(t, 1, checked.code)
		checked.decode(&got)
		require.Equal(t, filepath.FromSlash(definitionFile), got.Diagnostics[0].File)
		require.Equal(t, "unknown-kind", got.Diagnostics[0].Code)
		require.Equal(t, `did you mean "send_email"?`, got.Diagnostics[0].Hint)
	}
	checked := term.run("check", term.Folder)
	require.Equal(t, 1, checked.code)
	require.Contains(t, checked.stdout, filepath.Join(term.Folder, definitionFile)+":9:5: error: unknown kind")
	require.Contains(t, checked.stdout, "^~~~~~~~~~")
	require.NotContains(t, checked.stdout, "\x1b", "no terminal, no colours")
	require.Contains(t, checked.stderr, "errors, 0 warnings")
	require.Contains(t, term.run("check", "-o", "github").stdout, "::error file="+definitionFile+",line=9,col=5")
}

func TestCheckOfADefinitionOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.write("one.yaml", "workflow: one\nobject: contact\nactions:\n  - {id: a, placeholder: true}\n")
	checked := term.run("check", "one.yaml").succeeds()
	require.Contains(t, checked.stdout, "warning:")
	require.Equal(t, "one.yaml: 0 errors, 1 warning\n", checked.stderr)
}

func TestCheckOfNothing(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.run("check").fails(1, "no workspace")
	term.run("check", "missing.yaml").fails(1, "there is no missing.yaml")
	term.run("check", ".").fails(1, "millrace.yaml is missing")
}

// push pushes and returns what came of the only workflow.
func push(term *terminal, args ...string) pushedWorkflow {
	term.t.Helper()
	var got pushed
	term.run(append([]string{"push", "-o", "json"}, args...)...).succeeds().decode(&got)
	require.NotNil(term.t, got.Diagnostics)
	require.Len(term.t, got.Workflows, 1)
	return got.Workflows[0]
}

func TestPushTellsOfWorkflowsThatAreNotInTheFolder(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	require.NotContains(t, term.run("push").succeeds().stderr, "still published")
	require.NoError(t, os.Remove(filepath.Join(term.Folder, definitionFile)))
	term.write("workflows/other.yaml", "workflow: other\nobject: contact\nactions: []\n")
	require.Contains(t, term.run("push").succeeds().stderr, "note: still published and on, but not in this workspace: trial-nurture; "+
		"its properties and settings are those of this workspace now; `millrace workflows off trial-nurture` ends its admission\n")
	require.NoError(t, term.store().SetSwitch(t.Context(), "trial-nurture", plan.SwitchOff, time.Now()))
	require.Contains(t, term.run("push").succeeds().stderr, "note: still published and off, but not in this workspace: trial-nurture; its properties and settings are those of this workspace now\n")
}

func TestPush(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	require.Equal(t, "trial-nurture: new revision 1\n", term.run("push", term.Folder).succeeds().stdout)
	require.Equal(t, "trial-nurture: unchanged, revision 1\n", term.run("push").succeeds().stdout)
	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	require.Equal(t, "trial-nurture: would become revision 2\n", term.run("push", "--dry-run").succeeds().stdout)
	require.Equal(t, pushedWorkflow{Workflow: "trial-nurture", Revision: 2, Change: changeRevised, On: true, InFlight: plan.InFlightFollow, Deletes: []string{}, People: []publish.Place{}}, push(term))
	require.Equal(t, changeUnchanged, push(term).Change)

	revision, err := term.store().Revision(t.Context(), "trial-nurture", 2)
	require.NoError(t, err)
	require.Equal(t, "ada", revision.By)
	require.Equal(t, plan.InFlightFollow, revision.InFlight)
}

func TestPushSaysWhereDeletedActionsLead(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.replace(definitionFile, "id: week", "id: seven")
	term.run("push").succeeds()
	revision, found, err := term.store().LatestRevision(t.Context(), "trial-nurture")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, map[string]string{"week": "size"}, revision.Plan.Moved)
}

func TestADryRunPublishesNothing(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	require.Equal(t, 2, push(term, "--dry-run").Revision)
	latest, _, err := term.store().LatestRevision(t.Context(), "trial-nurture")
	require.NoError(t, err)
	require.Equal(t, 1, latest.Number)
}

func TestPushOfABrokenWorkspacePublishesNothing(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.replace(definitionFile, "max_wait: 3d", "max_wiat: 4d")
	failed := term.run("push")
	require.Equal(t, 1, failed.code)
	require.Empty(t, failed.stdout)
	require.Contains(t, failed.stderr, `did you mean "max_wait"?`)
	require.Contains(t, failed.stderr, "nothing was published: 1 error, 0 warnings")

	var got pushed
	failed = term.run("push", "-o", "json")
	require.Equal(t, 1, failed.code)
	failed.decode(&got)
	require.Len(t, got.Diagnostics, 1)
	require.Empty(t, got.Workflows)
}

func TestPlaceholdersStayOff(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.replace(definitionFile, "send_email: {email: welcome}", "placeholder: true")
	term.replace(definitionFile, ", source: welcome", "")
	failed := term.run("push")
	require.Equal(t, 1, failed.code)
	require.Contains(t, failed.stderr, "error: the action is a placeholder")
	require.False(t, push(term, "--off").On)
	require.False(t, push(term).On, "it stays off")
}

func TestTheObjectOfAWorkflowStays(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.write("millrace.yaml", "name: Test\n")
	term.write("workflows/one.yaml", "workflow: one\nobject: contact\nactions:\n  - {id: a, delay_set_amount: {for: 1d}}\n")
	term.run("push").succeeds()
	term.replace("workflows/one.yaml", "object: contact", "object: deal")
	failed := term.run("push")
	require.Equal(t, 1, failed.code)
	require.Contains(t, failed.stderr, "workflows/one.yaml:2:9: error: the workflow was published for the object contact")
}

func TestPushOfAFile(t *testing.T) {
	t.Parallel()
	newWorkspace(t).run("push", definitionFile).fails(2, "is a file: push the folder with millrace.yaml")
}

func TestPushWithoutAServerPublishesAndSaysThatNobodyWasTold(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	result := term.run("push", "--yes").succeeds()
	require.Equal(t, "trial-nurture: new revision 2, 0 of 1 inside told\n", result.stdout)
	require.Contains(t, result.stderr, "people inside trial-nurture go on by the new revision after their present wait")
	require.Contains(t, result.stderr, "cannot reach a Temporal server at 127.0.0.1:1")
}

func TestAPinnedRevisionIsForThoseWhoComeLater(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	require.Equal(t, "trial-nurture: would become revision 2, 1 inside finish by theirs\n", term.run("push", "--in-flight", "pin", "--dry-run").succeeds().stdout)
	pinned := term.run("push", "--in-flight", "pin").succeeds()
	require.Equal(t, "trial-nurture: new revision 2, 1 inside finish by theirs\n", pinned.stdout)
	require.Empty(t, pinned.stderr, "there is nobody to tell")
	revision, err := term.store().Revision(t.Context(), "trial-nurture", 2)
	require.NoError(t, err)
	require.Equal(t, plan.InFlightPin, revision.InFlight)
	term.run("push", "--in-flight", "pni").fails(2, `write follow or pin or migrate: did you mean "pin"?`)
}

func TestAMapSaysWhereThoseInAnActionGo(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	term.run("push", "--map", "week=offer", "--map", "trial-nurture/opened=end").succeeds()
	revision, _, err := term.store().LatestRevision(t.Context(), "trial-nurture")
	require.NoError(t, err)
	require.Equal(t, plan.InFlightMigrate, revision.InFlight)
	require.Equal(t, map[string]string{"week": "offer", "opened": ""}, revision.Migrate)

	term.run("push", "--in-flight", "migrate").fails(2, "--map and --in-flight migrate belong together")
	term.run("push", "--in-flight", "pin", "--map", "week=offer").fails(2, "--map and --in-flight migrate belong together")
}

func TestWhatIsWrongWithAMapIsShownInIt(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	unchanged := term.run("push", "--map", "week=offer")
	require.Equal(t, 1, unchanged.code)
	require.Contains(t, unchanged.stderr, `--map:1:1: error: no workflow that changes had an action "week" [unknown-action]`)

	term.replace(definitionFile, "max_wait: 3d", "max_wait: 4d")
	failed := term.run("push", "--map", "wek=offer", "--map", "week=ofer", "--map", "week", "--map", "other/week=offer", "--map", "size=size",
		"--map", "size=offer", "--map", "size=end")
	require.Equal(t, 1, failed.code)
	require.Equal(t, `--map:1:1: error: no workflow that changes had an action "wek" [unknown-action]
    wek=offer
    ^~~~~~~~~
    hint: did you mean "week"?
--map:2:6: error: the new revision of trial-nurture has no action "ofer" [unknown-action]
    week=ofer
         ^~~~
    hint: did you mean "offer"?
--map:3:1: error: the map needs FROM=TO [bad-map]
    week
    ^~~~
    hint: as in week=offer, or week=end for those who shall leave
--map:4:1: error: no workflow "other" changes [unknown-workflow]
    other/week=offer
    ^~~~~~~~~~~~~~~~
    hint: the map is about what this push changes; `+"`millrace move`"+` sends people elsewhere without one
--map:5:1: error: this leads from "size" to itself [bad-map]
    size=size
    ^~~~~~~~~
    hint: who is not in the map follows the new revision
--map:7:1: error: the action "size" is mapped twice [duplicate-action]
    size=end
    ^~~~~~~~
nothing was published: 6 errors, 0 warnings
`, failed.stderr)
}

func TestDevPushesWhatChanges(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	a, _, stderr := term.app()
	watch := watcher{app: a, path: ".", folder: term.Folder, client: &enroll.Client{Store: term.store()}}
	watch.push(t.Context())
	require.Equal(t, watch.look(), watch.seen)
	require.Equal(t, "trial-nurture: unchanged, revision 1\n", stderr.String())
	term.write(".millrace/dev.json", "{}")
	require.Equal(t, watch.look(), watch.seen, "hidden files are not of the workspace")

	term.replace(definitionFile, "max_wait: 3d", "max_wiat: 10d")
	require.NotEqual(t, watch.look(), watch.seen)
	watch.push(t.Context())
	require.Contains(t, stderr.String(), `did you mean "max_wait"?`)
	require.Contains(t, stderr.String(), "the revisions that were published stay until this is mended")

	term.replace(definitionFile, "max_wiat: 10d", "max_wait: 10d")
	watch.push(t.Context())
	require.Contains(t, stderr.String(), "trial-nurture: new revision 2\n")
}

// inside puts contact/51 into the workflow, as far as our books know.
func inside(term *terminal) plan.Enrollment {
	term.t.Helper()
	at := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	books := term.store()
	_, _, err := books.Upsert(term.t.Context(), ref, map[string]string{"email": "ada@example.com"}, at, "test")
	require.NoError(term.t, err)
	opened, err := books.OpenEnrollment(term.t.Context(), plan.Enrollment{
		Workflow: "trial-nurture", Record: ref.String(), WorkflowID: plan.WorkflowID("trial-nurture", ref.String()), FirstRun: "run", Revision: 1, Started: at,
	})
	require.NoError(term.t, err)
	require.NoError(term.t, books.Stand(term.t.Context(), plan.Standing{
		Enrollment: opened.ID, Node: "opened", Kind: "delay_until_event", Arrived: at, Until: at.AddDate(0, 0, 3), Awaits: "email_opened",
	}))
	return opened
}

func TestPushCountsWhoMatchesAlready(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("records", "set", "contact/51", "first_name=Ada").succeeds()
	term.replace(definitionFile, "object: contact", "object: contact\nenroll: {when: {property: first_name, known: true}}")
	require.Contains(t, term.run("push", "--dry-run").succeeds().stdout, ", 1 that match already stay out (--existing enroll lets them in)")
	require.Contains(t, term.run("push", "--existing", "enroll").succeeds().stdout, ", 1 that match already enter")
	undone, _, _, err := term.store().Undone(t.Context())
	require.NoError(t, err)
	require.NotZero(t, undone)
}

func TestPushTellsWhatDeletesRecords(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.write("millrace.yaml", "time_zone: UTC\n")
	term.write("workflows/clean-up.yaml", "workflow: clean-up\nobject: contact\nactions:\n  - {id: gone, delete_contact: {}}\n")
	look := term.run("push", "--dry-run").succeeds()
	require.Contains(t, look.stdout, "gone: deletes the record")
	var made pushed
	first := term.run("push", "-o", "json").succeeds()
	first.decode(&made)
	require.Equal(t, []string{"gone"}, made.Workflows[0].Deletes)
	require.Contains(t, first.stderr, "records will be deleted at clean-up/gone; nobody could be asked")
	term.write("workflows/clean-up.yaml", "workflow: clean-up\nobject: contact\nactions:\n  - {id: wait, delay_set_amount: {for: 1d}}\n  - {id: gone, delete_contact: {}}\n")
	again := term.run("push").succeeds()
	require.NotContains(t, again.stdout+again.stderr, "delete", "it did before")
	term.replace("workflows/clean-up.yaml", "id: gone", "id: off")
	require.Contains(t, term.run("push", "--yes").succeeds().stdout, "off: deletes the record")
}
