package devserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

const (
	startTime = time.Minute      // longest wait for a server to come up
	stopTime  = 10 * time.Second // longest wait for it to go
	look      = 50 * time.Millisecond
)

// Options say how a server runs.
type Options struct {
	Binary     Binary
	Database   string            // SQLite file; "" = temporary
	Postgres   string            // url of a PostgreSQL database instead
	Port       int               // 0 = a free one
	UIPort     int               // 0 = a free one
	Attributes map[string]string // search attributes to register: name → type
	Log        io.Writer         // what the server says; nil = kept for the error when it does not start
}

// Server is a running server.
type Server struct {
	Address   string `json:"address"`
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
	PID       int    `json:"pid"`

	command *exec.Cmd
	alive   io.Closer // its standard input: the server exits when it closes, so also when this process dies
	done    chan struct{}
	scratch string
}

// Start runs a server and returns when it answers. It is stopped by Stop, or by the end of this process,
// whatever ends it; an official one only on Linux.
func Start(ctx context.Context, options Options) (_ *Server, err error) {
	scratch, err := os.MkdirTemp("", "millrace-devserver-")
	if err != nil {
		return nil, fmt.Errorf("starting the embedded Temporal server: %w", err)
	}
	server := &Server{Namespace: "default", done: make(chan struct{}), scratch: scratch}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(scratch))
		}
	}()
	ready := filepath.Join(scratch, "ready.json")
	arguments := []string{"server", "start-dev", "--log-level", "error"}
	for _, name := range sorted(options.Attributes) {
		arguments = append(arguments, "--search-attribute", name+"="+options.Attributes[name])
	}
	if options.Database != "" {
		arguments = append(arguments, "--db-filename", options.Database)
	}
	if options.Postgres != "" {
		arguments = append(arguments, "--postgres", options.Postgres)
	}
	if options.Binary.Official {
		if err := server.choosePorts(options); err != nil {
			return nil, err
		}
		_, port, _ := net.SplitHostPort(server.Address)
		_, uiPort, _ := net.SplitHostPort(server.UI[len("http://"):])
		arguments = append(arguments, "--port", port, "--ui-port", uiPort)
	} else {
		arguments = append(arguments, "--port", strconv.Itoa(options.Port), "--ui-port", strconv.Itoa(options.UIPort),
			"--ready-file", ready, "--exit-on-stdin-close")
	}
	var said bytes.Buffer
	server.command = exec.Command(options.Binary.Path, arguments...)
	server.command.Stderr = &said
	if options.Log != nil {
		server.command.Stderr = options.Log
	}
	server.command.SysProcAttr = apart(options.Binary.Official)
	if server.alive, err = server.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the embedded Temporal server: %w", err)
	}
	started := make(chan error)
	go server.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting the embedded Temporal server %s: %w", options.Binary.Path, err)
	}
	if err := server.await(ctx, options.Binary, ready); err != nil {
		return nil, errors.Join(err, server.Stop(), explain(&said))
	}
	return server, nil
}

// run starts the server and waits for its end, on one thread: where a server ends with its parent, it ends with the
// thread that started it.
func (s *Server) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := s.command.Start()
	started <- err
	if err == nil {
		_ = s.command.Wait() // how it ended is told by what it said
		close(s.done)
	}
}

func explain(said *bytes.Buffer) error {
	if text := bytes.TrimSpace(said.Bytes()); len(text) > 0 {
		return errors.New(string(text))
	}
	return nil
}

func sorted(attributes map[string]string) []string {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// choosePorts finds free ports for a server that cannot be asked which it took.
func (s *Server) choosePorts(options Options) error {
	free := func(wanted int) (string, error) {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(wanted)))
		if err != nil {
			return "", fmt.Errorf("choosing a port for the Temporal server: %w", err)
		}
		return listener.Addr().String(), listener.Close()
	}
	var err error
	if s.Address, err = free(options.Port); err != nil {
		return err
	}
	ui, err := free(options.UIPort)
	s.UI = "http://" + ui
	return err
}

// await returns when the server answers.
func (s *Server) await(ctx context.Context, binary Binary, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		select {
		case <-s.done:
			return errors.New("the embedded Temporal server ended while starting")
		case <-ctx.Done():
			return fmt.Errorf("the embedded Temporal server did not come up within %s: %w", startTime, ctx.Err())
		case <-time.After(look):
		}
		if binary.Official {
			if connection, err := net.Dial("tcp", s.Address); err == nil {
				return connection.Close()
			}
			continue
		}
		content, err := os.ReadFile(ready)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading where the embedded Temporal server listens: %w", err)
		}
		return json.Unmarshal(content, s)
	}
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() error {
	err := s.command.Process.Kill()
	<-s.done
	return err
}

// Stop ends the server and waits until it is gone.
func (s *Server) Stop() error {
	_ = s.alive.Close() // closed already when the server is gone
	_ = s.command.Process.Signal(os.Interrupt)
	select {
	case <-s.done:
	case <-time.After(stopTime):
		if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("ending the embedded Temporal server (pid %d): %w", s.command.Process.Pid, err)
		}
		<-s.done
	}
	return os.RemoveAll(s.scratch)
}
