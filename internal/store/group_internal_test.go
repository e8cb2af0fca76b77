package store

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatAGroupCommitsLasts asks SQLite whether a commit waits for the disk: 2 is yes, 1 is no.
func TestWhatAGroupCommitsLasts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"))
	require.NoError(t, err)
	defer s.Close()
	var waits int
	ask := func(tx *Tx) error { return tx.row(ctx, `PRAGMA synchronous`).Scan(&waits) }
	require.NoError(t, s.NewGroup().Do(ctx, ask))
	require.Equal(t, 2, waits)
	require.NoError(t, s.Tx(ctx, ask))
	require.Equal(t, 1, waits, "nobody waits for the disk elsewhere")
	require.Error(t, s.NewGroup().Do(ctx, func(tx *Tx) error { return tx.row(ctx, `SELECT 1 WHERE FALSE`).Scan(&waits) }))
	require.NoError(t, s.Tx(ctx, ask))
	require.Equal(t, 1, waits, "nor after one that failed")
}
