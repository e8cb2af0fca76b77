package main

import (
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newResume(a *app) *cobra.Command {
	return a.onEnrollments(&cobra.Command{
		Use:     "resume WORKFLOW [RECORD...]",
		Short:   "Let paused records go on",
		Long:    `Let paused records go on. Those that are not paused go on as they are.`,
		Example: "  millrace resume trial-nurture contact/51 contact/52\n  millrace resume trial-nurture --all --rate 10/s",
	}, &operation{update: plan.UpdateResume, done: "goes on"})
}
