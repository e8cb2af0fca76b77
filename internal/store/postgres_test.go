package store_test

import (
	"context"
	"errors"
	neturl "net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
)

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) *store.Store { return opened(t, postgrestest.Database(t)) })
}

// changed is a url in which something else stands.
func changed(t *testing.T, url string, change func(url *neturl.URL)) string {
	t.Helper()
	parsed, err := neturl.Parse(url)
	require.NoError(t, err)
	change(parsed)
	return parsed.String()
}

// statement runs one behind the store's back.
func statement(t *testing.T, url, text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), text)
	require.NoError(t, errors.Join(err, conn.Close(t.Context())))
}

func TestPostgreSQLSaysWhatToDo(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	url := server.Database(t)
	port := strconv.Itoa(server.Port)
	newer, copied, latin, stranger := server.Database(t), server.Database(t), server.Database(t), server.Database(t)
	require.NoError(t, opened(t, newer).Close())
	statement(t, newer, `INSERT INTO migrations (version_id, is_applied) VALUES (99, true)`)
	require.NoError(t, opened(t, copied).Close())
	statement(t, latin, `CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
	statement(t, stranger, `CREATE USER stranger; REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	statement(t, stranger, `CREATE USER idle CONNECTION LIMIT 0`)

	for name, c := range map[string]struct {
		open func(context.Context, string) (*store.Store, error)
		url  string
		want []string
	}{
		"nothing":  {store.Open, "postgres://", []string{"write sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE"}},
		"no url":   {store.Open, "postgres://a:pass%word@localhost/x", []string{"database postgres://…", "%XX for signs in the password"}},
		"option":   {store.Open, url + "&sslmode=perhaps", []string{"sslmode is invalid"}},
		"missing":  {store.Open, changed(t, url, func(u *neturl.URL) { u.Path = "/crm" }), []string{`database "crm" does not exist: make it with ` + "`createdb -h 127.0.0.1 -p " + port + " -U millrace -E UTF8 -T template0 crm`"}},
		"password": {store.Open, changed(t, url, func(u *neturl.URL) { u.User = neturl.UserPassword(postgrestest.Guarded, "hunter2") }), []string{"password authentication failed", "check user and password in the url"}},
		"down":     {store.Open, "postgres://ann:hunter2@127.0.0.1:1/crm", []string{"no PostgreSQL answers at 127.0.0.1:1 (connect: connection refused): start it"}},
		"socket":   {store.Open, "postgres:///crm?host=/nowhere&password=hunter2", []string{"no PostgreSQL answers at /nowhere/.s.PGSQL.5432"}},
		"host":     {store.Open, "postgres://ann:hunter2@nowhere.invalid/crm", []string{"nowhere.invalid", "correct the host in the url"}},
		"newer":    {store.Open, newer, []string{"migration 99", "upgrade this one"}},
		"existing": {store.OpenExisting, url, []string{"migration 0", "run `millrace push` or `millrace dev`"}},
		"encoding": {store.Open, changed(t, url, func(u *neturl.URL) { u.Path = "/latin" }), []string{"keeps texts as LATIN1: make another one with `createdb -h 127.0.0.1 -p " + port + " -U millrace -E UTF8 -T template0 latin_utf8`"}},
		"stranger": {store.Open, changed(t, stranger, func(u *neturl.URL) { u.User = neturl.User("stranger") }), []string{"permission denied", "make the user the owner of the database"}},
		"limit":    {store.Open, changed(t, url, func(u *neturl.URL) { u.User = neturl.User("idle") }), []string{"too many connections", "every program of Millrace takes up to 24"}},
		"copy":     {store.Open, copied + "&default_transaction_read_only=on", nil},
	} {
		s, err := c.open(t.Context(), c.url)
		if err == nil {
			err = errors.Join(s.Delete(t.Context(), ann, noon), s.AddMessage(t.Context(), plan.Message{Key: "k", At: noon}), s.Close())
			require.ErrorContains(t, err, "give the address of the one that can be written", name)
			continue
		}
		require.NotContains(t, err.Error(), "hunter2", name)
		require.NotContains(t, err.Error(), "\n", name)
		for _, want := range c.want {
			require.ErrorContains(t, err, want, name)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	url := changed(t, postgrestest.Database(t), func(u *neturl.URL) {
		u.User = neturl.UserPassword(u.User.Username(), "hunter2")
		u.RawQuery += "&password=hunter3"
	})
	s := opened(t, url)
	health, err := s.Health(t.Context())
	require.NoError(t, err)
	require.NotContains(t, health.Database, "hunter")
	require.Contains(t, health.Database, "postgres://")
	_, err = store.Open(t.Context(), "mysql://ann:hunter2@x/y")
	require.NotContains(t, err.Error(), "hunter")
}

// TestTextsAreComparedByteByByte looks at the schema, so that it holds on a server whose locale does so anyway.
func TestTextsAreComparedByteByByte(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	opened(t, url)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	rows, err := conn.Query(t.Context(), `SELECT c.relname || '.' || a.attname FROM pg_index i
		JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.atttypid = 'text'::regtype
		WHERE a.attcollation <> '"C"'::regcollation`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestProgramsOpenPostgreSQLTogether(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	together(t, 6, func(worker int) error {
		s, err := store.Open(t.Context(), url)
		if err != nil {
			return err
		}
		_, err = s.Create(t.Context(), crm.Ref{Object: "contact", ID: strconv.Itoa(worker)}, nil, noon, "")
		return errors.Join(err, s.Close())
	})
	found, err := opened(t, url).List(t.Context(), "contact", "", 0)
	require.NoError(t, err)
	require.Len(t, found, 6)
}

func TestProgramsShareLocks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := postgrestest.Database(t)
	stores := []*store.Store{opened(t, url), opened(t, url)}
	add(t, stores[0], ann)
	together(t, 8, func(worker int) error {
		for range 10 {
			if _, err := stores[worker%2].Increment(ctx, ann, "score", crm.NumberOf(1), noon, ""); err != nil {
				return err
			}
		}
		return nil
	})
	record, err := stores[1].Get(ctx, ann)
	require.NoError(t, err)
	require.Equal(t, "80", record.Properties["score"])
}

func TestTransactionsOfDifferentRecordsRunSideBySide(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := opened(t, postgrestest.Database(t))
	add(t, s, ann, bob, acme)
	publish(t, s, "welcome", "h1")
	// Everything that a step, an admission or an event takes hold of, while another record's is held.
	work := func(tx *store.Tx, ref crm.Ref) error {
		if _, _, err := tx.LatestRevision(ctx, "welcome"); err != nil {
			return err
		}
		if _, err := tx.OpenEnrollment(ctx, entering("welcome", ref, "run")); err != nil {
			return err
		}
		if _, _, err := tx.LedgerRow(ctx, ref.String()); err != nil {
			return err
		}
		if err := tx.Update(ctx, ref, map[string]string{"city": "Rome"}, noon, ""); err != nil {
			return err
		}
		if _, _, err := tx.AddEvent(ctx, plan.Event{Type: "t", Record: ref.String(), At: noon}); err != nil {
			return err
		}
		return tx.WriteJournal(ctx, plan.Entry{Enrollment: ref.String(), At: noon, Event: "e"})
	}
	require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
		if err := work(tx, ann); err != nil {
			return err
		}
		return s.Tx(ctx, func(tx *store.Tx) error { return work(tx, bob) })
	}))
}

func TestDeadlocksAreMadeAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := opened(t, postgrestest.Database(t))
	add(t, s, ann, bob)
	var begun atomic.Int32
	met := make(chan struct{})
	together(t, 2, func(worker int) error {
		order := [][2]crm.Ref{{ann, bob}, {bob, ann}}[worker]
		return s.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.Increment(ctx, order[0], "score", crm.NumberOf(1), noon, ""); err != nil {
				return err
			}
			if begun.Add(1) == 2 {
				close(met)
			}
			<-met // each holds what the other wants
			_, err := tx.Increment(ctx, order[1], "score", crm.NumberOf(1), noon, "")
			return err
		})
	})
	require.EqualValues(t, 3, begun.Load(), "one of the two was made again")
	for _, ref := range []crm.Ref{ann, bob} {
		record, err := s.Get(ctx, ref)
		require.NoError(t, err)
		require.Equal(t, "2", record.Properties["score"])
	}
}

func TestWhoWaitsInVainGivesUp(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := postgrestest.Database(t)
	s := opened(t, url)
	add(t, s, ann)
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(ctx, `BEGIN; SELECT 1 FROM records FOR UPDATE`)
	require.NoError(t, err)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Delete(short, ann, noon), context.DeadlineExceeded)
	_, err = s.Get(ctx, ann)
	require.NoError(t, err, "reading goes on")
	_, err = conn.Exec(ctx, `ROLLBACK`)
	require.NoError(t, err)
	require.NoError(t, s.Delete(ctx, ann, noon))
}

// TestWhatTheServerSays has a trigger say it.
func TestWhatTheServerSays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := postgrestest.Database(t)
	s := opened(t, url)
	statement(t, url, `CREATE SEQUENCE tries;
		CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') = 4 AND NEW.key = '40001' THEN RETURN NEW; END IF;
			RAISE EXCEPTION 'no' USING ERRCODE = NEW.key;
		END $$;
		CREATE TRIGGER say BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION say()`)
	say := func(code string) (tries int, err error) {
		err = s.Tx(ctx, func(tx *store.Tx) error {
			tries++
			return tx.PutLedger(ctx, plan.LedgerRow{Key: code, State: plan.LedgerStarted, At: noon})
		})
		return tries, err
	}
	tries, err := say("40001")
	require.NoError(t, err)
	require.Equal(t, 4, tries, "a serialization failure passes")
	for code, c := range map[string]struct {
		tries int
		want  string
	}{
		"40P01": {5, "SQLSTATE 40P01"},
		"53100": {1, "the disk of the server is full: make room and try again"},
		"55P03": {1, "another transaction holds what this one waits for: try again"},
		"23505": {1, "SQLSTATE 23505"},
	} {
		tries, err := say(code)
		require.Equal(t, c.tries, tries, code)
		require.ErrorContains(t, err, "writing started to the ledger at "+code)
		require.ErrorContains(t, err, c.want)
	}
}

func TestServerIsKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := postgrestest.Start(t)
	s := opened(t, server.Database(t))
	add(t, s, ann)
	busy := func() {
		together(t, 8, func(int) error { // so that there are several connections, all of which break
			_, reading := s.Get(ctx, ann)
			_, writing := s.Increment(ctx, ann, "score", crm.NumberOf(1), noon, "")
			return errors.Join(reading, writing)
		})
	}
	for _, first := range []func() error{
		func() error { _, err := s.Get(ctx, ann); return err },
		func() error { _, err := s.Increment(ctx, ann, "score", crm.NumberOf(1), noon, ""); return err },
	} {
		busy()
		server.Kill(t)
		_, err := s.Get(ctx, ann)
		require.ErrorContains(t, err, "no PostgreSQL answers at 127.0.0.1:"+strconv.Itoa(server.Port))
		require.ErrorIs(t, err, crm.ErrAway)
		err = s.Delete(ctx, ann, noon)
		require.ErrorContains(t, err, "no PostgreSQL answers")
		require.ErrorIs(t, err, crm.ErrAway)
		server.Restart(t)
		require.NoError(t, first(), "the next call works")
	}
	record, err := s.Get(ctx, ann)
	require.NoError(t, err)
	require.Equal(t, "17", record.Properties["score"], "what was committed is there")
}

func TestServerIsKilledInATransaction(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := postgrestest.Start(t)
	s := opened(t, server.Database(t))
	add(t, s, ann)
	tries := 0
	require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Increment(ctx, ann, "score", crm.NumberOf(1), noon, ""); err != nil {
			return err
		}
		if tries++; tries == 1 {
			server.Kill(t)
			server.Restart(t)
		}
		_, err := tx.Increment(ctx, ann, "score", crm.NumberOf(1), noon, "")
		return err
	}))
	require.Equal(t, 2, tries, "it was made again")
	record, err := s.Get(ctx, ann)
	require.NoError(t, err)
	require.Equal(t, "2", record.Properties["score"], "and nothing of the first try is left")

	tries = 0
	err = s.Tx(ctx, func(tx *store.Tx) error {
		tries++
		err := tx.PutLedger(ctx, plan.LedgerRow{Key: "k", State: plan.LedgerStarted, At: noon}) // which is no change to be noted
		server.Kill(t)
		server.Restart(t)
		return err
	})
	require.ErrorContains(t, err, "nobody can say whether it was committed")
	require.Equal(t, 1, tries, "what may be committed is not made again")
	_, found, err := s.LedgerRow(ctx, "k")
	require.NoError(t, err)
	require.False(t, found)
}

func TestPublicationWaitsForWhoHasNumberedAChange(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := postgrestest.Database(t)
	s := opened(t, url)
	add(t, s, ann)
	statement(t, url, `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON changes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'page_viewed') EXECUTE FUNCTION hold()`)
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `SELECT pg_advisory_lock(42)`)
	require.NoError(t, err)
	waiting := func() (count int) {
		require.NoError(t, conn.QueryRow(ctx, `SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted`).Scan(&count))
		return count
	}
	stored, published := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := s.AddEvent(ctx, plan.Event{Type: "page_viewed", Record: ann.String(), At: noon})
		stored <- err
	}()
	for waiting() < 1 {
	}
	go func() {
		_, err := s.Publish(ctx, store.Publication{At: noon, Definitions: []plan.Revision{{On: true, Plan: &plan.Plan{
			Workflow: "w", Object: "contact", Hash: "h", Rules: &plan.Rules{Enroll: []byte(`{"on":[{"event":"page_viewed"}]}`)},
		}}}})
		published <- err
	}()
	for waiting() < 2 {
		require.Empty(t, published, "it does not see a change that has a smaller number")
	}
	_, err = conn.Exec(ctx, `SELECT pg_advisory_unlock(42)`)
	require.NoError(t, err)
	require.NoError(t, errors.Join(<-stored, <-published))
	live, err := s.Live(ctx)
	require.NoError(t, err)
	changes, err := s.Changes(ctx, 10)
	require.NoError(t, err)
	for _, change := range changes {
		require.Equal(t, change.What == plan.ChangePublished, change.Seq >= live[0].Since)
	}
}
