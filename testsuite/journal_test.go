package testsuite_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryEventOfTheJournalIsWrittenAndDocumented walks the constants of internal/plan: a type of event that nobody writes,
// or that operators cannot look up, is not one (semantics §5.5).
func TestEveryEventOfTheJournalIsWrittenAndDocumented(t *testing.T) {
	t.Parallel()
	events := map[string]string{}
	each(t, filepath.Join("..", "internal", "plan"), func(file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, is := node.(*ast.ValueSpec)
			if is && strings.HasPrefix(spec.Names[0].Name, "Journal") {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				events[spec.Names[0].Name] = value
			}
			return true
		})
	})
	require.NotEmpty(t, events)
	written := map[string]bool{}
	for _, folder := range []string{"workflows", "activities", filepath.Join("internal", "action"), filepath.Join("internal", "enroll")} {
		each(t, filepath.Join("..", folder), func(file *ast.File) {
			ast.Inspect(file, func(node ast.Node) bool {
				if selected, is := node.(*ast.SelectorExpr); is {
					written[selected.Sel.Name] = true
				}
				return true
			})
		})
	}
	operations, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	require.NoError(t, err)
	for name, event := range events {
		require.True(t, written[name], "nobody writes %s", event)
		require.Contains(t, string(operations), "*"+strings.ReplaceAll(event, "_", " ")+"*", "docs/operations.md does not tell of %s", event)
	}
}

// each parses the Go files of a folder that are no tests.
func each(t *testing.T, folder string, look func(*ast.File)) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		look(file)
	}
}
