package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite" // driver sqlite
)

const (
	clusterName = "active"

	// defaultShards is a number of history shards at which a small machine
	// answers soonest.
	defaultShards = 32
	maxShards     = 16384
)

// store is where the server keeps everything.
type store struct {
	main, visibility *config.SQL
	shards           int32        // history shards that it was made with; 0 if no server has used it yet
	name             string       // empty if the store is temporary
	free             func() error // what to do once the server has stopped
}

func openStore(ctx context.Context, opts *options, logger log.Logger) (*store, error) {
	if opts.Postgres != "" {
		return openPostgres(ctx, opts.Postgres, logger)
	}
	return openSQLite(opts.DatabaseFile)
}

// chooseShards is the number of history shards to run with, where one may be
// wanted.
func (s *store) chooseShards(wanted int) (int32, error) {
	if wanted != 0 && s.shards != 0 && int32(wanted) != s.shards {
		return 0, fmt.Errorf("database %s was made with %d history shards, which can never change; leave out --history-shards, or choose another database", s.name, s.shards)
	}
	return cmp.Or(s.shards, int32(wanted), defaultShards), nil
}

const shardsQuery = "SELECT data FROM cluster_metadata_info WHERE cluster_name = '" + clusterName + "'"

// readShards reads the number of history shards from the answer to
// shardsQuery.
func readShards(row interface{ Scan(...any) error }) (int32, error) {
	var data []byte
	switch err := row.Scan(&data); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, err
	}
	var metadata persistencespb.ClusterMetadata
	err := proto.Unmarshal(data, &metadata)
	return metadata.HistoryShardCount, err
}

// openSQLite opens the SQLite database in a file, which it makes if there is
// none. Without a path the database is a temporary one.
func openSQLite(path string) (*store, error) {
	if path == "" {
		dir, err := os.MkdirTemp("", "millrace-devserver-")
		if err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		free := func() error { return os.RemoveAll(dir) }
		cfg := sqliteConfig(filepath.Join(dir, "temporal.db"))
		if err := createSchema(cfg); err != nil {
			return nil, errors.Join(err, free())
		}
		return &store{main: cfg, visibility: cfg, free: free}, nil
	}

	lock := flock.New(path + ".lock")
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock database %s: %w", path, err)
	case !locked:
		return nil, fmt.Errorf("database %s is in use by another server", path)
	}
	cfg := sqliteConfig(path)
	if err := prepareSchema(cfg); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	s := &store{main: cfg, visibility: cfg, name: path, free: lock.Unlock}
	err := withDatabase(path, func(db *sql.DB) (err error) {
		s.shards, err = readShards(db.QueryRow(shardsQuery))
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the number of history shards of database %s: %w", path, err), lock.Unlock())
	}
	return s, nil
}

// sqliteConfig trades the safety of the last moments before a power failure,
// though not before a crash of the process, for speed.
func sqliteConfig(path string) *config.SQL {
	return &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: path,
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "wal",
			"synchronous":  "normal",
			"busy_timeout": "10000",
		},
	}
}

// prepareSchema makes sure that the file holds the schema of this server.
// Temporal never migrates an SQLite schema, so that of another minor version
// is refused.
func prepareSchema(cfg *config.SQL) error {
	switch info, err := os.Stat(cfg.DatabaseName); {
	case errors.Is(err, os.ErrNotExist), err == nil && info.Size() == 0:
		return createSchema(cfg)
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	}
	found, err := readStamp(cfg.DatabaseName)
	switch {
	case err != nil:
		return fmt.Errorf("read the version of database %s: %w", cfg.DatabaseName, err)
	case found == 0:
		return fmt.Errorf("database %s was not made by millrace-devserver, or its making was interrupted; choose another file", cfg.DatabaseName)
	case found != serverStamp():
		return fmt.Errorf("database %s was written by Temporal server %d.%d and cannot be migrated to %s; choose another file",
			cfg.DatabaseName, found/1000, found%1000, headers.ServerVersion)
	}
	return nil
}

func createSchema(cfg *config.SQL) error {
	if err := sqliteschema.SetupSchema(cfg); err != nil {
		return fmt.Errorf("make database %s: %w", cfg.DatabaseName, err)
	}
	if err := writeStamp(cfg.DatabaseName); err != nil {
		return fmt.Errorf("write the version of database %s: %w", cfg.DatabaseName, err)
	}
	return nil
}

// serverStamp is the minor version of the server as the file's user_version:
// 1.32.1 gives 1032.
func serverStamp() int {
	var major, minor int
	if _, err := fmt.Sscanf(headers.ServerVersion, "%d.%d.", &major, &minor); err != nil {
		panic("server version " + headers.ServerVersion + ": " + err.Error())
	}
	return major*1000 + minor
}

func readStamp(path string) (stamp int, err error) {
	err = withDatabase(path, func(db *sql.DB) error {
		return db.QueryRow("PRAGMA user_version").Scan(&stamp)
	})
	return stamp, err
}

func writeStamp(path string) error {
	return withDatabase(path, func(db *sql.DB) error {
		_, err := db.Exec(fmt.Sprintf("PRAGMA user_version = %d", serverStamp()))
		return err
	})
}

func withDatabase(path string, use func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout=10000")
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close())
}
