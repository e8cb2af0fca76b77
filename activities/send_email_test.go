package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/provider/smtptest"
	"github.com/millrace/millrace/internal/store"
)

const welcome = "---\nsubject: 'Welcome {{ contact.first_name | default: \"there\" }}'\npreview: Good to see you\n---\n" +
	"# Hello {{ contact.first_name }}\n\nSee **[our site](https://example.com/?id={{ contact.id }})**.\n"

// mailer publishes one e-mail, welcome, beside the action.
func mailer(t *testing.T, email string, actions ...string) *bench {
	t.Helper()
	b := newBench(t, actions...)
	b.publish(store.Publication{Assets: map[string][]byte{"emails/welcome.md": []byte(email)}})
	return b
}

// overSMTP makes the action send over SMTP to a server that follows a script.
func (b *bench) overSMTP(script smtptest.Script) *smtptest.Server {
	server := smtptest.Start(b.t, smtptest.Options{Script: script})
	b.ways.Mail = provider.NewSMTP(provider.SMTP{Host: server.Host, Port: server.Port, TLS: "none"})
	return server
}

// replyOnce says reply once at a point of the conversation, and then no more.
func replyOnce(point, reply string) smtptest.Script {
	said := false
	return func(at, _ string) string {
		if at == point && !said {
			said = true
			return reply
		}
		return ""
	}
}

// adasKey is the ledger's key of a mail to Ada: her address stands in it as a digest.
const adasKey = "w/contact/51/1/a1/1/b5fc85e55755f9e0"

func TestSendEmailArrives(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	server := b.overSMTP(nil)
	outcome := b.ok()
	require.JSONEq(t, `{"sent_email":"w/contact/51/1/a1/1","recipients":{"contact/51":"sent"}}`, string(outcome.Output))
	require.Len(t, server.Messages(), 1)
	mail := server.Messages()[0]
	require.Equal(t, []string{"ada@example.com"}, mail.To)
	require.Equal(t, "Welcome Ada", mail.Header.Get("Subject"))
	require.Equal(t, `"Acme" <crm@example.org>`, mail.Header.Get("From"))
	require.Equal(t, adasKey, mail.Header.Get("X-Millrace-Key"))
	require.Contains(t, mail.HTML, "Good to see you")
	require.Contains(t, mail.HTML, `<strong><a href="https://example.com/?id=51">our site</a></strong>`)
	require.Equal(t, "Hello Ada\r\n\r\nSee our site (https://example.com/?id=51).", mail.Text)
}

func TestSendEmailToOutbox(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	b.ok()
	require.Equal(t, []string{"ada@example.com: Welcome Ada"}, b.sent())
	require.True(t, monday.Equal(b.messages()[0].At))
}

func TestSendEmailValuesAreNoMarkup(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	b.set(map[string]string{"first_name": "<b>**Ada**</b> [x](https://evil.example)"})
	server := b.overSMTP(nil)
	b.ok()
	require.Contains(t, server.Messages()[0].HTML, "<h1>Hello &lt;b&gt;**Ada**&lt;/b&gt; [x](https://evil.example)</h1>")
}

func TestSendEmailEmptyTokenIsNoted(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	b.set(map[string]string{"first_name": ""})
	b.ok()
	require.Equal(t, []string{"ada@example.com: Welcome there"}, b.sent())
	require.Equal(t, []string{"{{ contact.first_name }} is empty"}, b.journal(plan.JournalWarning))
}

func TestSendEmailTwiceIsOnce(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	server := b.overSMTP(nil)
	first := b.ok()
	require.Equal(t, first, b.ok())
	require.Len(t, server.Messages(), 1)
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Len(t, server.Messages(), 2, "another visit is another mail")
}

func TestSendEmailAfterACrashIsUnknown(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	require.NoError(t, b.store.PutLedger(t.Context(), plan.LedgerRow{
		Key: adasKey, State: plan.LedgerStarted, At: monday,
	}))
	for range 2 {
		_, err := b.run()
		requirePermanent(t, err, "unknown")
	}
	require.Empty(t, b.sent(), "nobody can say, so it is not sent again")
}

func TestSendEmailCutInTheMiddleIsUnknown(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	server := b.overSMTP(replyOnce(smtptest.Dot, smtptest.Close))
	for range 2 {
		_, err := b.run()
		requirePermanent(t, err, "unknown")
	}
	require.Len(t, server.Messages(), 1)
}

func TestSendEmailAfterACrashBetweenSendAndResult(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	require.NoError(t, b.store.PutLedger(t.Context(), plan.LedgerRow{
		Key: adasKey, State: plan.LedgerDone, At: monday,
	}))
	require.JSONEq(t, `{"sent_email":"w/contact/51/1/a1/1","recipients":{"contact/51":"sent"}}`, string(b.ok().Output))
	require.Empty(t, b.sent(), "it had left")
}

func TestSendEmailRefusedForNowIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	server := b.overSMTP(replyOnce(smtptest.Rcpt, "450 4.7.1 greylisted"))
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	require.Empty(t, server.Messages())
	b.ok()
	require.Len(t, server.Messages(), 1)
}

func TestSendEmailRefusedForGood(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	server := b.overSMTP(replyOnce(smtptest.Rcpt, "550 5.1.1 no such user"))
	_, err := b.run()
	requirePermanent(t, err, "no-such-mailbox")
	_, err = b.run()
	requirePermanent(t, err, "no-such-mailbox") // as the ledger remembers it
	require.Empty(t, server.Messages())
}

func TestSendEmailNotSent(t *testing.T) {
	t.Parallel()
	marketing := "---\nsubject: News\nsubscription: newsletter\n---\nNews.\n"
	for reason, prepare := range map[string]func(b *bench){
		"no-address": func(b *bench) { b.set(map[string]string{"email": ""}) },
		"opted-out": func(b *bench) {
			require.NoError(t, b.store.SetSubscription(t.Context(), ada, "newsletter", "opted_out", monday))
		},
		"non-marketing": func(b *bench) { b.set(map[string]string{"marketing_status": "non_marketing"}) },
		"not-opted-in": func(b *bench) {
			b.publish(store.Publication{Account: account(t, func(a *crm.Account) { a.GDPR = true })})
		},
		"no-sender": func(b *bench) {
			b.publish(store.Publication{Account: account(t, func(a *crm.Account) { a.Sender = crm.Sender{} })})
		},
		"no-email": func(b *bench) { b.publish(store.Publication{Assets: map[string][]byte{}}) },
		"opted-out ": func(b *bench) { // of all, whatever was said of one
			require.NoError(t, b.store.SetSubscription(t.Context(), ada, "newsletter", "opted_in", monday))
			require.NoError(t, b.store.SetSubscription(t.Context(), ada, crm.EverySubscription, "opted_out", monday))
		},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			b := mailer(t, marketing, "send_email: {email: welcome}")
			prepare(b)
			_, err := b.run()
			requirePermanent(t, err, strings.TrimSpace(reason))
			require.Empty(t, b.sent())
		})
	}
}

func TestSendEmailNoAddressSaysSo(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	b.set(map[string]string{"email": ""})
	_, err := b.run()
	require.Equal(t, "contact has no email", requirePermanent(t, err, "no-address").Message())
}

func TestSendEmailUnderGDPR(t *testing.T) {
	t.Parallel()
	b := mailer(t, "---\nsubject: News\nsubscription: newsletter\n---\n", "send_email: {email: welcome}")
	b.publish(store.Publication{Account: account(t, func(a *crm.Account) { a.GDPR = true })})
	require.NoError(t, b.store.SetSubscription(t.Context(), ada, "newsletter", "opted_in", monday))
	b.ok()
	require.Len(t, b.sent(), 1)
}

func (b *bench) colleagues(emails ...string) {
	for i, email := range emails {
		ref := crm.Ref{Object: "contact", ID: fmt.Sprint(100 + i)}
		b.record(ref, map[string]string{"email": email, "first_name": fmt.Sprintf("C%d", i)})
		b.associate(ref, "")
	}
}

func TestSendEmailToAssociatedRecords(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome, to: {associated: contact}}")
	b.ok()
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	b.colleagues("c0@example.com", "", "c2@example.com")
	outcome := b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.JSONEq(t, `{"sent_email":"w/contact/51/1/a1/2","recipients":{"contact/100":"sent","contact/101":"no-address","contact/102":"sent"}}`, string(outcome.Output))
	require.Equal(t, []string{"c0@example.com: Welcome Ada", "c2@example.com: Welcome Ada"}, b.sent())
	require.Equal(t, []string{"contact/101: no-address: contact has no email"}, b.journal(plan.JournalWarning))
}

func TestSendEmailToUsersNamesTheRecipient(t *testing.T) {
	t.Parallel()
	b := mailer(t, "---\nsubject: For {{ user.first_name }} about {{ contact.first_name }}\n---\n", "send_email: {email: welcome, to: {associated: user}}")
	for _, name := range []string{"Bob", "Cyd"} {
		ref := crm.Ref{Object: "user", ID: name}
		b.record(ref, map[string]string{"email": name + "@example.com", "first_name": name})
		b.associate(ref, "")
	}
	b.ok()
	require.Equal(t, []string{"Bob@example.com: For Bob about Ada", "Cyd@example.com: For Cyd about Ada"}, b.sent())
}

func TestSendEmailToAHundredAtMost(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome, to: {associated: contact}}")
	emails := make([]string, 102)
	for i := range emails {
		emails[i] = fmt.Sprintf("c%d@example.com", i)
	}
	b.colleagues(emails...)
	b.ok()
	require.Len(t, b.sent(), 100)
	require.Equal(t, []string{"left out 2 records: an e-mail goes to 100 at most"}, b.journal(plan.JournalWarning))
}

func TestSendEmailTriesAgainOnlyForTheRefused(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome, to: {associated: contact}}")
	catalog := crm.Builtin()
	catalog.Add(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "email"}}}) // which is not unique then
	b.publish(store.Publication{Catalog: catalog})
	b.colleagues("c0@example.com", "c1@example.com", "C0@example.com")
	server := b.overSMTP(replyOnce(smtptest.Rcpt, "451 4.3.0 later"))
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	require.Len(t, server.Messages(), 2, "c1, and c0 by its other contact")
	b.ok()
	require.Len(t, server.Messages(), 2, "nobody gets it twice")
}

func TestSendEmailUnknownForOneOfSeveral(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome, to: {associated: contact}}")
	b.colleagues("c0@example.com", "c1@example.com")
	b.overSMTP(replyOnce(smtptest.Dot, smtptest.Close))
	require.Contains(t, string(b.ok().Output), `{"contact/100":"unknown","contact/101":"sent"}`)
	require.Len(t, b.journal(plan.JournalUnknown), 1)
}

func TestSendEmailOfAnotherStoreFailure(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	b.ways.Mail = provider.Outbox{Record: func(context.Context, provider.Sent) error { return errors.New("disk full") }}
	_, err := b.run()
	requireRetry(t, err, time.Minute)
}

func TestSendEmailOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	b := newBench(t, "send_email: {email: anything}").outside()
	b.ok()
	require.Equal(t, []string{"ada@example.com: "}, b.sent())
}

func TestSendEmailCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "send_email: {}", "missing-key")
	requireProblems(t, "send_email: {email: a, to: ada@example.com}", "wrong-type")
}

// slowMail holds every mail back until it is let go.
type slowMail struct {
	provider.Mail
	begun chan struct{}
	free  chan struct{}
}

func (m slowMail) Send(ctx context.Context, mail provider.Email) error {
	m.begun <- struct{}{}
	<-m.free
	return m.Mail.Send(ctx, mail)
}

// Two attempts run at once when a worker was silent for too long and another took over.
func TestSendEmailOfTwoAttemptsAtOnceIsOne(t *testing.T) {
	t.Parallel()
	b := mailer(t, welcome, "send_email: {email: welcome}")
	slow := slowMail{Mail: b.ways.Mail, begun: make(chan struct{}), free: make(chan struct{})}
	b.ways.Mail = slow
	first := make(chan error)
	go func() {
		_, err := b.run()
		first <- err
	}()
	<-slow.begun
	_, err := b.run()
	requirePermanent(t, err, "unknown")
	close(slow.free)
	require.NoError(t, <-first)
	require.Len(t, b.sent(), 1)
}
