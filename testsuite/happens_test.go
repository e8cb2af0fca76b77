package testsuite_test

import (
	"testing"

	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

func TestAScenarioSaysWhichLineIsWrong(t *testing.T) {
	t.Parallel()
	for line, wanted := range map[string]string{
		"2027-03-01 09:00 contact/1":                   "says too little",
		"2027-02-01 09:00 contact/1 waits":             "comes after the one before",
		"2027-03-01 09:00 contact waits":               "is not a record",
		"2027-03-01 09:00 contact/1 sings":             `nothing is called "sings"`,
		"2027-03-01 09:00 contact/1 is Rome":           "this is not JSON",
		"2027-03-01 09:00 contact/1 completes missing": "is not in missing",
	} {
		scenario, problems := testsuite.ReadScenario("a.txtar", []byte("start: 2027-03-01T09:00:00Z\n-- happens --\n"+line+"\n"))
		require.Empty(t, problems)
		_, err := scenario.Run(t.Context(), folder(""))
		require.ErrorContains(t, err, "happens: line 1: ")
		require.ErrorContains(t, err, wanted)
	}
	_, problems := testsuite.ReadScenario("a.txtar", []byte("start: 2027-03-01T09:00:00Z\n"))
	require.Contains(t, problems[0].Message, "names no workflow")
}
