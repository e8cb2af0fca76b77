// Package store keeps what Millrace knows: records with their history, events, published revisions with
// their assets and settings, the ledger of outside effects, the journal and the enrollment ledger. It is
// the only package that speaks to a database.
//
// Every read exists on Store and on Tx; writes belong to Tx, and Store offers each in a transaction of
// its own. A Tx sees what it wrote; a read on Store sees what was committed. Do not call a write of Store
// inside Tx: there is one writer, and it would wait for itself.
package store

import (
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

	url string
}

// memory holds what was read from the database and cannot change, or changes with its hash.
type memory struct {
	mu      sync.Mutex
	plans   map[string]*plan.Plan // by hash, and by workflow, number and hash
	catalog *crm.Catalog
	hash    string // of catalog as it is stored
}

// Open opens the database at url and brings its schema up to date. `sqlite://PATH` names a file, relative
// or absolute, which is created when it is missing (its folder is not); `sqlite://:memory:` is a private
// database that Close removes. Errors say what was tried and what to do.
func Open(ctx context.Context, url string) (*Store, error) { return open(ctx, url, true) }

// OpenExisting opens the database at url, which must be there and up to date; it creates and migrates
// nothing.
func OpenExisting(ctx context.Context, url string) (*Store, error) { return open(ctx, url, false) }

func open(ctx context.Context, url string, create bool) (_ *Store, err error) {
	defer wrap(&err, "opening database %s", url)
	connections, err := connect(url, create)
	if err != nil {
		return nil, err
	}
	memory := &memory{plans: map[string]*plan.Plan{}}
	s := &Store{reader: reader{source: connections.read, memory: memory}, connections: connections, url: url}
	err = s.write.reach(ctx)
	if err == nil {
		err = s.migrate.check(ctx, create)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the database. Whatever uses it has to be stopped before.
func (s *Store) Close() (err error) {
	defer wrap(&err, "closing database %s", s.url)
	return errors.Join(s.read.db.Close(), s.write.db.Close(), s.remove())
}

// Health is the state of a database.
type Health struct {
	Database  string `json:"database"`  // its url
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

// Tx is a write transaction.
type Tx struct {
	reader
	session  *session
	occurred occurrences
}

// Tx runs do in a write transaction, which is committed when do returns nil and rolled back when it fails
// or panics. Transactions run one after the other. The Tx must not be used after do has returned.
func (s *Store) Tx(ctx context.Context, do func(tx *Tx) error) error {
	session, err := s.write.begin(ctx)
	if err != nil {
		return err
	}
	defer session.end(ctx)
	if err := do(&Tx{reader: reader{source: session, memory: s.memory}, session: session}); err != nil {
		return err
	}
	return session.commit()
}

// reader is what Store and Tx share: reading.
type reader struct {
	source queryer
	memory *memory
}

// exists tells whether a query finds a row.
func (r reader) exists(ctx context.Context, text string, args ...any) (bool, error) {
	var one int
	err := r.source.row(ctx, text, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// queryer runs queries, in a transaction or outside.
type queryer interface {
	query(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	row(ctx context.Context, text string, args ...any) row
}

// row is the answer to a query for one row at most.
type row struct {
	row *sql.Row
	err error
}

// Scan reads the columns. Errors: sql.ErrNoRows.
func (r row) Scan(columns ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(columns...)
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

// pool is a set of connections and the statements that are prepared on them.
type pool struct {
	db         *sql.DB
	statements sync.Map // text → *sql.Stmt
}

// statement returns the prepared form of text. It needs a connection of its own the first time.
func (p *pool) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if prepared, ok := p.statements.Load(text); ok {
		return prepared.(*sql.Stmt), nil
	}
	prepared, err := p.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if earlier, raced := p.statements.LoadOrStore(text, prepared); raced {
		return earlier.(*sql.Stmt), prepared.Close()
	}
	return prepared, nil
}

func (p *pool) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	statement, err := p.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

func (p *pool) row(ctx context.Context, text string, args ...any) row {
	statement, err := p.statement(ctx, text)
	if err != nil {
		return row{err: err}
	}
	return row{row: statement.QueryRowContext(ctx, args...)}
}

// session is one transaction on a pool. What it runs for the first time is prepared when it is over,
// since a transaction on the only connection cannot wait for another one.
type session struct {
	pool *pool
	tx   *sql.Tx
	news []string
}

func (p *pool) begin(ctx context.Context) (_ *session, err error) {
	defer wrap(&err, "beginning a transaction")
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &session{pool: p, tx: tx}, nil
}

func (s *session) commit() (err error) {
	defer wrap(&err, "committing a transaction")
	return s.tx.Commit()
}

// end rolls back what was not committed.
func (s *session) end(ctx context.Context) {
	_ = s.tx.Rollback() // fails when it was committed or its context ended: nothing is left to undo
	for _, text := range s.news {
		_, _ = s.pool.statement(ctx, text) // prepared again when it is next needed
	}
}

func (s *session) prepared(ctx context.Context, text string) *sql.Stmt {
	if prepared, ok := s.pool.statements.Load(text); ok {
		return s.tx.StmtContext(ctx, prepared.(*sql.Stmt))
	}
	s.news = append(s.news, text)
	return nil
}

func (s *session) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if statement := s.prepared(ctx, text); statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return s.tx.QueryContext(ctx, text, args...)
}

func (s *session) row(ctx context.Context, text string, args ...any) row {
	if statement := s.prepared(ctx, text); statement != nil {
		return row{row: statement.QueryRowContext(ctx, args...)}
	}
	return row{row: s.tx.QueryRowContext(ctx, text, args...)}
}

// exec runs a statement and returns how many rows it touched.
func (tx *Tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	var result sql.Result
	var err error
	if statement := tx.session.prepared(ctx, text); statement != nil {
		result, err = statement.ExecContext(ctx, args...)
	} else {
		result, err = tx.session.tx.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// wrap adds to an error what was being done; it is deferred.
func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("store: %s: %w", fmt.Sprintf(format, args...), explain(*err))
	}
}
