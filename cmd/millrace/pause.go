package main

import (
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newPause(a *app) *cobra.Command {
	return a.onEnrollments(&cobra.Command{
		Use:   "pause WORKFLOW [RECORD...]",
		Short: "Hold records before their next action",
		Long: `Hold records before their next action, until ` + "`millrace resume`" + `. An action in
flight finishes, and a wait goes on: what it waits for is not lost.`,
		Example: "  millrace pause trial-nurture contact/51\n  millrace pause trial-nurture --at week",
	}, &operation{update: plan.UpdatePause, done: "paused"})
}
