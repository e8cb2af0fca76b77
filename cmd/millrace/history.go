package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// historyEntry is one line of `millrace history`.
type historyEntry struct {
	At     time.Time `json:"at"`
	Step   int       `json:"step"` // the nth action that the enrollment came to; 0 = about the enrollment itself
	Node   string    `json:"node"`
	Kind   string    `json:"kind"`
	Event  string    `json:"event"` // enrolled, action_succeeded, delay_started, …
	Port   string    `json:"port"`
	Detail string    `json:"detail"`
}

func newHistory(a *app) *cobra.Command {
	var file, before string
	command := &cobra.Command{
		Use:   "history WORKFLOW RECORD",
		Short: "Tell what happened to a record in a workflow",
		Long: `Tell what happened to a record in a workflow, over all its enrollments there,
the oldest first. Steps are counted from the start of an enrollment.

--export writes what is known of all records in all workflows to a new file, a
line of JSON for each entry: save it before it is kept no longer.`,
		Example: "  millrace history trial-nurture contact/51\n  millrace history --export journal.jsonl --before 2027-01-01",
		Args:    arguments(0, 2),
		RunE: func(command *cobra.Command, args []string) error {
			switch {
			case file != "" && len(args) > 0:
				return usagef("--export writes everything: leave out WORKFLOW RECORD")
			case file == "" && before != "":
				return usagef("--before belongs to --export")
			case file == "" && len(args) != 2:
				return usagef("`%s` needs WORKFLOW RECORD or --export", command.CommandPath())
			case file != "":
				return a.withStore(command.Context(), func(books *store.Store) error {
					return a.exportJournal(command.Context(), books, file, before)
				})
			}
			refs, err := recordArguments(args[1:])
			if err != nil {
				return err
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.history(command.Context(), books, args[0], refs[0])
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&file, "export", "", "new `file` to write everything to; - is standard output")
	command.Flags().StringVar(&before, "before", "", "with --export, only what happened before this `day` in the account's time zone")
	return command
}

// exportedAtOnce is how many entries of the journal are read at once.
const exportedAtOnce = 1000

func (a *app) exportJournal(ctx context.Context, books *store.Store, file, before string) (err error) {
	until := a.Now()
	if before != "" {
		zone, err := zone(ctx, books)
		if err != nil {
			return err
		}
		day, err := crm.ParseDate(before)
		if err != nil {
			return usageError{err}
		}
		until = day.In(zone)
	}
	to := a.Stdout
	if file != "-" {
		made, err := os.OpenFile(a.absolute(file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("making the file of the export: %w", err)
		}
		defer func() { err = errors.Join(err, made.Close()) }()
		to = made
	}
	out := bufio.NewWriter(to)
	lines := json.NewEncoder(out)
	screens, err := a.screens(ctx, books)
	if err != nil {
		return err
	}
	count := 0
	for last := int64(0); ; {
		var page []plan.Entry
		if page, last, err = books.JournalBefore(ctx, until, last, exportedAtOnce); err != nil {
			return err
		}
		if page, err = screens.entries(ctx, page); err != nil {
			return err
		}
		for _, entry := range page {
			if err := lines.Encode(entry); err != nil {
				return fmt.Errorf("writing %s: %w", file, err)
			}
		}
		if count += len(page); len(page) < exportedAtOnce {
			break
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	a.note("%d entries written to %s", count, file)
	return nil
}

func (a *app) history(ctx context.Context, books *store.Store, workflow string, ref crm.Ref) error {
	if _, err := publishedWorkflow(ctx, books, workflow); err != nil {
		return err
	}
	journal, err := books.JournalOf(ctx, workflow, ref.String())
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	screen, err := a.screened(ctx, books, workflow)
	if err != nil {
		return err
	}
	entries := historyOf(screen.Entries(journal))
	return a.show(entries, func(w io.Writer) {
		if len(entries) == 0 {
			fmt.Fprintf(w, "%s was never in %s\n", ref, workflow)
			return
		}
		rows := [][]string{{"TIME", "STEP", "ACTION", "WHAT", "PORT", "DETAIL"}}
		for _, entry := range entries {
			step := ""
			if entry.Step > 0 {
				step = strconv.Itoa(entry.Step)
			}
			rows = append(rows, []string{clock(entry.At, zone), step, entry.Node, strings.ReplaceAll(entry.Event, "_", " "), entry.Port, entry.Detail})
		}
		table(w, rows)
	})
}

// historyOf numbers the steps of a journal: each visit of an action is one.
func historyOf(journal []plan.Entry) []historyEntry {
	entries := make([]historyEntry, 0, len(journal))
	visits, steps := map[string]int{}, map[string]int{} // step by key; number of steps by enrollment
	for _, entry := range journal {
		line := historyEntry{At: entry.At, Node: entry.Node, Kind: entry.Kind, Event: entry.Event, Port: entry.Port, Detail: entry.Detail}
		if entry.Key != entry.Enrollment {
			if visits[entry.Key] == 0 {
				steps[entry.Enrollment]++
				visits[entry.Key] = steps[entry.Enrollment]
			}
			line.Step = visits[entry.Key]
		}
		entries = append(entries, line)
	}
	return entries
}
