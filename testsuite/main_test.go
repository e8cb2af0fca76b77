package testsuite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/types/known/durationpb"
)

var record = flag.Bool("record", false, "record the histories of the present version of the interpreter anew")

// cache is what workers keep in memory, in this process and in those that it starts. Without it every step of every
// enrollment is replayed from its beginning.
var cache = flag.String("cache", "", "`number` of enrollments that workers keep in memory; 0 is none (default: as in production)")

// patience is the longest that a test waits for something that happens in a moment.
const patience = time.Minute

func TestMain(m *testing.M) {
	flag.Parse()
	if err := os.Setenv("MILLRACE_WORKER_CACHE", *cache); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := errors.Join(stopEmbedded(), postgrestest.Stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var shared struct {
	sync.Mutex
	server  *devserver.Server
	program string // the built command line
	folder  string
}

// embedded is the one real Temporal server of this package's tests.
func embedded(tb testing.TB) *devserver.Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		binary, err := devserver.Find(context.Background(), os.Stderr, false)
		require.NoError(tb, err)
		options := devserver.Options{Binary: binary}
		if *onPostgres {
			options.Postgres = temporalDatabase(tb, binary, postgrestest.Shared(tb))
		}
		shared.server, err = devserver.Start(context.Background(), options)
		require.NoError(tb, err)
	}
	return shared.server
}

// program is the built command line, for tests that run it as people do.
func program(tb testing.TB) string {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.program == "" {
		folder, err := os.MkdirTemp("", "millrace-test-")
		require.NoError(tb, err)
		shared.folder, shared.program = folder, filepath.Join(folder, "millrace")
		output, err := exec.Command("go", "build", "-o", shared.program, "../cmd/millrace").CombinedOutput()
		require.NoError(tb, err, "%s", output)
	}
	return shared.program
}

func stopEmbedded() error {
	if shared.folder != "" {
		if err := os.RemoveAll(shared.folder); err != nil {
			return err
		}
	}
	if shared.server == nil {
		return nil
	}
	return shared.server.Stop()
}

// stage is a namespace of its own on the real server, with a database, and a worker when asked for.
type stage struct {
	client.Client
	Namespace string
	Address   string
	Database  string
	Books     *store.Store
	People    *enroll.Client
}

// newStage makes a namespace and publishes a workspace, which is written as a txtar archive.
func newStage(tb testing.TB, workspace string) *stage {
	tb.Helper()
	return newStageAt(tb, embedded(tb).Address, newDatabase(tb), workspace)
}

// newDatabase is the url of a new database of ours, which is gone after the test.
func newDatabase(tb testing.TB) string {
	tb.Helper()
	if *onPostgres {
		return postgrestest.Database(tb)
	}
	return "sqlite://" + filepath.Join(tb.TempDir(), "millrace.db")
}

// newStageAt is newStage on a server and a database of the test's own.
func newStageAt(tb testing.TB, address, database, workspace string) *stage {
	tb.Helper()
	s := &stage{Namespace: "test-" + uuid.NewString()[:8], Address: address, Database: database}
	admin, err := client.Dial(client.Options{HostPort: address, Identity: "test", Logger: silent})
	require.NoError(tb, err)
	tb.Cleanup(admin.Close)
	_, err = admin.WorkflowService().RegisterNamespace(tb.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: s.Namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(tb, err)
	require.Eventually(tb, func() bool {
		_, err := admin.OperatorService().AddSearchAttributes(tb.Context(), &operatorservice.AddSearchAttributesRequest{
			Namespace: s.Namespace, SearchAttributes: worker.Attributes,
		})
		return err == nil
	}, patience, 20*time.Millisecond)
	s.Client, err = client.Dial(client.Options{HostPort: address, Namespace: s.Namespace, Identity: "test", Logger: silent})
	require.NoError(tb, err)
	tb.Cleanup(s.Client.Close)
	require.Eventually(tb, func() bool { // a moment later, the whole server knows them
		_, err := s.CountWorkflow(tb.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: s.Namespace, Query: fmt.Sprintf("%s = 'a' AND %s = 'b'", plan.AttributeWorkflow, plan.AttributeOutcome),
		})
		return err == nil
	}, patience, 20*time.Millisecond)
	s.Books, err = store.Open(tb.Context(), s.Database)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Books.Close()) })
	s.People = &enroll.Client{Temporal: s.Client, Store: s.Books}
	s.publish(tb, workspace)
	return s
}

var silent = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

// publish publishes a workspace in the form of a txtar archive.
func (s *stage) publish(tb testing.TB, workspace string) {
	tb.Helper()
	_, err := s.Books.Publish(tb.Context(), compiled(tb, workspace))
	require.NoError(tb, err)
}

// revise publishes a workspace over what is there, and tells everybody inside.
func (s *stage) revise(tb testing.TB, workspace string, options publish.Options) {
	tb.Helper()
	options.Latest = func(workflow string) (*plan.Plan, error) {
		latest, _, err := s.Books.LatestRevision(tb.Context(), workflow)
		return latest.Plan, err
	}
	revised := compiledAs(tb, workspace, options)
	_, err := s.Books.Publish(tb.Context(), revised)
	require.NoError(tb, err)
	for _, revision := range revised.Definitions {
		_, err := s.People.Published(tb.Context(), revision.Workflow, func(int, int) {})
		require.NoError(tb, err)
	}
}

// compiled is what a workspace in the form of a txtar archive publishes. Without a millrace.yaml it has the
// one of the zone UTC.
func compiled(tb testing.TB, workspace string) store.Publication {
	tb.Helper()
	return compiledAs(tb, workspace, publish.Options{})
}

// folder is a workspace as a txtar archive has it.
func folder(workspace string) fstest.MapFS {
	files := fstest.MapFS{definition.WorkspaceFile: {Data: []byte("time_zone: UTC\nsender: {email: hello@millrace.example}\n")}}
	for _, file := range txtar.Parse([]byte(workspace)).Files {
		files[file.Name] = &fstest.MapFile{Data: file.Data}
	}
	return files
}

func compiledAs(tb testing.TB, workspace string, options publish.Options) store.Publication {
	tb.Helper()
	options.At = time.Now()
	published, err := publication(workspace, options)
	require.NoError(tb, err)
	return published
}

// publication is what a workspace publishes; its problems are the error.
func publication(workspace string, options publish.Options) (store.Publication, error) {
	read, problems, err := definition.ReadWorkspace(folder(workspace), activities.Kinds())
	if err != nil || problems.HasErrors() {
		return store.Publication{}, errors.Join(err, fmt.Errorf("%v", problems))
	}
	published, problems, err := publish.Workspace(read, options)
	if len(problems) > 0 {
		err = errors.Join(err, fmt.Errorf("%v", problems))
	}
	return published, err
}

// work runs a worker in this process until the test ends. change adjusts its options.
func (s *stage) work(tb testing.TB, change ...func(*worker.Options)) {
	tb.Helper()
	options := worker.Options{
		Temporal: s.Client, Namespace: s.Namespace, Store: s.Books, Kinds: activities.Kinds(), Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range change {
		change(&options)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx, options) }()
	tb.Cleanup(func() {
		stop()
		require.NoError(tb, <-done)
	})
}

// enroll creates a contact and enrolls it.
func (s *stage) enroll(tb testing.TB, workflow, contact string, values map[string]string) client.WorkflowRun {
	tb.Helper()
	ref := crm.Ref{Object: "contact", ID: contact}
	_, err := s.Books.Create(tb.Context(), ref, values, time.Now(), "test")
	require.NoError(tb, err)
	started, err := s.People.Start(tb.Context(), enroll.Request{Workflow: workflow, Record: ref})
	require.NoError(tb, err)
	return s.GetWorkflow(tb.Context(), started.WorkflowID, started.RunID)
}

// skip lets an enrollment skip all the time that it waits.
func (s *stage) skip(tb testing.TB, run client.WorkflowRun) {
	tb.Helper()
	require.NoError(tb, s.clock(run).RunOn(tb.Context()))
}

func (s *stage) clock(run client.WorkflowRun) enroll.Clock {
	return enroll.Clock{Temporal: s.Client, Namespace: s.Namespace, WorkflowID: run.GetID()}
}

// events lists the journal of a record as "node event port" lines.
func (s *stage) events(tb testing.TB, workflow, record string) string {
	tb.Helper()
	entries, err := s.Books.JournalOf(tb.Context(), workflow, record)
	require.NoError(tb, err)
	var lines []string
	for _, entry := range entries {
		lines = append(lines, strings.Join(strings.Fields(entry.Node+" "+entry.Event+" "+entry.Port), " "))
	}
	return strings.Join(lines, "\n")
}

func ref(text string) crm.Ref {
	parsed, err := crm.ParseRef(text)
	if err != nil {
		panic(err)
	}
	return parsed
}
