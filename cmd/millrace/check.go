package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/schema"
	"github.com/spf13/cobra"
)

// diagnosed is the result of `millrace check`.
type diagnosed struct {
	Diagnostics schema.Diagnostics `json:"diagnostics"`
}

func newCheck(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "check [PATH]",
		Short: "Find every mistake in a workspace or a definition",
		Long: `Find every mistake in a workspace, or in one definition, which is checked
against the workspace around it. Without PATH the workspace around the working
directory is checked. Errors make the command fail, warnings do not.

With -o github the problems are annotations of a GitHub Actions run.`,
		Example: "  millrace check examples/trial-nurture",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := a.workspaceArgument(args)
			if err != nil {
				return err
			}
			return a.check(path)
		},
	}
	command.Flags().VarP(&choice{&a.output, []string{outputText, outputJSON, outputGitHub}}, "output", "o", "form of the result on standard output")
	return command
}

// workspaceArgument is the path that was given, else the workspace around the working directory.
func (a *app) workspaceArgument(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	folder, found := definition.FindWorkspace(a.Folder)
	if !found {
		return "", fmt.Errorf("no workspace: neither %s nor a folder above it has a %s; name a workspace", a.Folder, definition.WorkspaceFile)
	}
	return filepath.Rel(a.Folder, folder)
}

// read checks what stands at a path on the command line. Diagnostics name files as the path does: a relative one
// is seen from the working directory.
func (a *app) read(path string) (*definition.Checked, error) {
	checked, err := definition.CheckPath(a.absolute(path), a.Kinds)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if filepath.IsAbs(path) {
		return checked, nil
	}
	sources := map[string][]byte{}
	for i := range checked.Diagnostics {
		problem := &checked.Diagnostics[i]
		source := checked.Sources[problem.File]
		if short, err := filepath.Rel(a.Folder, problem.File); err == nil {
			problem.File = short
		}
		sources[problem.File] = source
	}
	checked.Sources = sources
	return checked, nil
}

func (a *app) check(path string) error {
	checked, err := a.read(path)
	if err != nil {
		return err
	}
	problems := checked.Diagnostics
	if a.output == outputGitHub {
		problems.PrintGitHub(a.Stdout)
	} else if err := a.show(diagnosed{list(problems)}, func(w io.Writer) {
		problems.Print(w, checked.Sources, a.color(a.Stdout))
	}); err != nil {
		return err
	}
	if len(problems) > 0 {
		a.note("%s: %s", path, tally(problems))
	}
	if problems.HasErrors() {
		return exitFailed
	}
	return nil
}

// tally counts problems in words.
func tally(problems schema.Diagnostics) string {
	errors, warnings := 0, 0
	for _, one := range problems {
		if one.Severity == schema.Error {
			errors++
		} else {
			warnings++
		}
	}
	return counted(errors, "error") + ", " + counted(warnings, "warning")
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
