package activities

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

var firstNote = crm.Ref{Object: crm.ObjectNote, ID: "1"}

// attached are the records of a type that Ada is associated with.
func (b *bench) attached(object string) (refs []string) {
	b.t.Helper()
	found, err := b.store.Associated(b.t.Context(), ada, object)
	require.NoError(b.t, err)
	for _, one := range found {
		refs = append(refs, one.String())
	}
	return refs
}

func TestCreateNote(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_note: {body: "<b>{{ contact.first_name }}</b> wrote: {{ contact.notes }}", pin: true}`)
	b.set(map[string]string{"notes": "a < b"})
	outcome := b.ok()
	require.JSONEq(t, `{"note":"note/1"}`, string(outcome.Output))
	require.Equal(t, []string{"note/1"}, b.attached(crm.ObjectNote))
	require.Equal(t, "<b>Ada</b> wrote: a &lt; b", b.property(firstNote, "body"))
	require.Equal(t, "true", b.property(firstNote, "pinned"))
	require.Equal(t, []string{"note/1"}, b.journal(plan.JournalSucceeded))
}

func TestCreateNoteHappensOnceForEachVisit(t *testing.T) {
	t.Parallel()
	b := newBench(t, "create_note: {body: Hello}")
	first := b.ok()
	require.Equal(t, first, b.ok(), "an attempt that is repeated answers what is stored")
	require.Equal(t, []string{"note/1"}, b.attached(crm.ObjectNote))
	require.Equal(t, "false", b.property(firstNote, "pinned"))
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, []string{"note/1", "note/2"}, b.attached(crm.ObjectNote))
}

func TestCreateNoteFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_note: {body: "{{ contact.notes }}"}`)
	_, err := b.run()
	requirePermanent(t, err, "no-body")
	require.Equal(t, []string{"{{ contact.notes }} is empty"}, b.journal(plan.JournalWarning))

	long := newBench(t, `create_note: {body: "{{ contact.notes }}{{ contact.notes }}"}`)
	long.set(map[string]string{"notes": strings.Repeat("x", 60_000)})
	_, err = long.run()
	requirePermanent(t, err, "invalid-value")
	require.Empty(t, long.attached(crm.ObjectNote), "all or nothing")
}

func TestCreateNoteOnAnyObject(t *testing.T) {
	t.Parallel()
	for _, object := range crm.Builtin().Objects() {
		require.True(t, createNote.Allows(object) && createTask.Allows(object) && enrollInWorkflow.Allows(object), object)
	}
	b := newBench(t, "create_note: {body: Hello}")
	catalog := crm.NewCatalog(crm.Object{Name: "contact"})
	b.publish(store.Publication{Catalog: catalog, Account: account(t, nil)})
	_, err := b.run()
	requirePermanent(t, err, "invalid-value")
}

func TestCreateNoteCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "create_note: {}", "missing-key")
	requireProblems(t, `create_note: {body: "{{ contact.x"}`, "template")
	requireProblems(t, "create_note: {body: x, pin: maybe}", "wrong-type")
}
