package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/ingest"
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
	By         string         `json:"by"`     // who told it; "" = Millrace itself
	Properties map[string]any `json:"properties"`
}

// rejectedEvent is one line of `millrace events --rejected`.
type rejectedEvent struct {
	Number  int64     `json:"number"` // what send-again takes
	At      time.Time `json:"at"`
	Origin  string    `json:"origin"` // the stream and the place in it
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail"`
	Content string    `json:"content"`       // as it came
	Sent    time.Time `json:"sent,omitzero"` // when it was sent again
	Events  []string  `json:"events"`        // what it became then: records with the ids of events
}

// sentAgain is one line of `millrace events send-again`.
type sentAgain struct {
	Number int64           `json:"number"`
	Events []ingest.Result `json:"events"`
	Error  string          `json:"error"` // "" = it is taken
}

func newEvents(a *app) *cobra.Command {
	var rejected bool
	var limit int
	command := &cobra.Command{
		Use:   "events RECORD | --rejected",
		Short: "Show the events of a record, or what was rejected",
		Long: `Show the events of a record, the newest first, and who sent them. With
--rejected show what streams brought and could not be an event, with the reason.`,
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
	again := &cobra.Command{
		Use:   "send-again NUMBER...",
		Short: "Send events again that were rejected",
		Long: `Send events of streams again that were rejected, by the numbers that
` + "`millrace events --rejected`" + ` shows: once the reason is gone, as when its time
has come or a newer release reads it. Each is taken as it came, and once.`,
		Example: "  millrace events send-again 17 18",
		Args:    arguments(1, -1),
		RunE: a.withBooks(func(ctx context.Context, books *store.Store, args []string) error {
			return a.sendAgain(ctx, books, args)
		}),
	}
	a.databaseFlag(again)
	command.AddCommand(again)
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
	lines, rows := []shownEvent{}, [][]string{{"TIME", "TYPE", "ID", "BY", "PROPERTIES"}}
	for _, one := range found {
		lines = append(lines, shownEvent{one.ID, one.Type, one.At, one.Record.String(), one.Source, one.By, one.Properties})
		properties := ""
		if len(one.Properties) > 0 {
			text, err := json.Marshal(one.Properties)
			if err != nil {
				return err
			}
			properties = string(text)
		}
		rows = append(rows, []string{clock(one.At, zone), one.Type, one.ID, one.By, properties})
	}
	return a.show(lines, func(w io.Writer) { table(w, rows) })
}

func (a *app) rejectedEvents(ctx context.Context, books *store.Store, limit int) error {
	found, err := books.RejectedEvents(ctx, 0, limit)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lines, rows := []rejectedEvent{}, [][]string{{"NUMBER", "TIME", "ORIGIN", "REASON", "DETAIL", "SENT AGAIN"}}
	for _, one := range found {
		lines = append(lines, rejectedEvent{one.Seq, one.At, one.Origin, one.Reason, one.Detail, string(one.Content), one.Sent, one.Events})
		rows = append(rows, []string{strconv.FormatInt(one.Seq, 10), clock(one.At, zone), one.Origin, one.Reason, one.Detail, clock(one.Sent, zone)})
	}
	return a.show(lines, func(w io.Writer) { table(w, rows) })
}

func (a *app) sendAgain(ctx context.Context, books *store.Store, numbers []string) error {
	lines, failed := []sentAgain{}, false
	for _, text := range numbers {
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return usagef("%q is not a number that `millrace events --rejected` shows", text)
		}
		lines = append(lines, sentAgain{Number: number})
	}
	door := ingest.NewDoor(books, a.Now, a.log(slog.LevelWarn))
	for i := range lines {
		line := &lines[i]
		var err error
		line.Events, err = door.SendAgain(ctx, line.Number, a.deed(store.DeedSendAgain, "", nil, nil))
		switch {
		case errors.Is(err, crm.ErrNotFound):
			line.Error = "there is no rejected event of this number"
		case errors.Is(err, ingest.ErrTaken):
			line.Error = oneLine(err)
		case err != nil:
			return err
		case line.Events[0].Problem != nil:
			line.Error = "it is rejected once more: " + line.Events[0].Problem.Error()
		}
		line.Events = list(line.Events)
		failed = failed || line.Error != ""
	}
	if err := a.show(lines, func(w io.Writer) {
		for _, line := range lines {
			for _, event := range line.Events {
				if line.Error == "" {
					fmt.Fprintf(w, "%d: %s, %s\n", line.Number, event.Status, event.ID)
				}
			}
		}
	}); err != nil {
		return err
	}
	for _, line := range lines {
		if line.Error != "" {
			a.note("millrace: %d: %s", line.Number, line.Error)
		}
	}
	if failed {
		return exitFailed
	}
	return nil
}
