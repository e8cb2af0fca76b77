package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/millrace/millrace/examples"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/millrace/millrace/worker"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"
)

// The demo's journey.
const (
	demoWorkspace = "trial-nurture"
	demoWorkflow  = "trial-nurture"
)

// demoContact is somebody whom the demo takes through three weeks.
type demoContact struct {
	id     string
	story  string
	values map[string]string
	events []plan.Event // At counts from the enrollment
	after  []time.Duration
}

var demoContacts = []demoContact{
	{id: "1", story: "Ada works in a team of 40 and opens the welcome mail the next day",
		values: map[string]string{"first_name": "Ada", "email": "ada@example.com", "employees": "40"},
		events: []plan.Event{{ID: "demo-1", Type: "email_opened"}}, after: []time.Duration{26 * time.Hour}},
	{id: "2", story: "Bo works for a company of 2,000 and opens nothing",
		values: map[string]string{"first_name": "Bo", "email": "bo@example.com", "employees": "2000"}},
	{id: "3", story: "Cleo opens the mail on the third day and says nothing about her company",
		values: map[string]string{"first_name": "Cleo", "email": "cleo@example.com"},
		events: []plan.Event{{ID: "demo-3", Type: "email_opened"}}, after: []time.Duration{60 * time.Hour}},
	{id: "4", story: "Dan left no address: what fails is written down, and he goes on",
		values: map[string]string{"first_name": "Dan", "employees": "12"}},
}

// demoResult is what the demo shows.
type demoResult struct {
	UI          string           `json:"ui"`
	Database    string           `json:"database"`
	Enrollments []demoEnrollment `json:"enrollments"`
	Mails       []plan.Message   `json:"mails"`
}

type demoEnrollment struct {
	Record  string           `json:"record"`
	Story   string           `json:"story"`
	History string           `json:"history"` // address in the Web UI
	Exit    plan.Exit        `json:"exit"`
	Steps   []testsuite.Step `json:"steps"`
}

func newDemo(a *app) *cobra.Command {
	var keep bool
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run an example journey of weeks in seconds",
		Long: `Start a Temporal server, a worker and a database, take four contacts through
three weeks of an example workflow in skipped time, and print what happened and
where each history can be read in the Temporal Web UI. Needs no account, no
configuration and no free port of your choice.`,
		Example: "  millrace demo --keep",
		Args:    arguments(0, 0),
		RunE:    func(command *cobra.Command, _ []string) error { return a.demo(command.Context(), keep) },
	}
	command.Flags().BoolVar(&keep, "keep", false, "leave everything running until Ctrl-C, to look at it in the Web UI")
	return command
}

func (a *app) demo(ctx context.Context, keep bool) (err error) {
	binary, err := devserver.Find(ctx, a.Stderr, false)
	if err != nil {
		return err
	}
	a.note("starting a Temporal server with its Web UI …")
	server, err := devserver.Start(ctx, devserver.Options{Binary: binary, Attributes: worker.AttributeTypes()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	folder, release, err := demoFolder()
	if err != nil {
		return fmt.Errorf("making room for the demo's database: %w", err)
	}
	defer release()
	database := "sqlite://" + filepath.Join(folder, databaseFile)
	books, err := store.Open(ctx, database)
	if err != nil {
		return err
	}
	defer closing(books, &err)
	connected, err := connect(ctx, client.Options{HostPort: server.Address, Namespace: server.Namespace, Logger: temporallog.NewStructuredLogger(a.log(slog.LevelError))})
	if err != nil {
		return err
	}
	defer connected.Close()

	working, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return worker.Run(working, worker.Options{Temporal: connected.Client, Namespace: server.Namespace, Store: books, Kinds: a.Kinds, Scripts: a.Scripts, Log: a.log(slog.LevelError)})
	})
	defer func() { stop(); err = errors.Join(err, group.Wait()) }()

	a.note("taking %d contacts through three weeks …\n", len(demoContacts))
	result, err := a.demoJourneys(working, connected, books)
	if err != nil {
		return err
	}
	result.UI, result.Database = server.UI, database
	if err := a.show(result, func(w io.Writer) { printDemo(w, result, keep) }); err != nil {
		return err
	}
	if keep {
		a.note("\nEverything keeps running until Ctrl-C.")
		<-working.Done()
	}
	return nil
}

// demoFolder makes an empty folder for the demo: always the same one, which stays for `millrace outbox`, or one of
// its own while another demo uses that.
func demoFolder() (folder string, release func(), err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", nil, err
	}
	folder = filepath.Join(cache, "millrace", "demo")
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", nil, err
	}
	lock := flock.New(folder + ".lock")
	held, err := lock.TryLock()
	if err != nil {
		return "", nil, err
	}
	release = func() { _ = lock.Unlock() } // also done by the end of the process
	if !held {
		folder, err = os.MkdirTemp("", "millrace-demo-")
		return folder, release, err
	}
	if err = os.RemoveAll(folder); err == nil {
		err = os.Mkdir(folder, 0o755)
	}
	return folder, release, err
}

// demoJourneys publishes the workspace and takes every contact through it.
func (a *app) demoJourneys(ctx context.Context, connected *temporal, books *store.Store) (demoResult, error) {
	folder, err := fs.Sub(examples.Files, demoWorkspace)
	if err != nil {
		return demoResult{}, err
	}
	workspace, problems, err := definition.ReadWorkspace(folder, a.Kinds)
	if err != nil || problems.HasErrors() {
		return demoResult{}, fmt.Errorf("the example workspace is broken: %w", errors.Join(err, broken(problems)))
	}
	publication, problems, err := publish.Workspace(workspace, publish.Options{At: a.Now(), By: "demo"})
	if err != nil || problems.HasErrors() {
		return demoResult{}, fmt.Errorf("the example workspace is broken: %w", errors.Join(err, broken(problems)))
	}
	if _, err := books.Publish(ctx, publication); err != nil {
		return demoResult{}, err
	}
	people := &enroll.Client{Temporal: connected, Store: books}
	result := demoResult{Enrollments: make([]demoEnrollment, len(demoContacts))}
	group, together := errgroup.WithContext(ctx)
	for i, contact := range demoContacts {
		group.Go(func() (err error) {
			result.Enrollments[i], err = a.demoJourney(together, people, connected, contact)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return demoResult{}, err
	}
	result.Mails, err = books.Outbox(ctx, time.Time{}, 0)
	return result, err
}

// demoJourney enrolls one contact and moves its clock: each planned event is stored first and then advanced to,
// so that it meets the enrollment at its instant.
func (a *app) demoJourney(ctx context.Context, people *enroll.Client, connected *temporal, contact demoContact) (demoEnrollment, error) {
	ref := crm.Ref{Object: "contact", ID: contact.id}
	if _, err := people.Store.Create(ctx, ref, contact.values, a.Now(), "demo"); err != nil {
		return demoEnrollment{}, err
	}
	started, err := people.Start(ctx, enroll.Request{Workflow: demoWorkflow, Record: ref, Trigger: "demo"})
	if err != nil {
		return demoEnrollment{}, err
	}
	clock := enroll.Clock{Temporal: connected, Namespace: connected.Namespace, WorkflowID: started.WorkflowID}
	begun, err := clock.Now(ctx)
	if err != nil {
		return demoEnrollment{}, err
	}
	for i, event := range contact.events {
		event.Record, event.At = ref.String(), begun.Add(contact.after[i])
		if _, _, err := people.Store.AddEvent(ctx, event); err != nil {
			return demoEnrollment{}, err
		}
		if err := clock.AdvanceTo(ctx, event.At); err != nil {
			return demoEnrollment{}, err
		}
		if err := connected.SignalWorkflow(ctx, started.WorkflowID, "", plan.SignalEvent, event); err != nil {
			return demoEnrollment{}, fmt.Errorf("telling %s of %s: %w", started.WorkflowID, event.Type, err)
		}
	}
	if err := clock.RunOn(ctx); err != nil {
		return demoEnrollment{}, err
	}
	journey := demoEnrollment{Record: ref.String(), Story: contact.story}
	journey.History = fmt.Sprintf("/namespaces/%s/workflows/%s/%s/history", connected.Namespace, url.PathEscape(started.WorkflowID), started.RunID)
	if err := connected.GetWorkflow(ctx, started.WorkflowID, started.RunID).Get(ctx, &journey.Exit); err != nil {
		return demoEnrollment{}, fmt.Errorf("waiting for %s: %w", started.WorkflowID, err)
	}
	entries, err := people.Store.JournalOf(ctx, demoWorkflow, ref.String())
	journey.Steps = testsuite.Steps(entries)
	return journey, err
}

// broken is the first problem of a workspace that should have none.
func broken(problems schema.Diagnostics) error {
	for _, problem := range problems {
		if problem.Severity == schema.Error {
			return fmt.Errorf("%s:%d: %s", problem.File, problem.Line, problem.Message)
		}
	}
	return nil
}

func printDemo(w io.Writer, result demoResult, keep bool) {
	for _, enrollment := range result.Enrollments {
		fmt.Fprintf(w, "%s: %s\n\n", enrollment.Record, enrollment.Story)
		rows := [][]string{{"  AT (UTC)", "ACTION", "PORT", "NOTE"}}
		for _, step := range enrollment.Steps {
			rows = append(rows, []string{"  " + step.At.Format("Mon 2 Jan 15:04"), step.Node, step.Port, step.Note})
		}
		table(w, rows)
		fmt.Fprintf(w, "  %s\n", enrollment.Exit.Reason)
		if keep {
			fmt.Fprintf(w, "  %s%s\n", result.UI, enrollment.History)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d mails were written instead of sent. Read them:\n  millrace outbox --database %s\n", len(result.Mails), result.Database)
	fmt.Fprintf(w, "Web UI: %s", result.UI)
	if !keep {
		fmt.Fprint(w, " (closed now; `millrace demo --keep` keeps it open and shows the address of every history)")
	}
	fmt.Fprintln(w)
}
