package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintPutsTheCaretUnderTheMistake(t *testing.T) {
	t.Parallel()
	sources := map[string][]byte{"a.yaml": []byte("\uFEFFfirst\r\n\tname: 日本 wrong here\n")}
	var problems Diagnostics
	problems.Errorf(Pos{"a.yaml", 2, 11}, "some-code", "%s is wrong", "\x1b[31m").Hint = "say it right"
	problems.Warningf(Pos{"a.yaml", 1, 1}, "other", "odd")
	problems.Errorf(Pos{"a.yaml", 1, 6}, "end", "something is missing")
	problems.Errorf(Pos{File: "gone.yaml"}, "gone", "no such file")
	problems.Errorf(Pos{"a.yaml", 1, 1}, "other", "odd").Severity = Warning
	problems.Sort()
	var out strings.Builder
	problems.Print(&out, sources, false)
	require.Equal(t, "a.yaml:1:1: warning: odd [other]\n    first\n    ^~~~~\n"+
		"a.yaml:1:6: error: something is missing [end]\n    first\n         ^\n"+
		"a.yaml:2:11: error: \uFFFD[31m is wrong [some-code]\n    \tname: 日本 wrong here\n    \t           ^~~~~\n    hint: say it right\n"+
		"gone.yaml: error: no such file [gone]\n", out.String())

	out.Reset()
	problems[:1].Print(&out, sources, true)
	require.Equal(t, "\x1b[1ma.yaml:1:1:\x1b[0m \x1b[1;33mwarning:\x1b[0m odd \x1b[2m[other]\x1b[0m\n    first\n    \x1b[1;32m^~~~~\x1b[0m\n", out.String())
	require.True(t, problems.HasErrors())
	require.False(t, problems[:1].HasErrors())
}

func TestPrintGitHubWritesAnnotations(t *testing.T) {
	t.Parallel()
	var problems Diagnostics
	problems.Errorf(Pos{"a,b.yaml", 2, 3}, "code", "100%% wrong\nreally").Hint = "x"
	var out strings.Builder
	problems.PrintGitHub(&out)
	require.Equal(t, "::error file=a%2Cb.yaml,line=2,col=3,title=code::100%25 wrong%0Areally%0Ahint: x\n", out.String())
}

func TestSuggestFindsTheNearWord(t *testing.T) {
	t.Parallel()
	known := []string{"send_email", "send_webhook", "name", "label", "to", "do", "email", "lifecycle_stage"}
	for wrong, want := range map[string]string{
		"send_emial": "send_email",
		"sendEmail":  "send_email",
		"lable":      "label",
		"Name":       "name",
		"emial":      "email",
		"go":         "do",
		"lifecycle":  "lifecycle_stage",
		"send":       "",
		"quite_else": "",
		"":           "",
		"x":          "",
		"name":       "",
	} {
		require.Equal(t, want, Suggest(wrong, known), wrong)
	}
}
