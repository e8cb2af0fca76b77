package main

import (
	"context"
	"log/slog"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/worker"
	"github.com/spf13/cobra"
)

func newWorker(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "worker",
		Short: "Run the worker that does the actions",
		Long: `Run the worker that interprets enrollments and does their actions, until SIGTERM
or Ctrl-C; then it finishes what it is doing. It refuses to start when Temporal
or the database is not ready, and says what is missing.

Secrets are read from MILLRACE_SECRET_NAME, or from the file that
MILLRACE_SECRETS_FILE names.

How much it does at once fits the processors (GOMAXPROCS) and the memory
(GOMEMLIMIT, or the container's). These variables say otherwise:
  MILLRACE_WORKER_CACHE      enrollments kept in memory between their steps
  MILLRACE_WORKER_WORKFLOWS  steps of enrollments at once
  MILLRACE_WORKER_ACTIONS    calls of actions that reach outside at once
  MILLRACE_WORKER_LOCAL      calls of actions on our own store at once
  MILLRACE_WORKER_POLLERS    most requests for work at once, of each kind`,
		Example: "  millrace worker --database sqlite:///var/lib/millrace/millrace.db",
		Args:    arguments(0, 0),
		RunE:    func(command *cobra.Command, _ []string) error { return a.work(command.Context()) },
	}
	a.databaseFlag(command)
	return command
}

func (a *app) work(ctx context.Context) (err error) {
	books, err := a.createStore(ctx)
	if err != nil {
		return err
	}
	defer closing(books, &err)
	server, err := a.dial(ctx, slog.LevelInfo)
	if err != nil {
		return err
	}
	defer server.Close()
	log := a.log(slog.LevelInfo)
	log.Info("worker starts", "temporal", server.Address, "namespace", server.Namespace, "queue", plan.TaskQueue)
	err = worker.Run(ctx, worker.Options{Temporal: server.Client, Namespace: server.Namespace, Store: books, Kinds: a.Kinds, Scripts: a.Scripts, Log: log})
	if err == nil {
		log.Info("worker stopped")
	}
	return err
}
