package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheShellCompletes(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.run("records", "set", "contact/52", "email=bo@example.com").succeeds()
	for line, want := range map[string]string{
		"why ":                                 "trial-nurture",
		"why trial-nurture ":                   "contact/51",
		"why trial-nurture contact/51 ":        "",
		"enroll trial-nurture ":                "contact/",
		"enroll trial-nurture contact/":        "contact/51 contact/52",
		"pause trial-nurture contact/51":       "contact/51",
		"pause trial-nurture x":                "",
		"move trial-nurture contact/51 --to o": "opened offer",
		"records get de":                       "deal/",
		"records set contact/51 employ":        "employees=",
		"workflows off tr":                     "trial-nurture",
		"init --template ":                     "minimal trial-nurture",
		"push --in-flight ":                    "follow pin migrate",
		"graph --format ":                      "mermaid svg",
		"version -o ":                          "text json",
	} {
		words := strings.Split(line, " ")
		shown := term.run(append([]string{"__complete"}, words...)...).succeeds().stdout
		proposed, directive, _ := strings.Cut(shown, ":")
		require.Equal(t, want, strings.Join(strings.Fields(proposed), " "), line)
		require.NotEqual(t, "0\n", directive, "%s: no files", line)
	}
	require.Contains(t, term.run("__complete", "kinds", "show", "").succeeds().stdout, "delay_until_event\n")
}

func TestWithoutADatabaseNothingIsCompleted(t *testing.T) {
	t.Parallel()
	require.True(t, strings.HasPrefix(newTerminal(t).run("__complete", "why", "").succeeds().stdout, ":"))
}
