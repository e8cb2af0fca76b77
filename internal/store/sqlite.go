package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	neturl "net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const pathMemory = ":memory:"

var sqliteDialect = dialect{
	label: `EXISTS (SELECT 1 FROM json_each(a.labels) WHERE value = ?)`,
	find:  `instr`,
}

func connectSQLite(path string, create bool) (connections, error) {
	if path == pathMemory {
		return connectPrivate()
	}
	if err := checkFile(path, create); err != nil {
		return connections{}, err
	}
	return connectFile(path, "NORMAL", func() error { return nil })
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
	return connectFile(filepath.Join(folder, "private.db"), "OFF", remove)
}

// connectFile makes a pool of one connection, whose transactions hold the write lock from their beginning, and one of
// several that cannot write.
func connectFile(path, synchronous string, remove func() error) (connections, error) {
	location := neturl.URL{Path: filepath.Clean(path)}
	source := "file:" + location.EscapedPath() + "?_error_rc=1&_pragma=busy_timeout(5000)&_pragma=foreign_keys(ON)" +
		"&_pragma=journal_mode(WAL)&_pragma=journal_size_limit(67108864)&_pragma=temp_store(MEMORY)&_pragma=synchronous(" + synchronous + ")"
	write, err := sql.Open("sqlite", source+"&_txlock=immediate")
	if err != nil {
		return connections{}, err
	}
	read, err := sql.Open("sqlite", source+"&_query_only=true")
	if err != nil {
		return connections{}, err
	}
	migrate, err := newMigrations(goose.DialectSQLite3, "migrations/sqlite", write)
	dialect := sqliteDialect
	if synchronous != "OFF" {
		dialect.lasting, dialect.usual = `PRAGMA synchronous = FULL`, `PRAGMA synchronous = `+synchronous
	}
	return connections{
		write: newPool(write, 1, dialect), read: newPool(read, max(4, runtime.NumCPU()), sqliteDialect), migrate: migrate, remove: remove,
	}, err
}

// reach opens the first connection. Programs that open a new SQLite database at the same moment are refused while
// one of them prepares it, which SQLite does not wait for by itself.
func (p *pool) reach(ctx context.Context) error {
	for patience := time.Now().Add(5 * time.Second); ; {
		err := p.db.PingContext(ctx)
		var failed *sqlite.Error
		if !errors.As(err, &failed) || failed.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(patience) {
			return err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// isAwaySQLite tells whether the file cannot be used just now.
func isAwaySQLite(err error) bool {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return true
	}
	return false
}

// explainSQLite says what happened and what can be done about it; "" for errors that need no explanation.
func explainSQLite(err error) string {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return ""
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
		return ""
	}
	return err.Error() + ": " + hint
}
