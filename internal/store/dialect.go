package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	neturl "net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Everything that differs between databases stands in this file; the statements elsewhere are meant for
// all of them.

//go:embed migrations
var migrationFiles embed.FS

const (
	schemeSQLite = "sqlite://"
	pathMemory   = ":memory:"
)

// connections are an open database of whatever kind.
type connections struct {
	write   *pool // one connection; its transactions hold the write lock from their beginning
	read    *pool // several connections, which cannot write
	migrate *migrations
	remove  func() error // of what a private database leaves behind
}

func connect(url string, create bool) (connections, error) {
	path, isSQLite := strings.CutPrefix(url, schemeSQLite)
	switch {
	case !isSQLite || path == "":
		return connections{}, errors.New("not a database url: write sqlite://PATH")
	case path == pathMemory:
		return connectPrivate()
	}
	if err := checkFile(path, create); err != nil {
		return connections{}, err
	}
	return connectSQLite(path, "NORMAL", func() error { return nil })
}

func checkFile(path string, create bool) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return errors.New("this is a folder: name a file in it")
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return err
	case !create:
		return fmt.Errorf("no database at %s: run `millrace push` or `millrace dev` first", path)
	}
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no folder %s: create it first", folder)
	}
	return nil
}

// connectPrivate opens a database that lives as long as the store. It is a file like any other, so that
// readers work beside the writer, but nothing waits for the disk.
func connectPrivate() (connections, error) {
	folder, err := os.MkdirTemp("", "millrace-")
	if err != nil {
		return connections{}, err
	}
	remove := func() error { return os.RemoveAll(folder) }
	return connectSQLite(filepath.Join(folder, "private.db"), "OFF", remove)
}

func connectSQLite(path, synchronous string, remove func() error) (connections, error) {
	location := neturl.URL{Path: filepath.Clean(path)}
	source := "file:" + location.EscapedPath() + "?_error_rc=1&_pragma=busy_timeout(5000)&_pragma=foreign_keys(ON)" +
		"&_pragma=journal_mode(WAL)&_pragma=journal_size_limit(67108864)&_pragma=synchronous(" + synchronous + ")"
	write, err := connectPool(source+"&_txlock=immediate", 1)
	if err != nil {
		return connections{}, err
	}
	read, err := connectPool(source+"&_query_only=true", max(4, runtime.NumCPU()))
	if err != nil {
		return connections{}, err
	}
	migrate, err := newMigrations(goose.DialectSQLite3, "migrations/sqlite", write.db)
	return connections{write: write, read: read, migrate: migrate, remove: remove}, err
}

// reach opens the first connection. Programs that open a new database at the same moment are refused while
// one of them prepares it, which SQLite does not wait for by itself.
func (p *pool) reach(ctx context.Context) error {
	for patience := time.Now().Add(5 * time.Second); ; {
		err := p.db.PingContext(ctx)
		var failed *sqlite.Error
		if !errors.As(err, &failed) || failed.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(patience) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// connectPool prepares a pool; it opens no connection yet.
func connectPool(source string, size int) (*pool, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return &pool{db: db}, nil
}

// migrations bring a database's schema up to date.
type migrations struct{ provider *goose.Provider }

func newMigrations(dialect goose.Dialect, folder string, db *sql.DB) (*migrations, error) {
	files, err := fs.Sub(migrationFiles, folder)
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(dialect, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithTableName("migrations"))
	return &migrations{provider}, err
}

func (m *migrations) versions(ctx context.Context) (current, latest int64, err error) {
	return m.provider.GetVersions(ctx)
}

// check compares the schema with the one that the program needs and brings it up to date when it may.
func (m *migrations) check(ctx context.Context, migrate bool) error {
	current, latest, err := m.versions(ctx)
	switch {
	case err != nil:
		return err
	case current > latest:
		return fmt.Errorf("it has migration %d, this program knows %d: a newer Millrace wrote it, upgrade this one", current, latest)
	case current == latest:
		return nil
	case !migrate:
		return fmt.Errorf("it has migration %d, this program needs %d: run `millrace push` or `millrace dev` to bring it up to date", current, latest)
	}
	// Somebody else who opens the database at the same moment may be quicker with a migration, which fails
	// ours; it is not pending when we ask again.
	for range latest - current + 1 {
		if _, err = m.provider.Up(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("migrating from %d to %d: %w", current, latest, err)
}

// explain adds to an error of the database what can be done about it.
func explain(err error) error {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return err
	}
	var hint string
	switch failed.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		hint = "another program holds the database: stop it or try again"
	case sqlite3.SQLITE_FULL:
		hint = "the disk is full: make room and try again"
	case sqlite3.SQLITE_READONLY:
		hint = "the database cannot be written: check the permissions of its file and folder"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		hint = "check the disk and the permissions of the file and its folder"
	case sqlite3.SQLITE_NOTADB:
		hint = "this file is something else: give another path"
	case sqlite3.SQLITE_CORRUPT:
		hint = "the file is damaged: restore a backup"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}
