package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// listedWorkflow is one line of `millrace workflows list`.
type listedWorkflow struct {
	store.Overview
	Inside int `json:"inside"` // open enrollments
}

// shownWorkflow is the result of `millrace workflows show`.
type shownWorkflow struct {
	Workflow  string        `json:"workflow"`
	Name      string        `json:"name"`
	Object    string        `json:"object"`
	Switch    string        `json:"switch"`
	Newest    shownRevision `json:"newest"`
	Inside    int           `json:"inside"`
	Enrolled  int           `json:"enrolled"`  // records that were ever in it
	Converted int           `json:"converted"` // of these, how many met the goal, inside or after they had gone through
	Actions   []shownAction `json:"actions"`   // of the newest revision, in the order in which people come to them
}

// shownAction is an action with the people who stand at it.
type shownAction struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Label  string `json:"label"`
	Inside int    `json:"inside"`
}

// shownRevision is one line of `millrace workflows revisions`.
type shownRevision struct {
	Revision  int       `json:"revision"`
	Published time.Time `json:"published"`
	By        string    `json:"by"`
	InFlight  string    `json:"in_flight"` // what people inside did when it was published
	Actions   int       `json:"actions"`
	Inside    int       `json:"inside"` // open enrollments that follow it
}

func newWorkflows(a *app) *cobra.Command {
	listing := a.withBooks(func(ctx context.Context, books *store.Store, _ []string) error { return a.listWorkflows(ctx, books) })
	workflows := &cobra.Command{
		Use:     "workflows",
		Short:   "List the published workflows, switch them on, off and in between",
		Example: "  millrace workflows",
		RunE:    listing,
	}
	workflows.Args = subcommandOf(workflows)
	workflows.AddCommand(&cobra.Command{
		Use:     "list",
		Short:   "List the published workflows",
		Example: "  millrace workflows list -o json",
		Args:    arguments(0, 0),
		RunE:    listing,
	}, &cobra.Command{
		Use:     "show WORKFLOW",
		Short:   "Show a workflow, its actions, and how many stand where",
		Example: "  millrace workflows show trial-nurture",
		Args:    arguments(1, 1),
		RunE: a.withBooks(func(ctx context.Context, books *store.Store, args []string) error {
			return a.showWorkflow(ctx, books, args[0])
		}),
	}, &cobra.Command{
		Use:     "revisions WORKFLOW",
		Short:   "List the revisions of a workflow, the oldest first",
		Example: "  millrace workflows revisions trial-nurture",
		Args:    arguments(1, 1),
		RunE: a.withBooks(func(ctx context.Context, books *store.Store, args []string) error {
			return a.listRevisions(ctx, books, args[0])
		}),
	})
	for _, mode := range plan.SwitchModes {
		workflows.AddCommand(newSwitch(a, mode))
	}
	a.databaseFlag(workflows)
	for _, command := range workflows.Commands() {
		a.databaseFlag(command)
	}
	return workflows
}

// withBooks makes a command run on the database that is there already.
func (a *app) withBooks(do func(ctx context.Context, books *store.Store, args []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, args []string) error {
		return a.withStore(command.Context(), func(books *store.Store) error { return do(command.Context(), books, args) })
	}
}

// total is how many people stand at some places.
func total(places []store.Place, which func(store.Place) bool) (people int) {
	for _, place := range places {
		if which(place) {
			people += place.People
		}
	}
	return people
}

func anywhere(store.Place) bool { return true }

func (a *app) listWorkflows(ctx context.Context, books *store.Store) error {
	overviews, err := books.Workflows(ctx)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lines, rows := []listedWorkflow{}, [][]string{{"WORKFLOW", "SWITCH", "REVISION", "PUBLISHED", "INSIDE"}}
	for _, overview := range overviews {
		places, err := books.Inside(ctx, overview.Workflow)
		if err != nil {
			return err
		}
		if mode := overview.At(a.Now()); mode != overview.Switch {
			overview.Switch, overview.Then, overview.Turning = mode, "", time.Time{}
		}
		line := listedWorkflow{overview, total(places, anywhere)}
		lines = append(lines, line)
		rows = append(rows, []string{line.Workflow, line.Switch, strconv.Itoa(line.Revision), clock(line.Published, zone), strconv.Itoa(line.Inside)})
	}
	return a.show(lines, func(w io.Writer) { table(w, rows) })
}

func (a *app) showWorkflow(ctx context.Context, books *store.Store, workflow string) error {
	newest, err := publishedWorkflow(ctx, books, workflow)
	if err != nil {
		return err
	}
	mayOpen, err := a.mayOpen(ctx, books, a.who)
	if err != nil {
		return err
	}
	if err := mayOpen(newest); err != nil {
		return err
	}
	stands, err := books.Switch(ctx, workflow)
	if err != nil {
		return err
	}
	places, err := books.Inside(ctx, workflow)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	shown := shownWorkflow{
		Workflow: workflow, Object: newest.Plan.Object, Switch: stands.At(a.Now()), Newest: describe(newest, places), Inside: total(places, anywhere), Actions: []shownAction{},
	}
	if newest.Plan.Rules != nil {
		shown.Name = newest.Plan.Rules.Name
	}
	if shown.Enrolled, shown.Converted, err = books.Conversions(ctx, workflow); err != nil {
		return err
	}
	rows := [][]string{{"ACTION", "KIND", "INSIDE", "LABEL"}}
	for _, id := range definition.Order(newest.Plan) {
		node := newest.Plan.Nodes[id]
		one := shownAction{ID: id, Kind: node.Kind, Label: node.Label, Inside: total(places, func(place store.Place) bool { return place.Node == id })}
		shown.Actions = append(shown.Actions, one)
		rows = append(rows, []string{one.ID, one.Kind, strconv.Itoa(one.Inside), one.Label})
	}
	return a.show(shown, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s\n\n", workflow, parenthesized(printable(shown.Name)))
		table(w, [][]string{
			{"  object", shown.Object}, {"  switch", strings.TrimSpace(shown.Switch + " " + turning(stands, a.Now(), zone))}, {"  revision", strconv.Itoa(newest.Number)},
			{"  published", strings.TrimSpace(clock(newest.Published, zone) + " " + by(newest.By))}, {"  inside", strconv.Itoa(shown.Inside)},
			{"  met the goal", fmt.Sprintf("%d of %s", shown.Converted, counted(shown.Enrolled, "record"))},
		})
		fmt.Fprintln(w)
		table(w, rows)
	})
}

func by(name string) string {
	if name == "" {
		return ""
	}
	return "by " + name
}

// describe is a revision with the people who follow it.
func describe(revision plan.Revision, places []store.Place) shownRevision {
	return shownRevision{
		Revision: revision.Number, Published: revision.Published, By: revision.By, InFlight: revision.InFlight, Actions: len(revision.Plan.Nodes),
		Inside: total(places, func(place store.Place) bool { return place.Plan == revision.Plan.Hash }),
	}
}

func (a *app) listRevisions(ctx context.Context, books *store.Store, workflow string) error {
	if _, err := publishedWorkflow(ctx, books, workflow); err != nil {
		return err
	}
	revisions, err := books.Revisions(ctx, workflow)
	if err != nil {
		return err
	}
	places, err := books.Inside(ctx, workflow)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lines, rows := []shownRevision{}, [][]string{{"REVISION", "PUBLISHED", "BY", "IN FLIGHT", "ACTIONS", "INSIDE"}}
	for _, revision := range revisions {
		line := describe(revision, places)
		lines = append(lines, line)
		rows = append(rows, []string{strconv.Itoa(line.Revision), clock(line.Published, zone), line.By, line.InFlight, strconv.Itoa(line.Actions), strconv.Itoa(line.Inside)})
	}
	return a.show(lines, func(w io.Writer) { table(w, rows) })
}

// withoutPlaceholders fails when a revision has placeholders: it would do less than its author drew.
func (a *app) withoutPlaceholders(revision plan.Revision) error {
	file, _ := definition.Read("revision.yaml", []byte(revision.Source), a.Kinds)
	if placeholders := file.Placeholders(); len(placeholders) > 0 {
		return fmt.Errorf("%s has placeholders in revision %d (%s): fill them in and `millrace push` first",
			revision.Workflow, revision.Number, strings.Join(placeholders, ", "))
	}
	return nil
}
