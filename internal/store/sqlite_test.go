package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// opened opens the database at url until the test ends.
func opened(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T) *store.Store {
		return opened(t, "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"))
	})
}

func TestPrivateDatabase(t *testing.T) {
	t.Parallel()
	one, two := opened(t, "sqlite://:memory:"), opened(t, "sqlite://:memory:")
	add(t, one, ann)
	_, err := two.Get(t.Context(), ann)
	require.ErrorIs(t, err, crm.ErrNotFound)
}

func TestOpenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := filepath.Join(folder, "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte("these are notes, not a database at all"), 0o600))
	newer := filepath.Join(folder, "newer.db")
	require.NoError(t, opened(t, "sqlite://"+newer).Close())
	db, err := sql.Open("sqlite", newer)
	require.NoError(t, err)
	_, err = db.Exec(`INSERT INTO migrations (version_id, is_applied) VALUES (99, 1)`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	missing := filepath.Join(folder, "missing.db")

	for name, c := range map[string]struct {
		open func(context.Context, string) (*store.Store, error)
		url  string
		want []string
	}{
		"scheme":   {store.Open, "mysql://x", []string{"mysql://x", "write sqlite://PATH"}},
		"no path":  {store.Open, "sqlite://", []string{"write sqlite://PATH"}},
		"folder":   {store.Open, "sqlite://" + folder, []string{"this is a folder"}},
		"nowhere":  {store.Open, "sqlite://" + filepath.Join(folder, "no", "x.db"), []string{"there is no folder " + filepath.Join(folder, "no"), "create it first"}},
		"text":     {store.Open, "sqlite://" + text, []string{text, "not a database", "give another path"}},
		"newer":    {store.Open, "sqlite://" + newer, []string{"migration 99", "upgrade this one"}},
		"existing": {store.OpenExisting, "sqlite://" + missing, []string{"no database at " + missing, "run `millrace push` or `millrace dev` first"}},
	} {
		_, err := c.open(t.Context(), c.url)
		for _, want := range c.want {
			require.ErrorContains(t, err, want, name)
		}
	}
	require.NoFileExists(t, missing)
}

func TestOpenExistingMigratesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := store.OpenExisting(t.Context(), "sqlite://"+path)
	require.ErrorContains(t, err, "migration 0")
	opened(t, "sqlite://"+path)
	existing, err := store.OpenExisting(t.Context(), "sqlite://"+path)
	require.NoError(t, err)
	require.NoError(t, existing.Close())
}

func TestOddPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space.db", "50%20.db", "a?b#c.db", "ünï✓.db", "x:y.db"} {
		path := filepath.Join(t.TempDir(), name)
		add(t, opened(t, "sqlite://"+path), ann)
		require.FileExists(t, path)
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	add(t, opened(t, "sqlite://data.db"), ann)
	require.FileExists(t, "data.db")
}

func TestProgramsOpenTogether(t *testing.T) {
	t.Parallel()
	url := "sqlite://" + filepath.Join(t.TempDir(), "millrace.db")
	together(t, 4, func(worker int) error {
		s, err := store.Open(t.Context(), url)
		if err != nil {
			return err
		}
		_, err = s.Create(t.Context(), crm.Ref{Object: "contact", ID: strconv.Itoa(worker)}, nil, noon, "")
		return errors.Join(err, s.Close())
	})
	found, err := opened(t, url).List(t.Context(), "contact", "", 0)
	require.NoError(t, err)
	require.Len(t, found, 4)
}

func TestProgramsWriteTogether(t *testing.T) {
	t.Parallel()
	url := "sqlite://" + filepath.Join(t.TempDir(), "millrace.db")
	stores := []*store.Store{opened(t, url), opened(t, url)}
	add(t, stores[0], ann)
	together(t, len(stores), func(worker int) error {
		for range 50 {
			if _, err := stores[worker].Increment(t.Context(), ann, "score", crm.NumberOf(1), noon, ""); err != nil {
				return err
			}
		}
		return nil
	})
	record, err := stores[0].Get(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, "100", record.Properties["score"])
}

func TestLockedDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "millrace.db")
	s := opened(t, "sqlite://"+path)
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	held, err := db.Begin()
	require.NoError(t, err)
	err = s.PutLedger(t.Context(), plan.LedgerRow{Key: "k", State: plan.LedgerStarted, At: noon})
	require.ErrorContains(t, err, "beginning a transaction")
	require.ErrorContains(t, err, "another program holds the database")
	_, err = s.Get(t.Context(), ann)
	require.ErrorIs(t, err, crm.ErrNotFound, "reading goes on")
	require.NoError(t, held.Rollback())
	add(t, s, ann)
}

// crashing is the path of the database in which TestCrashInTransaction, started again as a child, gets killed.
const crashing = "MILLRACE_TEST_CRASHING"

func TestCrashInTransaction(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	if url := os.Getenv(crashing); url != "" {
		s := opened(t, url)
		add(t, s, ann)
		_ = s.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.Create(ctx, bob, nil, noon, "")
			require.NoError(t, err)
			os.Stdout.WriteString("in the middle\n")
			select {}
		})
	}
	url := "sqlite://" + filepath.Join(t.TempDir(), "millrace.db")
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashInTransaction$")
	child.Env = append(os.Environ(), crashing+"="+url)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "in the middle\n", line)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())

	s := opened(t, url)
	_, err = s.Get(ctx, ann)
	require.NoError(t, err, "what was committed is there")
	_, err = s.Get(ctx, bob)
	require.ErrorIs(t, err, crm.ErrNotFound, "what was not is gone")
	add(t, s, bob)
}
