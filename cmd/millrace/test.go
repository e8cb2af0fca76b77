package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/spf13/cobra"
)

// tested is the result of one scenario.
type tested struct {
	Scenario   string `json:"scenario"`
	OK         bool   `json:"ok"`
	Difference string `json:"difference"` // between what is wanted and what was shown
}

func newTest(a *app) *cobra.Command {
	var update bool
	command := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run the scenarios of a workspace",
		Long: `Run the scenarios in tests/ of a workspace: each takes a record through a
workflow in skipped time and compares what happens with what is wanted.

A scenario is a txtar file. Its head names workflow and start; its parts are
record.json and events.json, as for ` + "`millrace simulate`" + `, and what is wanted:
timeline, effects, history, exit. Parts that are left out are not compared.

A scenario with a part "happens" is about who enters and leaves: each of its
lines is something that happens to a record, as in
  2027-03-01 09:00 contact/1 is {"city": "Rome"}
or to a workflow, as in "workflow/welcome turns off",
and its part "follows" is who then enters which workflow, is refused or leaves.
Who enters the workflow in the head, if it has one, goes through its actions,
one record after the other.

A part that is named as a file of the workspace, as workflows/welcome.yaml,
takes its place. With "longer: workflows/welcome.yaml" the line
  2027-03-05 09:00 workflow/welcome becomes longer
publishes that, with the rest of the workspace. A line that says nothing known
is answered with all that a line can say.`,
		Example: "  millrace test examples/trial-nurture",
		Args:    arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error {
			folder, err := a.workspaceArgument(args)
			if err != nil {
				return err
			}
			return a.test(command.Context(), folder, update)
		},
	}
	command.Flags().BoolVar(&update, "update", false, "write what happens into the scenarios")
	return command
}

func (a *app) test(ctx context.Context, folder string, update bool) error {
	folder = a.absolute(folder)
	if _, err := a.published(folder); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "tests", "*.txtar"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no scenarios: there is no *.txtar in %s", filepath.Join(folder, "tests"))
	}
	results, failed := []tested{}, false
	for _, file := range files {
		result, err := a.scenario(ctx, file, os.DirFS(folder), update)
		if err != nil {
			return err
		}
		results = append(results, result)
		failed = failed || !result.OK
	}
	if err := a.show(results, func(w io.Writer) { printTested(w, results) }); err != nil {
		return err
	}
	if failed {
		return exitFailed
	}
	return nil
}

// published is what a workspace without errors publishes.
func (a *app) published(folder string) (store.Publication, error) {
	workspace, problems, err := definition.ReadWorkspace(os.DirFS(folder), a.Kinds)
	if err != nil {
		return store.Publication{}, fmt.Errorf("reading the workspace %s: %w", folder, err)
	}
	if problems.HasErrors() {
		problems.Print(a.Stderr, workspace.Assets, a.color(a.Stderr))
		return store.Publication{}, exitFailed
	}
	publication, problems, err := publish.Workspace(workspace, publish.Options{At: a.Now()})
	if err == nil && problems.HasErrors() {
		problems.Print(a.Stderr, workspace.Assets, a.color(a.Stderr))
		err = exitFailed
	}
	return publication, err
}

func (a *app) scenario(ctx context.Context, file string, workspace fs.FS, update bool) (tested, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return tested{}, fmt.Errorf("reading a scenario: %w", err)
	}
	name := filepath.Base(file)
	scenario, problems := testsuite.ReadScenario(name, content)
	if problems.HasErrors() {
		problems.Print(a.Stderr, map[string][]byte{name: content}, a.color(a.Stderr))
		return tested{Scenario: name, Difference: problems[0].Message}, nil
	}
	difference, err := scenario.Run(ctx, workspace)
	if err != nil {
		return tested{}, err
	}
	if update && difference != "" {
		difference = ""
		err = os.WriteFile(file, scenario.Content(), 0o644)
	}
	return tested{Scenario: name, OK: difference == "", Difference: difference}, err
}

func printTested(w io.Writer, results []tested) {
	for _, result := range results {
		if result.OK {
			fmt.Fprintf(w, "ok    %s\n", result.Scenario)
		} else {
			fmt.Fprintf(w, "FAIL  %s\n%s", result.Scenario, result.Difference)
		}
	}
}
