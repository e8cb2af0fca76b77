package ingest

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

var (
	noon     = time.Date(2027, 5, 10, 12, 0, 0, 0, time.UTC)
	ann      = crm.Ref{Object: "contact", ID: "51"}
	patience = 20 * time.Second // the longest that a test waits for something that happens in a moment
)

// newDoor is a door in the wall of an SQLite store in which contact/51 is known. It is noon.
func newDoor(t *testing.T) *Door {
	t.Helper()
	books, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, books.Close()) })
	_, err = books.Create(t.Context(), ann, nil, noon, "test")
	require.NoError(t, err)
	return NewDoor(books, func() time.Time { return noon }, slog.New(slog.DiscardHandler))
}

// stored returns the events of contact/51, the oldest first, as "id type properties".
func stored(t *testing.T, d *Door) (lines []string) {
	t.Helper()
	events, err := d.store.EventsOf(t.Context(), ann, 0)
	require.NoError(t, err)
	for _, event := range events {
		properties, err := json.Marshal(event.Properties)
		require.NoError(t, err)
		lines = append([]string{event.ID + " " + event.Type + " " + string(properties)}, lines...)
	}
	return lines
}

// rejectedOf returns what was kept of streams, the oldest first, as "origin reason content".
func rejectedOf(t *testing.T, d *Door) (lines []string) {
	t.Helper()
	kept, err := d.store.RejectedEvents(t.Context(), 0, 0)
	require.NoError(t, err)
	for _, one := range kept {
		lines = append([]string{one.Origin + " " + one.Reason + " " + string(one.Content)}, lines...)
	}
	return lines
}
