package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func newOutbox(a *app) *cobra.Command {
	var body bool
	command := &cobra.Command{
		Use:   "outbox",
		Short: "Show what was sent without a provider",
		Long: `Show what was written instead of sent, since no provider is configured, the
oldest first. As JSON the messages come with their bodies.`,
		Example: "  millrace outbox --body",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.outbox(command.Context(), books, body)
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().BoolVar(&body, "body", false, "also print the bodies")
	return command
}

// outbox shows a list of plan.Message.
func (a *app) outbox(ctx context.Context, books *store.Store, body bool) error {
	messages, err := books.Outbox(ctx, time.Time{}, 0)
	if err != nil {
		return err
	}
	screens, err := a.screens(ctx, books)
	if err != nil {
		return err
	}
	if messages, err = screens.messages(ctx, messages); err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	return a.show(list(messages), func(w io.Writer) {
		if body {
			printMessages(w, messages, zone)
			return
		}
		rows := [][]string{{"TIME", "CHANNEL", "TO", "SUBJECT"}}
		for _, message := range messages {
			rows = append(rows, []string{clock(message.At, zone), message.Channel, message.To, message.Subject})
		}
		table(w, rows)
	})
}

func printMessages(w io.Writer, messages []plan.Message, zone *time.Location) {
	for _, message := range messages {
		fmt.Fprintf(w, "%s  %s to %s\nSubject: %s\n\n", clock(message.At, zone), message.Channel, printable(message.To), printable(message.Subject))
		for line := range strings.Lines(strings.TrimSpace(message.Body) + "\n\n") {
			fmt.Fprintln(w, printable(strings.TrimSuffix(line, "\n")))
		}
	}
}
