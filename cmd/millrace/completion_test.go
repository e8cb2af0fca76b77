package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheShellCompletes(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	inside(term)
	term.run("records", "set", "contact/52", "email=bo@example.com").succeeds()
	term.run("lists", "add", "vip", "contact/52").succeeds()
	term.run("keys", "create", "shop", "--role", "view").succeeds()
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
		"workflows drain tr":                   "trial-nurture",
		"unenroll trial-nurture --at o":        "opened offer",
		"records merge contact/5":              "contact/51 contact/52",
		"records merge contact/51 contact/5":   "contact/52",
		"records export cont":                  "contact",
		"lists show ":                          "vip",
		"lists remove v":                       "vip",
		"lists add vip contact/":               "contact/51 contact/52",
		"enroll trial-nurture --list ":         "vip",
		"event ":                               "",
		"event page_viewed --record contact/":  "contact/51 contact/52",
		"events contact/":                      "contact/51 contact/52",
		"keys revoke ":                         "shop",
		"completion ":                          "bash zsh fish powershell",
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

// TestCompletionIsWhatItsShellReads has bash, which is everywhere, read its own.
func TestCompletionIsWhatItsShellReads(t *testing.T) {
	t.Parallel()
	for shell, begins := range map[string]string{
		"bash": "# bash completion V2 for millrace", "zsh": "#compdef millrace", "fish": "# fish completion for millrace", "powershell": "# powershell completion for millrace",
	} {
		printed := newTerminal(t).run("completion", shell).succeeds()
		require.True(t, strings.HasPrefix(printed.stdout, begins), shell)
		require.Empty(t, printed.stderr)
	}
	command := exec.CommandContext(t.Context(), "bash", "-n")
	command.Stdin = strings.NewReader(newTerminal(t).run("completion", "bash").succeeds().stdout)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
}
