package main

import (
	"github.com/millrace/millrace/internal/plan"
	"github.com/spf13/cobra"
)

func newSkipWait(a *app) *cobra.Command {
	return a.onEnrollments(&cobra.Command{
		Use:   "skip-wait WORKFLOW [RECORD...]",
		Short: "End the present wait of records",
		Long: `End the present wait of records, as if its time had come. Who waits for an event
goes on as without it. A record that does not wait is told of, and stays.`,
		Example: "  millrace skip-wait trial-nurture contact/51\n  millrace skip-wait trial-nurture --matching '{property: city, is: Rome}'",
	}, &operation{update: plan.UpdateSkipWait, done: "its wait is over"})
}
