package testsuite_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/schema"
	"github.com/stretchr/testify/require"
)

// TestDefinitionsTellTheWholeLanguage keeps docs/definitions.md complete: every operator, every subject of a filter, every word
// for a time and every key of a definition has its place, and the filters that it shows are ones.
func TestDefinitionsTellTheWholeLanguage(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../docs/definitions.md")
	require.NoError(t, err)
	page := string(content)
	told := map[string]bool{}
	for _, word := range regexp.MustCompile(`[a-z_]+`).FindAllString(page, -1) {
		told[word] = true
	}
	for _, word := range crm.FilterWords() {
		if which, unit, composed := strings.Cut(word, "_"); composed && (which == "last" || which == "this" || which == "next") {
			require.True(t, told[which+"_"] || told[word], word)
			word = unit
		}
		require.True(t, told[word], "%s of filters", word)
	}
	for key := range definition.JSONSchema(activities.Kinds())["properties"].(map[string]any) {
		require.True(t, told[key] || key == "name" || key == "description" || key == "center", "%s of a definition", key)
	}
	shown := regexp.MustCompile("`(\\{(?:property|list|workflow|event|form|subscription|associated): .*?\\})`").FindAllStringSubmatch(page, -1)
	require.Greater(t, len(shown), 7)
	for _, filter := range shown {
		if strings.Contains(filter[1], "limit: ") { // a target
			continue
		}
		node, problems := schema.Parse("filter.yaml", []byte(strings.Replace(filter[1], "FILTER", "{property: a, known: true}", 1)))
		require.Empty(t, problems, filter[1])
		var read crm.Filter
		read.UnmarshalNode(node, &problems)
		require.Empty(t, problems, filter[1])
	}
}
