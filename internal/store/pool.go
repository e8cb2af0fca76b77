package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// dialect is what a database does in its own way. That of SQLite says little: a transaction is alone from its
// beginning, and has nothing to hold.
type dialect struct {
	begin   *sql.TxOptions // of every transaction
	view    *sql.TxOptions // of a snapshot
	holding string         // see queryer
	claim   string         // a statement whose argument is the name
	share   string         // likewise
	label   string         // whether the JSON list a.labels holds ?
	find    string         // a function: where a text holds another one, 0 = nowhere
	patient string         // a statement that takes the limits of time off a transaction
	caches  bool           // the driver keeps prepared statements itself
	lasting string         // a statement that makes commits of a connection outlast a loss of power; "" = they do, or none is to
	usual   string         // undoes it
}

// pool is a set of connections.
type pool struct {
	db         *sql.DB
	size       int // how many there are at most
	dialect    dialect
	statements sync.Map // text → *sql.Stmt, unless the driver keeps them
}

// newPool makes a pool; it opens no connection yet.
func newPool(db *sql.DB, size int, dialect dialect) *pool {
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return &pool{db: db, size: size, dialect: dialect}
}

func (p *pool) query(ctx context.Context, text string, args ...any) (rows *sql.Rows, err error) {
	err = p.persist(ctx, func() error {
		if p.dialect.caches {
			rows, err = p.db.QueryContext(ctx, text, args...) //nolint:rowserrcheck // whoever reads them asks
			return err
		}
		statement, err := p.statement(ctx, text)
		if err != nil {
			return err
		}
		rows, err = statement.QueryContext(ctx, args...) //nolint:rowserrcheck // whoever reads them asks
		return err
	})
	return rows, err
}

func (p *pool) once(ctx context.Context, text string, args ...any) (rows *sql.Rows, err error) {
	err = p.persist(ctx, func() error {
		rows, err = p.db.QueryContext(ctx, text, args...) //nolint:rowserrcheck // whoever reads them asks
		return err
	})
	return rows, err
}

func (p *pool) speaks() dialect                     { return p.dialect }
func (p *pool) holding() string                     { return "" }
func (p *pool) claim(context.Context, string) error { return nil }
func (p *pool) share(context.Context, string) error { return nil }

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

// tries is how often something is done that fails for a reason which passes.
const tries = 5

// persist runs do, and runs it again when it had to give way to another transaction or its connection broke.
// Where the server is gone, connecting anew says so.
func (p *pool) persist(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == tries || ctx.Err() != nil {
			return err
		}
		switch {
		case isBroken(err):
			p.forget()
		case isConflict(err):
			if err := pause(ctx, rand.N(time.Duration(try)*10*time.Millisecond)); err != nil { // so that two do not meet again
				return err
			}
		default:
			return err
		}
	}
}

// forget closes the connections that nobody uses: where one broke, the others are broken too.
func (p *pool) forget() {
	p.db.SetMaxIdleConns(0)
	p.db.SetMaxIdleConns(p.size)
}

// alone runs do while no other program runs anything under the same name, however long it takes.
func (p *pool) alone(ctx context.Context, name string, do func() error) error {
	if p.dialect.claim == "" {
		return do()
	}
	session, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer session.end(ctx)
	if _, err := session.exec(ctx, p.dialect.patient); err != nil {
		return err
	}
	if err := session.claim(ctx, name); err != nil {
		return err
	}
	return do()
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// session is one transaction on a pool. What it runs for the first time is prepared when it is over,
// since a transaction on the only connection cannot wait for another one.
type session struct {
	pool       *pool
	tx         *sql.Tx
	conn       *sql.Conn // of a lasting transaction
	unprepared []string
	held       []string // names, behind the statements that got hold of them
}

func (p *pool) begin(ctx context.Context) (*session, error) {
	return p.open(ctx, p.dialect.begin)
}

func (p *pool) beginSnapshot(ctx context.Context) (*session, error) {
	return p.open(ctx, p.dialect.view)
}

func (p *pool) open(ctx context.Context, options *sql.TxOptions) (_ *session, err error) {
	defer wrap(&err, "beginning a transaction")
	tx, err := p.db.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	return &session{pool: p, tx: tx}, nil
}

// beginLasting begins a transaction whose commit outlasts a loss of power, with everything that was committed before.
func (p *pool) beginLasting(ctx context.Context) (_ *session, err error) {
	if p.dialect.lasting == "" {
		return p.begin(ctx)
	}
	defer wrap(&err, "beginning a transaction that lasts")
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{pool: p, conn: conn}
	if _, err = conn.ExecContext(ctx, p.dialect.lasting); err == nil {
		s.tx, err = conn.BeginTx(ctx, p.dialect.begin)
	}
	if err != nil {
		s.giveBack(ctx)
		return nil, err
	}
	return s, nil
}

// giveBack returns the connection of a lasting transaction as it was.
func (s *session) giveBack(ctx context.Context) {
	if s.conn == nil {
		return
	}
	_, _ = s.conn.ExecContext(context.WithoutCancel(ctx), s.pool.dialect.usual) // without it, more lasts than has to
	_ = s.conn.Close()                                                          // only gives it back
}

// errUnsure is the error of a transaction whose connection broke between the question and the answer.
var errUnsure = errors.New("nobody can say whether it was committed")

func (s *session) commit(ctx context.Context) (err error) {
	defer wrap(&err, "committing a transaction")
	err = s.tx.Commit()
	switch {
	case isBroken(err):
		return fmt.Errorf("the connection broke (%s): %w", err.Error(), errUnsure) // as text: it is not to be done again
	case errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil:
		return ctx.Err() // which rolled it back
	}
	return err
}

// end rolls back what was not committed.
func (s *session) end(ctx context.Context) {
	_ = s.tx.Rollback() // fails when it was committed or its context ended: nothing is left to undo
	s.giveBack(ctx)
	for _, text := range s.unprepared {
		_, _ = s.pool.statement(ctx, text) // prepared again when it is next needed
	}
}

// prepared returns the prepared form of text, if there is one yet.
func (s *session) prepared(ctx context.Context, text string) *sql.Stmt {
	if s.pool.dialect.caches {
		return nil
	}
	if prepared, ok := s.pool.statements.Load(text); ok {
		return s.tx.StmtContext(ctx, prepared.(*sql.Stmt))
	}
	s.unprepared = append(s.unprepared, text)
	return nil
}

func (s *session) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if statement := s.prepared(ctx, text); statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return s.tx.QueryContext(ctx, text, args...)
}

func (s *session) once(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return s.tx.QueryContext(ctx, text, args...)
}

// exec runs a statement and returns how many rows it touched.
func (s *session) exec(ctx context.Context, text string, args ...any) (int64, error) {
	var result sql.Result
	var err error
	if statement := s.prepared(ctx, text); statement != nil {
		result, err = statement.ExecContext(ctx, args...)
	} else {
		result, err = s.tx.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *session) speaks() dialect { return s.pool.dialect }
func (s *session) holding() string { return s.pool.dialect.holding }

func (s *session) claim(ctx context.Context, name string) error {
	return s.lock(ctx, s.pool.dialect.claim, name)
}

func (s *session) share(ctx context.Context, name string) error {
	return s.lock(ctx, s.pool.dialect.share, name)
}

func (s *session) lock(ctx context.Context, statement, name string) (err error) {
	defer wrap(&err, "waiting for %s", name)
	if statement == "" || slices.Contains(s.held, statement+name) {
		return nil
	}
	_, err = s.exec(ctx, statement, name)
	s.held = append(s.held, statement+name)
	return err
}
