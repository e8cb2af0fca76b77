package main

import (
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newMove(a *app) *cobra.Command {
	do := &operation{update: plan.UpdateMove, done: "moved"}
	command := a.onEnrollments(&cobra.Command{
		Use:   "move WORKFLOW [RECORD...] --to ACTION",
		Short: "Send records to another action",
		Long: `Send records that wait or are paused to another action of their workflow, forth
or back. What they leave is not done; what they did is not undone.`,
		Example: "  millrace move trial-nurture contact/51 --to offer\n  millrace move trial-nurture --at week --to offer --dry-run",
	}, do)
	command.Flags().StringVar(&do.argument, "to", "", "`action` to go on with")
	return command
}
