package main

import (
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newUnenroll(a *app) *cobra.Command {
	do := &operation{update: plan.UpdateUnenroll, done: "leaves"}
	command := a.onEnrollments(&cobra.Command{
		Use:     "unenroll WORKFLOW [RECORD...]",
		Short:   "Take records out of a workflow",
		Long:    `Take records out of a workflow. An action in flight finishes first.`,
		Example: "  millrace unenroll trial-nurture contact/51 --reason \"asked by phone\"\n  millrace unenroll trial-nurture --at week --dry-run",
	}, do)
	command.Flags().StringVar(&do.argument, "reason", "", "`text` for the history")
	return command
}
