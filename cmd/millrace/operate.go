package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// operated is one line of the result of `millrace pause`, `resume`, `skip-wait`, `move` and `unenroll`.
type operated struct {
	Record     string `json:"record"`
	WorkflowID string `json:"workflow_id"`
	Error      string `json:"error"` // "" = it is done
}

// operation is what an operator wants of records in a workflow.
type operation struct {
	update   string // one of the interpreter, as in plan.UpdatePause
	done     string // what came of it, behind a record's name
	argument string // of a move where to; of an unenrollment why
}

// do does an operation to one record.
func (o operation) do(ctx context.Context, client *enroll.Client, newest plan.Revision, ref crm.Ref) error {
	switch o.update {
	case plan.UpdateUnenroll:
		return client.Unenroll(ctx, newest.Workflow, ref, plan.Unenroll{Detail: o.argument})
	case plan.UpdateMove:
		err := client.Update(ctx, newest.Workflow, ref, o.update, plan.Move{Node: o.argument})
		if _, there := newest.Plan.Nodes[o.argument]; err != nil && !there {
			err = fmt.Errorf("%w%s", err, didYouMean(o.argument, slices.Collect(maps.Keys(newest.Plan.Nodes))))
		}
		return err
	default:
		return client.Update(ctx, newest.Workflow, ref, o.update)
	}
}

// onEnrollments makes a command do an operation to the enrollments that WORKFLOW RECORD... names, or to many.
func (a *app) onEnrollments(command *cobra.Command, do *operation) *cobra.Command {
	many := selection{rate: 50}
	command.Long += `

Instead of records, --at, --matching and --all select from those inside. That is
a job: it goes at --rate, and what came of each is kept. A job that was cut goes
on with --job, and does to nobody twice what it did. --dry-run only lists whom
it would be about.`
	command.Args = arguments(0, -1)
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := many.check(command, args); err != nil {
			return err
		}
		if many.job == 0 && do.update == plan.UpdateMove && do.argument == "" {
			return usagef("`%s` needs --to ACTION", command.CommandPath())
		}
		return a.withStore(command.Context(), func(books *store.Store) error {
			switch {
			case many.job > 0:
				return a.goOn(command.Context(), books, *do, many)
			case many.selects():
				return a.operateMany(command.Context(), books, args[0], *do, many)
			}
			refs, err := recordArguments(args[1:])
			if err != nil {
				return err
			}
			return a.operate(command.Context(), books, args[0], refs, *do)
		})
	}
	a.databaseFlag(command)
	many.flags(command)
	return command
}

func (a *app) operate(ctx context.Context, books *store.Store, workflow string, refs []crm.Ref, do operation) error {
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
		err := a.audited(ctx, books, do.update, workflow+"/"+ref.String(), func() error { return do.do(ctx, client, newest, ref) })
		if err != nil {
			line.Error = oneLine(err)
			if errors.Is(err, enroll.ErrNotInside) {
				line.Error += fmt.Sprintf(": `millrace why %s %s` says what became of it", workflow, ref)
			}
			failed++
		}
		lines = append(lines, line)
	}
	if err := a.show(lines, func(w io.Writer) {
		for _, line := range lines {
			if line.Error == "" {
				fmt.Fprintf(w, "%s: %s\n", line.Record, do.done)
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
