// Package smtptest is a mail server for tests. It speaks the protocol over a real connection, keeps
// what it accepts, and can be told to refuse, to hang up or to fall silent at any point.
package smtptest

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
)

// Points of a conversation at which a Script is asked, in their order. AUTH and STARTTLS come where the
// client says them.
const (
	Connect = "CONNECT"
	Ehlo    = "EHLO"
	Mail    = "MAIL"
	Rcpt    = "RCPT"
	Data    = "DATA"
	Content = "CONTENT" // the first line of the message has come
	Dot     = "DOT"     // the whole message has come; unless refused it is kept before the answer
)

// Answers of a Script beside replies in the protocol's form, such as `450 4.7.1 later`.
const (
	Close = "close" // hang up
	Hang  = "hang"  // say nothing more
)

// Script answers in the server's place: at is one of the points above, argument what the client said. ""
// lets the server go on as usual.
type Script func(at, argument string) string

// Options of a Server.
type Options struct {
	Script   Script
	Username string // demand AUTH PLAIN
	Password string
	TLS      *tls.Config // offer STARTTLS
	Implicit bool        // speak TLS from the first byte instead
}

// Message is a mail that the server accepted.
type Message struct {
	From   string // of the envelope
	To     []string
	Header mail.Header
	Text   string
	HTML   string
}

// Server is a running mail server.
type Server struct {
	Host string
	Port int

	options  Options
	listener net.Listener
	mu       sync.Mutex
	messages []Message
	open     map[net.Conn]bool
	wait     sync.WaitGroup
}

// Start runs a server on a free port of this machine until the test ends.
func Start(tb testing.TB, options Options) *Server {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("mail server for the test: %v", err)
	}
	address := listener.Addr().(*net.TCPAddr)
	s := &Server{Host: "127.0.0.1", Port: address.Port, options: options, listener: listener, open: map[net.Conn]bool{}}
	if s.options.Script == nil {
		s.options.Script = func(string, string) string { return "" }
	}
	s.wait.Go(s.serve)
	tb.Cleanup(s.stop)
	return s
}

// Messages returns what was accepted so far, in the order of arrival.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

func (s *Server) stop() {
	s.listener.Close()
	s.mu.Lock()
	for conn := range s.open {
		conn.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

func (s *Server) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[conn] = true
		s.mu.Unlock()
		s.wait.Go(func() {
			talk := &conversation{server: s, raw: conn}
			talk.use(conn)
			if s.options.Implicit {
				talk.use(tls.Server(conn, s.options.TLS))
			}
			talk.run()
			conn.Close()
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		})
	}
}

// conversation is one connection.
type conversation struct {
	server *Server
	raw    net.Conn
	conn   net.Conn
	reader *bufio.Reader
	secure bool
	known  bool // signed in
	from   string
	to     []string
}

func (c *conversation) use(conn net.Conn) {
	c.conn, c.reader = conn, bufio.NewReader(conn)
	_, c.secure = conn.(*tls.Conn)
}

func (c *conversation) say(reply string) { fmt.Fprint(c.conn, reply+"\r\n") }

// scripted lets the script act. It tells what the script replied ("" = nothing) and whether the conversation is over.
func (c *conversation) scripted(at, argument string) (reply string, over bool) {
	reply = c.server.options.Script(at, argument)
	return reply, c.act(reply)
}

func (c *conversation) act(reply string) (over bool) {
	switch reply {
	case "":
	case Close:
		return true
	case Hang:
		_, _ = io.Copy(io.Discard, c.conn) // until the client gives up
		return true
	default:
		c.say(reply)
	}
	return false
}

func (c *conversation) run() {
	if reply, over := c.scripted(Connect, ""); over {
		return
	} else if reply == "" {
		c.say("220 smtptest ready")
	}
	for {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		verb = strings.ToUpper(verb)
		reply, over := c.scripted(verb, argument)
		if over || reply == "" && !c.command(verb, argument) {
			return
		}
	}
}

// command does what the client said and tells whether the conversation goes on.
func (c *conversation) command(verb, argument string) bool {
	options := c.server.options
	switch {
	case verb == Ehlo:
		c.ehlo()
	case verb == "STARTTLS" && options.TLS != nil && !c.secure:
		c.say("220 go ahead")
		c.use(tls.Server(c.raw, options.TLS))
	case verb == "AUTH":
		token := base64.StdEncoding.EncodeToString([]byte("\x00" + options.Username + "\x00" + options.Password))
		if c.known = argument == "PLAIN "+token; c.known {
			c.say("235 welcome")
		} else {
			c.say("535 5.7.8 wrong user or password")
		}
	case verb == Mail && options.Username != "" && !c.known:
		c.say("530 5.7.0 sign in first")
	case verb == Mail:
		c.from, c.to = address(argument), nil
		c.say("250 ok")
	case verb == Rcpt:
		c.to = append(c.to, address(argument))
		c.say("250 ok")
	case verb == Data && len(c.to) == 0:
		c.say("503 5.5.1 no recipient")
	case verb == Data:
		c.say("354 end with a dot")
		return c.message()
	case verb == "RSET" || verb == "NOOP":
		c.say("250 ok")
	case verb == "QUIT":
		c.say("221 bye")
		return false
	default:
		c.say("502 5.5.2 not understood")
	}
	return true
}

func (c *conversation) ehlo() {
	c.say("250-smtptest")
	if c.server.options.TLS != nil && !c.secure {
		c.say("250-STARTTLS")
	}
	if c.server.options.Username != "" {
		c.say("250-AUTH PLAIN")
	}
	c.say("250 8BITMIME")
}

// address takes ada@example.com out of `FROM:<ada@example.com> BODY=8BITMIME`.
func address(argument string) string {
	_, rest, _ := strings.Cut(argument, "<")
	inner, _, _ := strings.Cut(rest, ">")
	return inner
}

// message reads a message up to its dot, and keeps it unless the script refuses it.
func (c *conversation) message() bool {
	var content strings.Builder
	for first := true; ; first = false {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return false
		}
		if first {
			if _, over := c.scripted(Content, line); over {
				return false
			}
		}
		if line == ".\r\n" {
			break
		}
		content.WriteString(strings.TrimPrefix(line, "."))
	}
	message, err := parse(c.from, c.to, content.String())
	if err != nil {
		c.say("554 5.6.0 not a message: " + err.Error())
		return true
	}
	reply := cmp.Or(c.server.options.Script(Dot, message.Header.Get("X-Millrace-Key")), "250 2.0.0 kept")
	if reply[0] != '4' && reply[0] != '5' {
		c.server.mu.Lock()
		c.server.messages = append(c.server.messages, message)
		c.server.mu.Unlock()
	}
	return !c.act(reply)
}

// parse takes a message apart: its header and the parts of its multipart/alternative body.
func parse(from string, to []string, content string) (Message, error) {
	raw, err := mail.ReadMessage(strings.NewReader(content))
	if err != nil {
		return Message{}, err
	}
	message := Message{From: from, To: to, Header: raw.Header}
	kind, parameters, err := mime.ParseMediaType(raw.Header.Get("Content-Type"))
	if err != nil {
		return Message{}, err
	}
	if kind != "multipart/alternative" {
		return message, message.add(kind, raw.Header.Get("Content-Transfer-Encoding"), raw.Body)
	}
	parts := multipart.NewReader(raw.Body, parameters["boundary"])
	for {
		part, err := parts.NextPart() // decodes quoted-printable
		if errors.Is(err, io.EOF) {
			return message, nil
		}
		if err != nil {
			return Message{}, err
		}
		kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err := message.add(kind, "", part); err != nil {
			return Message{}, err
		}
	}
}

func (m *Message) add(kind, encoding string, body io.Reader) error {
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if kind == "text/html" {
		m.HTML = string(text)
	} else {
		m.Text = string(text)
	}
	return err
}
