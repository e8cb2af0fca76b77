// Package store keeps what Millrace knows: records with their history, events, published revisions with
// their assets and settings, the ledger of outside effects, the journal and the enrollment ledger. It is
// the only package that speaks to a database.
//
// Every read exists on Store and on Tx; writes belong to Tx, and Store offers each in a transaction of
// its own. A Tx sees what it wrote; a read on Store sees what was committed. Do not call a write of Store
// inside Tx: it would wait for the Tx, and that for it.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

var (
	_ crm.Records = (*Store)(nil)
	_ crm.Records = (*Tx)(nil)
)

// ErrExists says that a record to create is there already.
var ErrExists = errors.New("exists already")

// Store is an open database. It is safe for concurrent use.
type Store struct {
	reader
	connections

	url     string // without its password
	changed chan struct{}
}

// memory holds what was read from the database and cannot change, or changes with its hash.
type memory struct {
	mu      sync.Mutex
	plans   map[string]*plan.Plan // by hash, and by workflow, number and hash
	catalog *crm.Catalog
	hash    string // of catalog as it is stored
	indexes map[indexed]int64
}

// Open opens the database at url and brings its schema up to date. `sqlite://PATH` names a file, relative
// or absolute, which is created when it is missing (its folder is not); `sqlite://:memory:` is a private
// database that Close removes. `postgres://USER:PASSWORD@HOST:PORT/DATABASE` names a database on a PostgreSQL
// server, which has to be there; parameters and environment are those of libpq. Errors say what was tried and
// what to do, and show no password.
func Open(ctx context.Context, url string) (*Store, error) { return open(ctx, url, true) }

// OpenExisting opens the database at url, which must be there and up to date; it creates and migrates
// nothing.
func OpenExisting(ctx context.Context, url string) (*Store, error) { return open(ctx, url, false) }

func open(ctx context.Context, url string, create bool) (_ *Store, err error) {
	shown := withoutPassword(url)
	defer wrap(&err, "opening database %s", shown)
	connections, err := connect(url, create)
	if err != nil {
		return nil, err
	}
	memory := &memory{plans: map[string]*plan.Plan{}, indexes: map[indexed]int64{}}
	s := &Store{reader: reader{source: connections.read, memory: memory}, connections: connections, url: shown, changed: make(chan struct{}, 1)}
	err = s.write.reach(ctx)
	if err == nil {
		err = s.write.alone(ctx, "migrations", func() error { return s.migrate.check(ctx, create) })
	}
	if err == nil {
		err = s.index(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// index makes the keys of the catalog in force, where this program indexes more than the one that was here before.
func (s *Store) index(ctx context.Context) error {
	catalog, err := s.Catalog(ctx)
	if err != nil {
		return err
	}
	if outdated, err := s.outdated(ctx, catalog); err != nil || len(outdated) == 0 {
		return err
	}
	return s.Tx(ctx, func(tx *Tx) error {
		if err := tx.claim(ctx, publication); err != nil {
			return err
		}
		catalog, err := tx.reader.Catalog(ctx)
		if err != nil {
			return err
		}
		return tx.rebuild(ctx, catalog)
	})
}

// Close closes the database. Whatever uses it has to be stopped before.
func (s *Store) Close() (err error) {
	defer wrap(&err, "closing database %s", s.url)
	return errors.Join(s.read.db.Close(), s.write.db.Close(), s.remove())
}

// Health is the state of a database.
type Health struct {
	Database  string `json:"database"`  // its url, without a password
	Migration int64  `json:"migration"` // the newest that the database has
	Latest    int64  `json:"latest"`    // the newest that this program has
}

// Pending tells whether the program has migrations that the database lacks.
func (h Health) Pending() bool { return h.Migration < h.Latest }

// Health reads and takes the write lock once, and reports the migrations.
func (s *Store) Health(ctx context.Context) (health Health, err error) {
	defer wrap(&err, "checking database %s", s.url)
	health.Database = s.url
	if health.Migration, health.Latest, err = s.migrate.versions(ctx); err != nil {
		return health, err
	}
	if _, err = s.Workflows(ctx); err != nil {
		return health, err
	}
	return health, s.Tx(ctx, func(*Tx) error { return nil })
}

// Tx is a write transaction. Others may run beside it, but what it has read stays as it is until it ends, where
// decisions depend on that: a record (Get) and its events (Events), a row of the ledger or its absence
// (LedgerRow), whether and how often a record is enrolled in a workflow (EnrollmentByRun, EnrolledBefore), and
// which revision is the newest and how the switch stands (LatestRevision).
type Tx struct {
	reader
	*session
	occurred occurrences
	noted    []plan.Change
	rebuilt  bool // indexes, which nobody is to know of before they are there
	decided  bool // something for the router to do
}

// Tx runs do in a write transaction, which is committed when do returns nil and rolled back when it fails
// or panics. The Tx must not be used after do has returned. A transaction that had to give way to another, or
// whose connection broke, is made again: do has to begin anew whenever it is called.
func (s *Store) Tx(ctx context.Context, do func(tx *Tx) error) error {
	return s.transact(ctx, s.write.begin, do)
}

func (s *Store) transact(ctx context.Context, begin func(context.Context) (*session, error), do func(tx *Tx) error) error {
	return s.write.persist(ctx, func() error {
		session, err := begin(ctx)
		if err != nil {
			return err
		}
		defer session.end(ctx)
		tx := &Tx{reader: reader{source: session, memory: s.memory}, session: session}
		if err := do(tx); err != nil {
			return err
		}
		if err := tx.flush(ctx); err != nil {
			return err
		}
		if err := session.commit(ctx); err != nil {
			return err
		}
		if len(tx.noted) > 0 || tx.decided {
			s.tell()
		}
		return nil
	})
}

// View is a snapshot: everything that is read in it is as it was at one moment, and nobody waits for it.
type View struct{ reader }

// View runs do on a snapshot.
func (s *Store) View(ctx context.Context, do func(view *View) error) error {
	return s.read.persist(ctx, func() error {
		session, err := s.read.beginSnapshot(ctx)
		if err != nil {
			return err
		}
		defer session.end(ctx)
		return do(&View{reader{source: snapshot{session}, memory: s.memory}})
	})
}

// snapshot is a session that holds nothing.
type snapshot struct{ *session }

func (snapshot) holding() string                     { return "" }
func (snapshot) claim(context.Context, string) error { return nil }
func (snapshot) share(context.Context, string) error { return nil }

// reader is what Store and Tx share: reading.
type reader struct {
	source queryer
	memory *memory
}

// row runs a query for one row at most.
func (r reader) row(ctx context.Context, text string, args ...any) row {
	rows, err := r.source.query(ctx, text, args...) //nolint:rowserrcheck // Scan asks
	return row{rows, err}
}

// exists tells whether a query finds a row.
func (r reader) exists(ctx context.Context, text string, args ...any) (bool, error) {
	var one int
	err := r.row(ctx, text, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// queryer runs queries, in a transaction or outside. What a transaction holds it holds until it ends; outside
// of one, nothing is held.
type queryer interface {
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	// once runs a query whose text is unlikely to come again, and keeps nothing for it.
	once(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	// speaks tells how the database says what others say in another way.
	speaks() dialect
	// holding ends a query for rows that nobody else is to change.
	holding() string
	// claim waits until no other transaction has claimed or shares name, and claims it.
	claim(ctx context.Context, name string) error
	// share waits until no other transaction has claimed name, and keeps it from being claimed.
	share(ctx context.Context, name string) error
}

// row is the answer to a query for one row at most.
type row struct {
	rows *sql.Rows
	err  error
}

// Scan reads the columns. Errors: sql.ErrNoRows.
func (r row) Scan(columns ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		return cmp.Or(r.rows.Err(), sql.ErrNoRows)
	}
	if err := r.rows.Scan(columns...); err != nil {
		return err
	}
	return r.rows.Close()
}

type scanner interface{ Scan(columns ...any) error }

// collect reads every row of a query.
func collect[T any](ctx context.Context, source queryer, scan func(row scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := source.query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, value)
	}
	return found, rows.Err()
}

// wrap adds to an error what was being done; it is deferred.
func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("store: %s: %w", fmt.Sprintf(format, args...), explain(*err))
	}
}
