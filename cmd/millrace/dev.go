package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/millrace/millrace/internal/api"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/worker"
	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"
)

const (
	watchEvery = time.Second     // how often `millrace dev` looks at the workspace
	claimTime  = 2 * time.Second // longest wait for somebody who looks whether a `millrace dev` runs
)

// ports are where embedded servers would like to listen.
type ports struct{ server, ui, api int }

func newDev(a *app) *cobra.Command {
	var wanted ports
	command := &cobra.Command{
		Use:   "dev [WORKSPACE]",
		Short: "Run a workspace on this machine, with everything embedded",
		Long: `Run a workspace: a Temporal server with its Web UI, a worker, the HTTP API and a
database, in this process and its child. The workspace is pushed now, and again
whenever a file in it changes; while it has errors, the last good revisions
stay. Other commands find what runs here by themselves. State is kept in
.millrace/; Ctrl-C stops everything.

When TEMPORAL_ADDRESS names a server, it is used and none is started.`,
		Example: "  millrace dev examples/trial-nurture",
		Args:    arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error {
			folder, err := a.workspaceArgument(args)
			if err != nil {
				return err
			}
			return a.dev(command.Context(), folder, wanted)
		},
	}
	a.databaseFlag(command)
	command.Flags().IntVar(&wanted.server, "port", 7233, "`port` of the Temporal server; when it is taken, a free one is chosen")
	command.Flags().IntVar(&wanted.ui, "ui-port", 8233, "`port` of the Web UI; when it is taken, a free one is chosen")
	command.Flags().IntVar(&wanted.api, "api-port", apiPort, "`port` of the HTTP API; when it is taken, a free one is chosen")
	return command
}

func (a *app) dev(ctx context.Context, path string, wanted ports) (err error) {
	folder := a.absolute(path)
	if found, inside := definition.FindWorkspace(folder); !inside || found != folder {
		return fmt.Errorf("%s is not a workspace: it has no %s", path, definition.WorkspaceFile)
	}
	state := filepath.Join(folder, stateFolder)
	if err := makeStateFolder(state); err != nil {
		return err
	}
	release, err := claim(ctx, state)
	if err != nil {
		return err
	}
	defer release()
	a.workspace = folder
	url, err := a.databaseURL()
	if err != nil {
		return err
	}
	books, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	defer closing(books, &err)
	if err := a.admit(ctx, books); err != nil {
		return err
	}
	server, err := a.devTemporal(ctx, state, wanted)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()

	ctx, cancel := context.WithCancel(ctx)
	people := &enroll.Client{Temporal: server.temporal, Store: books}
	watch := watcher{app: a, path: path, folder: folder, client: people}
	watch.push(ctx) // before the API, which looks into the settings
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(free(wanted.api))))
	if err != nil {
		cancel()
		return fmt.Errorf("listening for the API: %w", err)
	}
	working, log := errgroup.Group{}, a.log(slog.LevelWarn)
	for _, work := range []func() error{
		func() error {
			return worker.Run(ctx, worker.Options{Temporal: server.temporal.Client, Namespace: server.Namespace, Store: books, Kinds: a.Kinds, Scripts: a.Scripts, Log: log})
		},
		func() error { return a.answer(ctx, people, listener, api.DefaultRate, log) },
	} {
		working.Go(func() error { defer cancel(); return work() })
	}
	defer func() { cancel(); err = errors.Join(err, working.Wait()) }()

	runs := running{
		Workspace: folder, Address: server.Address, Namespace: server.Namespace, UI: server.ui, API: "http://" + listener.Addr().String(), Database: url, PID: os.Getpid(),
	}
	if err := tellOthers(state, runs); err != nil {
		return err
	}
	if err := a.show(runs, runs.print); err != nil {
		return err
	}
	return watch.run(ctx, server.ended)
}

func (r running) print(w io.Writer) {
	fmt.Fprintf(w, "\nMillrace runs %s\n\n", r.Workspace)
	rows := [][]string{{"  Temporal server", r.Address + " (namespace " + r.Namespace + ")"}, {"  HTTP API", r.API}, {"  Database", r.Database}}
	if r.UI != "" {
		rows = append([][]string{{"  Temporal Web UI", r.UI}}, rows...)
	}
	table(w, rows)
	fmt.Fprint(w, "\nSaved files are pushed at once. Ctrl-C stops everything.\n")
}

// claim makes this process the `millrace dev` of a workspace.
func claim(ctx context.Context, state string) (release func(), err error) {
	lock := flock.New(filepath.Join(state, devLock))
	limited, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	if _, err := lock.TryLockContext(limited, 50*time.Millisecond); err != nil {
		return nil, errors.New("a `millrace dev` runs for this workspace already: use that one, or stop it first")
	}
	file := filepath.Join(state, devFile)
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that crashed
		return nil, fmt.Errorf("starting: %w", err)
	}
	return func() {
		_ = os.Remove(file)
		_ = lock.Unlock() // also done by the end of the process
	}, nil
}

// tellOthers writes where everything runs, for other commands.
func tellOthers(state string, runs running) error {
	content, err := json.MarshalIndent(runs, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", devFile, err)
	}
	unfinished := filepath.Join(state, devFile+".new")
	if err := os.WriteFile(unfinished, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("telling other commands what runs here: %w", err)
	}
	return os.Rename(unfinished, filepath.Join(state, devFile))
}

// devTemporal is the Temporal server of a `millrace dev`.
type devTemporal struct {
	*temporal
	ui    string          // "" when the server is somebody else's
	ended <-chan struct{} // closed when an embedded server ends
	stop  func() error
}

// devTemporal connects to the server that TEMPORAL_ADDRESS names, or starts one. It knows our search attributes
// then.
func (a *app) devTemporal(ctx context.Context, state string, wanted ports) (*devTemporal, error) {
	if a.namesTemporal() {
		connected, err := a.dial(ctx, slog.LevelError)
		if err != nil {
			return nil, err
		}
		stop := func() error { connected.Close(); return nil }
		if err := register(ctx, connected); err != nil {
			return nil, errors.Join(err, stop())
		}
		return &devTemporal{temporal: connected, stop: stop}, nil
	}
	embedded, err := a.startServer(ctx, state, wanted)
	if err != nil {
		return nil, err
	}
	connected, err := connect(ctx, client.Options{
		HostPort: embedded.Address, Namespace: embedded.Namespace, Logger: temporallog.NewStructuredLogger(a.log(slog.LevelError)),
	})
	if err != nil {
		return nil, errors.Join(err, embedded.Stop())
	}
	stop := func() error { connected.Close(); return embedded.Stop() }
	return &devTemporal{temporal: connected, ui: embedded.UI, ended: embedded.Done(), stop: stop}, nil
}

// startServer runs the embedded Temporal server on a database of the workspace.
func (a *app) startServer(ctx context.Context, state string, wanted ports) (*devserver.Server, error) {
	binary, err := devserver.Find(ctx, a.Stderr, true)
	if err != nil {
		return nil, err
	}
	file := "temporal-embedded.db"
	if binary.Official {
		file = "temporal-official.db" // the one does not read what the other wrote
	}
	server, err := devserver.Start(ctx, devserver.Options{
		Binary: binary, Database: filepath.Join(state, file), Port: free(wanted.server), UIPort: free(wanted.ui), Attributes: worker.AttributeTypes(),
	})
	if err != nil {
		return nil, fmt.Errorf("%w (its state is in %s)", err, filepath.Join(state, file))
	}
	return server, nil
}

// free is a port, or 0 for any when it is taken.
func free(port int) int {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0
	}
	_ = listener.Close()
	return port
}

// register makes a server know our search attributes.
func register(ctx context.Context, server *temporal) error {
	missing, err := worker.Missing(ctx, server, server.Namespace)
	if err != nil || len(missing) == 0 {
		return err
	}
	attributes := map[string]enums.IndexedValueType{}
	for _, name := range missing {
		attributes[name] = worker.Attributes[name]
	}
	_, err = server.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: server.Namespace, SearchAttributes: attributes})
	if err != nil {
		return fmt.Errorf("registering the search attributes %s in namespace %s: %w", strings.Join(missing, ", "), server.Namespace, err)
	}
	return nil
}

// watcher pushes a workspace whenever one of its files changes.
type watcher struct {
	*app
	path   string // as the user wrote it
	folder string
	client *enroll.Client
	seen   map[string]stamp
}

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// run watches until ctx or the server ends.
func (w *watcher) run(ctx context.Context, ended <-chan struct{}) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			return errors.New("the embedded Temporal server ended: start `millrace dev` again")
		case <-ticker.C:
			if !maps.Equal(w.seen, w.look()) {
				w.push(ctx)
			}
		}
	}
}

// look returns the files of the workspace as they are now.
func (w *watcher) look() map[string]stamp {
	files := map[string]stamp{}
	_ = filepath.WalkDir(w.folder, func(name string, entry fs.DirEntry, err error) error { // what cannot be read now is read by the push
		if err != nil {
			return nil
		}
		if hidden := strings.HasPrefix(entry.Name(), ".") && name != w.folder; hidden && entry.IsDir() {
			return fs.SkipDir
		} else if hidden || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			files[name] = stamp{info.ModTime(), info.Size()}
		}
		return nil
	})
	return files
}

// push publishes the workspace and tells what came of it. Mistakes are the author's: they end nothing.
func (w *watcher) push(ctx context.Context) {
	w.seen = w.look()
	var p *publisher
	checked, err := w.readWorkspace(w.path)
	if err == nil {
		p, err = w.publish(ctx, w.client.Store, checked, w.path, pushing{})
	}
	if err != nil {
		if ctx.Err() == nil {
			w.note("millrace: %s", oneLine(err))
		}
		return
	}
	p.notes()
	result := &p.result
	w.tellInside(ctx, result, func() (*enroll.Client, func(), error) { return w.client, func() {}, nil })
	result.Diagnostics.Print(w.Stderr, checked.Sources, w.color(w.Stderr))
	result.print(w.Stderr)
	if result.Diagnostics.HasErrors() {
		w.note("%s: the revisions that were published stay until this is mended", tally(result.Diagnostics))
	}
}
