package testsuite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

// shell runs the built command line as people do: in a folder, with an environment.
type shell struct {
	program string
	folder  string
	env     []string
}

// newShell is a shell in a folder that holds the files of a txtar archive.
func newShell(tb testing.TB, files string, env ...string) *shell {
	tb.Helper()
	s := &shell{program: program(tb), folder: tb.TempDir(), env: append(os.Environ(), env...)}
	for _, file := range txtar.Parse([]byte(files)).Files {
		s.write(tb, file.Name, string(file.Data))
	}
	return s
}

// shell is a shell whose commands use the stage's server and database.
func (s *stage) shell(tb testing.TB, files string) *shell {
	tb.Helper()
	return newShell(tb, files, "TEMPORAL_ADDRESS="+s.Address, "TEMPORAL_NAMESPACE="+s.Namespace, "MILLRACE_DATABASE="+s.Database)
}

func (s *shell) write(tb testing.TB, name, text string) {
	tb.Helper()
	path := filepath.Join(s.folder, filepath.FromSlash(name))
	require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(tb, os.WriteFile(path, []byte(text), 0o644))
}

// run runs one command and returns what it printed and its exit code.
func (s *shell) run(tb testing.TB, arguments ...string) (stdout, stderr string, code int) {
	tb.Helper()
	var out, problems bytes.Buffer
	command := exec.CommandContext(tb.Context(), s.program, arguments...)
	command.Dir, command.Env, command.Stdout, command.Stderr = s.folder, s.env, &out, &problems
	err := command.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		require.NoError(tb, err)
	}
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// ok runs a command that has to succeed.
func (s *shell) ok(tb testing.TB, arguments ...string) string {
	tb.Helper()
	stdout, stderr, code := s.run(tb, arguments...)
	require.Zero(tb, code, "millrace %s\n%s%s", strings.Join(arguments, " "), stdout, stderr)
	return stdout
}

// json runs a command with -o json and reads its result.
func (s *shell) json(tb testing.TB, into any, arguments ...string) {
	tb.Helper()
	stdout := s.ok(tb, append(arguments, "-o", "json")...)
	require.NoError(tb, json.Unmarshal([]byte(stdout), into), stdout)
}

// process is a command that keeps running.
type process struct {
	command *exec.Cmd
	said    *logged
	done    chan struct{}
}

// start starts a command that keeps running; it is killed when the test ends.
func (s *shell) start(tb testing.TB, arguments ...string) *process {
	tb.Helper()
	p := &process{command: exec.Command(s.program, arguments...), said: &logged{}, done: make(chan struct{})}
	p.command.Dir, p.command.Env = s.folder, s.env
	p.command.Stdout, p.command.Stderr = p.said, p.said
	require.NoError(tb, p.command.Start())
	go func() {
		_ = p.command.Wait() // the state tells
		close(p.done)
	}()
	tb.Cleanup(func() {
		_ = p.command.Process.Kill() // gone already, as a rule
		<-p.done
	})
	return p
}

// kill ends the process as a crash does.
func (p *process) kill(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, p.command.Process.Kill(), "%s", p.said)
	<-p.done
}

// interrupt sends a Ctrl-C and expects the process to end well.
func (p *process) interrupt(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, p.command.Process.Signal(os.Interrupt))
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(tb, "the process does not end", p.said.String())
	}
	require.Zero(tb, p.command.ProcessState.ExitCode(), p.said.String())
}

// says waits until the process has printed text.
func (p *process) says(tb testing.TB, text string) {
	tb.Helper()
	require.Eventually(tb, func() bool { return strings.Contains(p.said.String(), text) }, patience, 20*time.Millisecond, "%s: %s", text, p.said)
}
