package store

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

func TestDiskFull(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	_, err = s.write.db.ExecContext(ctx, `PRAGMA max_page_count = 1`) // as small as it is now
	require.NoError(t, err)

	message := plan.Message{Key: "k", At: time.Now(), Channel: "email", To: "a", Body: strings.Repeat("x", 1<<20)}
	err = s.Tx(ctx, func(tx *Tx) error {
		if _, err := tx.Create(ctx, crm.Ref{Object: "contact", ID: "51"}, nil, time.Now(), ""); err != nil {
			return err
		}
		return tx.AddMessage(ctx, message)
	})
	require.ErrorContains(t, err, "adding k to the outbox")
	require.ErrorContains(t, err, "the disk is full: make room and try again")
	require.ErrorIs(t, err, crm.ErrAway)
	_, err = s.Get(ctx, crm.Ref{Object: "contact", ID: "51"})
	require.ErrorIs(t, err, crm.ErrNotFound, "nothing of the transaction is left")

	_, err = s.write.db.ExecContext(ctx, `PRAGMA max_page_count = 1000000`)
	require.NoError(t, err)
	require.NoError(t, s.AddMessage(ctx, message))
}
