// Package e2e tests the millrace-devserver binary from outside.
package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

// binary is the path of the millrace-devserver under test: the one that
// MILLRACE_DEVSERVER names, or else one built for this run.
var binary = os.Getenv("MILLRACE_DEVSERVER")

func TestMain(m *testing.M) {
	if binary != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "millrace-devserver-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "millrace-devserver")
	build := exec.Command("go", "build", "-trimpath", "-tags", "disable_grpc_modules", "-ldflags", "-s -w", "-o", binary, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	code := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build millrace-devserver: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// server is a running millrace-devserver, and what its ready file says.
type server struct {
	Address   string `json:"address"`
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
	PID       int    `json:"pid"`

	cmd       *exec.Cmd
	stdin     io.Closer
	stdout    bytes.Buffer
	stderr    bytes.Buffer
	readyFile string
	exited    chan struct{}
}

// start runs a server as a parent process would, and waits until it is ready.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{readyFile: filepath.Join(t.TempDir(), "ready.json"), exited: make(chan struct{})}
	args = append([]string{"server", "start-dev", "--port", "0", "--ready-file", s.readyFile, "--exit-on-stdin-close"}, args...)
	s.cmd = exec.Command(binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	stdin, err := s.cmd.StdinPipe()
	require.NoError(t, err)
	s.stdin = stdin
	require.NoError(t, s.cmd.Start())
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.stdin.Close()
		select {
		case <-s.exited:
		case <-time.After(10 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
	})

	require.Eventually(t, func() bool {
		text, err := os.ReadFile(s.readyFile)
		return err == nil && json.Unmarshal(text, s) == nil
	}, 30*time.Second, 20*time.Millisecond, "the ready file never came")
	return s
}

// wait returns the exit code of the server, which is to end by itself.
func (s *server) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the server did not end")
	}
	return s.cmd.ProcessState.ExitCode()
}

// kill ends the server as kill -9 does.
func (s *server) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGKILL))
	s.wait(t)
}

// dial connects to the server, with the options given.
func (s *server) dial(t *testing.T, options client.Options) client.Client {
	t.Helper()
	options.HostPort, options.Namespace = s.Address, s.Namespace
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// work runs a worker with some workflows on the queue named after the test.
func work(t *testing.T, c client.Client, workflows ...any) (queue string) {
	t.Helper()
	w := worker.New(c, t.Name(), worker.Options{})
	for _, workflow := range workflows {
		w.RegisterWorkflow(workflow)
	}
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return t.Name()
}
