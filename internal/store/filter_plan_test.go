package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/stretchr/testify/require"
)

// TestAPageOfAListIsReadByIndexes asks the databases how they find the next records on a list, and whom a job enrolls next.
func TestAPageOfAListIsReadByIndexes(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]struct {
		url     func() string
		explain string
	}{
		"sqlite":   {func() string { return "sqlite://" + filepath.Join(t.TempDir(), "millrace.db") }, "EXPLAIN QUERY PLAN "},
		"postgres": {func() string { return postgrestest.Database(t) }, "EXPLAIN "},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s, err := Open(ctx, database.url())
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			at := time.Date(2027, 5, 10, 12, 0, 0, 0, time.UTC)
			job, err := s.AddBulk(ctx, Bulk{Job: Job{Workflow: "w", Began: at}, Rate: 1})
			require.NoError(t, err)
			require.NoError(t, s.Tx(ctx, func(tx *Tx) error {
				for n := range 2000 { // so that indexes pay
					ref := crm.Ref{Object: "contact", ID: fmt.Sprint(n)}
					if _, err := tx.Create(ctx, ref, nil, at, "test"); err != nil {
						return err
					}
					if _, err := tx.AddToList(ctx, "vip", ref, at); err != nil {
						return err
					}
					if err := tx.AddPeople(ctx, job, []crm.Ref{ref}, "", true); err != nil {
						return err
					}
					entering := plan.Enrollment{Workflow: "w", Record: ref.String(), WorkflowID: ref.String(), Trigger: "event", Started: at}
					if _, err := tx.OpenEnrollment(ctx, entering); err != nil {
						return err
					}
				}
				if name == "postgres" {
					_, err := tx.exec(ctx, `ANALYZE`)
					return err
				}
				return nil
			}))
			for _, query := range []struct {
				text string
				args []any
			}{
				{listPage, []any{"contact", 3, "500", "vip", 100}},
				{`SELECT seq FROM intents WHERE bulk = TRUE AND job = $1 AND seq > $2 AND done IS NULL AND due <= $3 ORDER BY seq LIMIT $4`, []any{job.ID, 500, 1, 100}},
				{`SELECT seq FROM intents WHERE bulk = FALSE AND job = 0 AND done IS NULL AND due <= $1 ORDER BY seq LIMIT $2`, []any{1, 100}},
				{`SELECT COUNT(*) FROM enrollments WHERE workflow = $1 AND trigger_name = $2 AND trigger_name LIKE 'bulk %' AND number > 0`, []any{"w", job.Trigger()}},
			} {
				steps := howItIsFound(t, s, database.explain+query.text, query.args)
				for _, bad := range []string{"SCAN ", "TEMP B-TREE", "LIST SUBQUERY", "Seq Scan", "Sort", "Hash"} {
					require.NotContains(t, steps, bad, query.text)
				}
			}
		})
	}
}

func TestALongListIsReadAsAShortOne(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	at := time.Date(2027, 5, 10, 12, 0, 0, 0, time.UTC)
	require.NoError(t, s.Tx(ctx, func(tx *Tx) error {
		for n := range long + 30 {
			ref := crm.Ref{Object: "contact", ID: fmt.Sprint(n)}
			_, err := tx.exec(ctx, `INSERT INTO records (record, object, id, id_length, properties, created, updated, version) VALUES ($1, 'contact', $2, $3, '{}', 0, 0, 1)`, ref.String(), ref.ID, len(ref.ID))
			if err != nil {
				return err
			}
			if n == 7 {
				continue
			}
			if _, err := tx.AddToList(ctx, "vip", ref, at); err != nil {
				return err
			}
		}
		return nil
	}))
	vip, err := crm.ReadFilter([]byte(`{"list":"vip"}`))
	require.NoError(t, err)
	query := Query{Object: "contact", Filter: *vip, Now: at}
	_, paged, err := s.longList(ctx, query)
	require.NoError(t, err)
	require.True(t, paged)
	require.NoError(t, s.Delete(ctx, crm.Ref{Object: "contact", ID: "8"}, at))
	refs, err := s.Matching(ctx, query, "5", 3)
	require.NoError(t, err)
	require.Equal(t, []crm.Ref{{Object: "contact", ID: "6"}, {Object: "contact", ID: "9"}, {Object: "contact", ID: "10"}}, refs)
	_, err = s.RemoveFromList(ctx, "vip", crm.Ref{Object: "contact", ID: "20001"})
	require.NoError(t, err)
	rest, err := s.Matching(ctx, query, "19999", 0)
	require.NoError(t, err)
	require.Len(t, rest, 29)
}

func howItIsFound(t *testing.T, s *Store, text string, args []any) string {
	t.Helper()
	rows, err := s.source.once(t.Context(), text, args...)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var steps strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(t, rows.Scan(values...))
		fmt.Fprintln(&steps, *values[len(values)-1].(*any))
	}
	require.NoError(t, rows.Err())
	return steps.String()
}
