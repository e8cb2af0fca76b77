package main

import (
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newResume(a *app) *cobra.Command {
	return a.onEnrollments(&cobra.Command{
		Use:     "resume WORKFLOW RECORD...",
		Short:   "Let paused records go on",
		Example: "  millrace resume trial-nurture contact/51 contact/52",
	}, "goes on", updating(plan.UpdateResume))
}
