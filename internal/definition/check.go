package definition

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/schema"
)

// Checked is a workspace or a single definition with everything that is wrong in it.
type Checked struct {
	Workspace   *Workspace // nil for a definition outside a workspace
	File        *File      // nil for a whole workspace
	Diagnostics schema.Diagnostics
	Sources     map[string][]byte // the files that the diagnostics name
}

// CheckPath checks a workspace or a single definition (language §3). A definition within a workspace
// is checked against it, and what is wrong elsewhere is not reported. Paths in diagnostics begin with
// the path that was given. Errors are about files that cannot be read.
func CheckPath(name string, kinds []action.Kind) (*Checked, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return checkFolder(name, kinds)
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file, problems := Read(name, src, kinds)
	checked := &Checked{File: file, Sources: map[string][]byte{name: src}}
	if dir, found := FindWorkspace(filepath.Dir(name)); found {
		if err := checked.readAround(dir, name, kinds); err != nil {
			return nil, err
		}
	}
	checked.Diagnostics = append(problems, file.Check(checked.Workspace)...)
	checked.Diagnostics.Sort()
	return checked, nil
}

func checkFolder(dir string, kinds []action.Kind) (*Checked, error) {
	workspace, problems, err := ReadWorkspace(os.DirFS(dir), kinds)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	checked := &Checked{Workspace: workspace, Diagnostics: problems, Sources: map[string][]byte{}}
	for i, one := range problems {
		shown := filepath.Join(dir, filepath.FromSlash(one.File))
		problems[i].File = shown
		checked.Sources[shown] = workspace.Assets[one.File]
	}
	return checked, nil
}

// readAround reads the workspace that a definition is in.
func (c *Checked) readAround(dir, name string, kinds []action.Kind) error {
	workspace, _, err := ReadWorkspace(os.DirFS(dir), kinds)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	c.Workspace = workspace
	for asset, content := range workspace.Assets {
		if _, taken := c.Sources[asset]; !taken {
			c.Sources[asset] = content
		}
	}
	return nil
}
