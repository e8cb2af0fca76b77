package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

const (
	usualBulk  = 100  // enrollments in a second
	listedOnce = 1000 // records that are added to a job at once
)

// bulk says which many records are enrolled, and how.
type bulk struct {
	file, matching, list string
	rate                 rate
	paced                bool
	job                  int64
}

func (b *bulk) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&b.matching, "matching", "", "records that match a `filter`, as in '{property: city, is: Rome}'")
	flags.StringVar(&b.list, "list", "", "records on this `list`")
	flags.Var(&b.rate, "rate", "how many at most in a second")
	flags.Int64Var(&b.job, "job", 0, "go on with the job of this `number`")
}

// asked tells whether many are meant.
func (b bulk) asked() bool { return b.matching != "" || b.list != "" || b.paced || b.job > 0 }

// bulkDone is the result of a job that enrolls.
type bulkDone struct {
	store.Job
	All       int            `json:"all"`
	Begun     int            `json:"begun"`     // enrollments
	Refused   int            `json:"refused"`   // records that were inside already
	ToDo      int            `json:"to_do"`     // when it was cut
	Admitted  int            `json:"admitted"`  // of those begun, as far as it is decided
	Rejected  map[string]int `json:"rejected"`  // of those begun, by the reason
	Undecided int            `json:"undecided"` // of those begun
}

func (a *app) enrollMany(ctx context.Context, books *store.Store, args []string, many bulk) error {
	switch {
	case many.job > 0 && (many.matching != "" || many.list != "" || many.file != "" || len(args) > 0):
		return usagef("--job goes on with what was selected: it takes no WORKFLOW and no selection")
	case many.job > 0:
		job, err := books.Job(ctx, many.job)
		if errors.Is(err, crm.ErrNotFound) {
			return fmt.Errorf("there is no job %d", many.job)
		}
		if err != nil {
			return err
		}
		if job.Operation != enroll.OperationEnroll {
			return fmt.Errorf("job %d is a `millrace %s`, go on with that", job.ID, commandOf(job.Operation))
		}
		if err := a.jobGoesOn(ctx, books, job); err != nil {
			return err
		}
		return a.carryBulk(ctx, books, job, many.rate)
	case len(args) == 0:
		return usagef("`millrace enroll` needs WORKFLOW")
	case many.matching != "" && many.list != "", (many.matching != "" || many.list != "") && (len(args) > 1 || many.file != ""):
		return usagef("say whom once: RECORD... or --file, --matching, or --list")
	case many.matching == "" && many.list == "" && many.file == "" && len(args) == 1:
		return usagef("`millrace enroll` needs RECORD..., --file, --matching or --list")
	}
	revision, err := publishedWorkflow(ctx, books, args[0])
	if err != nil {
		return err
	}
	stands, err := books.Switch(ctx, revision.Workflow)
	if err != nil {
		return err
	}
	if why := stands.Refuses(a.Now()); why != "" {
		return fmt.Errorf("%s admits nobody: %s", revision.Workflow, why)
	}
	job := store.Job{Workflow: revision.Workflow, Operation: enroll.OperationEnroll, By: a.who.Name, Began: a.Now()}
	if many.matching != "" || many.list != "" {
		job, err = a.addMatching(ctx, books, revision, many, job)
	} else {
		job, err = a.addNamed(ctx, books, revision, args[1:], many.file, job)
	}
	if err != nil {
		return err
	}
	return a.carryBulk(ctx, books, job, many.rate)
}

// addMatching makes a job of the records that match a filter now, all of it or nothing.
func (a *app) addMatching(ctx context.Context, books *store.Store, revision plan.Revision, many bulk, job store.Job) (store.Job, error) {
	job.Selection = "--matching '" + many.matching + "'"
	if many.list != "" {
		many.matching, job.Selection = fmt.Sprintf("{list: %q}", many.list), "--list "+many.list
	}
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return job, err
	}
	filter, err := a.filterArgument(catalog, revision.Plan.Object, many.matching)
	if err != nil {
		return job, err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return job, err
	}
	query := store.Query{Object: revision.Plan.Object, Filter: filter, Now: job.Began, Zone: zone}
	added := job
	err = books.Tx(ctx, func(tx *store.Tx) (err error) {
		if added, err = tx.AddJob(ctx, job, nil); err != nil {
			return err
		}
		for count, after := 0, ""; ; {
			refs, err := tx.Matching(ctx, query, after, listedOnce)
			if err != nil {
				return err
			}
			if len(refs) == 0 {
				return a.jobBegins(ctx, tx, added, count)
			}
			if err := tx.AddParts(ctx, added.ID, count, texts(refs)); err != nil {
				return err
			}
			count, after = count+len(refs), refs[len(refs)-1].ID
		}
	})
	return added, err
}

// addNamed makes a job of records that are named here or in a file.
func (a *app) addNamed(ctx context.Context, books *store.Store, revision plan.Revision, args []string, file string, job store.Job) (store.Job, error) {
	refs, err := recordArguments(args)
	if err != nil {
		return job, err
	}
	if file != "" {
		more, bad, err := a.recordsFrom(file, revision.Plan.Object)
		if err != nil {
			return job, fmt.Errorf("reading the records of %s: %w", file, err)
		}
		for _, line := range bad {
			a.note("millrace: %s", line.Error)
		}
		if len(bad) > 0 {
			return job, exitFailed
		}
		refs, job.Selection = append(refs, more...), "--file "+file
	}
	for _, ref := range refs {
		if ref.Object != revision.Plan.Object {
			return job, fmt.Errorf("%s cannot be in %s, which is about the object %s", ref, revision.Workflow, revision.Plan.Object)
		}
	}
	added := job
	err = books.Tx(ctx, func(tx *store.Tx) (err error) {
		if added, err = tx.AddJob(ctx, job, nil); err != nil {
			return err
		}
		count := 0
		for page := range slices.Chunk(refs, listedOnce) {
			if err := tx.AddParts(ctx, added.ID, count, texts(page)); err != nil {
				return err
			}
			count += len(page)
		}
		return a.jobBegins(ctx, tx, added, count)
	})
	return added, err
}

func texts(refs []crm.Ref) []string {
	texts := make([]string, len(refs))
	for i, ref := range refs {
		texts[i] = ref.String()
	}
	return texts
}

// carryBulk carries out a job and tells what came of all of it.
func (a *app) carryBulk(ctx context.Context, books *store.Store, job store.Job, pace rate) error {
	counts, err := books.JobResults(ctx, job.ID)
	if err != nil {
		return err
	}
	all := 0
	for _, count := range counts {
		all += count
	}
	goOn := fmt.Sprintf("`millrace enroll --job %d`", job.ID)
	if counts[""] > 0 {
		a.note("job %d; when it is cut, %s goes on", job.ID, goOn)
	}
	client, hangUp, err := a.enrollments(ctx, books)
	if err != nil {
		return fmt.Errorf("%w; then %s", err, goOn)
	}
	defer hangUp()
	client.Now = a.Now
	bar := a.progress("enrolling")
	var done atomic.Int64
	done.Store(int64(all - counts[""]))
	cut := client.CarryBulk(ctx, job, float64(pace), func(more int) { bar.at(int(done.Add(int64(more))), all) })
	bar.end()
	result, err := bulkResult(context.WithoutCancel(ctx), books, job, all)
	if err != nil {
		return errors.Join(cut, err)
	}
	if err := a.show(result, func(w io.Writer) {
		fmt.Fprintf(w, "%d of %d begun", result.Begun, result.All)
		if result.Refused > 0 {
			fmt.Fprintf(w, ", %d were inside", result.Refused)
		}
		if result.ToDo > 0 {
			fmt.Fprintf(w, ", %d still to do", result.ToDo)
		}
		fmt.Fprintf(w, "; so far %d admitted", result.Admitted)
		if result.Undecided > 0 {
			fmt.Fprintf(w, ", %d not decided", result.Undecided)
		}
		fmt.Fprintln(w)
		for _, reason := range slices.Sorted(maps.Keys(result.Rejected)) {
			fmt.Fprintf(w, "  %d refused: %s\n", result.Rejected[reason], reason)
		}
	}); err != nil {
		return err
	}
	if cut != nil {
		return fmt.Errorf("%d are still to do: %w: %s goes on", result.ToDo, cut, goOn)
	}
	return nil
}

func bulkResult(ctx context.Context, books *store.Store, job store.Job, all int) (bulkDone, error) {
	counts, err := books.JobResults(ctx, job.ID)
	if err != nil {
		return bulkDone{}, err
	}
	decided, err := books.Decided(ctx, job.Workflow, enroll.BulkTrigger(job.ID))
	result := bulkDone{
		Job: job, All: all, Begun: counts[store.PartDone], Refused: counts[store.PartRefused], ToDo: counts[""],
		Admitted: decided[""], Rejected: map[string]int{},
	}
	result.Undecided = result.Begun - result.Admitted
	for reason, count := range decided {
		if reason != "" {
			result.Rejected[reason] = count
			result.Undecided -= count
		}
	}
	result.Undecided = max(0, result.Undecided)
	return result, err
}
