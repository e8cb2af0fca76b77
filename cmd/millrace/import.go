package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/importer"
	"github.com/spf13/cobra"
)

func newImport(a *app) *cobra.Command {
	imports := &cobra.Command{
		Use:     "import",
		Short:   "Turn the workflows of another product into definitions",
		Example: "  millrace import hubspot flow.json -o my-workspace",
		RunE:    needsSubcommand,
	}
	imports.Args = subcommandOf(imports)
	folder := ""
	hubspot := &cobra.Command{
		Use:   "hubspot FILE...",
		Short: "Import HubSpot workflows",
		Long: `Write a workspace from HubSpot workflows: the answers of
GET /automation/v4/flows/{id}, or lists of them; - is standard input. A report
tells what is runnable, what was left as a placeholder and why, and which ids
need a mapping.

-o DIR is the folder to write to; by default it is the workspace around the
working directory, or that directory itself. -o json or -o text, also beside
-o DIR, is the form of the report: write ./json for a folder of that name.

Files that are there are kept; a definition that differs is reported, and an
import into another folder shows the new one.

When something was left as a placeholder, the command exits with 3.`,
		Example: "  millrace import hubspot flow.json -o my-workspace -o json",
		Args:    arguments(1, -1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.importHubSpot(args, folder) },
	}
	hubspot.Flags().VarP(&target{choice{&a.output, []string{outputText, outputJSON}}, &folder}, "output", "o", "folder to write to, or the form of the report")
	imports.AddCommand(hubspot)
	return imports
}

// target is the flag -o of an import: a form of output, or else a folder.
type target struct {
	choice
	folder *string
}

func (t *target) Type() string { return "DIR|" + t.choice.Type() }

func (t *target) Set(value string) error {
	if slices.Contains(t.allowed, value) {
		return t.choice.Set(value)
	}
	*t.folder = value
	return nil
}

func (a *app) importHubSpot(files []string, folder string) error {
	sources := map[string][]byte{}
	for _, file := range files {
		content, err := a.readFile(file)
		if err != nil {
			return fmt.Errorf("importing: %w", err)
		}
		sources[file] = content
	}
	if folder == "" {
		folder, _ = definition.FindWorkspace(a.Folder)
	}
	folder = a.absolute(folder)
	imported, err := importer.Import(sources, importer.Options{Read: func(path string) ([]byte, bool) {
		content, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(path)))
		return content, !errors.Is(err, fs.ErrNotExist)
	}})
	if err != nil {
		return fmt.Errorf("importing: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(imported.Files)) {
		if err := writeFile(filepath.Join(folder, filepath.FromSlash(name)), imported.Files[name]); err != nil {
			return fmt.Errorf("writing the workspace: %w", err)
		}
	}
	a.note("written to %s", folder)
	if err := a.show(imported.Report, func(w io.Writer) { _ = imported.Report.Print(w) }); err != nil { // into memory
		return err
	}
	if imported.Report.Placeholders() > 0 {
		return exitPlaceholders
	}
	return nil
}
