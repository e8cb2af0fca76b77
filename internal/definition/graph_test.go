package definition

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/stretchr/testify/require"
)

// TestGraphs draws every file of testdata/good beside it.
func TestGraphs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/good/*.yaml")
	require.NoError(t, err)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			t.Parallel()
			file, _, _, _ := read(t, path)
			golden.Equal(t, strings.TrimSuffix(path, ".yaml")+".mmd", file.Mermaid())
			golden.Equal(t, strings.TrimSuffix(path, ".yaml")+".svg", file.SVG())
		})
	}
}
