package enroll

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFewerAreBegunAtOnceWhenTheServerHasHadEnough(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	full, cancel := context.WithCancel(ctx)
	cancel()
	w := newWindow(4)
	for range 4 {
		require.NoError(t, w.acquire(ctx))
	}
	require.ErrorIs(t, w.acquire(full), context.Canceled)
	w.release(true) // now two at once, and three work
	require.ErrorIs(t, w.acquire(full), context.Canceled)
	w.release(false)
	w.release(false) // one works
	require.NoError(t, w.acquire(ctx))
	for range 20 {
		w.release(false)
		require.NoError(t, w.acquire(ctx))
	}
	require.NoError(t, w.acquire(ctx))
	require.NoError(t, w.acquire(ctx), "it has grown again")
	require.ErrorIs(t, w.acquire(full), context.Canceled, "and not beyond what it was")
}

func TestNobodyIsBegunWhileWorkersAreBehind(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWindow(4)
	w.hold(true)
	require.ErrorIs(t, w.acquire(over), context.Canceled)
	w.hold(false)
	require.NoError(t, w.acquire(t.Context()))
}
