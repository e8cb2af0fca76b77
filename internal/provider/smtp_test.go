package provider

import (
	"context"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/provider/smtptest"
)

var letter = Email{
	Key: "welcome/contact/51/1/hello/1/ada@example.com", At: time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC), From: "Millrace <crm@example.org>", To: "ada@example.com",
	ReplyTo: "help@example.org", Subject: "Grüezi\n Ada", Preview: "5 < 6", Text: "Hello\n.\nAda", HTML: "<html><body class=\"x\"><p>Hello Ada</p></body></html>",
}

// mailTo returns the production client with short patience.
func mailTo(server *smtptest.Server, change func(*SMTP)) *smtpMail {
	settings := SMTP{Host: server.Host, Port: server.Port, TLS: "none"}
	if change != nil {
		change(&settings)
	}
	client := newSMTP(settings)
	client.connect, client.whole = 5*time.Second, 5*time.Second
	return client
}

// answering returns a server that says reply at one point and is obliging otherwise.
func answering(t *testing.T, point, reply string) *smtptest.Server {
	t.Helper()
	return smtptest.Start(t, smtptest.Options{Script: func(at, _ string) string {
		if at == point {
			return reply
		}
		return ""
	}})
}

func TestMailArrivesAsWritten(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{Username: "crm", Password: "pass word"})
	client := mailTo(server, func(s *SMTP) { s.Username, s.Password = "crm", "pass word" })
	require.NoError(t, client.Send(t.Context(), letter))
	require.NoError(t, client.Send(t.Context(), letter))

	messages := server.Messages()
	require.Len(t, messages, 2)
	got := messages[0]
	require.Equal(t, "crm@example.org", got.From)
	require.Equal(t, []string{"ada@example.com"}, got.To)
	require.Equal(t, "Hello\r\n.\r\nAda", got.Text)
	require.Equal(t, `<html><body class="x"><div style="display:none;max-height:0;overflow:hidden">5 &lt; 6</div><p>Hello Ada</p></body></html>`, got.HTML)
	require.Equal(t, letter.Key, got.Header.Get("X-Millrace-Key"))
	require.Equal(t, "=?UTF-8?q?Gr=C3=BCezi_Ada?=", got.Header.Get("Subject"))
	require.Equal(t, "Mon, 04 Jan 2027 09:00:00 +0000", got.Header.Get("Date"))
	require.Equal(t, "<help@example.org>", got.Header.Get("Reply-To"))
	require.Regexp(t, `^<[0-9a-f]{32}@example\.org>$`, got.Header.Get("Message-ID"))
	require.Equal(t, got.Header.Get("Message-ID"), messages[1].Header.Get("Message-ID"), "one key, one Message-ID")
}

func TestMailServerIsReachedWithoutAMessage(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{Username: "crm", Password: "pass word"})
	settings := SMTP{Host: server.Host, Port: server.Port, TLS: "none", Username: "crm", Password: "pass word"}
	require.NoError(t, settings.Reach(t.Context()))
	require.Empty(t, server.Messages())
	settings.Password = "wrong"
	require.ErrorContains(t, settings.Reach(t.Context()), "sign in to the mail server")
	settings.TLS = "starttls"
	require.ErrorContains(t, settings.Reach(t.Context()), "does not offer STARTTLS")
	settings.Port = 1
	require.ErrorContains(t, settings.Reach(t.Context()), "connect to the mail server")
}

func TestMailIsSecured(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	for mode, implicit := range map[string]bool{"starttls": false, "tls": true} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server := smtptest.Start(t, smtptest.Options{TLS: web.TLS.Clone(), Implicit: implicit, Username: "crm", Password: "secret"})
			client := mailTo(server, func(s *SMTP) { s.TLS, s.Username, s.Password = mode, "crm", "secret" })
			requireRefused(t, client.Send(t.Context(), letter), "tls", true) // a stranger's certificate
			client.tls.RootCAs = roots
			require.NoError(t, client.Send(t.Context(), letter))
			require.Len(t, server.Messages(), 1)
		})
	}
}

func TestMailRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, at, reply string
		reason          string
		temporary       bool
	}{
		{"no service", smtptest.Connect, "554 go away", "unreachable", true},
		{"hangs up at once", smtptest.Connect, smtptest.Close, "unreachable", true},
		{"sender deferred", smtptest.Mail, "451 4.3.0 later", "deferred", true},
		{"sender rejected", smtptest.Mail, "550 5.7.1 not you", "rejected", false},
		{"greylisted", smtptest.Rcpt, "450 4.7.1 come back", "deferred", true},
		{"no mailbox", smtptest.Rcpt, "550 5.1.1 <ada@example.com> unknown", "no-such-mailbox", false},
		{"no mailbox, plain code", smtptest.Rcpt, "550 ada@example.com unknown", "no-such-mailbox", false},
		{"no mailbox, in another case", smtptest.Rcpt, "550 5.1.1 <ADA@Example.com> unknown", "no-such-mailbox", false},
		{"relaying denied", smtptest.Rcpt, "550 5.7.1 relaying denied", "rejected", false},
		{"hangs up at the recipient", smtptest.Rcpt, smtptest.Close, "unreachable", true},
		{"data deferred", smtptest.Data, "421 4.3.2 shutting down", "deferred", true},
		{"data rejected", smtptest.Data, "554 5.5.1 no valid recipients", "rejected", false},
		{"hangs up at data", smtptest.Data, smtptest.Close, "unreachable", true},
		{"message deferred", smtptest.Dot, "452 4.3.1 disk full", "deferred", true},
		{"message rejected", smtptest.Dot, "554 5.7.1 spam", "rejected", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := answering(t, test.at, test.reply)
			err := mailTo(server, nil).Send(t.Context(), letter)
			requireRefused(t, err, test.reason, test.temporary)
			require.NotContains(t, strings.ToLower(err.Error()), "ada@example.com", "errors do not carry addresses")
			require.Empty(t, server.Messages())
		})
	}
}

func TestMailCutInTheMiddleIsUnknown(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, at, reply string
		kept            int
	}{
		{"hangs up within the message", smtptest.Content, smtptest.Close, 0},
		{"falls silent within the message", smtptest.Content, smtptest.Hang, 0},
		{"hangs up after the message", smtptest.Dot, smtptest.Close, 1},
		{"falls silent after the message", smtptest.Dot, smtptest.Hang, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := answering(t, test.at, test.reply)
			client := mailTo(server, nil)
			if test.reply == smtptest.Hang {
				client.whole = 200 * time.Millisecond
			}
			err := client.Send(t.Context(), letter)
			require.Error(t, err)
			_, refused := AsRefused(err)
			require.False(t, refused, "nobody can say: %v", err)
			require.Len(t, server.Messages(), test.kept)
		})
	}
}

func TestMailOutcomeIsThatOfTheMessage(t *testing.T) {
	t.Parallel()
	server := answering(t, "QUIT", smtptest.Close)
	require.NoError(t, mailTo(server, nil).Send(t.Context(), letter), "leaving rudely changes nothing")
	require.Len(t, server.Messages(), 1)
}

func TestMailLineDown(t *testing.T) {
	t.Parallel()
	closed := closedPort(t).Port
	requireRefused(t, NewSMTP(SMTP{Host: "127.0.0.1", Port: closed}).Send(t.Context(), letter), "connection-refused", true)
	requireRefused(t, NewSMTP(SMTP{Host: "mail.invalid"}).Send(t.Context(), letter), "dns", true)

	silent := mailTo(answering(t, smtptest.Connect, smtptest.Hang), nil)
	silent.whole = 100 * time.Millisecond
	requireRefused(t, silent.Send(t.Context(), letter), "timeout", true)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	err := mailTo(smtptest.Start(t, smtptest.Options{}), nil).Send(canceled, letter)
	requireRefused(t, err, "unreachable", true)
}

func TestMailSignIn(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{Username: "crm", Password: "right"})
	err := mailTo(server, func(s *SMTP) { s.Username, s.Password = "crm", "wrong" }).Send(t.Context(), letter)
	requireRefused(t, err, "auth", true)
	requireRefused(t, mailTo(server, nil).Send(t.Context(), letter), "rejected", false) // it wants a user

	open := smtptest.Start(t, smtptest.Options{})
	requireRefused(t, mailTo(open, func(s *SMTP) { s.Username, s.Password = "crm", "x" }).Send(t.Context(), letter), "auth", true)
	requireRefused(t, mailTo(open, func(s *SMTP) { s.TLS = "starttls" }).Send(t.Context(), letter), "tls", true)
}

func TestMailThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	server := smtptest.Start(t, smtptest.Options{})
	for _, change := range []func(*Email){
		func(m *Email) { m.From = "" }, func(m *Email) { m.To = "ada" }, func(m *Email) { m.To = "a@b.c\r\nBcc: x@y.z" },
		func(m *Email) { m.ReplyTo = "nobody" },
	} {
		mail := letter
		change(&mail)
		requireRefused(t, mailTo(server, nil).Send(t.Context(), mail), "invalid-mail", false)
	}
}

// closedPort returns an address of this machine at which nobody listens.
func closedPort(t *testing.T) *net.TCPAddr {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().(*net.TCPAddr)
}

func requireRefused(t *testing.T, err error, reason string, temporary bool) {
	t.Helper()
	refused, ok := AsRefused(err)
	require.True(t, ok, "not a refusal: %v", err)
	require.Equal(t, reason, refused.Reason, "%v", err)
	require.Equal(t, temporary, refused.Temporary, "%v", err)
}
