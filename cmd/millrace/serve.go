package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/millrace/millrace/internal/api"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"
)

// apiPort is where the API listens unless it is told otherwise.
const apiPort = 8080

func newServe(a *app) *cobra.Command {
	var listen string
	var rate float64
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the HTTP API, and take events from streams",
		Long: `Run the HTTP API until SIGTERM or Ctrl-C; then it finishes what is under way. It
takes events, records and callbacks, enrolls, and tells where records stand.
GET /openapi.json describes it, docs/reference/openapi.json is the same. Each
request shows a key that ` + "`millrace keys create`" + ` made.

It also takes events from the streams of NATS and Kafka that millrace.yaml names
under sources; a change of these counts from the next start.

It speaks plain HTTP: put what terminates TLS in front of it. Events are taken
and stored while no Temporal server answers.`,
		Example: "  millrace serve --listen 127.0.0.1:8080",
		Args:    arguments(0, 0),
		RunE:    func(command *cobra.Command, _ []string) error { return a.serve(command.Context(), listen, rate) },
	}
	a.databaseFlag(command)
	command.Flags().StringVar(&listen, "listen", fmt.Sprintf("127.0.0.1:%d", apiPort), "`address` to listen at, HOST:PORT")
	command.Flags().Float64Var(&rate, "rate", api.DefaultRate, "events, records and other requests a `second` that one key may send")
	return command
}

func (a *app) serve(ctx context.Context, listen string, rate float64) (err error) {
	if rate <= 0 {
		return usagef("--rate has to be more than nothing")
	}
	books, err := a.createStore(ctx)
	if err != nil {
		return err
	}
	defer closing(books, &err)
	log := a.log(slog.LevelInfo)
	options, err := a.temporalOptions()
	if err != nil {
		return err
	}
	options.Logger = temporallog.NewStructuredLogger(a.log(slog.LevelError))
	temporal, err := client.NewLazyClient(options) // what comes in is stored while it is away
	if err != nil {
		return fmt.Errorf("connecting to Temporal at %s: %w", options.HostPort, err)
	}
	defer temporal.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listening at %s: %w: choose another address with --listen", listen, err)
	}
	log.Info("API starts", "address", listener.Addr().String(), "temporal", options.HostPort, "namespace", options.Namespace)
	if err := a.answer(ctx, &enroll.Client{Temporal: temporal, Store: books}, listener, rate, log); err != nil {
		return err
	}
	log.Info("API stopped")
	return nil
}

// answer runs the API on a listener, and the consumers of the streams that the account names, until ctx ends.
func (a *app) answer(ctx context.Context, people *enroll.Client, listener net.Listener, rate float64, log *slog.Logger) error {
	text, err := people.Store.Account(ctx)
	if err != nil {
		return err
	}
	var account crm.Account
	if err := json.Unmarshal(text, &account); err != nil {
		return fmt.Errorf("reading the account's settings: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	door := ingest.NewDoor(people.Store, a.Now, log)
	secrets := provider.NewSecrets(a.Environment.LookupEnv, a.Environment.get("MILLRACE_SECRETS_FILE"))
	group.Go(func() error {
		return api.Serve(ctx, listener, a.api(people, door, rate, log), log)
	})
	if settings := account.Sources.NATS; settings != nil {
		log.Info("events are taken from NATS", "url", settings.URL, "stream", settings.Stream)
		group.Go(func() error { return door.ConsumeNATS(ctx, *settings, secrets.Resolve) })
	}
	if settings := account.Sources.Kafka; settings != nil {
		log.Info("events are taken from Kafka", "brokers", settings.Brokers, "topics", settings.Topics)
		group.Go(func() error { return door.ConsumeKafka(ctx, *settings, secrets.Resolve) })
	}
	return group.Wait()
}

// api is the HTTP API.
func (a *app) api(people *enroll.Client, door *ingest.Door, rate float64, log *slog.Logger) http.Handler {
	return api.Handler(api.Options{
		People: people, Door: door, Now: a.Now, Rate: rate, Log: log,
		MayOpen: func(ctx context.Context, actor crm.Actor) (func(plan.Revision) error, error) {
			return a.mayOpen(ctx, people.Store, actor)
		},
		Complete: a.withoutPlaceholders,
	})
}
