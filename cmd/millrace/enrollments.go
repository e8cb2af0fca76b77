package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func newEnrollments(a *app) *cobra.Command {
	var filter store.EnrollmentFilter
	var all bool
	command := &cobra.Command{
		Use:   "enrollments WORKFLOW",
		Short: "List who is in a workflow, and where",
		Long: `List the open enrollments of a workflow, the newest first. With --all those that
ended and those that were refused are listed too.`,
		Example: "  millrace enrollments trial-nurture --at opened",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			filter.Workflow, filter.OpenOnly = args[0], !all
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.enrollmentsOf(command.Context(), books, filter)
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&filter.Node, "at", "", "only those that stand at this `action`")
	command.Flags().BoolVar(&all, "all", false, "also those that ended or were refused")
	command.Flags().IntVar(&filter.Limit, "limit", 0, "at most this `number`; 0 is all")
	return command
}

// enrollmentsOf shows a list of plan.Enrollment.
func (a *app) enrollmentsOf(ctx context.Context, books *store.Store, filter store.EnrollmentFilter) error {
	revision, err := publishedWorkflow(ctx, books, filter.Workflow)
	if err != nil {
		return err
	}
	found, err := books.Enrollments(ctx, filter)
	if err != nil {
		return err
	}
	if _, known := revision.Plan.Nodes[filter.Node]; filter.Node != "" && !known && len(found) == 0 {
		return fmt.Errorf("workflow %s has no action %q%s", filter.Workflow, filter.Node,
			didYouMean(filter.Node, slices.Collect(maps.Keys(revision.Plan.Nodes))))
	}
	screen, err := a.screened(ctx, books, filter.Workflow)
	if err != nil {
		return err
	}
	for i := range found {
		found[i] = screen.Enrollment(found[i])
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	return a.show(list(found), func(w io.Writer) {
		rows := [][]string{{"RECORD", "STATE", "AT", "SINCE", "UNTIL"}}
		for _, one := range found {
			rows = append(rows, enrollmentRow(one, zone))
		}
		table(w, rows)
	})
}

func enrollmentRow(one plan.Enrollment, zone *time.Location) []string {
	switch {
	case one.Exit != "":
		return []string{one.Record, one.Exit, one.ExitNode, clock(one.Closed, zone)}
	case one.Standing.Awaits != "":
		return []string{one.Record, "waits for " + one.Standing.Awaits, one.Standing.Node, clock(one.Standing.Arrived, zone), clock(one.Standing.Until, zone)}
	case !one.Standing.Until.IsZero():
		return []string{one.Record, "waits", one.Standing.Node, clock(one.Standing.Arrived, zone), clock(one.Standing.Until, zone)}
	}
	return []string{one.Record, "active", one.Standing.Node, clock(one.Standing.Arrived, zone)}
}
