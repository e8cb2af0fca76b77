package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/millrace/millrace/internal/definition"
	"github.com/spf13/cobra"
)

// drawn is one line of the result of `millrace graph`.
type drawn struct {
	Workflow string `json:"workflow"`
	Format   string `json:"format"`
	Graph    string `json:"graph"` // the drawing itself
	File     string `json:"file"`  // that it was written to; "" = none
}

// Formats of a drawing.
const (
	formatMermaid = "mermaid"
	formatSVG     = "svg"
)

// endings are those of files with drawings.
var endings = map[string]string{formatMermaid: ".mmd", formatSVG: ".svg"}

func newGraph(a *app) *cobra.Command {
	format, folder := formatMermaid, ""
	command := &cobra.Command{
		Use:   "graph [PATH]",
		Short: "Draw a definition, or those of a workspace",
		Long: `Draw a definition as a Mermaid flowchart, which GitHub and many editors show, or
as an SVG picture of its blocks. The definitions of a workspace become one
Markdown page with a flowchart each, or files in the folder of --write. Without
PATH the workspace around the working directory is drawn.`,
		Example: "  millrace graph workflows/welcome.yaml --format svg",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := a.workspaceArgument(args)
			if err != nil {
				return err
			}
			return a.graph(path, format, folder)
		},
	}
	command.Flags().Var(&choice{&format, []string{formatMermaid, formatSVG}}, "format", "form of the drawing")
	command.Flags().StringVar(&folder, "write", "", "`folder` to write a file for each workflow into")
	return command
}

func (a *app) graph(path, format, folder string) error {
	checked, err := a.read(path)
	if err != nil {
		return err
	}
	if checked.Diagnostics.HasErrors() {
		checked.Diagnostics.Print(a.Stderr, checked.Sources, a.color(a.Stderr))
		return exitFailed
	}
	files := []*definition.File{checked.File}
	if checked.File == nil {
		files = checked.Workspace.Definitions
	}
	if format == formatSVG && checked.File == nil && folder == "" && a.output == outputText {
		return usagef("the pictures of a workspace are files: name a definition, or a folder with --write")
	}
	drawings := []drawn{}
	for _, file := range files {
		one := drawn{Workflow: file.Workflow.Text, Format: format, Graph: file.Mermaid()}
		if format == formatSVG {
			one.Graph = file.SVG()
		}
		if folder != "" {
			one.File = filepath.Join(folder, one.Workflow+endings[format])
			if err := writeFile(a.absolute(one.File), []byte(one.Graph)); err != nil {
				return fmt.Errorf("writing the drawing of %s: %w", one.Workflow, err)
			}
		}
		drawings = append(drawings, one)
	}
	return a.show(drawings, func(w io.Writer) {
		for i, one := range drawings {
			switch {
			case folder != "":
				fmt.Fprintln(w, one.File)
			case checked.File != nil:
				fmt.Fprint(w, one.Graph)
			default:
				if i > 0 {
					fmt.Fprintln(w)
				}
				fmt.Fprintf(w, "## %s\n\n```mermaid\n%s```\n", one.Workflow, one.Graph)
			}
		}
	})
}
