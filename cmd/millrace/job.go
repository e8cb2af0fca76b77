package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// selection says to whom in a workflow something is done, and how.
type selection struct {
	at       string
	matching string
	all      bool
	dryRun   bool
	rate     rate
	job      int64
}

// rate is how many in a second.
type rate float64

func (r *rate) String() string { return strconv.FormatFloat(float64(*r), 'g', -1, 64) + "/s" }
func (r *rate) Type() string   { return "N/s" }

func (r *rate) Set(text string) error {
	number, per, _ := strings.Cut(text, "/")
	seconds := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[per]
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || seconds == 0 || value <= 0 || value/seconds > 10_000 {
		return errors.New("write a number for each second, minute or hour, as in 50/s or 600/m")
	}
	*r = rate(value / seconds)
	return nil
}

func (s *selection) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&s.at, "at", "", "those who stand at this `action`")
	flags.StringVar(&s.matching, "matching", "", "those whose records match a `filter`, as in '{property: city, is: Rome}'")
	flags.BoolVar(&s.all, "all", false, "everybody inside")
	flags.BoolVar(&s.dryRun, "dry-run", false, "only list whom it would be about")
	flags.Var(&s.rate, "rate", "how many at most in a second")
	flags.Int64Var(&s.job, "job", 0, "go on with the job of this `number`")
}

// selects tells whether many are selected.
func (s selection) selects() bool { return s.at != "" || s.matching != "" || s.all }

func (s selection) check(command *cobra.Command, args []string) error {
	switch {
	case command.Flags().Changed("job") && s.job < 1:
		return usagef("--job takes the number of a job")
	case s.job > 0 && (s.selects() || s.dryRun || len(args) > 0):
		return usagef("--job goes on with what was selected: it takes no WORKFLOW and no selection")
	case s.job > 0:
		return nil
	case s.all && (s.at != "" || s.matching != ""):
		return usagef("--all is everybody: leave it out, or --at and --matching")
	case s.selects() && len(args) != 1:
		return usagef("`%s` takes RECORD... or a selection, not both", command.CommandPath())
	case !s.selects() && s.dryRun:
		return usagef("--dry-run lists whom --at, --matching or --all select")
	case !s.selects() && len(args) < 2:
		return usagef("`%s` needs WORKFLOW RECORD..., or WORKFLOW with --at, --matching or --all", command.CommandPath())
	}
	return nil
}

// String is the selection as the operator said it.
func (s selection) String() string {
	var parts []string
	if s.all {
		parts = append(parts, "--all")
	}
	if s.at != "" {
		parts = append(parts, "--at "+s.at)
	}
	if s.matching != "" {
		parts = append(parts, "--matching '"+s.matching+"'")
	}
	return strings.Join(parts, " ")
}

// jobDone is the result of an operation on many.
type jobDone struct {
	store.Job
	DryRun  bool       `json:"dry_run"`
	All     int        `json:"all"`
	Done    int        `json:"done"`
	Left    int        `json:"left"`    // had ended when their turn came
	Refused int        `json:"refused"` // in a dry run, as far as the books know
	ToDo    int        `json:"to_do"`
	Parts   []partDone `json:"parts"`
}

// partDone is what came of one enrollment.
type partDone struct {
	Record string `json:"record"`
	store.JobPart
}

// add counts a part.
func (j *jobDone) add(part store.JobPart) {
	record := plan.Call{Enrollment: part.Enrollment}.Record()
	j.Parts = append(j.Parts, partDone{record, part})
	j.All++
	switch part.Result {
	case store.PartDone:
		j.Done++
	case store.PartLeft:
		j.Left++
	case store.PartRefused:
		j.Refused++
	default:
		j.ToDo++
	}
}

// selected are the open enrollments of a workflow that a selection means, those that came first before the others.
func (a *app) selected(ctx context.Context, books *store.Store, newest plan.Revision, s selection) ([]plan.Enrollment, error) {
	inside, err := books.Enrollments(ctx, store.EnrollmentFilter{Workflow: newest.Workflow, Node: s.at, OpenOnly: true})
	if err != nil {
		return nil, err
	}
	slices.Reverse(inside)
	if s.at != "" && len(inside) == 0 {
		if err := knownAction(ctx, books, newest, s.at); err != nil {
			return nil, err
		}
	}
	if s.matching == "" {
		return inside, nil
	}
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	filter, err := a.filterArgument(catalog, newest.Plan.Object, s.matching)
	if err != nil {
		return nil, err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return nil, err
	}
	refs, err := books.Matching(ctx, store.Query{Object: newest.Plan.Object, Filter: filter, Now: a.Now(), Zone: zone}, "", 0)
	if err != nil {
		return nil, err
	}
	match := map[string]bool{}
	for _, ref := range refs {
		match[ref.String()] = true
	}
	return slices.DeleteFunc(inside, func(one plan.Enrollment) bool { return !match[one.Record] }), nil
}

// knownAction fails when no revision of a workflow has an action.
func knownAction(ctx context.Context, books *store.Store, newest plan.Revision, action string) error {
	revisions, err := books.Revisions(ctx, newest.Workflow)
	if err != nil {
		return err
	}
	var known []string
	for _, revision := range revisions {
		for id := range revision.Plan.Nodes {
			known = append(known, id)
		}
	}
	if slices.Contains(known, action) {
		return nil
	}
	return fmt.Errorf("no action %q was ever in %s%s", action, newest.Workflow, didYouMean(action, known))
}

// filterArgument reads a filter on the command line. What is wrong with it is shown in it.
func (a *app) filterArgument(catalog *crm.Catalog, object, text string) (crm.Filter, error) {
	const file = "--matching"
	var filter crm.Filter
	node, problems := schema.Parse(file, []byte(text))
	if !problems.HasErrors() {
		problems = append(problems, schema.Decode(node, &filter)...)
	}
	for _, use := range filter.Properties() {
		on := cmp.Or(use.Object, object)
		property, known := catalog.Property(on, use.Name)
		switch {
		case known:
			use.Check(property, &problems)
		case !catalog.IsOpen() && !slices.Contains([]string{"id", "created_at", "updated_at"}, use.Name):
			declared, _ := catalog.Object(on)
			problems.Errorf(use.Pos, "unknown-property", "%s has no property %q", on, use.Name).Suggest(use.Name, propertyNames(declared))
		}
	}
	if problems.HasErrors() {
		problems.Print(a.Stderr, map[string][]byte{file: []byte(text)}, a.color(a.Stderr))
		return filter, exitUsage
	}
	return filter, a.who.MustAsk(catalog, object, filter)
}

// operateMany begins a job and carries it out, or lists whom it would be about.
func (a *app) operateMany(ctx context.Context, books *store.Store, workflow string, do operation, s selection) error {
	newest, err := publishedWorkflow(ctx, books, workflow)
	if err != nil {
		return err
	}
	whom, err := a.selected(ctx, books, newest, s)
	if err != nil {
		return err
	}
	job := store.Job{Workflow: workflow, Operation: do.update, Argument: do.argument, Selection: s.String(), By: a.who.Name, Began: a.Now()}
	if s.dryRun {
		return a.foretell(ctx, books, newest, job, do, whom)
	}
	if do.update == plan.UpdateMove {
		if err := knownAction(ctx, books, newest, do.argument); err != nil {
			return err
		}
	}
	if len(whom) == 0 {
		return a.show(jobDone{Job: job, Parts: []partDone{}}, func(w io.Writer) { fmt.Fprintf(w, "nobody in %s is meant\n", workflow) })
	}
	if a.output == outputText && a.terminal(a.Stderr) && a.watched() {
		if !asked(a.Stdin, a.Stderr, fmt.Sprintf("`millrace %s` for %d in %s? [y/N] ", commandOf(do.update), len(whom), workflow)) {
			a.note("nothing was done: you did not agree")
			return exitFailed
		}
	}
	ids := make([]string, len(whom))
	for i, one := range whom {
		ids[i] = one.ID
	}
	if job, err = books.AddJob(ctx, job, ids); err != nil {
		return err
	}
	if err := books.Tx(ctx, func(tx *store.Tx) error { return a.jobBegins(ctx, tx, job, len(ids)) }); err != nil {
		return err
	}
	return a.carry(ctx, books, job, s.rate)
}

// commandOf is the command of an update.
func commandOf(update string) string { return strings.ReplaceAll(update, "_", "-") }

// foretell lists whom a job would be about, by where they stand, and who would refuse.
func (a *app) foretell(ctx context.Context, books *store.Store, newest plan.Revision, job store.Job, do operation, whom []plan.Enrollment) error {
	result := jobDone{Job: job, DryRun: true, Parts: []partDone{}}
	places, refusals := map[string]int{}, map[string]int{}
	for _, one := range whom {
		followed := newest.Plan
		if one.Standing.Plan != "" {
			var err error
			if followed, err = books.PlanByHash(ctx, one.Standing.Plan); err != nil {
				return err
			}
		}
		part := store.JobPart{Part: len(result.Parts) + 1, Enrollment: one.ID}
		if part.Detail = enroll.Expect(do.update, do.argument, one.Standing, followed); part.Detail != "" {
			part.Result = store.PartRefused
			refusals[one.Standing.Node]++
		}
		places[one.Standing.Node]++
		result.add(part)
	}
	return a.show(result, func(w io.Writer) {
		fmt.Fprintf(w, "`millrace %s` would be for %d in %s\n", commandOf(do.update), result.All, job.Workflow)
		for _, node := range slices.Sorted(maps.Keys(places)) {
			where := "at " + node
			if node == "" {
				where = "on the way to the first action"
			}
			fmt.Fprintf(w, "  %s: %d", where, places[node])
			if refusals[node] > 0 {
				fmt.Fprintf(w, ", of whom %d would refuse", refusals[node])
			}
			fmt.Fprintln(w)
		}
	})
}

// goOn carries out what is still to do of a job.
func (a *app) goOn(ctx context.Context, books *store.Store, do operation, s selection) error {
	job, err := books.Job(ctx, s.job)
	if errors.Is(err, crm.ErrNotFound) {
		return fmt.Errorf("there is no job %d", s.job)
	}
	if err != nil {
		return err
	}
	if job.Operation != do.update {
		return fmt.Errorf("job %d is a `millrace %s`, go on with that", job.ID, commandOf(job.Operation))
	}
	if err := a.jobGoesOn(ctx, books, job); err != nil {
		return err
	}
	return a.carry(ctx, books, job, s.rate)
}

// jobBegins writes a job into the audit log: the operation on its workflow.
func (a *app) jobBegins(ctx context.Context, tx *store.Tx, job store.Job, people int) error {
	_, err := tx.Audit(ctx, a.deed(job.Operation, job.Workflow, nil, map[string]any{"job": job.ID, "selection": job.Selection, "people": people}))
	return err
}

// jobGoesOn writes into the audit log that somebody goes on with a job.
func (a *app) jobGoesOn(ctx context.Context, books *store.Store, job store.Job) error {
	_, err := books.Audit(ctx, a.deed(job.Operation, job.Workflow, nil, map[string]any{"job": job.ID, "goes_on": true}))
	return err
}

// carry carries out a job and tells what came of all of it.
func (a *app) carry(ctx context.Context, books *store.Store, job store.Job, pace rate) error {
	goOn := fmt.Sprintf("`millrace %s --job %d`", commandOf(job.Operation), job.ID)
	a.note("job %d; when it is cut, %s goes on", job.ID, goOn)
	client, hangUp, err := a.enrollments(ctx, books)
	if err != nil {
		return fmt.Errorf("%w; then %s", err, goOn)
	}
	defer hangUp()
	bar := a.progress(commandOf(job.Operation))
	cut := client.Carry(ctx, job, float64(pace), func() time.Time { return a.Now() }, bar.at)
	bar.end()
	parts, err := books.JobParts(context.WithoutCancel(ctx), job.ID, false)
	if err != nil {
		return errors.Join(cut, err)
	}
	result := jobDone{Job: job, Parts: []partDone{}}
	for _, part := range parts {
		result.add(part)
	}
	if err := a.show(result, func(w io.Writer) {
		fmt.Fprintf(w, "%d of %d done", result.Done, result.All)
		for _, count := range []struct {
			people int
			what   string
		}{{result.Left, "had left"}, {result.Refused, "refused"}, {result.ToDo, "still to do"}} {
			if count.people > 0 {
				fmt.Fprintf(w, ", %d %s", count.people, count.what)
			}
		}
		fmt.Fprintln(w)
	}); err != nil {
		return err
	}
	for _, part := range result.Parts {
		if part.Result == store.PartRefused {
			a.note("millrace: %s in %s: %s", part.Record, job.Workflow, part.Detail)
		}
	}
	if cut != nil {
		return fmt.Errorf("%d are still to do: %w: %s goes on", result.ToDo, cut, goOn)
	}
	if result.Refused > 0 {
		return exitFailed
	}
	return nil
}
