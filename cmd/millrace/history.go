package main

import (
	"context"
	"fmt"
	"io"
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
	command := &cobra.Command{
		Use:   "history WORKFLOW RECORD",
		Short: "Tell what happened to a record in a workflow",
		Long: `Tell what happened to a record in a workflow, over all its enrollments there,
the oldest first. Steps are counted from the start of an enrollment.`,
		Example: "  millrace history trial-nurture contact/51",
		Args:    arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error {
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
	return command
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
	entries := historyOf(journal)
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
