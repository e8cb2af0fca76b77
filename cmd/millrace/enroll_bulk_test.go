package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

func TestManyAreEnrolledByAJobThatShowsWhatCameOfIt(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	began := term.run("enroll", "journey", "--matching", "{property: city, is: Rome}", "--rate", "600/m", "--detach").succeeds()
	require.Equal(t, "job 1: `millrace enroll --job 1` shows it, with --stop it stops\n", began.stderr)
	require.Equal(t, "0 of 0 begun; so far 0 admitted\nmore are looked for\n", began.stdout)
	books := term.store()
	job, err := books.Bulk(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "journey --matching '{property: city, is: Rome}' ada", job.Workflow+" "+job.Selection+" "+job.By)
	require.JSONEq(t, `{"property":"city","is":"Rome"}`, string(job.Filter))

	require.NoError(t, books.AddPeople(t.Context(), job, []crm.Ref{{Object: "contact", ID: "1"}, {Object: "contact", ID: "2"}, {Object: "contact", ID: "3"}}, "3", true))
	intents, err := books.Many(t.Context(), 1, 0, time.Now(), 10)
	require.NoError(t, err)
	require.NoError(t, books.Finish(t.Context(), []store.Done{{Intent: intents[0]}, {Intent: intents[1], Refused: "already-enrolled: the record is in the workflow already"}}, time.Now()))
	require.NoError(t, books.RefuseEnrollment(t.Context(), plan.Enrollment{
		Workflow: "journey", Record: "contact/1", WorkflowID: "w", FirstRun: "r", Trigger: job.Trigger(), Detail: "suppressed: it is", Started: time.Now(),
	}))
	shown := term.run("enroll", "--job", "1", "--stop").succeeds().stdout
	require.Equal(t, "1 of 3 begun, 1 still to do, which takes 1s or longer; so far 0 admitted\n"+
		"  1 refused: already-enrolled: the record is in the workflow already\n  1 refused: suppressed: it is\n"+
		"it is stopped: `millrace enroll --job 1` makes it go on\n", shown)
	require.Equal(t, "contact/1: suppressed: it is\ncontact/2: already-enrolled: the record is in the workflow already\n", term.run("enroll", "--job", "1", "--refused").succeeds().stdout)
	var result bulkDone
	term.run("enroll", "--job", "1", "--rate", "0.5/s", "--detach", "-o", "json").succeeds().decode(&result)
	require.Zero(t, result.Stopped, "it goes on")
	require.Equal(t, []int{3, 1, 1, 1, 2, 0}, []int{result.People, result.Begun, result.Refused, result.ToDo, result.Left, result.Undecided})
	require.Empty(t, result.Refusals)

	var deeds []store.Deed
	term.run("audit", "--action", store.DeedEnroll, "-o", "json").succeeds().decode(&deeds)
	require.Len(t, deeds, 3)
	require.JSONEq(t, `{"job": 1, "rate": "0.5/s", "stopped": false}`, string(deeds[0].After))
	require.JSONEq(t, `{"job": 1, "stopped": true}`, string(deeds[1].After))
}

func TestAJobIsAboutWhoIsNamedOnce(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	file := filepath.Join(t.TempDir(), "people.csv")
	require.NoError(t, os.WriteFile(file, []byte("id\n1\n2\n1\n"), 0o600))
	var result bulkDone
	term.run("enroll", "journey", "contact/2", "--file", file, "--detach", "-o", "json").succeeds().decode(&result)
	require.True(t, result.Found)
	require.Equal(t, 2, result.People)
	require.InDelta(t, usualBulk, result.Rate, 0)
}

func TestWhatAJobThatEnrollsCannotBe(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10)
	require.Contains(t, term.run("pause", "journey", "--all").stderr, "then `millrace pause --job 1`", "there is no server")
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{2, "needs WORKFLOW", []string{"enroll", "--list", "vip"}},
		{2, "say whom once", []string{"enroll", "journey", "--list", "vip", "--matching", "{property: city, is: Rome}"}},
		{2, "say whom once", []string{"enroll", "journey", "contact/1", "--list", "vip"}},
		{2, "needs RECORD..., --file", []string{"enroll", "journey", "--detach"}},
		{2, "it takes no WORKFLOW", []string{"enroll", "journey", "--job", "1"}},
		{2, "--stop and --refused need --job", []string{"enroll", "journey", "contact/1", "--stop"}},
		{1, "job 1 is a `millrace pause`, go on with that", []string{"enroll", "--job", "1"}},
		{1, "there is no job 2", []string{"enroll", "--job", "2"}},
		{1, "cannot be in journey", []string{"enroll", "journey", "company/1", "--detach"}},
		{2, `contact has no property "citty" [unknown-property]`, []string{"enroll", "journey", "--matching", "{property: citty, is: Rome}"}},
	} {
		got := term.run(test.args...)
		require.Equal(t, test.code, got.code, "%v: %s", test.args, got.stderr)
		require.Contains(t, got.stderr, test.says, "%v", test.args)
	}
	term.run("enroll", "journey", "contact/1", "--detach").succeeds()
	term.run("pause", "--job", "2").fails(1, "job 2 is a `millrace enroll`, go on with that")
}
