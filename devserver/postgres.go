package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/iancoleman/strcase"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql" // registers plugins postgres12 and postgres12_pgx
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql/driver"
	v12 "go.temporal.io/server/schema/postgresql/v12"
	"go.temporal.io/server/tools/common/schema"
	sqltool "go.temporal.io/server/tools/sql"
)

// maxConnections is how many connections each of the server's four services
// may have to each of the two databases: PostgreSQL allows 100 in all unless it
// is told otherwise, and Millrace needs some too.
const maxConnections = 8

// postgres is a PostgreSQL server as a URL tells how to reach it.
type postgres struct {
	url    *url.URL
	logger log.Logger
}

// database is one that Temporal keeps on PostgreSQL.
type database struct {
	name    string
	schema  string // what Temporal's schema tool calls it
	version string // of the schema, as this server knows it
}

// openPostgres opens the database that a URL names, and the one beside it that
// workflows are found in. It makes those that are not there.
func openPostgres(ctx context.Context, address string, logger log.Logger) (_ *store, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	p := postgres{url: u, logger: logger}
	name := cmp.Or(strings.TrimPrefix(u.Path, "/"), "temporal")
	databases := []database{
		{name, "postgresql/v12/temporal", v12.Version},
		{name + "_visibility", "postgresql/v12/visibility", v12.VisibilityVersion},
	}
	for _, d := range databases {
		if err := p.create(ctx, d); err != nil {
			return nil, fmt.Errorf("make database %s: %w", d.name, err)
		}
	}
	lock, err := p.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	free := func() error { return lock.Close(context.WithoutCancel(ctx)) }
	defer func() {
		if err != nil {
			err = errors.Join(err, free())
		}
	}()
	for _, d := range databases {
		if err := p.prepareSchema(d, d.name); err != nil {
			return nil, err
		}
	}
	shards, err := readShards(lock.QueryRow(ctx, shardsQuery))
	if err != nil {
		return nil, fmt.Errorf("read the number of history shards of database %s: %w", name, err)
	}
	return &store{
		main:       p.config(name, name),
		visibility: p.config(databases[1].name, databases[1].name),
		shards:     shards,
		name:       (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: name}).String(),
		free:       free,
	}, nil
}

// connect makes a single connection to a database.
func (p postgres) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, p.at(name))
	if err != nil && !hasCode(err, "3D000") {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " ")) // in one line
	}
	return conn, err
}

// at is the URL of a database.
func (p postgres) at(name string) string {
	u := *p.url
	u.Path = "/" + name
	return u.String()
}

func hasCode(err error, code string) bool {
	var failure *pgconn.PgError
	return errors.As(err, &failure) && failure.Code == code
}

// create makes a database with its schema if it is not there. The database
// gets its name last, so that none whose making was interrupted is ever used.
func (p postgres) create(ctx context.Context, d database) error {
	conn, err := p.connect(ctx, d.name)
	if err == nil {
		return conn.Close(ctx)
	}
	if !hasCode(err, "3D000") { // invalid_catalog_name
		return err
	}
	admin, err := p.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	name, unfinished := pgx.Identifier{d.name}.Sanitize(), pgx.Identifier{d.name + "_new"}.Sanitize()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + unfinished, "CREATE DATABASE " + unfinished} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := p.prepareSchema(d, d.name+"_new"); err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+name)
	return err
}

// lock keeps a second server away from a database as long as the connection
// lasts. The connection of a server that was killed may outlive it a little.
func (p postgres) lock(ctx context.Context, name string) (*pgx.Conn, error) {
	conn, err := p.connect(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	_, err = conn.Exec(ctx, "SET lock_timeout = '5s'; SELECT pg_advisory_lock(hashtext('millrace-devserver'))")
	switch {
	case hasCode(err, "55P03"): // lock_not_available
		return nil, errors.Join(fmt.Errorf("database %s is in use by another server", name), conn.Close(ctx))
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock database %s: %w", name, err), conn.Close(ctx))
	}
	return conn, nil
}

// prepareSchema makes sure that a database holds the schema of this server,
// while it goes by a name that it may not keep.
func (p postgres) prepareSchema(d database, name string) error {
	conn, err := sqltool.NewConnection(p.config(d.name, name), p.logger)
	if err != nil {
		return fmt.Errorf("open database %s: %w", d.name, err)
	}
	defer conn.Close()
	tables, err := conn.ListTables()
	if err != nil {
		return fmt.Errorf("read the schema of database %s: %w", d.name, err)
	}
	if len(tables) == 0 {
		if err := schema.NewSetupSchemaTask(conn, &schema.SetupConfig{InitialVersion: "0.0"}, p.logger).Run(); err != nil {
			return fmt.Errorf("make the schema of database %s: %w", d.name, err)
		}
	}
	found, err := conn.ReadSchemaVersion()
	switch {
	case errors.Is(err, sql.ErrNoRows), err != nil && !slices.Contains(tables, "schema_version"):
		return fmt.Errorf("database %s was not made by Temporal, or its making was interrupted; choose another", d.name)
	case err != nil:
		return fmt.Errorf("read the schema version of database %s: %w", d.name, err)
	}
	version, err := semver.ParseTolerant(found)
	if err != nil {
		return fmt.Errorf("schema version %q of database %s: %w", found, d.name, err)
	}
	switch wanted := semver.MustParse(d.version + ".0"); {
	case version.GT(wanted):
		return fmt.Errorf("database %s has schema %s of a newer Temporal server, this one knows %s; run a newer millrace-devserver", d.name, found, d.version)
	case version.LT(wanted):
		if err := schema.NewUpdateSchemaTask(conn, &schema.UpdateConfig{SchemaName: d.schema}, p.logger).Run(); err != nil {
			return fmt.Errorf("update the schema of database %s from %s to %s: %w", d.name, found, d.version, err)
		}
	}
	return nil
}

// config lets Temporal's plugin connect to a database, which goes by another
// name while it is being made, in every way that a URL can tell.
func (p postgres) config(database, name string) *config.SQL {
	return &config.SQL{
		PluginName:   postgresql.PluginNamePGX,
		DatabaseName: database,
		Connect: func(*config.SQL) (*sqlx.DB, error) {
			db, err := new(driver.PGXDriver).CreateConnection(p.at(name))
			if err != nil {
				return nil, err
			}
			db.SetMaxOpenConns(maxConnections)
			db.SetMaxIdleConns(maxConnections)
			db.MapperFunc(strcase.ToSnake) // as the plugin's own connections
			return db, nil
		},
	}
}
