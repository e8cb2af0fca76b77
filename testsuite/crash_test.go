package testsuite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider/smtptest"
	"github.com/stretchr/testify/require"
)

// mailed is a workspace whose mails go to a mail server.
func mailed(server *smtptest.Server, workflow string) string {
	return fmt.Sprintf(`
-- millrace.yaml --
time_zone: UTC
sender: {email: hello@millrace.example}
providers:
  smtp: {host: %s, port: %d, tls: none}
-- emails/first.md --
---
subject: First
---
One.
-- emails/second.md --
---
subject: Second
---
Two.
-- emails/third.md --
---
subject: Third
---
Three.
-- workflows/journey.yaml --
%s`, server.Host, server.Port, workflow)
}

const threeMails = `workflow: journey
object: contact
actions:
  - {id: first, send_email: {email: first}}
  - {id: score, adjust_number_property: {property: annual_score, by: 10}}
  - {id: second, send_email: {email: second}}
  - {id: pause, delay_set_amount: {for: 1s}}
  - {id: third, send_email: {email: third}}
-- objects/contact.yaml --
object: contact
properties: [{name: annual_score, type: number}]
`

// TestMailThatIsCutInItsSendIsUnknownAndNotRepeated kills the worker while the mail server holds back the answer
// to a message that it has taken.
func TestMailThatIsCutInItsSendIsUnknownAndNotRepeated(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{})
	mails := 0
	server := smtptest.Start(t, smtptest.Options{Script: func(at, _ string) string {
		if at != smtptest.Dot {
			return ""
		}
		if mails++; mails == 2 {
			close(taken)
			return smtptest.Hang
		}
		return ""
	}})
	s := newStage(t, mailed(server, threeMails))
	shell := s.shell(t, "")
	first := shell.start(t, "worker")
	run := s.enroll(t, "journey", "1", map[string]string{"email": "ada@example.com"})
	select {
	case <-taken:
	case <-time.After(patience):
		require.Fail(t, "the second mail was never sent", first.said.String())
	}
	first.kill(t)
	shell.start(t, "worker")
	var exit plan.Exit
	require.NoError(t, run.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason)
	var subjects []string
	for _, mail := range server.Messages() {
		subjects = append(subjects, mail.Header.Get("Subject"))
	}
	require.Equal(t, []string{"First", "Third"}, without(subjects, "Second"))
	require.LessOrEqual(t, len(subjects), 3, "no mail twice: %v", subjects)
	journal := s.events(t, "journey", "contact/1")
	require.Contains(t, journal, "second action_unknown failed")
	require.Contains(t, journal, "third action_succeeded next")
	record, err := s.Books.Get(t.Context(), ref("contact/1"))
	require.NoError(t, err)
	require.Equal(t, "10", record.Properties["annual_score"], "an edit of our own store happens once")
}

func without(values []string, unwanted string) []string {
	var kept []string
	for _, value := range values {
		if value != unwanted {
			kept = append(kept, value)
		}
	}
	return kept
}
