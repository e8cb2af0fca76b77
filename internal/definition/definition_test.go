package definition

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/internal/schema"
	"github.com/stretchr/testify/require"
)

func testWorkspace(t *testing.T) *Workspace {
	t.Helper()
	workspace, problems, err := ReadWorkspace(os.DirFS("testdata/workspace"), testKinds())
	require.NoError(t, err)
	require.Empty(t, problems)
	return workspace
}

// read reads and checks one definition of testdata. One whose first line says so is in the workspace.
func read(t *testing.T, path string) (*File, *Workspace, schema.Diagnostics, map[string][]byte) {
	t.Helper()
	src, err := os.ReadFile(path)
	require.NoError(t, err)
	name := filepath.Base(path)
	sources := map[string][]byte{name: src}
	var in *Workspace
	if bytes.HasPrefix(src, []byte("# in the workspace\n")) {
		in = testWorkspace(t)
		for asset, content := range in.Assets {
			sources[asset] = content
		}
	}
	file, problems := Read(name, src, testKinds())
	problems = append(problems, file.Check(in)...)
	problems.Sort()
	return file, in, problems, sources
}

// TestBadDefinitions prints what is wrong with every file of testdata/bad beside it.
func TestBadDefinitions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.Greater(t, len(files), 40)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			_, _, problems, sources := read(t, path)
			require.NotEmpty(t, problems)
			for _, one := range problems {
				require.Positive(t, one.Line, one.Message)
			}
			var out strings.Builder
			problems.Print(&out, sources, false)
			golden.Equal(t, strings.TrimSuffix(path, ".yaml")+".txt", out.String())
		})
	}
}

// TestGoodDefinitions compiles every file of testdata/good to the plan beside it.
func TestGoodDefinitions(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			file, in, problems, _ := read(t, path)
			require.False(t, problems.HasErrors(), "%v", problems)
			compiled, problems := Compile(file, in)
			require.Empty(t, problems)
			text, err := json.MarshalIndent(compiled, "", "  ")
			require.NoError(t, err)
			golden.Equal(t, strings.TrimSuffix(path, ".yaml")+".json", string(text)+"\n")
		})
	}
}
