package provider

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net"
	netmail "net/mail"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// SMTP is a mail server, with its password in clear.
type SMTP struct {
	Host     string
	Port     int    // 0 = 587
	Username string // "" = no authentication
	Password string
	TLS      string // starttls (the default, and then required), tls or none
}

// NewSMTP returns Mail that hands every message to one mail server, over a connection of its own.
func NewSMTP(settings SMTP) Mail { return newSMTP(settings) }

func newSMTP(settings SMTP) *smtpMail {
	return &smtpMail{
		SMTP: settings, tls: &tls.Config{ServerName: settings.Host, MinVersion: tls.VersionTLS12},
		connect: 10 * time.Second, whole: 25 * time.Second,
	}
}

// Reach connects to the mail server, secures the line and signs in. It sends nothing.
func (s SMTP) Reach(ctx context.Context) error { return newSMTP(s).talk(ctx, (*smtp.Client).Quit) }

type smtpMail struct {
	SMTP
	tls     *tls.Config
	connect time.Duration // for the connection
	whole   time.Duration // for everything, from the connection to the last reply
}

// Send hands a message to the mail server.
func (s *smtpMail) Send(ctx context.Context, email Email) error {
	message, err := compose(email)
	if err != nil {
		return &Refused{Reason: "invalid-mail", Err: err}
	}
	return s.talk(ctx, message.send)
}

// talk has a conversation with the mail server, which begins signed in.
func (s *smtpMail) talk(ctx context.Context, say func(*smtp.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.whole)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return lineDown("connect to the mail server", "unreachable", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // so that no read outlives ctx
	client, err := s.begin(conn)
	if err != nil {
		return err
	}
	return say(client)
}

func (s *smtpMail) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connect)
	defer cancel()
	address := net.JoinHostPort(s.Host, strconv.Itoa(cmp.Or(s.Port, 587)))
	if s.TLS == "tls" {
		return (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// begin greets the server, secures the connection and signs in. What fails here concerns the line to
// our own mail server and not the message, so it is always worth another attempt.
func (s *smtpMail) begin(conn net.Conn) (*smtp.Client, error) {
	client, err := smtp.NewClient(conn, s.Host)
	if err != nil {
		return nil, lineDown("greeting of the mail server", "unreachable", err)
	}
	if name, err := os.Hostname(); err == nil {
		if err := client.Hello(name); err != nil {
			return nil, lineDown("greet the mail server", "unreachable", err)
		}
	}
	if s.TLS != "tls" && s.TLS != "none" {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return nil, lineDown("secure the connection", "tls", errors.New("the mail server does not offer STARTTLS"))
		}
		if err := client.StartTLS(s.tls); err != nil {
			return nil, lineDown("secure the connection", "tls", err)
		}
	}
	if s.Username == "" {
		return client, nil
	}
	mechanism, err := s.mechanism(client)
	if err == nil {
		err = client.Auth(mechanism)
	}
	if err != nil {
		return nil, lineDown("sign in to the mail server", "auth", err)
	}
	return client, nil
}

// mechanism is the strongest way to sign in that both sides know. A password travels in clear only
// where the account says `tls: none`.
func (s *smtpMail) mechanism(client *smtp.Client) (smtp.Auth, error) {
	_, list := client.Extension("AUTH")
	offered := strings.Fields(list)
	switch inClear := s.TLS == "none"; {
	case slices.Contains(offered, "SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(s.Username, s.Password), nil
	case slices.Contains(offered, "PLAIN"):
		return smtp.PlainAuth("", s.Username, s.Password, s.Host, inClear), nil
	case slices.Contains(offered, "LOGIN"):
		return smtp.LoginAuth(s.Username, s.Password, s.Host, inClear), nil
	}
	return nil, fmt.Errorf("the mail server offers no known way to sign in: %q", list)
}

// lineDown is a refusal for reasons that lie between us and the mail server; reason is used when the
// error itself does not tell a better one.
func lineDown(doing, reason string, err error) *Refused {
	return &Refused{Reason: lineReason(reason, err), Temporary: true, Err: fmt.Errorf("%s: %w", doing, err)}
}

// lineReason names what is wrong with a connection.
func lineReason(otherwise string, err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var untrusted *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection-refused"
	case errors.As(err, &untrusted), errors.As(err, &notTLS):
		return "tls"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, net.ErrClosed): // closed by us, when the time was up
		return "timeout"
	}
	return otherwise
}

// message is a mail as it travels.
type message struct {
	from, to string // addresses without names
	content  []byte
}

// send speaks the protocol command by command, because what an error means depends on how far the
// conversation came. Until the server has asked for the content nothing can have left; after that
// only its reply tells what became of the message.
func (m message) send(client *smtp.Client) error {
	if err := client.Mail("<" + m.from + ">"); err != nil {
		return m.refused("sender", err)
	}
	if err := client.Rcpt("<" + m.to + ">"); err != nil {
		return m.refused("recipient", err)
	}
	body, err := client.Data()
	if err != nil {
		return m.refused("message", err)
	}
	if _, err := body.Write(m.content); err != nil {
		return fmt.Errorf("cut in the middle of the message: %w", err)
	}
	if err := body.Close(); err != nil {
		if reply := new(textproto.Error); errors.As(err, &reply) && reply.Code >= 400 {
			return m.refused("message", err)
		}
		return fmt.Errorf("no reply after the message: %w", err)
	}
	// The message is theirs. Leaving politely may take a moment, but its outcome means nothing.
	_ = client.UpdateDeadline(time.Second)
	_ = client.Quit()
	return nil
}

// refused is a refusal of this message. The recipient's address is taken out of what the server says:
// errors are kept longer and shown to more people than records.
func (m message) refused(stage string, err error) *Refused {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return lineDown(stage, "unreachable", err)
	}
	said := fmt.Errorf("%s: %d %s", stage, reply.Code, m.masked(reply.Msg))
	switch {
	case reply.Code < 500:
		return &Refused{Reason: "deferred", Temporary: true, Err: said}
	case stage == "recipient" && noMailbox(reply):
		return &Refused{Reason: "no-such-mailbox", Err: said}
	}
	return &Refused{Reason: "rejected", Err: said}
}

// masked is what the server says without the recipient's address, in whichever case it repeats that.
func (m message) masked(text string) string {
	return regexp.MustCompile("(?i)"+regexp.QuoteMeta(m.to)).ReplaceAllLiteralString(text, "recipient")
}

var enhancedCode = regexp.MustCompile(`^5\.(\d{1,3})\.\d{1,3}\b`)

// noMailbox tells whether a reply to RCPT TO says that there is no such mailbox: by the enhanced code
// 5.1.x (RFC 3463), else by the plain codes 550, 551 and 553.
func noMailbox(reply *textproto.Error) bool {
	if code := enhancedCode.FindStringSubmatch(reply.Msg); code != nil {
		return code[1] == "1"
	}
	return slices.Contains([]int{550, 551, 553}, reply.Code)
}

// compose writes a mail: plain text and HTML as alternatives, under a Message-ID that is the same for
// the same key, so that mail programs show a repeated message once.
func compose(email Email) (message, error) {
	from, err := netmail.ParseAddress(email.From)
	if err != nil {
		return message{}, fmt.Errorf("sender: %w", err)
	}
	to, err := netmail.ParseAddress(email.To)
	if err != nil {
		return message{}, errors.New("recipient: not an address")
	}
	mime := mail.NewMsg(mail.WithNoDefaultUserAgent())
	mime.FromMailAddress(from)
	mime.ToMailAddress(to)
	if email.ReplyTo != "" {
		if err := mime.ReplyTo(email.ReplyTo); err != nil {
			return message{}, fmt.Errorf("reply address: %w", err)
		}
	}
	mime.Subject(strings.Join(strings.Fields(email.Subject), " "))
	mime.SetMessageIDWithValue(messageID(email.Key, from.Address))
	mime.SetGenHeader("X-Millrace-Key", email.Key)
	if !email.At.IsZero() {
		mime.SetDateWithValue(email.At)
	}
	mime.SetBodyString(mail.TypeTextPlain, email.Text)
	if email.HTML != "" {
		mime.AddAlternativeString(mail.TypeTextHTML, withPreview(email.HTML, email.Preview))
	}
	var content bytes.Buffer
	if _, err := mime.WriteTo(&content); err != nil {
		return message{}, err
	}
	return message{from: from.Address, to: to.Address, content: content.Bytes()}, nil
}

// messageID is unique for a key and says nothing about it.
func messageID(key, from string) string {
	hash := sha256.Sum256([]byte(key))
	return hex.EncodeToString(hash[:16]) + from[strings.LastIndex(from, "@"):]
}

var bodyTag = regexp.MustCompile(`(?i)<body[^>]*>`)

// withPreview puts the preview line, invisible, at the beginning of the body.
func withPreview(document, preview string) string {
	if preview == "" {
		return document
	}
	hidden := `<div style="display:none;max-height:0;overflow:hidden">` + html.EscapeString(preview) + `</div>`
	at := 0
	if tag := bodyTag.FindStringIndex(document); tag != nil {
		at = tag[1]
	}
	return document[:at] + hidden + document[at:]
}
