package main

import (
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

func TestManyAreSelectedByWhereTheyStandAndByTheirRecords(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10)
	term.stands("2", "offer", 1, -1)
	term.stands("3", "wait", 2, 10)
	term.stands("4", "rest", 2, 5)
	for name, test := range map[string]struct {
		args    []string
		want    string
		records []string
	}{
		"all":             {[]string{"pause", "journey", "--all"}, "`millrace pause` would be for 4 in journey\n  at offer: 1\n  at rest: 1\n  at wait: 2\n", []string{"contact/1", "contact/2", "contact/3", "contact/4"}},
		"at":              {[]string{"resume", "journey", "--at", "wait"}, "`millrace resume` would be for 2 in journey\n  at wait: 2\n", []string{"contact/1", "contact/3"}},
		"matching":        {[]string{"unenroll", "journey", "--matching", "{property: email, starts_with: '3'}"}, "`millrace unenroll` would be for 1 in journey\n  at wait: 1\n", []string{"contact/3"}},
		"at and matching": {[]string{"pause", "journey", "--at", "rest", "--matching", "{property: email, starts_with: '3'}"}, "`millrace pause` would be for 0 in journey\n", []string{}},
		"who do not wait": {[]string{"skip-wait", "journey", "--all"}, "`millrace skip-wait` would be for 4 in journey\n  at offer: 1, of whom 1 would refuse\n  at rest: 1\n  at wait: 2\n", []string{"contact/1", "contact/2", "contact/3", "contact/4"}},
		"moves":           {[]string{"move", "journey", "--at", "wait", "--to", "gone"}, "`millrace move` would be for 2 in journey\n  at wait: 2, of whom 2 would refuse\n", []string{"contact/1", "contact/3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(test.args, "--dry-run")
			require.Equal(t, test.want, term.run(args...).succeeds().stdout)
			var shown jobDone
			term.run(append(args, "-o", "json")...).succeeds().decode(&shown)
			require.True(t, shown.DryRun)
			records := []string{}
			for _, part := range shown.Parts {
				records = append(records, part.Record)
			}
			require.Equal(t, test.records, records)
		})
	}
}

func TestAJobThatReachesNoServerIsKept(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	term.stands("1", "wait", 3, 10)
	require.Equal(t, "nobody in journey is meant\n", term.run("move", "journey", "--at", "offer", "--to", "rest").succeeds().stdout)
	failed := term.run("move", "journey", "--at", "wait", "--to", "rest")
	require.Equal(t, 1, failed.code)
	require.Contains(t, failed.stderr, "job 1; when it is cut, `millrace move --job 1` goes on\nmillrace: cannot reach a Temporal server")
	require.Contains(t, failed.stderr, "then `millrace move --job 1`\n")
	job, err := term.store().Job(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "journey move rest --at wait ada", job.Workflow+" "+job.Operation+" "+job.Argument+" "+job.Selection+" "+job.By)
	parts, err := term.store().JobParts(t.Context(), 1, true)
	require.NoError(t, err)
	require.Equal(t, []store.JobPart{{Part: 1, Enrollment: "journey/contact/1/1"}}, parts)
	term.run("pause", "--job", "1").fails(1, "job 1 is a `millrace move`, go on with that")
	term.run("move", "--job", "2").fails(1, "there is no job 2")
	require.Equal(t, plan.UpdateMove, job.Operation)
}

func TestWhatASelectionCannotBe(t *testing.T) {
	t.Parallel()
	term := newJourney(t)
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{2, "needs WORKFLOW RECORD..., or WORKFLOW with --at", []string{"pause", "journey"}},
		{2, "takes RECORD... or a selection, not both", []string{"pause", "journey", "contact/1", "--all"}},
		{2, "--all is everybody", []string{"pause", "journey", "--all", "--at", "wait"}},
		{2, "--dry-run lists whom", []string{"pause", "journey", "contact/1", "--dry-run"}},
		{2, "--job goes on with what was selected", []string{"pause", "journey", "--job", "1"}},
		{2, "--job takes the number of a job", []string{"pause", "--job", "0"}},
		{2, "needs --to ACTION", []string{"move", "journey", "--all"}},
		{2, "write a number for each second", []string{"pause", "journey", "--all", "--rate", "5/w"}},
		{2, "write a number for each second", []string{"pause", "journey", "--all", "--rate", "0"}},
		{1, `no action "wiat" was ever in journey: did you mean "wait"?`, []string{"pause", "journey", "--at", "wiat"}},
		{2, `contact has no property "citty" [unknown-property]`, []string{"pause", "journey", "--matching", "{property: citty, is: Rome}"}},
		{2, "--matching:1:", []string{"pause", "journey", "--matching", "{property: city, iss: Rome}"}},
	} {
		got := term.run(test.args...)
		require.Equal(t, test.code, got.code, "%v: %s", test.args, got.stderr)
		require.Contains(t, got.stderr, test.says, "%v", test.args)
	}
	term.stands("1", "wait", 3, 10)
	term.run("move", "journey", "--all", "--to", "rst").fails(1, `no action "rst" was ever in journey: did you mean "rest"?`)
}

func TestRatesAreReadByTheirUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rate{"50": 50, "50/s": 50, "600/m": 10, "1800/h": 0.5} {
		var got rate
		require.NoError(t, got.Set(text))
		require.InDelta(t, float64(want), float64(got), 1e-9)
	}
}
