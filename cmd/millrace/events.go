package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// shownEvent is one line of `millrace events`.
type shownEvent struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	At         time.Time      `json:"at"`
	Record     string         `json:"record"`
	Source     string         `json:"source"` // key of the step that it answers
	Properties map[string]any `json:"properties"`
}

// rejectedEvent is one line of `millrace events --rejected`.
type rejectedEvent struct {
	At      time.Time `json:"at"`
	Origin  string    `json:"origin"` // the stream and the place in it
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail"`
	Content string    `json:"content"` // as it came
}

func newEvents(a *app) *cobra.Command {
	var rejected bool
	var limit int
	command := &cobra.Command{
		Use:   "events RECORD | --rejected",
		Short: "Show the events of a record, or what was rejected",
		Long: `Show the events of a record, the newest first. With --rejected show what streams
brought and cannot be an event, with the reason: mend the sender and let it send
them again.`,
		Example: "  millrace events contact/51\n  millrace events --rejected -o json",
		Args:    arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error {
			if rejected == (len(args) == 1) {
				return usagef("`millrace events` needs RECORD or --rejected")
			}
			refs, err := recordArguments(args)
			if err != nil {
				return err
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				if rejected {
					return a.rejectedEvents(command.Context(), books, limit)
				}
				return a.events(command.Context(), books, refs[0], limit)
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().BoolVar(&rejected, "rejected", false, "show what was rejected")
	command.Flags().IntVar(&limit, "limit", 100, "at most this `number`; 0 is all")
	return command
}

func (a *app) events(ctx context.Context, books *store.Store, ref crm.Ref, limit int) error {
	found, err := books.EventsOf(ctx, ref, limit)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lines, rows := []shownEvent{}, [][]string{{"TIME", "TYPE", "ID", "PROPERTIES"}}
	for _, one := range found {
		lines = append(lines, shownEvent{one.ID, one.Type, one.At, one.Record.String(), one.Source, one.Properties})
		properties := ""
		if len(one.Properties) > 0 {
			text, err := json.Marshal(one.Properties)
			if err != nil {
				return err
			}
			properties = string(text)
		}
		rows = append(rows, []string{clock(one.At, zone), one.Type, one.ID, properties})
	}
	return a.show(lines, func(w io.Writer) { table(w, rows) })
}

func (a *app) rejectedEvents(ctx context.Context, books *store.Store, limit int) error {
	found, err := books.RejectedEvents(ctx, limit)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lines, rows := []rejectedEvent{}, [][]string{{"TIME", "ORIGIN", "REASON", "DETAIL"}}
	for _, one := range found {
		lines = append(lines, rejectedEvent{one.At, one.Origin, one.Reason, one.Detail, string(one.Content)})
		rows = append(rows, []string{clock(one.At, zone), one.Origin, one.Reason, one.Detail})
	}
	return a.show(lines, func(w io.Writer) { table(w, rows) })
}
