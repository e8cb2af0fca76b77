// Package postgrestest gives tests databases on PostgreSQL: on a server of this process, started from the programs
// that are installed, or on one that MILLRACE_TEST_POSTGRES names. Where there is neither, the test fails.
package postgrestest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// variable names the url of a server to use, with a user that may create databases.
const variable = "MILLRACE_TEST_POSTGRES"

// Guarded is a user of whom a server of ours asks a password, which does not exist.
const Guarded = "guarded"

const (
	patience = time.Minute           // longest wait for a server to come up
	look     = 20 * time.Millisecond // between looks whether it has
)

// Server is a PostgreSQL server on this machine whose data does not survive it, nor this process, whatever ends
// it. It waits for no disk, but what is committed outlives Kill.
type Server struct {
	Host string
	Port int
	User string // may do everything, without a password

	programs string // folder of initdb and postgres
	folder   string // data, log, socket
	command  *exec.Cmd
	done     chan struct{}  // closed when the server has ended
	guard    io.WriteCloser // see watch
}

// shared is what Shared returns.
var shared struct {
	sync.Mutex
	server *Server
}

// Database makes an empty database until the test ends, and returns its url.
func Database(tb testing.TB) string {
	tb.Helper()
	admin := os.Getenv(variable)
	if admin == "" {
		admin = Shared(tb).url("postgres")
	}
	url, name := create(tb, admin)
	tb.Cleanup(func() { command(tb, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	return url
}

// Shared is the server of all tests of this process, which ends with Stop.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		server, err := newServer()
		if err != nil {
			tb.Fatal(err)
		}
		shared.server = server
	}
	return shared.server
}

// Stop ends the shared server, if there is one. A package whose tests use it calls this from TestMain; without,
// the server ends a moment after the process.
func Stop() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	server := shared.server
	shared.server = nil
	return server.remove()
}

// Start runs a server for one test, which may kill it.
func Start(tb testing.TB) *Server {
	tb.Helper()
	server, err := newServer()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.remove(); err != nil {
			tb.Error(err)
		}
	})
	return server
}

// Database makes an empty database and returns its url.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	url, _ := create(tb, s.url("postgres"))
	return url
}

// Programs is the folder of PostgreSQL's programs: psql, createdb, pg_dump, …
func (s *Server) Programs() string { return s.programs }

// Kill ends the server as a power failure would.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	sessions := s.sessions()
	err := errors.Join(s.end(syscall.SIGKILL), s.dismiss())
	for _, session := range sessions {
		_ = session.Kill() // most end by themselves; one that is late would go on answering
	}
	for _, session := range sessions {
		for runs(session.Pid) { // a signal takes its time on a busy machine
			runtime.Gosched()
		}
	}
	if err != nil {
		tb.Fatalf("killing PostgreSQL: %v", err)
	}
}

// sessions are the processes of the server that talk to clients, where the system tells which they are.
func (s *Server) sessions() []*os.Process {
	pid := s.command.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // none elsewhere than on Linux
	var sessions []*os.Process
	for _, child := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			if process, err := os.FindProcess(pid); err == nil {
				sessions = append(sessions, process)
			}
		}
	}
	return sessions
}

// runs tells whether a process still does something: one that has ended may be listed until somebody asks for its end.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// Restart starts a killed server again, on the same port with the same data, and returns when it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
}

func (s *Server) url(database string) string {
	url := neturl.URL{
		Scheme: "postgres", User: neturl.User(s.User), Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: database, RawQuery: "sslmode=disable",
	}
	return url.String()
}

// create makes a database on the server that admin leads to.
func create(tb testing.TB, admin string) (url, name string) {
	tb.Helper()
	parsed, err := neturl.Parse(admin)
	if err != nil {
		tb.Fatalf("%s is not a url such as postgres://postgres@127.0.0.1:5432/postgres", variable)
	}
	name = "test_" + strings.ToLower(rand.Text())
	command(tb, admin, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0")
	parsed.Path = "/" + name
	return parsed.String(), name
}

// command runs one statement.
func command(tb testing.TB, url, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience) // also when the test is over
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		_, err = conn.Exec(ctx, statement)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// newServer makes a server and starts it on a free port.
func newServer() (_ *Server, err error) {
	s := &Server{Host: "127.0.0.1", User: "millrace"}
	if s.programs, err = findPrograms(); err != nil {
		return nil, err
	}
	if s.folder, err = os.MkdirTemp("", "millrace-postgres-"); err != nil { // a test's folder is too long for a socket
		return nil, fmt.Errorf("making room for PostgreSQL: %w", err)
	}
	if err := errors.Join(s.lay(), s.start()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder))
	}
	return s, nil
}

// findPrograms returns the folder of PostgreSQL's programs: that of an initdb on PATH, else the newest of Debian's.
func findPrograms() (string, error) {
	var found []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is a good one
	slices.SortFunc(installed, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, path := range append(found, installed...) {
		folder := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(folder, "postgres")); err == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("this test needs PostgreSQL: install its server (Debian: apt-get install postgresql), or name one in %s, as in postgres://postgres@127.0.0.1:5432/postgres", variable)
}

// version is that of a path such as /usr/lib/postgresql/15/bin/initdb.
func version(path string) int {
	number, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 = unknown
	return number
}

// lay makes the server's files.
func (s *Server) lay() error {
	access := "host all " + Guarded + " 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n"
	if err := os.WriteFile(filepath.Join(s.folder, "access"), []byte(access), 0o644); err != nil {
		return fmt.Errorf("making room for PostgreSQL: %w", err)
	}
	initdb := exec.Command(filepath.Join(s.programs, "initdb"), "--pgdata="+filepath.Join(s.folder, "data"), "--username="+s.User,
		"--encoding=UTF8", "--no-locale", "--auth=trust", "--no-sync", "--no-instructions")
	if err := s.own(initdb); err != nil {
		return err
	}
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", initdb, err, output)
	}
	return nil
}

// own makes a command work in the server's folder, as the user to whom it belongs, and out of reach of a Ctrl-C in the
// terminal.
func (s *Server) own(command *exec.Cmd) error {
	command.Dir = s.folder
	command.Env = append(os.Environ(), "LC_ALL=C")
	if err := apart(command, s.folder); err != nil {
		return fmt.Errorf("finding a user for PostgreSQL: %w", err)
	}
	return nil
}

// start runs the server and returns when it answers. A port that somebody else has taken meanwhile is given up for
// another, unless it is the one that the server had before; then, and while processes of its earlier life are
// still ending, it is tried again.
func (s *Server) start() error {
	had := s.Port
	for began := time.Now(); time.Since(began) < patience; {
		if had == 0 {
			port, err := freePort()
			if err != nil {
				return fmt.Errorf("looking for a free port: %w", err)
			}
			s.Port = port
		}
		if err := s.run(); err != nil {
			return err
		}
		if s.answers(began.Add(patience)) {
			return nil
		}
		if err := errors.Join(s.end(syscall.SIGQUIT), s.dismiss()); err != nil {
			return err
		}
	}
	log, _ := os.ReadFile(s.log()) // without it, the error says less
	return fmt.Errorf("PostgreSQL did not come up within %s:\n%s", patience, log[max(0, len(log)-4096):])
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func (s *Server) log() string { return filepath.Join(s.folder, "log") }

// run starts the server's process.
func (s *Server) run() error {
	log, err := os.OpenFile(s.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	defer log.Close()
	args := []string{"-D", filepath.Join(s.folder, "data")}
	for _, setting := range []string{
		"listen_addresses=" + s.Host, "port=" + strconv.Itoa(s.Port), "unix_socket_directories=" + s.folder,
		"hba_file=" + filepath.Join(s.folder, "access"), "max_connections=300", "fsync=off", "full_page_writes=off",
	} {
		args = append(args, "-c", setting)
	}
	s.command = exec.Command(filepath.Join(s.programs, "postgres"), args...)
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.own(s.command); err != nil {
		return err
	}
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	s.done = make(chan struct{})
	go func(command *exec.Cmd, done chan<- struct{}) {
		_ = command.Wait() // killed or not: it has ended
		close(done)
	}(s.command, s.done)
	return s.watch()
}

// watch starts a process that ends the server and removes its folder when this process is gone.
func (s *Server) watch() (err error) {
	const script = `read -r _ && exit
kill -QUIT "$1"
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" && sleep 0.1; done
rm -rf "$2"`
	guard := exec.Command("sh", "-c", script, "sh", strconv.Itoa(s.command.Process.Pid), s.folder)
	if s.guard, err = guard.StdinPipe(); err != nil {
		return fmt.Errorf("watching over PostgreSQL: %w", err)
	}
	if err := s.own(guard); err != nil {
		return err
	}
	if err := guard.Start(); err != nil {
		return fmt.Errorf("watching over PostgreSQL: %w", err)
	}
	go func() { _ = guard.Wait() }() // it says nothing
	return nil
}

// dismiss ends the process of watch and leaves the folder alone.
func (s *Server) dismiss() error {
	_, err := s.guard.Write([]byte("\n"))
	closed := s.guard.Close()
	if errors.Is(closed, os.ErrClosed) { // by the end of the process, which was quicker
		closed = nil
	}
	return errors.Join(err, closed)
}

// answers waits until the server does, on its own socket. It returns false when the server ends instead.
func (s *Server) answers(until time.Time) bool {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", s.folder, s.Port, s.User))
		if err == nil {
			return conn.Close(ctx) == nil
		}
		select {
		case <-s.done:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(look):
		}
	}
}

// end sends the server a signal and waits until it is gone.
func (s *Server) end(signal os.Signal) error {
	if err := s.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending PostgreSQL: %w", err)
	}
	<-s.done
	return nil
}

// remove ends the server and everything that it has written.
func (s *Server) remove() error {
	_ = s.dismiss() // after Kill, that was done
	return errors.Join(s.end(syscall.SIGQUIT), os.RemoveAll(s.folder))
}
