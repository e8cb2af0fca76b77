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
	checked := &Checked{File: file, Diagnostics: problems, Sources: map[string][]byte{name: src}}
	dir, found := FindWorkspace(filepath.Dir(name))
	if found {
		if checked.Workspace, _, err = ReadWorkspace(os.DirFS(dir), kinds); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	checked.Diagnostics = append(checked.Diagnostics, file.Check(checked.Workspace)...)
	checked.place(dir, name)
	return checked, nil
}

func checkFolder(dir string, kinds []action.Kind) (*Checked, error) {
	workspace, problems, err := ReadWorkspace(os.DirFS(dir), kinds)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	checked := &Checked{Workspace: workspace, Diagnostics: problems, Sources: map[string][]byte{}}
	checked.place(dir, "")
	return checked, nil
}

// place turns the names of workspace files into paths, except that of the definition that was asked
// for, and collects their texts.
func (c *Checked) place(dir, asked string) {
	for i, one := range c.Diagnostics {
		if one.File == asked {
			continue
		}
		c.Diagnostics[i].File = filepath.Join(dir, filepath.FromSlash(one.File))
		c.Sources[c.Diagnostics[i].File] = c.Workspace.Assets[one.File]
	}
	c.Diagnostics.Sort()
}
