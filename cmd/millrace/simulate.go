package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/publish"
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
   {"after":"0s","fail":"ACTION","error":"429","times":2},
   {"after":"0s","answer":"ACTION","with":{"topic":"price"},"times":1},
   {"after":"3d","switch":"pause"}]

Nobody is asked anything: a webhook is answered 200 and {}, a language model by
a specimen of what it was asked for, and a provider of enrichment knows nothing.
"answer" says otherwise: with the body of a webhook, the text of a model or its
outputs as an object, or the properties that a provider knows. Answers with
"times" come first, and of the others the last one counts.`,
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
	journey := testsuite.Simulation{Start: start, Seed: flags.seed, Scripts: a.Scripts}
	if flags.until != "" {
		ahead, err := crm.ParseDuration(flags.until)
		if err != nil {
			return usagef("--until: %w", err)
		}
		if ahead.Negative() {
			return usagef("--until %q lies before the start", flags.until)
		}
		journey.Until = ahead.After(start, time.UTC, false)
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
			return a.mistaken(flags.events, fmt.Errorf("%s: %w", flags.events, err))
		}
	}
	for _, id := range definition.Placeholders() {
		a.note("warning: %s is a placeholder: it is passed over", id)
	}
	shown, err := testsuite.Simulate(ctx, journey)
	if err != nil {
		return a.mistaken(flags.events, err)
	}
	return a.show(shown, func(w io.Writer) { printSimulated(w, shown) })
}

// mistaken prints what is wrong with the entries of --events, a line for each, for their author.
func (a *app) mistaken(events string, err error) error {
	var mistakes testsuite.Mistakes
	if !errors.As(err, &mistakes) {
		return err
	}
	for _, mistake := range mistakes {
		a.note("%s: %s", events, printable(mistake))
	}
	return exitFailed
}

// compile reads the definition of a file and what its workspace publishes with it. What is wrong with it is printed
// for its author.
func (a *app) compile(path string, at time.Time) (*definition.File, store.Publication, error) {
	checked, err := a.read(path)
	if err != nil {
		return nil, store.Publication{}, err
	}
	if checked.File == nil {
		return nil, store.Publication{}, usagef("%s is a folder: name a definition", path)
	}
	var publication store.Publication
	problems := checked.Diagnostics
	if !problems.HasErrors() {
		options := publish.Options{At: at}
		if checked.Workspace == nil {
			publication, problems, err = publish.Definition(checked.File, options)
		} else {
			checked.Workspace.Definitions = []*definition.File{checked.File}
			publication, problems, err = publish.Workspace(checked.Workspace, options)
		}
	}
	if err == nil && problems.HasErrors() {
		problems.Print(a.Stderr, checked.Sources, a.color(a.Stderr))
		err = exitFailed
	}
	return checked.File, publication, err
}

func printSimulated(w io.Writer, shown testsuite.Simulated) {
	rows := [][]string{{"AT (UTC)", "ACTION", "KIND", "PORT", "NOTE"}}
	for _, step := range shown.Steps {
		rows = append(rows, []string{step.At.Format("2006-01-02 15:04"), step.Node, step.Kind, step.Port, step.Note})
	}
	table(w, rows)
	if len(shown.Effects) > 0 {
		fmt.Fprintln(w)
		rows = [][]string{{"AT (UTC)", "ACTION", "CHANNEL", "TO", "WHAT"}}
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
