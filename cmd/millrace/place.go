package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	temporallog "go.temporal.io/sdk/log"
)

// Names within a workspace.
const (
	stateFolder  = ".millrace" // what `millrace dev` and a local push keep beside the sources
	databaseFile = "millrace.db"
	devFile      = "dev.json"
	devLock      = "dev.lock" // held by a running `millrace dev`
)

const (
	usualAddress = "127.0.0.1:7233" // of a Temporal server
	dialTime     = 3 * time.Second  // how long to look for one
)

// running is what a running `millrace dev` says about itself in .millrace/dev.json.
type running struct {
	Workspace string `json:"workspace"`
	Address   string `json:"address"`   // of the Temporal server
	Namespace string `json:"namespace"` // of Temporal
	UI        string `json:"ui"`        // of Temporal; "" when the server is somebody else's
	API       string `json:"api"`       // address of the HTTP API
	Database  string `json:"database"`
	PID       int    `json:"pid"`
}

// databaseFlag adds --database to a command that uses the store.
func (a *app) databaseFlag(command *cobra.Command) {
	command.Flags().StringVar(&a.database, "database", "", "`URL` of the database, sqlite://PATH or postgres://USER@HOST/NAME (default: MILLRACE_DATABASE, else that of the workspace)")
}

// absolute is a path on the command line as seen from the app's folder.
func (a *app) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(a.Folder, path)
}

// readFile reads a file that was named on the command line; - is standard input.
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.Stdin)
	}
	return os.ReadFile(a.absolute(name))
}

// writeFile writes a file, and the folders that it is in.
func writeFile(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}

// dev returns the `millrace dev` that runs for a workspace, if one does.
func dev(folder string) (state running, found bool) {
	lock := flock.New(filepath.Join(folder, stateFolder, devLock), flock.SetFlag(os.O_RDONLY))
	defer lock.Close()
	if free, err := lock.TryRLock(); err != nil || free { // an error: there is no such file
		return running{}, false
	}
	content, err := os.ReadFile(filepath.Join(folder, stateFolder, devFile))
	if err != nil {
		return running{}, false
	}
	return state, json.Unmarshal(content, &state) == nil
}

// nearest returns the workspace that the command names, else the one around the working directory.
func (a *app) nearest() (folder string, found bool) {
	if a.workspace != "" {
		return a.workspace, true
	}
	return definition.FindWorkspace(a.Folder)
}

// databaseURL says which database to use: the one that was named, that of a running `millrace dev`, or that of
// the workspace.
func (a *app) databaseURL() (string, error) {
	for _, named := range []string{a.database, a.Environment.get("MILLRACE_DATABASE")} {
		if named != "" {
			return named, nil
		}
	}
	folder, found := a.nearest()
	if !found {
		return "", fmt.Errorf("no database: run this in a workspace (a folder with %s), or name one with --database or MILLRACE_DATABASE, as in sqlite://millrace.db or postgres://millrace@db.example.com/millrace", definition.WorkspaceFile)
	}
	if state, runs := dev(folder); runs {
		return state.Database, nil
	}
	return "sqlite://" + filepath.Join(folder, stateFolder, databaseFile), nil
}

// developing tells whether the database is that of a running `millrace dev`, which pushes what is saved anyway.
func (a *app) developing() bool {
	folder, found := a.nearest()
	if !found {
		return false
	}
	state, runs := dev(folder)
	url, err := a.databaseURL()
	return runs && err == nil && url == state.Database
}

// withStore runs a command on the database that is there already.
func (a *app) withStore(ctx context.Context, do func(books *store.Store) error) (err error) {
	url, err := a.databaseURL()
	if err != nil {
		return err
	}
	books, err := store.OpenExisting(ctx, url)
	if err != nil {
		return err
	}
	defer closing(books, &err)
	if err := a.admit(ctx, books); err != nil {
		return err
	}
	return do(books)
}

// createStore opens the database, brings it up to date, and makes it when it is missing.
func (a *app) createStore(ctx context.Context) (*store.Store, error) {
	url, err := a.databaseURL()
	if err != nil {
		return nil, err
	}
	if path := strings.TrimPrefix(url, "sqlite://"); filepath.Base(filepath.Dir(path)) == stateFolder {
		if err := makeStateFolder(filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, url)
}

// makeStateFolder makes .millrace, which no repository should hold, and which nobody else may look into: records and
// mails are in it.
func makeStateFolder(folder string) error {
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.Chmod(folder, 0o700)); err != nil {
		return fmt.Errorf("making room for the workspace's state: %w", err)
	}
	ignore := filepath.Join(folder, ".gitignore")
	if _, err := os.Stat(ignore); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(ignore, []byte("*\n"), 0o644); err != nil {
		return fmt.Errorf("making room for the workspace's state: %w", err)
	}
	return nil
}

// closing closes a store and keeps the first error.
func closing(books *store.Store, err *error) {
	if failed := books.Close(); *err == nil {
		*err = failed
	}
}

// namesTemporal tells whether the environment says which Temporal server to use. A profile that nobody asked for
// does not: it must not be mixed with the database of a `millrace dev`.
func (a *app) namesTemporal() bool {
	return a.Environment.get("TEMPORAL_ADDRESS") != "" || a.Environment.get("TEMPORAL_PROFILE") != ""
}

// temporalOptions are how to reach Temporal: by what the environment names, else a running `millrace dev`, else by
// the official profiles, else at the usual address.
func (a *app) temporalOptions() (client.Options, error) {
	if folder, found := a.nearest(); found && !a.namesTemporal() {
		if state, runs := dev(folder); runs {
			return client.Options{HostPort: state.Address, Namespace: cmp.Or(a.Environment.get("TEMPORAL_NAMESPACE"), state.Namespace)}, nil
		}
	}
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: a.Environment})
	if err != nil {
		return client.Options{}, fmt.Errorf("reading the TEMPORAL_* settings: %w", err)
	}
	options.HostPort = cmp.Or(options.HostPort, usualAddress)
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)
	return options, nil
}

// temporal is a connection to a Temporal server. A worker wants the Client itself.
type temporal struct {
	client.Client
	Address   string
	Namespace string
}

// dial connects to the Temporal server. level is how serious messages of its SDK have to be.
func (a *app) dial(ctx context.Context, level slog.Level) (*temporal, error) {
	options, err := a.temporalOptions()
	if err != nil {
		return nil, err
	}
	options.Logger = temporallog.NewStructuredLogger(a.log(level))
	return connect(ctx, options)
}

// connect connects to a server that answers soon.
func connect(ctx context.Context, options client.Options) (*temporal, error) {
	limited, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	options.ConnectionOptions.GetSystemInfoTimeout = dialTime
	connected, err := client.DialContext(limited, options)
	if err != nil {
		if _, plain := new(net.Dialer).DialContext(limited, "tcp", options.HostPort); plain != nil {
			err = plain // says it in fewer words
		}
		return nil, fmt.Errorf("cannot reach a Temporal server at %s (%w): start one with `millrace dev` or set TEMPORAL_ADDRESS", options.HostPort, err)
	}
	return &temporal{Client: connected, Address: options.HostPort, Namespace: options.Namespace}, nil
}

// enrollments connects to the Temporal server for what is done to enrollments.
func (a *app) enrollments(ctx context.Context, books *store.Store) (_ *enroll.Client, done func(), err error) {
	server, err := a.dial(ctx, slog.LevelError)
	if err != nil {
		return nil, nil, err
	}
	return &enroll.Client{Temporal: server, Store: books}, server.Close, nil
}

// log returns a logger to standard error.
func (a *app) log(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: level}))
}
