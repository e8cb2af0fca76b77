package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	neturl "net/url"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// postgres runs transactions side by side. Each statement sees what is committed when it starts, so that what is
// read after waiting for somebody is what that one wrote.
var postgres = dialect{
	begin:   &sql.TxOptions{Isolation: sql.LevelReadCommitted},
	view:    &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	holding: ` FOR NO KEY UPDATE`,
	claim:   `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`,
	share:   `SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))`,
	label:   `jsonb_exists(a.labels::jsonb, ?)`,
	find:    `strpos`,
	patient: `SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`,
	caches:  true,
}

// A server allows 100 connections unless it is told otherwise, and Temporal may be on the same one.
const (
	postgresWriters = 16
	postgresReaders = 8
)

const (
	connectTime = 5 * time.Second // longest wait for a connection, unless the url has connect_timeout
	idleTime    = 5 * time.Minute // after which a connection that nobody uses is closed
	connectAge  = time.Hour       // after which a connection is replaced, so that they spread after a failover
)

func connectPostgres(url string) (connections, error) {
	if _, err := neturl.Parse(url); err != nil {
		return connections{}, errors.New("not a database url: write postgres://USER:PASSWORD@HOST:PORT/DATABASE, and %XX for signs in the password that mean something else in a url")
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return connections{}, cmp.Or(errors.Unwrap(err), err) // which has no url in it
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTime)
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "millrace"
	}
	open := func(size int) *pool {
		db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(prepare))
		db.SetConnMaxIdleTime(idleTime)
		db.SetConnMaxLifetime(connectAge)
		return newPool(db, size, postgres)
	}
	write, read := open(postgresWriters), open(postgresReaders)
	migrate, err := newMigrations(goose.DialectPostgres, "migrations/postgres", write.db)
	return connections{write: write, read: read, migrate: migrate, remove: func() error { return nil }}, err
}

// prepare makes a new connection ready. Who holds something and has fallen silent loses it after a minute, and who
// waits for it gives up before, so that a program that hangs cannot stop the others.
func prepare(ctx context.Context, conn *pgx.Conn) (err error) {
	defer func() {
		if err != nil {
			_ = conn.Close(ctx) // the error tells more
		}
	}()
	if encoding := conn.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		return fmt.Errorf("the database keeps texts as %s: make another one with `%s`", encoding, createdb(&conn.Config().Config, "_utf8"))
	}
	_, err = conn.Exec(ctx, `SET lock_timeout = '10s'; SET hash_mem_multiplier = 16; SET idle_in_transaction_session_timeout = '1min'`)
	return err
}

// createdb is the command that makes the database of a configuration, or one with more to its name.
func createdb(config *pgconn.Config, more string) string {
	return fmt.Sprintf("createdb -h %s -p %d -U %s -E UTF8 -T template0 %s%s",
		config.Host, config.Port, config.User, cmp.Or(config.Database, config.User), more)
}

// isConflict tells whether a transaction had to give way to another one.
func isConflict(err error) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && (failed.Code == "40001" || failed.Code == "40P01") // serialization_failure, deadlock_detected
}

// isNotText tells whether a query was asked for something that no row can hold.
func isNotText(err error) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.Code == "22021" // character_not_in_repertoire
}

// isBroken tells whether a connection that was there is gone, as after a restart of the server.
func isBroken(err error) bool {
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		return false
	}
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		switch failed.Code {
		case "57P01", "57P02", "57P05": // admin_shutdown, crash_shutdown, idle_session_timeout
			return true
		}
		return strings.HasPrefix(failed.Code, "08") // connection exception
	}
	for _, sign := range []error{
		driver.ErrBadConn, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// isAwayPostgres tells whether the server cannot be used just now.
func isAwayPostgres(err error) bool {
	var failed *pgconn.PgError
	switch {
	case isBroken(err) || isConflict(err) || errors.As(err, new(*pgconn.ConnectError)):
		return true
	case !errors.As(err, &failed):
		return false
	}
	// insufficient_resources, operator_intervention, system_error, lock_not_available, read_only_sql_transaction
	return slices.Contains([]string{"53", "57", "58"}, failed.Code[:min(2, len(failed.Code))]) || failed.Code == "55P03" || failed.Code == "25006"
}

// explainPostgres says what happened and what can be done about it; "" for errors that need no explanation.
func explainPostgres(err error) string {
	var failed *pgconn.PgError
	var unconnected *pgconn.ConnectError
	answered, connecting := errors.As(err, &failed), errors.As(err, &unconnected)
	switch {
	case connecting && answered:
		return failed.Message + hintOf(failed.Code, unconnected.Config)
	case connecting:
		return unreachable(unconnected)
	case answered:
		if hint := hintOf(failed.Code, nil); hint != "" {
			return err.Error() + hint
		}
	}
	return ""
}

// hintOf says what can be done about an error of the server. config is given while connecting.
func hintOf(code string, config *pgconn.Config) string {
	switch code {
	case "28P01", "28000": // invalid_password, invalid_authorization_specification
		return ": check user and password in the url, in PGPASSWORD or in ~/.pgpass"
	case "3D000": // invalid_catalog_name
		return fmt.Sprintf(": make it with `%s`", createdb(config, ""))
	case "42501": // insufficient_privilege
		return ": make the user the owner of the database with `ALTER DATABASE … OWNER TO …`"
	case "53100": // disk_full
		return ": the disk of the server is full: make room and try again"
	case "53300": // too_many_connections
		return fmt.Sprintf(": raise max_connections of the server; every program of Millrace takes up to %d", postgresWriters+postgresReaders)
	case "57P03": // cannot_connect_now
		return ": try again in a moment"
	case "25006": // read_only_sql_transaction
		return ": this server is a copy: give the address of the one that can be written"
	case "55P03": // lock_not_available
		return ": another transaction holds what this one waits for: try again"
	}
	return ""
}

// unreachable says why there is no connection, in one line.
func unreachable(err *pgconn.ConnectError) string {
	address := net.JoinHostPort(err.Config.Host, fmt.Sprint(err.Config.Port))
	if strings.HasPrefix(err.Config.Host, "/") {
		address = path.Join(err.Config.Host, fmt.Sprintf(".s.PGSQL.%d", err.Config.Port))
	}
	cause := errors.Unwrap(err)
	var network *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("%v: correct the host in the url", name)
	case errors.As(err, &network):
		cause = network.Err
	}
	return fmt.Sprintf("no PostgreSQL answers at %s (%s): start it, or correct the address in the url", address, strings.Join(strings.Fields(cause.Error()), " "))
}
