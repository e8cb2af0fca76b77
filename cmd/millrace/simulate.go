package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/spf13/cobra"
)

func newSimulate(a *app) *cobra.Command {
	var flags simulateFlags
	command := &cobra.Command{
		Use:   "simulate FILE",
		Short: "Run one journey in skipped time; nothing is sent",
		Long: `Run one record through a definition with the interpreter and the actions of
production, in skipped time. Months take milliseconds, and nothing is sent: what
would have been is listed.

--record names a JSON file:
  {"object":"contact","id":"1","properties":{…},
   "associations":[{"object":"company","id":"7","properties":{…}}]}

--events names a JSON file of what happens meanwhile, counted from the start:
  [{"after":"2d3h","type":"email_opened","properties":{…}},
   {"at":"2027-05-10T09:00:00Z","set":{"property":"value"}},
   {"after":"0s","fail":"ACTION","error":"429","times":2}]`,
		Example: "  millrace simulate workflows/welcome.yaml --record ada.json",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.simulate(command.Context(), args[0], flags)
		},
	}
	command.Flags().StringVar(&flags.record, "record", "", "JSON `file` of the record; without it an empty one")
	command.Flags().StringVar(&flags.events, "events", "", "JSON `file` of what happens meanwhile")
	command.Flags().StringVar(&flags.start, "start", "", "`instant` of enrollment in RFC 3339 (default: now)")
	command.Flags().Int64Var(&flags.seed, "seed", 0, "`number` that varies random splits")
	command.Flags().StringVar(&flags.until, "until", "", "`duration` to look ahead, as in 90d (default: two years)")
	return command
}

type simulateFlags struct {
	record, events, start, until string
	seed                         int64
}

func (a *app) simulate(ctx context.Context, path string, flags simulateFlags) error {
	start := a.Now().UTC().Truncate(time.Second)
	if flags.start != "" {
		parsed, err := time.Parse(time.RFC3339, flags.start)
		if err != nil {
			return usagef("--start %q is not an instant: write it as in 2027-03-01T09:00:00Z", flags.start)
		}
		start = parsed.UTC()
	}
	journey := testsuite.Simulation{Start: start, Seed: flags.seed}
	if flags.until != "" {
		ahead, err := crm.ParseDuration(flags.until)
		if err != nil {
			return usagef("--until: %w", err)
		}
		journey.Horizon = ahead.After(start, time.UTC, false).Sub(start)
	}
	definition, publication, err := a.compile(path, start)
	if err != nil {
		return err
	}
	journey.Workspace, journey.Workflow = publication, definition.Workflow.Text
	journey.Record = testsuite.SimulatedRecord{Object: definition.Object.Text, ID: "1"}
	if flags.record != "" {
		content, err := os.ReadFile(a.absolute(flags.record))
		if err != nil {
			return fmt.Errorf("reading the record: %w", err)
		}
		if journey.Record, err = testsuite.ParseRecord(content); err != nil {
			return fmt.Errorf("%s: %w", flags.record, err)
		}
		journey.Record.Object = cmp.Or(journey.Record.Object, definition.Object.Text)
		journey.Record.ID = cmp.Or(journey.Record.ID, "1")
	}
	if flags.events != "" {
		content, err := os.ReadFile(a.absolute(flags.events))
		if err != nil {
			return fmt.Errorf("reading the events: %w", err)
		}
		if journey.Events, err = testsuite.ParseEvents(content); err != nil {
			return fmt.Errorf("%s: %w", flags.events, err)
		}
	}
	shown, err := testsuite.Simulate(ctx, journey)
	if err != nil {
		return err
	}
	return a.show(shown, func(w io.Writer) { printSimulated(w, shown) })
}

// compile reads the definition of a file and everything that its workspace publishes. What is wrong with it is
// printed for its author.
func (a *app) compile(path string, at time.Time) (*definition.File, store.Publication, error) {
	path = a.absolute(path)
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, store.Publication{}, fmt.Errorf("reading the definition: %w", err)
	}
	folder, inside := definition.FindWorkspace(filepath.Dir(path))
	var file *definition.File
	var publication store.Publication
	var problems schema.Diagnostics
	sources := map[string][]byte{}
	if inside {
		workspace, found, err := definition.ReadWorkspace(os.DirFS(folder), a.Kinds)
		if err != nil {
			return nil, store.Publication{}, fmt.Errorf("reading the workspace %s: %w", folder, err)
		}
		problems, sources = found, workspace.Assets
		for _, candidate := range workspace.Definitions {
			if filepath.Join(folder, filepath.FromSlash(candidate.Path())) == path {
				file = candidate
			}
		}
		if file == nil {
			return nil, store.Publication{}, fmt.Errorf("%s is no definition of its workspace: put it into %s", path, filepath.Join(folder, "workflows"))
		}
		if !problems.HasErrors() {
			publication, problems, err = publish.Workspace(workspace, publish.Options{At: at})
			if err != nil {
				return nil, publication, err
			}
		}
	} else {
		file, problems = definition.Read(path, source, a.Kinds)
		problems = append(problems, file.Check(nil)...)
		sources[path] = source
		if !problems.HasErrors() {
			publication, problems, err = publish.Definition(file, publish.Options{At: at})
			if err != nil {
				return nil, publication, err
			}
		}
	}
	if problems.HasErrors() {
		problems.Sort()
		problems.Print(a.Stderr, sources, a.color(a.Stderr))
		return nil, publication, exitFailed
	}
	return file, publication, nil
}

func printSimulated(w io.Writer, shown testsuite.Simulated) {
	rows := [][]string{{"AT", "ACTION", "KIND", "PORT", "NOTE"}}
	for _, step := range shown.Steps {
		rows = append(rows, []string{step.At.Format("2006-01-02 15:04"), step.Node, step.Kind, step.Port, step.Note})
	}
	table(w, rows)
	if len(shown.Effects) > 0 {
		fmt.Fprintln(w)
		rows = [][]string{{"AT", "ACTION", "CHANNEL", "TO", "WHAT"}}
		for _, effect := range shown.Effects {
			rows = append(rows, []string{effect.At.Format("2006-01-02 15:04"), effect.Node, effect.Channel, effect.To, effect.Summary})
		}
		table(w, rows)
	}
	fmt.Fprintf(w, "\n%s", shown.Exit.Reason)
	if shown.Exit.Node != "" {
		fmt.Fprintf(w, " at %s", shown.Exit.Node)
	}
	if shown.Exit.Detail != "" {
		fmt.Fprintf(w, ": %s", shown.Exit.Detail)
	}
	fmt.Fprintln(w)
}
