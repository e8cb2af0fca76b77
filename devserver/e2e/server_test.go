package e2e

import (
	"bytes"
	"database/sql"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	_ "modernc.org/sqlite" // driver sqlite
)

func greet(_ workflow.Context, name string) (string, error) { return "Hello, " + name, nil }

// awaitName waits for a signal that carries a name.
func awaitName(ctx workflow.Context) (name string, err error) {
	workflow.GetSignalChannel(ctx, "name").Receive(ctx, &name)
	return name, nil
}

func TestStandsInForTemporalsOwnBinary(t *testing.T) {
	t.Parallel()
	plan, score := temporal.NewSearchAttributeKeyKeyword("Plan"), temporal.NewSearchAttributeKeyInt64("Score")
	dev, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath:     binary,
		ClientOptions:    &client.Options{Namespace: "crm"},
		SearchAttributes: temporal.NewSearchAttributes(plan.ValueSet("any"), score.ValueSet(0)),
		LogFormat:        "pretty",
		EnableUI:         true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Stop()) })
	c := dev.Client()

	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		TaskQueue:             work(t, c, greet),
		TypedSearchAttributes: temporal.NewSearchAttributes(plan.ValueSet("pro"), score.ValueSet(7)),
	}, greet, "Ada")
	require.NoError(t, err)
	var greeting string
	require.NoError(t, run.Get(t.Context(), &greeting))
	require.Equal(t, "Hello, Ada", greeting)

	require.Eventually(t, func() bool {
		found, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: "Plan = 'pro' AND Score > 5 AND ExecutionStatus = 'Completed'",
		})
		return err == nil && len(found.Executions) == 1
	}, 10*time.Second, 50*time.Millisecond)
}

func TestWebUI(t *testing.T) {
	t.Parallel()
	s := start(t)
	for path, want := range map[string]string{
		"/":                             "<html",
		"/namespaces/default/workflows": "<html",
		"/api/v1/namespaces":            `"name": "default"`,
	} {
		resp, err := http.Get(s.UI + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Contains(t, string(body), want, path)
	}
}

func TestKeepsWorkflowsThroughKill(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "temporal.db")
	s := start(t, "--headless", "--db-filename", database)
	run, err := s.dial(t, client.Options{}).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: t.Name()}, awaitName)
	require.NoError(t, err)
	s.kill(t)

	// Search attributes may be added to a database that is there already.
	s = start(t, "--headless", "--db-filename", database, "--search-attribute", "Plan=Keyword")
	c := s.dial(t, client.Options{})
	work(t, c, awaitName)
	require.NoError(t, c.SignalWorkflow(t.Context(), run.GetID(), run.GetRunID(), "name", "Ada"))
	var name string
	require.NoError(t, c.GetWorkflow(t.Context(), run.GetID(), run.GetRunID()).Get(t.Context(), &name))
	require.Equal(t, "Ada", name)
}

func TestEndsWithItsParent(t *testing.T) {
	t.Parallel()
	s := start(t, "--headless")
	require.Equal(t, s.cmd.Process.Pid, s.PID)
	require.NoError(t, s.stdin.Close()) // as the kernel does when the parent is killed
	require.Zero(t, s.wait(t))
	require.Empty(t, s.stderr.String())
	require.NoFileExists(t, s.readyFile)
}

func TestEndsOnSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			work(t, s.dial(t, client.Options{}), greet)
			require.NoError(t, s.cmd.Process.Signal(signal))
			began := time.Now()
			require.Zero(t, s.wait(t))
			require.Less(t, time.Since(began), 5*time.Second)
			require.Contains(t, s.stdout.String(), "Temporal server  "+s.Address+"\n")
			require.Contains(t, s.stdout.String(), "Web UI           "+s.UI+"\n")
			require.Empty(t, s.stderr.String())
		})
	}
}

// fail runs a command that is to fail, and returns its exit code and what it
// said.
func fail(t *testing.T, args ...string) (code int, message string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run())
	return cmd.ProcessState.ExitCode(), stderr.String()
}

func TestRefusesTakenPorts(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)

	code, message := fail(t, "server", "start-dev", "--port", port)
	require.Equal(t, 1, code)
	require.Equal(t, "millrace-devserver: port "+port+" of 127.0.0.1 is taken by another process; choose another with --port\n", message)
	code, message = fail(t, "server", "start-dev", "--port", "0", "--ui-port", port)
	require.Equal(t, 1, code)
	require.Contains(t, message, "choose another with --ui-port")
}

func TestRefusesOtherDatabases(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "temporal.db")
	s := start(t, "--headless", "--db-filename", path)
	refused := func(reason string) {
		t.Helper()
		code, message := fail(t, "server", "start-dev", "--port", "0", "--db-filename", path)
		require.Equal(t, 1, code)
		require.Contains(t, message, reason)
		require.Equal(t, 1, strings.Count(message, "\n"))
	}
	refused("in use by another server")
	require.NoError(t, s.stdin.Close())
	require.Zero(t, s.wait(t))

	stamp := func(version int) {
		t.Helper()
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.Exec("PRAGMA user_version = " + strconv.Itoa(version))
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	stamp(1031)
	refused("was written by Temporal server 1.31 and cannot be migrated")
	stamp(0)
	refused("was not made by millrace-devserver")
}

func TestRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"worker"},
		{"server", "start-dev", "--nonsense"},
		{"server", "start-dev", "surplus"},
		{"server", "start-dev", "--port", "70000"},
		{"server", "start-dev", "--search-attribute", "Plan=Colour"},
		{"server", "start-dev", "--dynamic-config-value", "frontend.rps=many"},
		{"server", "start-dev", "--log-format", "xml"},
		{"server", "start-dev", "--history-shards", "100000"},
		{"server", "start-dev", "--postgres", "temporal"},
		{"server", "start-dev", "--postgres", "postgres://127.0.0.1:many/temporal"},
		{"server", "start-dev", "--postgres", "postgres://127.0.0.1/temporal", "--db-filename", "temporal.db"},
	} {
		code, message := fail(t, args...)
		require.Equal(t, 2, code, args)
		require.Equal(t, 1, strings.Count(message, "\n"), message)
	}
}

func TestTellsVersions(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}, {"sql", "--version"}} {
		out, err := exec.Command(binary, args...).Output()
		require.NoError(t, err)
		require.Contains(t, string(out), "1.32.1")
	}
}
