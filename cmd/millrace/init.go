package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/examples"
	"github.com/spf13/cobra"
)

// usualTemplate is the workspace that `millrace init` writes when none is named.
const usualTemplate = "minimal"

// initialized is the result of `millrace init`.
type initialized struct {
	Folder   string   `json:"folder"`
	Template string   `json:"template"`
	Files    []string `json:"files"` // with slashes, as seen from the folder
}

func newInit(a *app) *cobra.Command {
	template := usualTemplate
	command := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a workspace to begin with",
		Long: `Write a workspace to begin with into DIR, or into the working directory. A
folder that holds anything but .git is left alone.

Templates: ` + strings.Join(templates(), ", ") + `.`,
		Example: "  millrace init my-workspace --template trial-nurture",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.init(strings.Join(args, ""), template)
		},
	}
	command.Flags().StringVar(&template, "template", template, "`name` of the workspace to copy")
	return command
}

// templates are the names of the workspaces that can be copied.
func templates() (names []string) {
	folders, _ := fs.ReadDir(examples.Files, ".") // a folder of this program
	for _, folder := range folders {
		names = append(names, folder.Name())
	}
	return names
}

func (a *app) init(path, template string) error {
	if !slices.Contains(templates(), template) {
		return usagef("there is no template %q%s", template, cmp.Or(didYouMean(template, templates()), ": choose "+strings.Join(templates(), " or ")))
	}
	folder := a.absolute(path)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making a workspace: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != ".git" {
			return fmt.Errorf("%s is not empty: name a new folder, as in `millrace init my-workspace`", cmp.Or(path, folder))
		}
	}
	source, err := fs.Sub(examples.Files, template)
	if err != nil {
		return err
	}
	made := initialized{Folder: folder, Template: template}
	err = fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		made.Files = append(made.Files, name)
		content, err := fs.ReadFile(source, name)
		return errors.Join(err, writeFile(filepath.Join(folder, filepath.FromSlash(name)), content))
	})
	if err != nil {
		return fmt.Errorf("making a workspace in %s: %w", folder, err)
	}
	return a.show(made, func(w io.Writer) {
		for _, name := range made.Files {
			fmt.Fprintln(w, filepath.Join(path, filepath.FromSlash(name)))
		}
		fmt.Fprintln(w, "\nNext:")
		if path != "" {
			fmt.Fprintf(w, "  cd %s\n", path)
		}
		fmt.Fprint(w, "  millrace check    # every mistake\n  millrace test     # journeys in skipped time\n  millrace dev      # run it on this machine\n")
	})
}
