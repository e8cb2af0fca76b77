package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

var talk = crm.Ref{Object: "conversation", ID: "9"}

// newTalk enrolls a closed conversation of Ada's instead of Ada.
func newTalk(t *testing.T, action string) *bench {
	t.Helper()
	b := newBench(t, action)
	b.users(service...)
	_, _, err := b.store.Upsert(t.Context(), talk, map[string]string{"status": "closed", "inbox": "old"}, monday, "test")
	require.NoError(t, err)
	_, err = b.store.OpenEnrollment(t.Context(), plan.Enrollment{
		Workflow: "w", Record: talk.String(), WorkflowID: plan.WorkflowID("w", talk.String()), FirstRun: "run", Revision: 1, Started: monday,
	})
	require.NoError(t, err)
	b.call.Enrollment = "w/conversation/9/1"
	return b
}

func TestAssignConversationOwner(t *testing.T) {
	t.Parallel()
	b := newTalk(t, `assign_conversation_owner: {inbox: support, assignee: {users: [ada, bo]}}`)
	for range 2 {
		require.JSONEq(t, `{"owner":"ada"}`, string(b.ok().Output), "once per visit")
	}
	require.Equal(t, "ada support open", b.property(talk, crm.OwnerProperty)+" "+b.property(talk, "inbox")+" "+b.property(talk, "status"))
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, "bo", b.property(talk, crm.OwnerProperty))
}

func TestAssignConversationOwnerOfItsContact(t *testing.T) {
	t.Parallel()
	const source = `assign_conversation_owner: {inbox: support, assignee: {owner: hubspot_owner_id}}`
	for owner, reason := range map[string]string{"ada": "", "ada@acme.example": "", "": "no-user", "dee": "no-user", "nobody": "no-user"} {
		b := newTalk(t, source)
		require.NoError(t, b.store.Associate(t.Context(), talk, ada, "", false, monday))
		b.set(map[string]string{crm.OwnerProperty: owner})
		_, err := b.run()
		if reason == "" {
			require.NoError(t, err)
			require.Equal(t, "ada", b.property(talk, crm.OwnerProperty), owner)
			continue
		}
		requirePermanent(t, err, reason)
		require.Equal(t, "closed old", b.property(talk, "status")+" "+b.property(talk, "inbox"), "it stays as it is")
	}
	_, err := newTalk(t, source).run()
	requirePermanent(t, err, "no-user")
}

func TestAssignConversationOwnerKeepsTheOwnerWhenTold(t *testing.T) {
	t.Parallel()
	b := newTalk(t, `assign_conversation_owner: {inbox: support, assignee: {users: [ada]}, overwrite: false}`)
	_, _, err := b.store.Upsert(t.Context(), talk, map[string]string{crm.OwnerProperty: "cy"}, monday, "test")
	require.NoError(t, err)
	b.ok()
	require.Equal(t, []string{"the conversation has an owner"}, b.journal(plan.JournalSkipped))
	require.Equal(t, "cy closed", b.property(talk, crm.OwnerProperty)+" "+b.property(talk, "status"))
}

func TestAssignConversationOwnerWithoutAnInbox(t *testing.T) {
	t.Parallel()
	_, err := newTalk(t, `assign_conversation_owner: {inbox: "{{ conversation.subject }}", assignee: {users: [ada]}}`).run()
	requirePermanent(t, err, "no-inbox")
}

func TestAssignConversationOwnerIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `assign_conversation_owner: {inbox: support, assignee: {}}`, "wrong-value")
	requireProblems(t, `assign_conversation_owner: {inbox: support, assignee: {users: [ada], owner: hubspot_owner_id}}`, "wrong-value")
	problems := inWorkspace(t, "workflow: w\nobject: contact\nactions:\n  - {id: a, assign_conversation_owner: {inbox: support, assignee: {owner: hubspot_owner_id}}}\n")
	require.Len(t, problems, 1)
	require.Equal(t, "wrong-object", problems[0].Code)
}
