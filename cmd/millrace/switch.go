package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// switched is one line of the result of `millrace workflows on` and its like.
type switched struct {
	Workflow string    `json:"workflow"`
	Switch   string    `json:"switch"`
	At       time.Time `json:"at,omitzero"` // when it turns to it; without it, it has
	Inside   int       `json:"inside"`
}

// switchTexts say what a mode of the switch is about, and what it means for who is inside.
var switchTexts = map[string]struct{ short, long, inside string }{
	plan.SwitchOn: {"Switch workflows on", `Switch workflows on: they admit records, and actions are done. Who was held by
a pause goes on. A workflow whose newest revision has placeholders stays off.`, ""},
	plan.SwitchOff: {"Switch workflows off: nobody enters, no action is done", `Switch workflows off. They admit nobody. Records inside keep moving, as in
HubSpot: delays are waited and branches taken, but each action whose turn comes
is skipped, and the history says so. One that waits for a window is done if the
workflow is on again when the window opens.`, "inside keep moving, and their actions are skipped"},
	plan.SwitchPause: {"Pause workflows: everybody is held, nobody is dropped", `Pause workflows. Records are admitted, and held before the next action or
branch until the workflow is switched on again, or to something else. Delays are
waited meanwhile. To hold single records, use ` + "`millrace pause`" + `.`, "inside are held before their next action"},
	plan.SwitchDrain: {"Drain workflows: who is inside finishes, nobody follows", `Drain workflows. They admit nobody, and records inside finish as usual.`, "inside finish as usual"},
	plan.SwitchStop: {"Stop workflows: everybody is taken out", `Stop workflows. They admit nobody, and everybody inside leaves with the reason
unenrolled. The worker takes them out, some hundred in a second; one that is
started again goes on with it. Who comes to an action before that leaves there.`, "inside are taken out"},
}

func newSwitch(a *app, mode string) *cobra.Command {
	text, at := switchTexts[mode], ""
	command := &cobra.Command{
		Use:   mode + " WORKFLOW...",
		Short: text.short,
		Long: text.long + `

With --at the switch turns by itself at that instant, also when nothing runs
then. Of several such turns the last one given counts, and switching at once
forgets it.`,
		Example: "  millrace workflows " + mode + " trial-nurture\n  millrace workflows " + mode + " trial-nurture --at 2027-12-24T18:00",
		Args:    arguments(1, -1),
		RunE: a.withBooks(func(ctx context.Context, books *store.Store, args []string) error {
			return a.switchWorkflows(ctx, books, args, mode, at)
		}),
	}
	command.Flags().StringVar(&at, "at", "", "`time` of the turn in the account's zone, or in RFC 3339 (default: now)")
	return command
}

// switchWorkflows sets the switch of workflows, of all or of none.
func (a *app) switchWorkflows(ctx context.Context, books *store.Store, workflows []string, mode, at string) error {
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	turning, err := a.turningAt(at, zone)
	if err != nil {
		return err
	}
	lines := []switched{}
	for _, workflow := range workflows {
		newest, err := publishedWorkflow(ctx, books, workflow)
		if err != nil {
			return err
		}
		if mode == plan.SwitchOn {
			if err := a.withoutPlaceholders(newest); err != nil {
				return err
			}
		}
		places, err := books.Inside(ctx, workflow)
		if err != nil {
			return err
		}
		lines = append(lines, switched{workflow, mode, turning, total(places, anywhere)})
	}
	err = books.Tx(ctx, func(tx *store.Tx) error {
		for _, workflow := range workflows {
			before, err := tx.Switch(ctx, workflow)
			if err != nil {
				return err
			}
			if turning.IsZero() {
				err = tx.SetSwitch(ctx, workflow, mode, a.Now())
			} else {
				err = tx.TurnSwitch(ctx, workflow, mode, turning, a.Now())
			}
			if err != nil {
				return err
			}
			after, err := tx.Switch(ctx, workflow)
			if err != nil {
				return err
			}
			if _, err := tx.Audit(ctx, a.deed(store.DeedSwitch, workflow, before, after)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(lines, func(w io.Writer) {
		for _, line := range lines {
			fmt.Fprintf(w, "%s: %s", line.Workflow, line.Switch)
			if !line.At.IsZero() {
				fmt.Fprintf(w, " from %s on", clock(line.At, zone))
			}
			if text := switchTexts[mode].inside; text != "" && line.Inside > 0 {
				fmt.Fprintf(w, "; %d %s", line.Inside, text)
			}
			fmt.Fprintln(w)
		}
	})
}

// turningAt reads --at; zero = at once.
func (a *app) turningAt(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		var local time.Time
		if local, err = time.ParseInLocation("2006-01-02T15:04", text, time.UTC); err != nil {
			return time.Time{}, fmt.Errorf("--at %q is no time: write 2027-12-24T18:00, or 2027-12-24T18:00:00+01:00", text)
		}
		at = crm.At(crm.DateOf(local, time.UTC), crm.TimeOfDay{Hour: local.Hour(), Minute: local.Minute()}, zone)
	}
	if !at.After(a.Now()) {
		return time.Time{}, fmt.Errorf("--at %s is past", text)
	}
	return at.UTC(), nil
}

// turning says what a switch turns to by itself, if it does.
func turning(stands plan.Switch, now time.Time, zone *time.Location) string {
	if !stands.Turning.After(now) {
		return ""
	}
	return fmt.Sprintf("(%s from %s on)", stands.Then, clock(stands.Turning, zone))
}
