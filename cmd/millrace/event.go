package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func newEvent(a *app) *cobra.Command {
	var event plan.Event
	var data, at string
	command := &cobra.Command{
		Use:   "event TYPE --record RECORD",
		Short: "Tell that something happened to a record",
		Long: `Store an event of a record. The worker enrolls the record where the event is a
trigger, and wakes the enrollments that wait for it. An event with the id of an
earlier one of the record is a repetition and does nothing. The record need not
exist yet.`,
		Example: `  millrace event page_viewed --record contact/51 --data '{"url":"/pricing"}'`,
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			if event.Record == "" {
				return usagef("`millrace event` needs --record, as in --record contact/51")
			}
			refs, err := recordArguments([]string{event.Record})
			if err != nil {
				return err
			}
			kind, err := crm.ParseEventType(args[0])
			if err != nil {
				return usageError{err}
			}
			event.Type = kind.Text
			if data != "" {
				if err := json.Unmarshal([]byte(data), &event.Properties); err != nil {
					return usagef("--data %q is not a JSON object", data)
				}
			}
			if at != "" {
				instant, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return usagef("--at %q is not an instant: write it as in 2027-05-10T09:00:00Z", at)
				}
				if instant.After(a.Now()) {
					return usagef("--at %s is in the future: an event is something that happened", at)
				}
				event.At = instant.UTC()
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.event(command.Context(), books, refs[0], event)
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&event.Record, "record", "", "`record` that it happened to, as in contact/51")
	command.Flags().StringVar(&data, "data", "", "properties of the event as a `JSON` object")
	command.Flags().StringVar(&event.ID, "id", "", "`id` that makes a repetition known as one")
	command.Flags().StringVar(&at, "at", "", "`instant` at which it happened, in RFC 3339 (default: now)")
	return command
}

func (a *app) event(ctx context.Context, books *store.Store, ref crm.Ref, event plan.Event) error {
	event.By = "cli " + a.who.Name
	var delivered enroll.Delivered
	err := books.Tx(ctx, func(tx *store.Tx) (err error) {
		if delivered, err = enroll.Deliver(ctx, tx, event, a.Now()); err != nil || delivered.Duplicate {
			return err
		}
		_, err = tx.Audit(ctx, a.deed(store.DeedEvent, ref.String(), nil, map[string]string{"type": event.Type, "id": delivered.ID}))
		return err
	})
	if err != nil {
		return err
	}
	if _, err := books.Get(ctx, ref); errors.Is(err, crm.ErrNotFound) {
		a.note("there is no record %s yet", ref)
	}
	return a.show(delivered, func(w io.Writer) {
		if delivered.Duplicate {
			fmt.Fprintf(w, "%s: known already\n", delivered.ID)
			return
		}
		fmt.Fprintf(w, "%s: stored, %s waiting for it\n", delivered.ID, counted(len(delivered.Woke), "enrollment"))
	})
}
