package store_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

var usage = map[string]func(t *testing.T, s *store.Store){
	"what is used adds up by month and action": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		add := func(month, action string, executions, input, output int64) (count int64) {
			require.NoError(t, s.Tx(ctx, func(tx *store.Tx) (err error) {
				count, err = tx.AddUsage(ctx, plan.Usage{Month: month, Action: action, Executions: executions, Input: input, Output: output})
				return err
			}))
			return count
		}
		require.Equal(t, int64(1), add("2027-05", "w/b", 1, 0, 0))
		require.Equal(t, int64(1), add("2027-05", "w/b", 0, 10, 2))
		require.Equal(t, int64(2), add("2027-05", "w/b", 1, 5, 1))
		require.Equal(t, int64(1), add("2027-05", "w/a", 1, 0, 0))
		require.Equal(t, int64(1), add("2027-06", "w/b", 1, 0, 0))
		rows, err := s.Usage(ctx, "2027-05")
		require.NoError(t, err)
		require.Equal(t, []plan.Usage{
			{Month: "2027-05", Action: "w/a", Executions: 1},
			{Month: "2027-05", Action: "w/b", Executions: 2, Input: 15, Output: 3},
		}, rows)

		undone := errors.New("undone")
		require.ErrorIs(t, s.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.AddUsage(ctx, plan.Usage{Month: "2027-05", Action: "w/a", Executions: 1})
			return errors.Join(err, undone)
		}), undone)
		require.Equal(t, int64(1), add("2027-05", "w/a", 0, 0, 0))
	},
	"of many who count at once each is told another number": func(t *testing.T, s *store.Store) {
		counts := make([]int64, 20)
		var all errgroup.Group
		for i := range counts {
			all.Go(func() error {
				return s.Tx(t.Context(), func(tx *store.Tx) (err error) {
					counts[i], err = tx.AddUsage(t.Context(), plan.Usage{Month: "2027-05", Action: "w/a", Executions: 1})
					return err
				})
			})
		}
		require.NoError(t, all.Wait())
		for n := range int64(len(counts)) {
			require.Contains(t, counts, n+1)
		}
	},
}
