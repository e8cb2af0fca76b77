package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func notifier(t *testing.T, recipients string) *bench {
	t.Helper()
	b := newBench(t, `send_internal_email_notification: {`+recipients+`, subject: "Lead {{ contact.first_name }}", body: "**{{ contact.email }}** came."}`)
	b.publish(store.Publication{
		Teams: []string{"sales", "empty"},
		Users: []crm.User{
			{ID: "u1", Name: "Uma One", Email: "uma@example.org", Active: true, Team: "sales"},
			{ID: "u2", Name: "Ugo Two", Email: "ugo@example.org", Active: true, Team: "support", Teams: []string{"sales"}},
			{ID: "u3", Name: "Una Three", Email: "una@example.org", Active: false, Team: "sales"},
		},
	})
	return b
}

func TestSendInternalEmailNotification(t *testing.T) {
	t.Parallel()
	b := notifier(t, "users: [u2, ugo@example.org, u3, ghost], teams: [sales, nobody], owner_properties: [hubspot_owner_id, notes]")
	b.set(map[string]string{"hubspot_owner_id": "u1"})
	server := b.overSMTP(nil)
	b.ok()
	b.ok()
	require.Len(t, server.Messages(), 2, "each once, and the team's primary members only")
	require.Equal(t, []string{"ugo@example.org"}, server.Messages()[0].To)
	require.Equal(t, []string{"uma@example.org"}, server.Messages()[1].To)
	mail := server.Messages()[0]
	require.Equal(t, "Lead Ada", mail.Header.Get("Subject"))
	require.Equal(t, "ada@example.com came.", mail.Text)
	require.Contains(t, mail.HTML, "<strong>ada@example.com</strong> came.")
	require.ElementsMatch(t, []string{
		"contact has no notes", "user ghost is not known", "team nobody is not known", "user u3 is deactivated",
	}, b.journal(plan.JournalWarning))
}

func TestSendInternalEmailNotificationWithoutRecipient(t *testing.T) {
	t.Parallel()
	for name, recipients := range map[string]string{
		"no owner": "owner_properties: [hubspot_owner_id]", "deactivated": "users: [u3]", "empty team": "teams: [empty]", "unknown": "users: [ghost]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := notifier(t, recipients)
			_, err := b.run()
			requirePermanent(t, err, "no-recipient")
			require.NotEmpty(t, b.journal(plan.JournalWarning), "and the journal says why")
		})
	}
}

func TestSendInternalEmailNotificationOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	b := newBench(t, `send_internal_email_notification: {users: [anna], teams: [sales], subject: Hi, body: Hello}`).outside()
	b.ok()
	require.Equal(t, []string{"anna: Hi", "sales: Hi"}, b.sent())
}

func TestSendInternalEmailNotificationCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "send_internal_email_notification: {subject: a, body: b}", "missing-key")
	requireProblems(t, "send_internal_email_notification: {users: [u]}", "missing-key", "missing-key")
}
