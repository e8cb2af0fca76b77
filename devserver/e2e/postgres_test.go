package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// steps takes n steps of a tenth of a second.
func steps(ctx workflow.Context, n int) (taken int, err error) {
	for ; taken < n && err == nil; taken++ {
		err = workflow.Sleep(ctx, 100*time.Millisecond)
	}
	return taken, err
}

func TestKeepsWorkflowsInPostgres(t *testing.T) {
	t.Parallel()
	postgres := startCluster(t)
	postgres.exec(t, "postgres", "CREATE DATABASE temporal_new") // as a server leaves it that is killed while it makes its database
	url := postgres.url("temporal")
	s := start(t, "--headless", "--postgres", url)
	run, err := s.dial(t, client.Options{}).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: t.Name()}, awaitName)
	require.NoError(t, err)
	s.kill(t)

	s = start(t, "--headless", "--postgres", url, "--search-attribute", "Plan=Keyword", "--history-shards", "32")
	c := s.dial(t, client.Options{})
	work(t, c, awaitName)
	require.NoError(t, c.SignalWorkflow(t.Context(), run.GetID(), run.GetRunID(), "name", "Ada"))
	var name string
	require.NoError(t, c.GetWorkflow(t.Context(), run.GetID(), run.GetRunID()).Get(t.Context(), &name))
	require.Equal(t, "Ada", name)
}

func TestGoesOnOncePostgresIsBack(t *testing.T) {
	t.Parallel()
	postgres := startCluster(t)
	plan := temporal.NewSearchAttributeKeyKeyword("Plan")
	s := start(t, "--headless", "--postgres", postgres.url("temporal"), "--search-attribute", "Plan=Keyword")
	c := s.dial(t, client.Options{})
	options := client.StartWorkflowOptions{TaskQueue: work(t, c, steps), TypedSearchAttributes: temporal.NewSearchAttributes(plan.ValueSet("pro"))}
	var runs []client.WorkflowRun
	for range 3 {
		run, err := c.ExecuteWorkflow(t.Context(), options, steps, 20)
		require.NoError(t, err)
		postgres.kill(t)
		started := make(chan error, 1)
		go func() {
			_, err := c.ExecuteWorkflow(t.Context(), options, steps, 1) // which waits
			started <- err
		}()
		postgres.start(t)
		require.NoError(t, <-started)
		runs = append(runs, run)
	}
	for _, run := range runs {
		var taken int
		require.NoError(t, run.Get(t.Context(), &taken))
		require.Equal(t, 20, taken)
	}
	require.Eventually(t, func() bool {
		found, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: "Plan = 'pro' AND ExecutionStatus = 'Completed'"})
		return err == nil && found.Count == 6
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, s.stdin.Close())
	require.Zero(t, s.wait(t))
}

func TestTimeSkippingOnPostgres(t *testing.T) {
	t.Parallel()
	c := start(t, "--headless", "--postgres", startCluster(t).url(""), "--history-shards", "4").
		dial(t, withTimeSkipping(&commonpb.TimeSkippingConfig{Enabled: true}))
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: work(t, c, journey)}, journey)
	require.NoError(t, err)
	var notes []string
	require.NoError(t, run.Get(t.Context(), &notes))
	require.Equal(t, []string{"day 90: end"}, notes)
}

func TestUpdatesOlderSchema(t *testing.T) {
	t.Parallel()
	postgres := startCluster(t)
	for database, args := range map[string][]string{
		"old":            {"-v", "1.15", "--schema-name", "postgresql/v12/temporal"},
		"old_visibility": {"-v", "1.8", "--schema-name", "postgresql/v12/visibility"},
	} {
		for _, args := range [][]string{{"create"}, {"setup-schema", "-v", "0.0"}, append([]string{"update-schema"}, args...)} {
			args = append([]string{"sql", "--plugin", "postgres12_pgx", "--ep", "127.0.0.1", "-p", postgres.port, "-u", "postgres", "--db", database}, args...)
			out, err := exec.Command(binary, args...).CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
	}
	c := start(t, "--headless", "--postgres", postgres.url("old")).dial(t, client.Options{})
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: work(t, c, greet)}, greet, "Ada")
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
}

func TestRefusesOtherPostgresDatabases(t *testing.T) {
	t.Parallel()
	postgres := startCluster(t)
	refused := func(reason, database string, args ...string) {
		t.Helper()
		args = append([]string{"server", "start-dev", "--port", "0", "--postgres", postgres.url(database)}, args...)
		code, message := fail(t, args...)
		require.Equal(t, 1, code)
		require.Contains(t, message, reason)
		require.Equal(t, 1, strings.Count(message, "\n"), message)
	}
	s := start(t, "--headless", "--postgres", postgres.url("temporal"))
	refused("database temporal is in use by another server", "temporal")
	require.NoError(t, s.stdin.Close())
	require.Zero(t, s.wait(t))
	refused("was made with 32 history shards, which can never change", "temporal", "--history-shards", "64")
	postgres.exec(t, "temporal_visibility", "UPDATE schema_version SET curr_version = '1.15'")
	refused("database temporal_visibility has schema 1.15 of a newer Temporal server, this one knows 1.14", "temporal")
	postgres.exec(t, "postgres", "CREATE TABLE people (name text)")
	refused("database postgres was not made by Temporal", "postgres")
	postgres.kill(t)
	refused("connection refused", "temporal")
}
