package main

import (
	"context"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// operated is one line of the result of `millrace pause`, `resume`, `skip-wait` and `move`.
type operated struct {
	Record     string `json:"record"`
	WorkflowID string `json:"workflow_id"`
	Error      string `json:"error"` // "" = it is done
}

// operation is what an operator wants of a record in a workflow, whose newest revision it is given.
type operation func(ctx context.Context, client *enroll.Client, newest plan.Revision, ref crm.Ref) error

// updating is an operation that is a Temporal update without an argument.
func updating(update string) operation {
	return func(ctx context.Context, client *enroll.Client, newest plan.Revision, ref crm.Ref) error {
		return client.Update(ctx, newest.Workflow, ref, update)
	}
}

// onEnrollments makes a command do something to the enrollments that WORKFLOW RECORD... name. done says what came of it.
func (a *app) onEnrollments(command *cobra.Command, done string, do operation) *cobra.Command {
	command.Args = arguments(2, -1)
	command.RunE = func(command *cobra.Command, args []string) error {
		refs, err := recordArguments(args[1:])
		if err != nil {
			return err
		}
		return a.withStore(command.Context(), func(books *store.Store) error {
			return a.operate(command.Context(), books, args[0], refs, done, do)
		})
	}
	a.databaseFlag(command)
	return command
}

func (a *app) operate(ctx context.Context, books *store.Store, workflow string, refs []crm.Ref, done string, do operation) error {
	newest, err := publishedWorkflow(ctx, books, workflow)
	if err != nil {
		return err
	}
	client, hangUp, err := a.enrollments(ctx, books)
	if err != nil {
		return err
	}
	defer hangUp()
	lines, failed := []operated{}, 0
	for _, ref := range refs {
		line := operated{Record: ref.String(), WorkflowID: plan.WorkflowID(workflow, ref.String())}
		if err := do(ctx, client, newest, ref); err != nil {
			line.Error = oneLine(err)
			failed++
		}
		lines = append(lines, line)
	}
	if err := a.show(lines, func(w io.Writer) {
		for _, line := range lines {
			if line.Error == "" {
				fmt.Fprintf(w, "%s: %s\n", line.Record, done)
			}
		}
	}); err != nil {
		return err
	}
	for _, line := range lines {
		if line.Error != "" {
			a.note("millrace: %s", line.Error)
		}
	}
	if failed > 0 {
		return exitFailed
	}
	return nil
}
