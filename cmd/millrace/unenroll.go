package main

import (
	"context"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// unenrolled is the result of `millrace unenroll`.
type unenrolled struct {
	Record     string `json:"record"`
	WorkflowID string `json:"workflow_id"`
}

func newUnenroll(a *app) *cobra.Command {
	var reason string
	command := &cobra.Command{
		Use:     "unenroll WORKFLOW RECORD",
		Short:   "Take a record out of a workflow",
		Long:    "Take a record out of a workflow. An action in flight finishes first.",
		Example: "  millrace unenroll trial-nurture contact/51 --reason \"asked by phone\"",
		Args:    arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error {
			refs, err := recordArguments(args[1:])
			if err != nil {
				return err
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.unenroll(command.Context(), books, args[0], refs[0], reason)
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&reason, "reason", "", "`text` for the history")
	return command
}

func (a *app) unenroll(ctx context.Context, books *store.Store, workflow string, ref crm.Ref, reason string) error {
	if _, err := publishedWorkflow(ctx, books, workflow); err != nil {
		return err
	}
	client, done, err := a.enrollments(ctx, books)
	if err != nil {
		return err
	}
	defer done()
	if err := client.Unenroll(ctx, workflow, ref, plan.Unenroll{Detail: reason}); err != nil {
		return err
	}
	result := unenrolled{Record: ref.String(), WorkflowID: plan.WorkflowID(workflow, ref.String())}
	return a.show(result, func(w io.Writer) { fmt.Fprintf(w, "%s: leaves %s\n", ref, workflow) })
}
