package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

const (
	usualBulk  = 100  // enrollments in a second
	listedOnce = 1000 // records that are added to a job, or listed, at once
	bulkLook   = 100 * time.Millisecond
	leaderless = 20 * time.Second // without anybody who carries jobs out; longer than one who was killed holds others off
)

// bulk says which many records are enrolled, and how.
type bulk struct {
	file, matching, list  string
	rate                  rate
	paced                 bool // a rate was said
	job                   int64
	detach, stop, refused bool
}

func (b *bulk) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&b.matching, "matching", "", "records that match a `filter`, as in '{property: city, is: Rome}'")
	flags.StringVar(&b.list, "list", "", "records on this `list`")
	flags.Var(&b.rate, "rate", "how many at most in a second")
	flags.BoolVar(&b.detach, "detach", false, "do not wait for the job")
	flags.Int64Var(&b.job, "job", 0, "show the job of this `number`, and make it go on")
	flags.BoolVar(&b.stop, "stop", false, "stop the --job")
	flags.BoolVar(&b.refused, "refused", false, "list whom the --job did not enroll")
}

// asked tells whether many are meant.
func (b bulk) asked() bool {
	return b.matching != "" || b.list != "" || b.paced || b.job > 0 || b.detach || b.stop || b.refused
}

// bulkDone is a job that enrolls and what has come of it so far.
type bulkDone struct {
	store.Bulk
	ToDo      int             `json:"to_do"`
	Left      int             `json:"left_seconds"`       // that the rest takes at its rate, at least
	Failing   int             `json:"failing"`            // that could not be begun so far and are tried again
	Failure   string          `json:"failure"`            // why; one of the reasons
	Admitted  int             `json:"admitted"`           // of those begun, as far as it is decided
	Undecided int             `json:"undecided"`          // of those begun
	Reasons   map[string]int  `json:"reasons"`            // of those that were refused, before or after they were begun
	Refusals  []store.Refusal `json:"refusals,omitempty"` // with --refused
}

func (a *app) enrollMany(ctx context.Context, books *store.Store, args []string, many bulk) error {
	switch {
	case many.job > 0 && (many.matching != "" || many.list != "" || many.file != "" || len(args) > 0):
		return usagef("--job goes on with what was selected: it takes no WORKFLOW and no selection")
	case many.job == 0 && (many.stop || many.refused):
		return usagef("--stop and --refused need --job")
	case many.job > 0:
		return a.knownBulk(ctx, books, many)
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
	job := store.Bulk{Job: store.Job{Workflow: revision.Workflow, By: a.who.Name, Began: a.Now()}, Rate: float64(many.rate)}
	if many.matching != "" || many.list != "" {
		job, err = a.addMatching(ctx, books, revision, many, job)
	} else {
		job, err = a.addNamed(ctx, books, revision, args[1:], many.file, job)
	}
	if err != nil {
		return err
	}
	a.note("job %d: `millrace enroll --job %d` shows it, with --stop it stops", job.ID, job.ID)
	return a.followBulk(ctx, books, job.ID, many.detach)
}

// knownBulk shows a job, stops it, or makes it go on.
func (a *app) knownBulk(ctx context.Context, books *store.Store, many bulk) error {
	job, err := books.Bulk(ctx, many.job)
	if errors.Is(err, crm.ErrNotFound) {
		other, err := books.Job(ctx, many.job)
		if err == nil {
			return fmt.Errorf("job %d is a `millrace %s`, go on with that", other.ID, commandOf(other.Operation))
		}
		if errors.Is(err, crm.ErrNotFound) {
			return fmt.Errorf("there is no job %d", many.job)
		}
		return err
	}
	if err != nil {
		return err
	}
	if many.refused {
		return a.showRefusals(ctx, books, job)
	}
	changed := map[string]any{"job": job.ID}
	if many.paced {
		changed["rate"] = many.rate.String()
		err = books.SetRate(ctx, job.ID, float64(many.rate))
	}
	switch {
	case err != nil || !job.Finished.IsZero():
	case many.stop:
		changed["stopped"] = true
		err = books.StopBulk(ctx, job.ID, a.Now())
	case !job.Stopped.IsZero():
		changed["stopped"] = false
		err = books.StopBulk(ctx, job.ID, time.Time{})
	}
	if err == nil && len(changed) > 1 {
		_, err = books.Audit(ctx, a.deed(store.DeedEnroll, job.Workflow, nil, changed))
	}
	if err != nil {
		return err
	}
	return a.followBulk(ctx, books, job.ID, many.detach || many.stop)
}

// addMatching makes a job of the records that match a filter. Whoever carries it out looks for them.
func (a *app) addMatching(ctx context.Context, books *store.Store, revision plan.Revision, many bulk, job store.Bulk) (store.Bulk, error) {
	job.Selection = "--matching '" + many.matching + "'"
	if many.list != "" {
		many.matching, job.Selection = fmt.Sprintf("{list: %q}", many.list), "--list "+many.list
	}
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return job, err
	}
	if _, err := a.filterArgument(catalog, revision.Plan.Object, many.matching); err != nil {
		return job, err
	}
	node, _ := schema.Parse("--matching", []byte(many.matching)) // which has no problems
	if job.Filter, err = node.MarshalJSON(); err != nil {
		return job, err
	}
	added := job
	err = books.Tx(ctx, func(tx *store.Tx) (err error) {
		if added, err = tx.AddBulk(ctx, job); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, a.deed(store.DeedEnroll, job.Workflow, nil, map[string]any{"job": added.ID, "selection": job.Selection}))
		return err
	})
	return added, err
}

// addNamed makes a job of records that are named here or in a file.
func (a *app) addNamed(ctx context.Context, books *store.Store, revision plan.Revision, args []string, file string, job store.Bulk) (store.Bulk, error) {
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
		if added, err = tx.AddBulk(ctx, job); err != nil {
			return err
		}
		for page := range slices.Chunk(refs, listedOnce) {
			if err := tx.AddPeople(ctx, added, page, "", false); err != nil {
				return err
			}
		}
		if err := tx.AddPeople(ctx, added, nil, "", true); err != nil {
			return err
		}
		return a.jobBegins(ctx, tx, added.Job, len(refs))
	})
	return added, err
}

// followBulk waits until a job is finished, unless it goes on alone, and tells what came of it so far.
func (a *app) followBulk(ctx context.Context, books *store.Store, id int64, detach bool) error {
	var cut error
	if !detach {
		cut = a.watchBulk(ctx, books, id)
	}
	result, err := bulkResult(context.WithoutCancel(ctx), books, id)
	if err != nil {
		return errors.Join(cut, err)
	}
	if err := a.show(result, result.write); err != nil {
		return err
	}
	return cut
}

// watchBulk shows how far a job has come until it is finished or stopped. Errors: who watched left, or nobody carries it out.
func (a *app) watchBulk(ctx context.Context, books *store.Store, id int64) error {
	bar := a.progress("enrolling")
	defer bar.end()
	look := time.NewTicker(bulkLook)
	defer look.Stop()
	for seen := time.Now(); ; {
		job, err := books.Bulk(ctx, id)
		if err != nil {
			return err
		}
		if !job.Finished.IsZero() || !job.Stopped.IsZero() {
			return nil
		}
		if job.Found {
			bar.from(job.People - job.ToDo())
			bar.at(job.People-job.ToDo(), job.People)
		}
		leads, err := books.Leased(ctx, enroll.BulkLease, time.Now())
		switch {
		case err != nil:
			return err
		case leads:
			seen = time.Now()
		case time.Since(seen) > leaderless:
			return fmt.Errorf("no worker carries job %d out: run `millrace worker`, it goes on by itself then", id)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job %d goes on without you: `millrace enroll --job %d --stop` stops it", id, id)
		case <-look.C:
		}
	}
}

func bulkResult(ctx context.Context, books *store.Store, id int64) (result bulkDone, err error) {
	if result.Bulk, err = books.Bulk(ctx, id); err != nil {
		return result, err
	}
	result.ToDo = result.Bulk.ToDo()
	result.Left = int(math.Ceil(float64(result.ToDo) / result.Rate))
	if result.Failing, result.Failure, err = books.Failing(ctx, result.Bulk); err != nil {
		return result, err
	}
	if result.Admitted, err = books.Admitted(ctx, result.Bulk); err != nil {
		return result, err
	}
	result.Reasons, err = books.Reasons(ctx, result.Bulk)
	refused := 0
	for _, count := range result.Reasons {
		refused += count
	}
	result.Undecided = max(0, result.Begun+result.Refused-result.Admitted-refused)
	return result, err
}

func (b bulkDone) write(w io.Writer) {
	fmt.Fprintf(w, "%d of %d begun", b.Begun, b.People)
	if b.ToDo > 0 {
		fmt.Fprintf(w, ", %d still to do, which takes %s or longer", b.ToDo, time.Duration(b.Left)*time.Second)
	}
	fmt.Fprintf(w, "; so far %d admitted", b.Admitted)
	if b.Undecided > 0 {
		fmt.Fprintf(w, ", %d not decided", b.Undecided)
	}
	fmt.Fprintln(w)
	for _, reason := range slices.Sorted(maps.Keys(b.Reasons)) {
		fmt.Fprintf(w, "  %d refused: %s\n", b.Reasons[reason], reason)
	}
	if b.Failing > 0 {
		fmt.Fprintf(w, "  %d could not be begun and are tried again: %s\n", b.Failing, printable(b.Failure))
	}
	switch {
	case !b.Finished.IsZero():
	case !b.Stopped.IsZero():
		fmt.Fprintf(w, "it is stopped: `millrace enroll --job %d` makes it go on\n", b.ID)
	case !b.Found:
		fmt.Fprintln(w, "more are looked for")
	}
}

// showRefusals lists whom a job did not bring into its workflow.
func (a *app) showRefusals(ctx context.Context, books *store.Store, job store.Bulk) error {
	result, err := bulkResult(ctx, books, job.ID)
	if err != nil {
		return err
	}
	result.Refusals = []store.Refusal{}
	for after := ""; ; {
		page, err := books.Refusals(ctx, job, after, listedOnce)
		if err != nil {
			return err
		}
		if result.Refusals = append(result.Refusals, page...); len(page) < listedOnce {
			break
		}
		after = page[len(page)-1].Record
	}
	return a.show(result, func(w io.Writer) {
		for _, one := range result.Refusals {
			fmt.Fprintf(w, "%s: %s\n", one.Record, printable(one.Reason))
		}
	})
}
