package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	neturl "net/url"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/pressly/goose/v3"
)

// What differs between databases stands in sqlite.go and postgres.go; the statements elsewhere are meant for all
// of them.

//go:embed migrations
var migrationFiles embed.FS

// connections are an open database of whatever kind.
type connections struct {
	write   *pool // for transactions
	read    *pool // for everything else, so that a transaction in which something is read outside of it can go on
	migrate *migrations
	remove  func() error // of what a private database leaves behind
}

func connect(url string, create bool) (connections, error) {
	scheme, path, _ := strings.Cut(url, "://")
	switch {
	case scheme == "sqlite" && path != "":
		return connectSQLite(path, create)
	case (scheme == "postgres" || scheme == "postgresql") && path != "":
		return connectPostgres(url)
	}
	return connections{}, errors.New("not a database url: write sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")
}

// withoutPassword is a url as it may be shown.
func withoutPassword(url string) string {
	scheme, _, _ := strings.Cut(url, "://")
	if scheme == "sqlite" || !strings.Contains(url, "@") && !strings.Contains(url, "password=") {
		return url
	}
	parsed, err := neturl.Parse(url)
	if err != nil {
		return scheme + "://…"
	}
	parameters := parsed.Query()
	for _, secret := range []string{"password", "sslpassword"} {
		if parameters.Has(secret) {
			parameters.Set(secret, "xxxxx")
			parsed.RawQuery = parameters.Encode()
		}
	}
	return parsed.Redacted()
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

// explained is an error of a database with what can be done about it.
type explained struct {
	error
	text string
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.error }

// explain adds to an error of the database what can be done about it.
func explain(err error) error {
	var done *explained
	if errors.As(err, &done) {
		return err
	}
	if isNotText(err) {
		return &explained{fmt.Errorf("%w: %w", crm.ErrInvalid, err), err.Error()}
	}
	text := cmp.Or(explainSQLite(err), explainPostgres(err))
	switch {
	case isAwaySQLite(err) || isAwayPostgres(err) || errors.Is(err, errUnsure):
		return &explained{fmt.Errorf("%w: %w", crm.ErrAway, err), cmp.Or(text, err.Error())}
	case text != "":
		return &explained{err, text}
	}
	return err
}
