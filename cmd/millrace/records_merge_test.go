package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

func TestRecordsMerge(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("records", "set", "contact/51", "email=ada@example.com").succeeds()
	term.run("records", "set", "contact/52", "email=ada@example.org", "first_name=Ada").succeeds()
	term.run("records", "merge", "contact/51").fails(2, "")
	term.run("records", "merge", "contact/51", "contact/53").fails(1, "there is no record contact/53")
	term.run("records", "merge", "contact/51", "contact/51").fails(1, "two records of the same type are merged")
	var got shownRecord
	term.run("records", "merge", "contact/51", "contact/52", "-o", "json").succeeds().decode(&got)
	require.Equal(t, map[string]any{"email": "ada@example.com", "first_name": "Ada"}, got.Properties)
	term.run("records", "get", "contact/52").fails(1, "record contact/52 was merged into contact/51")
	term.run("records", "restore", "contact/52").fails(1, "merged into contact/51")
	_, _, err := term.store().AddEvent(t.Context(), plan.Event{Type: "page_viewed", Record: "contact/52", At: time.Now()})
	require.NoError(t, err)
	events, err := term.store().EventsOf(t.Context(), crm.Ref{Object: "contact", ID: "51"}, 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
}

func TestRecordsPurge(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	books := term.store()
	for id, ago := range map[string]time.Duration{"51": 0, "52": crm.Restorable - time.Hour, "53": crm.Restorable + time.Hour} {
		ref := crm.Ref{Object: "contact", ID: id}
		_, err := books.Create(t.Context(), ref, nil, time.Now(), "test")
		require.NoError(t, err)
		require.NoError(t, books.Delete(t.Context(), ref, time.Now().Add(-ago)))
	}
	var got purgedRecords
	term.run("records", "purge", "-o", "json").succeeds().decode(&got)
	require.Equal(t, 1, got.Purged)
	term.run("records", "restore", "contact/52").succeeds()
	term.run("records", "restore", "contact/53").fails(1, "there is no record contact/53")
}
