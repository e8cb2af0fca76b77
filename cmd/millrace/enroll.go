package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// admissionTime is how long a worker may take to decide about one record.
const admissionTime = 10 * time.Second

// enrollAtOnce is how many records are enrolled at once.
const enrollAtOnce = 16

// enrolled is one line of the result of `millrace enroll`.
type enrolled struct {
	Record     string `json:"record"` // "" = a line of a file that cannot be read
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Error      string `json:"error"` // "" = it is on its way
}

func newEnroll(a *app) *cobra.Command {
	var file string
	var wait bool
	many := bulk{rate: usualBulk}
	command := &cobra.Command{
		Use:   "enroll WORKFLOW RECORD...",
		Short: "Enroll records in a workflow",
		Long: `Enroll records in a workflow. Those that fail are told, and the others go on.
Whether a record is admitted is decided by the worker: --wait waits for that,
and ` + "`millrace history`" + ` tells it later.

--file names a CSV file whose first column holds records, or ids of records of
the workflow's object. A first line "record" or "id" is a head; - is standard
input.

--matching, --list, --rate and --detach make a job of it, for any number. The
worker carries it out: at most so many in a second, fewer while the server or
the workers are behind, nobody twice, whatever is killed meanwhile. The command
shows how far it is; it may leave, at once with --detach. --job shows the job
and makes it go on, with --rate at another pace; --stop stops it; --refused
lists whom it did not enroll, and why. -o json says all of it.`,
		Example: "  millrace enroll trial-nurture contact/51 contact/52\n  millrace enroll trial-nurture --matching '{list: vip}' --rate 100/s\n  millrace enroll --job 7 --rate 20/s --detach",
		Args:    arguments(0, -1),
		RunE: func(command *cobra.Command, args []string) error {
			many.file, many.paced = file, command.Flags().Changed("rate")
			if many.asked() {
				return a.withStore(command.Context(), func(books *store.Store) error {
					return a.enrollMany(command.Context(), books, args, many)
				})
			}
			if len(args) == 0 {
				return usagef("`millrace enroll` needs WORKFLOW RECORD...")
			}
			if len(args) == 1 && file == "" {
				return usagef("`millrace enroll` needs WORKFLOW RECORD... or --file")
			}
			refs, err := recordArguments(args[1:])
			if err != nil {
				return err
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.enroll(command.Context(), books, args[0], refs, file, wait)
			})
		},
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&file, "file", "", "CSV `file` of more records; - is standard input")
	command.Flags().BoolVar(&wait, "wait", false, "wait until it is decided who is admitted")
	many.flags(command)
	return command
}

func (a *app) enroll(ctx context.Context, books *store.Store, workflow string, refs []crm.Ref, file string, wait bool) error {
	revision, err := publishedWorkflow(ctx, books, workflow)
	if err != nil {
		return err
	}
	stands, err := books.Switch(ctx, workflow)
	if err != nil {
		return err
	}
	if why := stands.Refuses(a.Now()); why != "" {
		return fmt.Errorf("%s admits nobody: %s", workflow, why)
	}
	var bad []enrolled
	if file != "" {
		var more []crm.Ref
		more, bad, err = a.recordsFrom(file, revision.Plan.Object)
		if err != nil {
			return fmt.Errorf("reading the records of %s: %w", file, err)
		}
		refs = append(refs, more...)
	}
	client, done, err := a.enrollments(ctx, books)
	if err != nil {
		return err
	}
	defer done()
	lines, failed := a.enrollAll(ctx, client, revision, refs, wait)
	lines, failed = append(lines, bad...), failed+len(bad)
	if err := a.show(lines, func(w io.Writer) {
		for _, line := range lines {
			switch {
			case line.Error != "":
			case wait:
				fmt.Fprintf(w, "%s: enrolled\n", line.Record)
			default:
				fmt.Fprintf(w, "%s: on its way\n", line.Record)
			}
		}
	}); err != nil {
		return err
	}
	if failed == 0 {
		return nil
	}
	for _, line := range lines {
		if line.Error != "" {
			a.note("millrace: %s", line.Error)
		}
	}
	if len(lines) > 1 {
		a.note("%d of %d records were not enrolled", failed, len(lines))
	}
	return exitFailed
}

// enrollAll enrolls records, some at once, and returns a line for each.
func (a *app) enrollAll(ctx context.Context, client *enroll.Client, revision plan.Revision, refs []crm.Ref, wait bool) (lines []enrolled, failed int) {
	lines = make([]enrolled, len(refs))
	bar := a.progress("enrolling")
	defer bar.end()
	var group errgroup.Group
	group.SetLimit(enrollAtOnce)
	var done atomic.Int64
	for i, ref := range refs {
		group.Go(func() error {
			var started enroll.Started
			err := a.audited(ctx, client.Store, store.DeedEnroll, revision.Workflow+"/"+ref.String(), func() (err error) {
				started, err = enrollOne(ctx, client, revision, ref)
				return err
			})
			if err == nil && wait {
				err = admitted(ctx, client.Store, started)
			}
			lines[i] = enrolled{Record: ref.String(), WorkflowID: started.WorkflowID, RunID: started.RunID}
			if err != nil {
				lines[i].Error = oneLine(err)
			}
			bar.at(int(done.Add(1)), len(refs))
			return nil
		})
	}
	_ = group.Wait() // what fails is in its line
	for _, line := range lines {
		if line.Error != "" {
			failed++
		}
	}
	return lines, failed
}

// enrollOne starts one enrollment of a record that can be in the workflow.
func enrollOne(ctx context.Context, client *enroll.Client, revision plan.Revision, ref crm.Ref) (enroll.Started, error) {
	if ref.Object != revision.Plan.Object {
		return enroll.Started{}, fmt.Errorf("%s cannot be in %s, which is about the object %s", ref, revision.Workflow, revision.Plan.Object)
	}
	if err := knownRecord(ctx, client.Store, ref); err != nil {
		return enroll.Started{}, err
	}
	return client.Start(ctx, enroll.Request{Workflow: revision.Workflow, Record: ref})
}

// admitted waits until it is decided whether the record of an enrollment is admitted, and fails when it is not.
func admitted(ctx context.Context, books *store.Store, started enroll.Started) error {
	limited, cancel := context.WithTimeout(ctx, admissionTime)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		row, found, err := books.EnrollmentByRun(ctx, started.WorkflowID, started.RunID)
		switch {
		case err != nil:
			return err
		case found && row.Exit == plan.ExitRefused:
			return fmt.Errorf("%s was not admitted: %s", row.Record, row.Detail)
		case found:
			return nil
		}
		select {
		case <-limited.Done():
			return fmt.Errorf("nothing was decided about %s within %s: is `millrace worker` running?", started.WorkflowID, admissionTime)
		case <-again.C:
		}
	}
}

// recordsFrom reads the first column of a CSV file. Lines that name no record are bad.
func (a *app) recordsFrom(file, object string) (refs []crm.Ref, bad []enrolled, err error) {
	content, err := a.readFile(file)
	if err != nil {
		return nil, nil, err
	}
	reader := csv.NewReader(bytes.NewReader(content))
	reader.FieldsPerRecord = -1
	for first := true; ; first = false {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return refs, bad, nil
		}
		if malformed := new(csv.ParseError); errors.As(err, &malformed) {
			bad = append(bad, enrolled{Error: fmt.Sprintf("line %d of %s: %v", malformed.StartLine, file, malformed.Err)})
			continue
		}
		text := strings.TrimSpace(strings.TrimPrefix(row[0], "\uFEFF"))
		if text == "" || first && (strings.EqualFold(text, "record") || strings.EqualFold(text, "id")) {
			continue
		}
		if !strings.Contains(text, "/") {
			text = object + "/" + text
		}
		ref, err := crm.ParseRef(text)
		if err != nil {
			line, _ := reader.FieldPos(0)
			bad = append(bad, enrolled{Record: text, Error: fmt.Sprintf("line %d of %s: %v", line, file, err)})
			continue
		}
		refs = append(refs, ref)
	}
}

// recordArguments reads records such as contact/51 on the command line.
func recordArguments(texts []string) ([]crm.Ref, error) {
	var refs []crm.Ref
	for _, text := range texts {
		ref, err := crm.ParseRef(text)
		if err != nil {
			return nil, usageError{err}
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// publishedWorkflow returns the newest revision of a workflow that somebody named.
func publishedWorkflow(ctx context.Context, books *store.Store, workflow string) (plan.Revision, error) {
	revision, found, err := books.LatestRevision(ctx, workflow)
	if err != nil || found {
		return revision, err
	}
	all, err := books.Workflows(ctx)
	if err != nil {
		return plan.Revision{}, err
	}
	if len(all) == 0 {
		return plan.Revision{}, fmt.Errorf("no workflow %q: nothing was published yet, run `millrace push`", workflow)
	}
	var names []string
	for _, one := range all {
		names = append(names, one.Workflow)
	}
	hint := didYouMean(workflow, names)
	if hint == "" {
		hint = ": published are " + strings.Join(names, ", ")
	}
	return plan.Revision{}, fmt.Errorf("no workflow %q was published%s", workflow, hint)
}

// knownRecord fails when a record is not there.
func knownRecord(ctx context.Context, books *store.Store, ref crm.Ref) error {
	_, err := books.Get(ctx, ref)
	var merged *crm.MergedError
	switch {
	case errors.As(err, &merged):
		return fmt.Errorf("record %s was merged into %s", ref, merged.Into)
	case errors.Is(err, crm.ErrNotFound):
		return fmt.Errorf("there is no record %s: `millrace records set %s property=value` makes one", ref, ref)
	case errors.Is(err, crm.ErrDeleted):
		return fmt.Errorf("record %s is deleted: `millrace records restore %s` brings it back", ref, ref)
	}
	return err
}
