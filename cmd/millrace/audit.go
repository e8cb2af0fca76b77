package main

import (
	"context"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func newAudit(a *app) *cobra.Command {
	var filter store.DeedFilter
	command := &cobra.Command{
		Use:   "audit",
		Short: "Show who did what",
		Long: `Show who did what, the newest first: publishing, switching, enrolling, what
operators do to enrollments, changes of records, keys. What was before and what
became of it come with -o json.`,
		Example: "  millrace audit --subject contact/51",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error { return a.audit(command.Context(), books, filter) })
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&filter.Actor, "actor", "", "only what this `user` or key did")
	command.Flags().StringVar(&filter.Action, "action", "", "only this `action`, as in record.set")
	command.Flags().StringVar(&filter.Subject, "subject", "", "only what was done to this `subject`: a record, a workflow, a record in a workflow, a key")
	command.Flags().IntVar(&filter.Limit, "limit", 100, "at most this `number`; 0 is all")
	return command
}

// audit shows a list of store.Deed.
func (a *app) audit(ctx context.Context, books *store.Store, filter store.DeedFilter) error {
	deeds, err := books.Deeds(ctx, filter)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	return a.show(list(deeds), func(w io.Writer) {
		rows := [][]string{{"TIME", "WHO", "VIA", "ACTION", "SUBJECT", "CHANGE"}}
		for _, deed := range deeds {
			change := string(deed.After)
			switch {
			case deed.Failed != "":
				change = "failed: " + deed.Failed
			case len(deed.Before) > 0:
				change = fmt.Sprintf("%s → %s", deed.Before, deed.After)
			}
			rows = append(rows, []string{clock(deed.At, zone), deed.Actor, deed.Via, deed.Action, deed.Subject, change})
		}
		table(w, rows)
	})
}
