package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 3 * time.Second
)

// ready tells a parent process where the server is. It is what --ready-file
// receives.
type ready struct {
	Address   string `json:"address"`
	UI        string `json:"ui,omitempty"`
	Namespace string `json:"namespace"`
	PID       int    `json:"pid"`
}

// serve runs the server and its Web UI until the context ends.
func serve(ctx context.Context, opts *options, stdout io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if opts.ExitOnStdinClose {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}

	if opts.ReadyFile != "" {
		if err := remove(opts.ReadyFile); err != nil {
			return fmt.Errorf("remove an old ready file: %w", err)
		}
		defer func() { err = errors.Join(err, remove(opts.ReadyFile)) }()
	}
	addr, err := claimAddresses(opts)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(opts.LogLevel)
	logger := serverLogger{newLogger(os.Stderr, opts.LogFormat, level)}
	store, err := openStore(ctx, opts, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.free()) }()
	shards, err := store.chooseShards(opts.HistoryShards)
	if err != nil {
		return err
	}

	registered := make(chan struct{})
	server, err := newServer(opts, serverConfig(addr, store, shards), addr, logger, registered)
	if err != nil {
		return fmt.Errorf("assemble the Temporal server: %w", err)
	}
	defer func() {
		// What is cut off in the middle of something complains, in vain.
		level.Set(levelNever)
		stop(server)
	}()
	if !opts.Headless {
		defer startUI(addr).Stop()
	}
	if err := startServer(ctx, server, opts, addr, registered); err != nil {
		if ctx.Err() != nil {
			return nil // told to end while starting
		}
		return err
	}
	if err := announce(opts, addr, store, stdout); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// addresses are where the parts of the server listen.
type addresses struct {
	ip, uiIP                                  string
	frontend, http, history, matching, worker int
	ui                                        int
}

// claimAddresses picks the ports that were not asked for, and makes sure of
// those that were.
func claimAddresses(opts *options) (*addresses, error) {
	addr := &addresses{ip: opts.IP, uiIP: opts.UIIP}
	var err error
	if addr.frontend, err = claimPort(opts.IP, opts.Port); err != nil {
		return nil, fmt.Errorf("%w; choose another with --port", err)
	}
	if !opts.Headless {
		if addr.ui, err = claimUIPort(opts); err != nil {
			return nil, fmt.Errorf("%w; choose another with --ui-port, or none with --headless", err)
		}
	}
	if addr.http, err = claimPort(opts.IP, 0); err != nil {
		return nil, err
	}
	for _, port := range []*int{&addr.history, &addr.matching, &addr.worker} {
		if *port, err = claimPort(loopback, 0); err != nil {
			return nil, err
		}
	}
	return addr, nil
}

// claimUIPort prefers the server's port plus 1000 where no port was asked for.
func claimUIPort(opts *options) (int, error) {
	if opts.UIPortChosen {
		return claimPort(opts.UIIP, opts.UIPort)
	}
	if beside := opts.Port + 1000; opts.Port != 0 && beside <= 65535 {
		if port, err := claimPort(opts.UIIP, beside); err == nil {
			return port, nil
		}
	}
	return claimPort(opts.UIIP, 0)
}

func (a *addresses) frontendAddress() string { return hostPort(reachable(a.ip), a.frontend) }
func (a *addresses) uiURL() string           { return "http://" + hostPort(reachable(a.uiIP), a.ui) }

// newServer assembles all of the Temporal server's services. Clients are
// served once registered is closed.
func newServer(opts *options, cfg *config.Config, addr *addresses, logger log.Logger, registered <-chan struct{}) (temporal.Server, error) {
	return temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: static.SingleLocalHost(addr.frontendAddress()),
			primitives.HistoryService:  static.SingleLocalHost(hostPort(loopback, addr.history)),
			primitives.MatchingService: static.SingleLocalHost(hostPort(loopback, addr.matching)),
			primitives.WorkerService:   static.SingleLocalHost(hostPort(loopback, addr.worker)),
		}),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return authorization.NewNoopClaimMapper()
		}),
		temporal.WithDynamicConfigClient(dynamicConfig(opts)),
		temporal.WithChainedFrontendGrpcInterceptors(holdClients(registered)),
	)
}

// holdClients makes the first call of every client wait, so that none of them
// misses what is still being registered.
func holdClients(registered <-chan struct{}) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if info.FullMethod == workflowservice.WorkflowService_GetSystemInfo_FullMethodName {
			select {
			case <-registered:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return handle(ctx, req)
	}
}

// startServer returns once all that was asked for is there and works.
func startServer(ctx context.Context, server temporal.Server, opts *options, addr *addresses, registered chan<- struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Start(); err != nil {
			return fmt.Errorf("start the Temporal server: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		// The server's own clients are held back too, and its start with them.
		defer close(registered)
		return register(ctx, addr.frontendAddress(), opts.Namespaces, opts.SearchAttributes)
	})
	if !opts.Headless {
		group.Go(func() error { return awaitUI(ctx, addr) })
	}
	return group.Wait()
}

// stop stops the server, and leaves it if it takes long: its database survives
// even a kill.
func stop(server temporal.Server) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Stop()
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
	}
}

func serverConfig(addr *addresses, store *store, shards int32) *config.Config {
	const mainStore, visibilityStore = "main", "visibility"
	service := func(ip string, port, httpPort int) config.Service {
		return config.Service{RPC: config.RPC{BindOnIP: ip, GRPCPort: port, HTTPPort: httpPort}}
	}
	var cfg config.Config
	cfg.Services = map[string]config.Service{
		string(primitives.FrontendService): service(addr.ip, addr.frontend, addr.http),
		string(primitives.HistoryService):  service(loopback, addr.history, 0),
		string(primitives.MatchingService): service(loopback, addr.matching, 0),
		string(primitives.WorkerService):   service(loopback, addr.worker, 0),
	}
	cfg.PublicClient.HostPort = addr.frontendAddress()
	cfg.Global.Membership.MaxJoinDuration = startTimeout
	cfg.Global.Membership.BroadcastAddress = loopback
	cfg.DCRedirectionPolicy.Policy = "noop"
	cfg.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{
			clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: addr.frontendAddress()},
		},
	}
	cfg.Persistence = config.Persistence{
		DefaultStore:     mainStore,
		VisibilityStore:  visibilityStore,
		NumHistoryShards: shards,
		DataStores: map[string]config.DataStore{
			mainStore:       {SQL: store.main},
			visibilityStore: {SQL: store.visibility},
		},
	}
	cfg.Archival.History.State = "disabled"
	cfg.Archival.Visibility.State = "disabled"
	cfg.NamespaceDefaults.Archival.History.State = "disabled"
	cfg.NamespaceDefaults.Archival.Visibility.State = "disabled"
	return &cfg
}

// dynamicConfig lifts limits that make sense on a shared cluster only and
// turns on what Millrace uses.
func dynamicConfig(opts *options) dynamicconfig.StaticClient {
	values := dynamicconfig.StaticClient{
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    10_000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     45_000,
		dynamicconfig.MatchingPersistenceMaxQPS.Key():                    10_000,
		dynamicconfig.FrontendRPS.Key():                                  10_000,
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key():           10_000,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 1_000,
		dynamicconfig.HistoryRPS.Key():                                   20_000,
		dynamicconfig.MatchingRPS.Key():                                  10_000,
		dynamicconfig.TimerProcessorMaxTimeShift.Key():                   10 * time.Millisecond, // or else every timer fires up to a second late
		dynamicconfig.TimerProcessorMaxPollRPS.Key():                     1_000,
		dynamicconfig.WorkflowIdReuseMinimalInterval.Key():               time.Duration(0), // or else a pause at continue-as-new, which time skipping gets wrong
		dynamicconfig.EnableServerVersionCheck.Key():                     false,
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      opts.Postgres == "", // or else a namespace is not there while PostgreSQL is not, and what was to be done for it is dropped
		dynamicconfig.NamespaceCacheRefreshInterval.Key():                200 * time.Millisecond,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():           1, // one process has nothing to spread
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():          1,
		dynamicconfig.MatchingEnableFairness.Key():                       true,
		dynamicconfig.WorkflowTimeSkippingEnabled.Key():                  true,
	}
	for key, value := range opts.DynamicConfig {
		values[dynamicconfig.MakeKey(key)] = value
	}
	return values
}

// startUI starts the Web UI, which reports a failure to listen by ending the
// process.
func startUI(addr *addresses) *uiserver.Server {
	ui := uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: addr.frontendAddress(),
		Host:                bracketed(addr.uiIP),
		Port:                addr.ui,
		EnableUI:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true},
		DisableNewsFetch:    true,
		HideLogs:            true,
	}))
	go func() { _ = ui.Start() }()
	return ui
}

// awaitUI returns once the Web UI answers.
func awaitUI(ctx context.Context, addr *addresses) error {
	for {
		err := get(ctx, addr.uiURL()+"/healthz")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the Web UI: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

// announce tells where the server is, people and the parent process.
func announce(opts *options, addr *addresses, store *store, stdout io.Writer) error {
	r := ready{Address: addr.frontendAddress(), Namespace: opts.Namespaces[0], PID: os.Getpid()}
	fmt.Fprintf(stdout, "Temporal server  %s\n", r.Address)
	if !opts.Headless {
		r.UI = addr.uiURL()
		fmt.Fprintf(stdout, "Web UI           %s\n", r.UI)
	}
	if store.name != "" {
		fmt.Fprintf(stdout, "Database         %s\n", store.name)
	}
	if opts.ReadyFile == "" {
		return nil
	}
	if err := writeReadyFile(opts.ReadyFile, r); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	return nil
}

// remove removes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// writeReadyFile makes the file appear with all of its content at once.
func writeReadyFile(path string, r ready) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
