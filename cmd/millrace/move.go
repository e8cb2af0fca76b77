package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newMove(a *app) *cobra.Command {
	var to string
	command := a.onEnrollments(&cobra.Command{
		Use:   "move WORKFLOW RECORD... --to ACTION",
		Short: "Send records to another action",
		Long: `Send records that wait or are paused to another action of their workflow, forth
or back. What they leave is not done; what they did is not undone.`,
		Example: "  millrace move trial-nurture contact/51 --to offer",
	}, "moved", func(ctx context.Context, client *enroll.Client, newest plan.Revision, ref crm.Ref) error {
		err := client.Update(ctx, newest.Workflow, ref, plan.UpdateMove, plan.Move{Node: to})
		if _, there := newest.Plan.Nodes[to]; err != nil && !there {
			err = fmt.Errorf("%w%s", err, didYouMean(to, slices.Collect(maps.Keys(newest.Plan.Nodes))))
		}
		return err
	})
	command.Flags().StringVar(&to, "to", "", "`action` to go on with")
	run := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		if to == "" {
			return usagef("`millrace move` needs --to ACTION")
		}
		return run(command, args)
	}
	return command
}
