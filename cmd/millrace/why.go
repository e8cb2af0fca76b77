package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func newWhy(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:     "why WORKFLOW RECORD",
		Short:   "Explain where a record stands in a workflow, and why",
		Long:    "Explain where a record stands in a workflow, why, and what would let it move.",
		Example: "  millrace why trial-nurture contact/51",
		Args:    arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error {
			refs, err := recordArguments(args[1:])
			if err != nil {
				return err
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.why(command.Context(), books, args[0], refs[0])
			})
		},
	}
	a.databaseFlag(command)
	return command
}

func (a *app) why(ctx context.Context, books *store.Store, workflow string, ref crm.Ref) error {
	if _, err := publishedWorkflow(ctx, books, workflow); err != nil {
		return err
	}
	last, found, err := books.LastEnrollment(ctx, workflow, ref.String())
	if err != nil {
		return err
	}
	client := &enroll.Client{Store: books, Now: a.Now}
	if found && last.Exit == "" { // only Temporal knows how it is
		connected, done, err := a.enrollments(ctx, books)
		if err != nil {
			return err
		}
		defer done()
		client, client.Now = connected, a.Now
	}
	why, err := client.Why(ctx, workflow, ref)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	screen, err := a.screen(ctx, books, workflow)
	if err != nil {
		return err
	}
	why = screen.Why(why)
	label, err := label(ctx, books, workflow, why)
	if err != nil {
		return err
	}
	return a.show(why, func(w io.Writer) {
		fmt.Fprintf(w, "%s in %s\n\n", ref, workflow)
		rows := [][]string{{"  state", strings.ReplaceAll(why.State, "_", " ")}}
		add := func(name, value string) {
			if value != "" {
				rows = append(rows, []string{"  " + name, value})
			}
		}
		add("stands at", label)
		add("since", clock(cmp.Or(why.Arrived, why.Closed), zone))
		add("enrolled", clock(why.Enrolled, zone))
		add("enrolled by", why.Cause)
		if why.Switch != plan.SwitchOn {
			add("switch", why.Switch)
		}
		if why.WaitingFor != nil {
			add("waits for", cmp.Or(why.WaitingFor.Event, "the time"))
			if screen.Because == "" {
				add("until", cmp.Or(clock(why.WaitingFor.Until, zone), "it happens"))
			}
		}
		add("why", why.Reason)
		add("what next", why.Next)
		add("last error", why.LastError)
		if why.Revision > 0 {
			add("revision", fmt.Sprint(why.Revision))
		}
		table(w, rows)
		if len(why.Obstacles) > 0 {
			fmt.Fprintln(w, "\nfilters that keep it out say of it now")
			rows = nil
			for _, one := range why.Obstacles {
				rows = append(rows, []string{"  " + one.Rule, one.Answer, one.Test})
			}
			table(w, rows)
		}
	})
}

// label is the name of the action that an enrollment stands at, as its author shows it to people.
func label(ctx context.Context, books *store.Store, workflow string, why enroll.Why) (string, error) {
	if why.Node == "" {
		return "", nil
	}
	revision, err := books.Revision(ctx, workflow, why.Revision)
	if errors.Is(err, crm.ErrNotFound) {
		return why.Node, nil
	}
	if err != nil {
		return "", err
	}
	node := revision.Plan.Nodes[why.Node]
	if node.Label == "" {
		return strings.TrimSpace(why.Node + " " + parenthesized(node.Kind)), nil
	}
	return node.Label + " " + parenthesized(why.Node), nil
}

func parenthesized(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

// zone is the account's time zone, in which people are shown times.
func zone(ctx context.Context, books *store.Store) (*time.Location, error) {
	account, err := settings(ctx, books)
	if err != nil {
		return nil, err
	}
	return crm.LoadZone(account.TimeZone)
}

// clock is a time as people are shown it, "" for none.
func clock(at time.Time, zone *time.Location) string {
	if at.IsZero() {
		return ""
	}
	return at.In(zone).Format("2006-01-02 15:04:05 MST")
}
