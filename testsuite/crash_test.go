package testsuite_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider/smtptest"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
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

const tenSteps = `workflow: journey
object: contact
actions:
  - {id: mail-1, send_email: {email: first}}
  - {id: add-1, adjust_number_property: {property: annual_score, by: 1}}
  - {id: pause-1, delay_set_amount: {for: 1s}}
  - {id: mail-2, send_email: {email: second}}
  - {id: add-2, adjust_number_property: {property: annual_score, by: 1}}
  - {id: pause-2, delay_set_amount: {for: 1s}}
  - {id: size, branch_and_or: {branches: [{name: any, when: {property: email, known: true}}]}}
  - {id: mail-3, send_email: {email: third}}
  - {id: add-3, adjust_number_property: {property: annual_score, by: 1}}
  - {id: done, edit_record: {set: {lead_status: open}}}
-- objects/contact.yaml --
object: contact
properties: [{name: annual_score, type: number}]
`

// TestWorkerKilledAgainAndAgainLosesNothing kills the worker at random moments of many journeys.
func TestWorkerKilledAgainAndAgainLosesNothing(t *testing.T) {
	t.Parallel()
	const people, kills = 12, 5
	server := smtptest.Start(t, smtptest.Options{})
	s := newStage(t, mailed(server, tenSteps))
	shell := s.shell(t, "")
	var runs []client.WorkflowRun
	for i := range people {
		runs = append(runs, s.enroll(t, "journey", fmt.Sprint(i), map[string]string{"email": fmt.Sprintf("person-%d@example.com", i)}))
	}
	var once sync.Once
	finished := make(chan struct{})
	go func() {
		for _, run := range runs {
			_ = run.Get(t.Context(), nil) // asked again below
		}
		once.Do(func() { close(finished) })
	}()
	for range kills {
		worker := shell.start(t, "worker")
		select { // the moment is random on purpose
		case <-time.After(time.Duration(200+rand.IntN(1500)) * time.Millisecond):
		case <-finished:
		}
		worker.kill(t)
	}
	shell.start(t, "worker")
	for i, run := range runs {
		var exit plan.Exit
		require.NoError(t, run.Get(t.Context(), &exit))
		require.Equal(t, plan.ExitCompleted, exit.Reason)
		record := fmt.Sprintf("contact/%d", i)
		found, err := s.Books.Get(t.Context(), ref(record))
		require.NoError(t, err)
		require.Equal(t, "3", found.Properties["annual_score"], "every edit happens once")
		require.Equal(t, "open", found.Properties["lead_status"])
		journal := s.events(t, "journey", record)
		for mail := 1; mail <= 3; mail++ {
			sent := strings.Contains(journal, fmt.Sprintf("mail-%d action_succeeded next", mail))
			unknown := strings.Contains(journal, fmt.Sprintf("mail-%d action_unknown failed", mail))
			require.NotEqual(t, sent, unknown, "each mail is sent or unknown:\n%s", journal)
		}
	}
	seen := map[string]bool{}
	for _, mail := range server.Messages() {
		key := mail.Header.Get("Message-ID")
		require.NotEmpty(t, key)
		require.False(t, seen[key], "%s was delivered twice to %v", mail.Header.Get("Subject"), mail.To)
		seen[key] = true
	}
}
