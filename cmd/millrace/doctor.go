package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/worker"
	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// pollTime is how long ago a worker that lives asked for work at most: a long poll, and some.
const pollTime = 75 * time.Second

// checkup is the result of `millrace doctor`.
type checkup struct {
	OK     bool      `json:"ok"` // there is no problem
	Checks []finding `json:"checks"`
}

// finding is what came of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"`  // ok, problem, or unknown: it could not be looked at
	Detail string `json:"detail"` // what was found, and of a problem how to mend it
}

// Values of finding.State.
const (
	stateOK      = "ok"
	stateProblem = "problem"
	stateUnknown = "unknown"
)

func newDoctor(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check that everything is in order, or how to mend it",
		Long: `Look at everything that enrollments need: the database and its migrations,
secrets, mail server and quotas, the providers and limits of AI actions, whether
the workspace around the working directory is published, which filters of lists
and schedules are slow for want of an indexed property, and the Temporal server,
its namespace and search attributes, and whether a worker works, also on what
quotas hold back. When there is a problem, the command fails and says how
to mend it.

Secrets and mail server are looked at with the environment of this command: run
it where the worker runs.`,
		Example: "  millrace doctor",
		Args:    arguments(0, 0),
		RunE:    func(command *cobra.Command, _ []string) error { return a.doctor(command.Context()) },
	}
	a.databaseFlag(command)
	return command
}

func (a *app) doctor(ctx context.Context) error {
	found, queues := checkup{}, []string{plan.TaskQueue}
	if err := a.withStore(ctx, func(books *store.Store) error {
		found.look("database", func() (string, error) { return examineStore(ctx, books) })
		a.examineAccount(ctx, &found, books)
		found.look("ai", func() (string, error) { return a.examineAI(ctx, books) })
		a.examineWorkspace(ctx, &found, books)
		found.look("filters", func() (string, error) { return examineFilters(ctx, books, manyRecords) })
		found.look("quotas", func() (string, error) {
			limited, err := worker.Queues(ctx, books)
			queues = append(queues, slices.Sorted(maps.Keys(limited))...)
			return cmp.Or(strings.Join(queues[1:], ", "), "none"), err
		})
		return nil
	}); err != nil {
		found.look("database", func() (string, error) { return "", err })
		found.skip("needs the database", "secrets", "mail server", "ai", "workspace", "filters", "quotas")
	}
	a.examineTemporal(ctx, &found, queues)
	found.OK = !slices.ContainsFunc(found.Checks, func(one finding) bool { return one.State == stateProblem })
	if err := a.show(found, func(w io.Writer) {
		rows := [][]string{{"CHECK", "STATE", "DETAIL"}}
		for _, one := range found.Checks {
			rows = append(rows, []string{one.Check, one.State, one.Detail})
		}
		table(w, rows)
	}); err != nil {
		return err
	}
	if !found.OK {
		return exitFailed
	}
	return nil
}

// look notes what a check comes to, and tells whether that is well.
func (c *checkup) look(check string, at func() (detail string, err error)) bool {
	detail, err := at()
	one := finding{Check: check, State: stateOK, Detail: detail}
	if err != nil {
		one.State, one.Detail = stateProblem, oneLine(err)
	}
	c.Checks = append(c.Checks, one)
	return err == nil
}

// skip notes checks that cannot be made.
func (c *checkup) skip(why string, checks ...string) {
	for _, check := range checks {
		c.Checks = append(c.Checks, finding{Check: check, State: stateUnknown, Detail: why})
	}
}

func examineStore(ctx context.Context, books *store.Store) (string, error) {
	health, err := books.Health(ctx)
	return fmt.Sprintf("%s, migration %d", health.Database, health.Migration), err
}

// manyRecords is how many there are of an object type when a filter that asks each of them takes its time.
const manyRecords = 20_000

// examineFilters names the filters over records, so many of them, that ask for properties without an index. They are slow, which is no
// problem of enrollments.
func examineFilters(ctx context.Context, books *store.Store, many int) (string, error) {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return "", err
	}
	var slow []string
	examine := func(whose, object string, filter crm.Filter) error {
		var names []string
		for _, source := range filter.Sources(catalog) {
			asked := slices.Concat([]string{object}, source.Through)[len(source.Through)]
			property, declared := catalog.Property(asked, source.Name)
			if name := asked + "." + source.Name; source.Kind == crm.SourceProperty && declared && !property.Indexed && property.CanIndex() && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return nil
		}
		count, err := books.CountMatching(ctx, store.Query{Object: object})
		if err == nil && count >= many {
			slow = append(slow, fmt.Sprintf("%s asks each of %d records of %s: declare %s `indexed: true`", whose, count, object, strings.Join(names, ", ")))
		}
		return err
	}
	for _, list := range catalog.ActiveLists() {
		if err := examine("list "+list.Name, list.Object, list.Filter); err != nil {
			return "", err
		}
	}
	live, err := books.Live(ctx)
	if err != nil {
		return "", err
	}
	for _, one := range live {
		triggers, err := one.Revision.Plan.Rules.Triggers()
		if err != nil {
			return "", err
		}
		filter, err := crm.ReadFilter(triggers.If)
		if err != nil {
			return "", err
		}
		if triggers.Schedule == nil || filter == nil {
			continue
		}
		if err := examine("schedule of "+one.Workflow, one.Revision.Plan.Object, *filter); err != nil {
			return "", err
		}
	}
	return cmp.Or(strings.Join(slow, "; "), "none is slow"), nil
}

// examineAccount looks for the values of secrets, and for the mail server.
func (a *app) examineAccount(ctx context.Context, found *checkup, books *store.Store) {
	secrets := provider.NewSecrets(a.Environment.LookupEnv, a.Environment.get("MILLRACE_SECRETS_FILE"))
	found.look("secrets", func() (string, error) {
		references, err := namedSecrets(ctx, books)
		if err != nil {
			return "", err
		}
		for _, reference := range references {
			_, missing := secrets.Resolve(reference)
			err = errors.Join(err, missing)
		}
		return cmp.Or(strings.Join(references, ", "), "none is named"), err
	})
	found.look("mail server", func() (string, error) {
		account, err := settings(ctx, books)
		if err != nil {
			return "", err
		}
		server, named, err := worker.MailServer(account, secrets)
		if err != nil || !named {
			return "none: mails go to `millrace outbox`", err
		}
		address := net.JoinHostPort(server.Host, strconv.Itoa(cmp.Or(server.Port, 587)))
		if err := server.Reach(ctx); err != nil {
			return "", fmt.Errorf("%s: %w: mend providers.smtp in millrace.yaml, or the server", address, err)
		}
		return address, nil
	})
}

// namedSecrets are the references to secrets in the account's settings and in the newest revisions.
func namedSecrets(ctx context.Context, books *store.Store) ([]string, error) {
	references := map[string]bool{}
	account, err := books.Account(ctx)
	if err != nil {
		return nil, err
	}
	collectSecrets(account, references)
	workflows, err := books.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	for _, workflow := range workflows {
		newest, err := books.Revision(ctx, workflow.Workflow, workflow.Revision)
		if err != nil {
			return nil, err
		}
		for _, node := range newest.Plan.Nodes {
			collectSecrets(node.Config, references)
		}
	}
	return slices.Sorted(maps.Keys(references)), nil
}

// collectSecrets finds the texts of a JSON value that are references to secrets.
func collectSecrets(text json.RawMessage, into map[string]bool) {
	var visit func(value any)
	visit = func(value any) {
		switch value := value.(type) {
		case string:
			if strings.HasPrefix(value, "secret://") {
				into[value] = true
			}
		case []any:
			for _, item := range value {
				visit(item)
			}
		case map[string]any:
			for _, item := range value {
				visit(item)
			}
		}
	}
	var value any
	if json.Unmarshal(text, &value) == nil { // an action without a config has no text
		visit(value)
	}
}

// examineWorkspace compares the workspace around with what is published.
func (a *app) examineWorkspace(ctx context.Context, found *checkup, books *store.Store) {
	folder, there := a.nearest()
	if !there {
		found.skip("there is none around the working directory", "workspace")
		return
	}
	found.look("workspace", func() (string, error) {
		checked, err := a.readWorkspace(folder)
		if err != nil {
			return "", err
		}
		if checked.Diagnostics.HasErrors() {
			return "", fmt.Errorf("%s has %s: `millrace check` shows them", folder, tally(checked.Diagnostics))
		}
		different, err := compared(ctx, books, checked.Workspace)
		if err == nil && different.changed() {
			err = fmt.Errorf("%s differs from what is published: `millrace diff` shows how, `millrace push` publishes it", folder)
		}
		return folder, err
	})
}

// examineTemporal looks at the server, the namespace and who works there.
func (a *app) examineTemporal(ctx context.Context, found *checkup, queues []string) {
	var server *temporal
	reached := found.look("temporal", func() (_ string, err error) {
		if server, err = a.dial(ctx, slog.LevelError); err != nil {
			return "", err
		}
		info, err := server.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
		return fmt.Sprintf("%s, version %s", server.Address, info.GetServerVersion()), err
	})
	if server != nil {
		defer server.Close()
	}
	if !reached {
		found.skip("needs the Temporal server", "namespace", "worker")
		return
	}
	ready := found.look("namespace", func() (string, error) {
		return server.Namespace + " knows our search attributes", worker.CheckNamespace(ctx, server, server.Namespace)
	})
	if !ready {
		found.skip("needs the namespace", "worker")
		return
	}
	found.look("worker", func() (string, error) { return a.examineWorker(ctx, server, queues) })
}

// examineWorker tells who asked for our work of late, on the queue of everything and on those of limited channels.
func (a *app) examineWorker(ctx context.Context, server *temporal, queues []string) (string, error) {
	var workers []string
	for _, queue := range queues {
		kinds := []enums.TaskQueueType{enums.TASK_QUEUE_TYPE_ACTIVITY}
		if queue == plan.TaskQueue {
			kinds = append(kinds, enums.TASK_QUEUE_TYPE_WORKFLOW)
		}
		for _, kind := range kinds {
			there, err := a.polling(ctx, server, queue, kind)
			if err != nil {
				return "", err
			}
			workers = append(workers, there...)
		}
	}
	slices.Sort(workers)
	return strings.Join(slices.Compact(workers), ", "), nil
}

// polling lists who asked for work of a task queue of late; that nobody did is an error.
func (a *app) polling(ctx context.Context, server *temporal, queue string, kind enums.TaskQueueType) (workers []string, err error) {
	described, err := server.DescribeTaskQueue(ctx, queue, kind)
	if err != nil {
		return nil, fmt.Errorf("asking the Temporal server who works on the task queue %s: %w", queue, err)
	}
	for _, poller := range described.GetPollers() {
		if a.Now().Sub(poller.GetLastAccessTime().AsTime()) < pollTime {
			workers = append(workers, strings.TrimSuffix(poller.GetIdentity(), "@")) // PROCESS@HOST@
		}
	}
	if len(workers) == 0 {
		return nil, fmt.Errorf("nobody works on the task queue %s of namespace %s: start `millrace worker`", queue, server.Namespace)
	}
	return workers, nil
}
