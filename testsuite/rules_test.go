package testsuite_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

// ruleBook is the table of the rules of enrollment, each with what shows it.
const ruleBook = "rules/README.md"

// TestRules walks the scenarios of the rules. Each is a workspace and what happens in it, in one file.
func TestRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("rules/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Regexp(t, `^# `, string(content), "the first line says the rule")
			scenario, problems := testsuite.ReadScenario(file, content)
			require.Empty(t, problems)
			_, err = scenario.Run(t.Context(), folder(""))
			require.NoError(t, err)
			golden.Equal(t, file, string(scenario.Content()))
		})
	}
}

// TestEveryRuleIsShown walks the table: each rule names a scenario, or a line of another test, that is there; each section has
// its rules, and no scenario is without one.
func TestEveryRuleIsShown(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(ruleBook)
	require.NoError(t, err)
	link := regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	sections, shown := []string{}, []string{}
	for line := range strings.Lines(string(content)) {
		if heading, is := strings.CutPrefix(line, "## §"); is {
			section, _, _ := strings.Cut(heading, " ")
			sections = append(sections, section)
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| rule ") {
			continue
		}
		rule, by, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		links := link.FindAllStringSubmatch(by, -1)
		require.NotEmpty(t, links, "nothing shows the rule %q", rule)
		if !strings.Contains(by, ".tx") { // neither a scenario nor a golden file
			require.Regexp(t, `\): .+ \|$`, strings.TrimSpace(by), "%q is shown in Go alone, and nothing says why", rule)
		}
		for _, one := range links {
			said, target := one[1], one[2]
			file, err := os.ReadFile(filepath.Join("rules", target))
			require.NoError(t, err, rule)
			if filepath.Ext(target) == ".txtar" {
				require.Equal(t, strings.TrimSuffix(filepath.Base(target), ".txtar"), said, "a scenario is called as its file")
				shown = append(shown, filepath.Base(target))
			} else {
				require.Contains(t, string(file), said, rule)
			}
		}
	}
	require.Equal(t, strings.Fields(`2.2 2.3 2.4 2.5 2.6 2.7 2.8 2.9 2.10
		3.0 3.2 4.1 4.2 4.3 4.4 4.5 4.6 4.7 4.8 4.9 4.10 4.11 4.12 4.13 5`), sections)
	files, err := filepath.Glob("rules/*.txtar")
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, slices.Contains(shown, filepath.Base(file)), "%s shows no rule of the table", file)
	}
}
