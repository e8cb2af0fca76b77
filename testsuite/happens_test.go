package testsuite_test

import (
	"testing"

	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

func TestAScenarioSaysWhichLineIsWrong(t *testing.T) {
	t.Parallel()
	for line, wanted := range map[string]string{
		"2027-03-01 09:00 contact/1":                      "says too little",
		"2027-02-01 09:00 contact/1 waits":                "comes after the one before",
		"2027-03-01 09:00 contact waits":                  "is not a record",
		"2027-03-01 09:00 contact/1 sings":                `nothing is called "sings"`,
		"2027-03-01 09:00 contact/1 is Rome":              "this is not JSON",
		"2027-03-01 09:00 contact/1 completes missing":    "is not in missing",
		"2027-03-01 09:00 contact/1 paused in w":          "does not go through the actions of w now",
		"2027-03-01 09:00 contact/1 answers a by b":       "of who goes through the actions",
		"2027-03-01 09:00 workflow/w fails at a":          "is not as in `fails at ACTION with 503 4 times`",
		"2027-03-01 09:00 workflow/w fails at a with 503": `no action "a"`,
		"2027-03-01 09:00 workflow/w answers at a with b": "is not as in `answers at ACTION",
		"2027-03-01 09:00 workflow/v fails at a with 503": "nobody goes through the actions of v",
		"2027-03-01 09:00 workflow/w becomes other":       "no part",
	} {
		scenario, problems := testsuite.ReadScenario("a.txtar", []byte("workflow: w\nstart: 2027-03-01T09:00:00Z\n-- workflows/w.yaml --\nworkflow: w\nobject: contact\nactions: [{id: wait, delay_set_amount: {for: 1d}}]\n-- happens --\n"+line+"\n"))
		require.Empty(t, problems)
		_, err := scenario.Run(t.Context(), folder(""))
		require.ErrorContains(t, err, "happens: line 1: ")
		require.ErrorContains(t, err, wanted)
	}
	_, problems := testsuite.ReadScenario("a.txtar", []byte("start: 2027-03-01T09:00:00Z\n"))
	require.Contains(t, problems[0].Message, "names no workflow")
}
