package testsuite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/millrace/millrace/"

// layers is the drawing in CONTRIBUTING.md: which of our packages a package may import. What is missing here
// may import everything and be imported by nobody but its like.
var layers = map[string]string{
	"internal/plan":               "",
	"internal/schema":             "",
	"internal/devserver":          "",
	"internal/golden":             "",
	"internal/sandbox":            "",
	"internal/provider/smtptest":  "",
	"internal/store/postgrestest": "",
	"examples":                    "",
	"internal/crm":                "internal/schema",
	"internal/provider":           "internal/schema",
	"internal/action":             "internal/plan internal/schema internal/crm internal/provider internal/sandbox",
	"activities":                  "internal/action internal/plan internal/schema internal/crm internal/provider internal/sandbox",
	"internal/definition":         "internal/action internal/plan internal/schema internal/crm",
	"internal/store":              "internal/plan internal/crm",
	"workflows":                   "internal/plan",
	"internal/enroll":             "internal/plan workflows internal/store internal/crm",
	"internal/ingest":             "internal/plan internal/crm internal/store",
	"internal/api":                "internal/plan internal/crm internal/store internal/enroll internal/ingest",
	"internal/publish":            "internal/plan internal/schema internal/crm internal/definition internal/store",
	"internal/importer":           "internal/action internal/plan internal/schema internal/crm internal/definition activities",
	"worker":                      "internal/action internal/plan internal/crm internal/provider internal/store internal/enroll workflows activities",
	"internal/devserver/build":    "internal/devserver",
}

// assembly is what puts everything together.
var assembly = []string{"cmd/millrace", "testsuite"}

// reserved names the only places for what should not spread.
var reserved = map[string]string{
	"go.temporal.io/sdk/workflow":  "workflows worker", // worker: options of the registration
	"go.temporal.io/sdk/activity":  "internal/action worker",
	"go.temporal.io/sdk/temporal":  "internal/action workflows internal/enroll",
	"go.temporal.io/sdk/client":    "internal/enroll worker",
	"go.temporal.io/sdk/worker":    "worker",
	"go.temporal.io/sdk/testsuite": "",
	"database/sql":                 "internal/store",
	"net/http":                     "internal/provider internal/api activities", // activities: names of methods and headers
	"github.com/spf13/cobra":       "cmd/millrace",
	"modernc.org/quickjs":          "internal/sandbox",
}

// listed is a package as `go list -json` shows it.
type listed struct {
	ImportPath, Dir  string
	Imports, GoFiles []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	command.Dir = ".."
	output, err := command.Output()
	require.NoError(t, err)
	found := map[string]listed{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var one listed
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		found[strings.TrimPrefix(one.ImportPath, module)] = one
	}
}

func TestPackagesImportOnlyWhatLiesBelowThem(t *testing.T) {
	t.Parallel()
	for name, one := range packages(t) {
		if slices.Contains(assembly, name) {
			continue
		}
		allowed, drawn := layers[name]
		if len(one.GoFiles) == 0 {
			continue
		}
		require.True(t, drawn, "%s is a new package: draw it in CONTRIBUTING.md and in layers", name)
		for _, imported := range one.Imports {
			if ours, is := strings.CutPrefix(imported, module); is {
				require.Contains(t, strings.Fields(allowed), ours, "%s must not import %s", name, ours)
			}
		}
	}
}

func TestWhatIsReservedStaysInItsPlace(t *testing.T) {
	t.Parallel()
	for name, one := range packages(t) {
		for imported, places := range reserved {
			if slices.Contains(one.Imports, imported) && name != "testsuite" && name != "cmd/millrace" {
				require.Contains(t, strings.Fields(places), name, "%s must not import %s", name, imported)
			}
		}
		if name != "internal/golden" { // is for tests alone
			require.NotContains(t, one.Imports, "github.com/stretchr/testify/require", "%s imports testify outside its tests", name)
		}
	}
}

func TestPackagesAreNamedAfterAnIdea(t *testing.T) {
	t.Parallel()
	for name := range packages(t) {
		require.NotRegexp(t, `^(utils?|common|commons|helpers?|misc|shared|base|types)$`, path.Base(name), "name %s after what it is about", name)
	}
}

// TestNothingRegistersItself keeps the list of what a program consists of in one visible place.
func TestNothingRegistersItself(t *testing.T) {
	t.Parallel()
	for name, one := range packages(t) {
		for _, file := range one.GoFiles {
			for _, declared := range parse(t, filepath.Join(one.Dir, file)).Decls {
				function, is := declared.(*ast.FuncDecl)
				require.False(t, is && function.Recv == nil && function.Name.Name == "init", "%s/%s has an init function", name, file)
			}
		}
	}
}

// TestInterpreterStaysSmall keeps what old histories depend on so small that it can be read in one go.
func TestInterpreterStaysSmall(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../workflows/enrollment.go")
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(source, []byte("\n")), 320)
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	return parsed
}
