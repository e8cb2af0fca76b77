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
func newShell(t *testing.T, files string, env ...string) *shell {
	t.Helper()
	s := &shell{program: program(t), folder: t.TempDir(), env: append(os.Environ(), env...)}
	for _, file := range txtar.Parse([]byte(files)).Files {
		s.write(t, file.Name, string(file.Data))
	}
	return s
}

// shell is a shell whose commands use the stage's server and database.
func (s *stage) shell(t *testing.T, files string) *shell {
	t.Helper()
	return newShell(t, files, "TEMPORAL_ADDRESS="+s.Address, "TEMPORAL_NAMESPACE="+s.Namespace, "MILLRACE_DATABASE="+s.Database)
}

func (s *shell) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.folder, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// run runs one command and returns what it printed and its exit code.
func (s *shell) run(t *testing.T, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, problems bytes.Buffer
	command := exec.CommandContext(t.Context(), s.program, arguments...)
	command.Dir, command.Env, command.Stdout, command.Stderr = s.folder, s.env, &out, &problems
	err := command.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		require.NoError(t, err)
	}
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// ok runs a command that has to succeed.
func (s *shell) ok(t *testing.T, arguments ...string) string {
	t.Helper()
	stdout, stderr, code := s.run(t, arguments...)
	require.Zero(t, code, "millrace %s\n%s%s", strings.Join(arguments, " "), stdout, stderr)
	return stdout
}

// json runs a command with -o json and reads its result.
func (s *shell) json(t *testing.T, into any, arguments ...string) {
	t.Helper()
	stdout := s.ok(t, append(arguments, "-o", "json")...)
	require.NoError(t, json.Unmarshal([]byte(stdout), into), stdout)
}

// process is a command that keeps running.
type process struct {
	command *exec.Cmd
	said    *logged
	done    chan struct{}
}

// start starts a command that keeps running; it is killed when the test ends.
func (s *shell) start(t *testing.T, arguments ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(s.program, arguments...), said: &logged{}, done: make(chan struct{})}
	p.command.Dir, p.command.Env = s.folder, s.env
	p.command.Stdout, p.command.Stderr = p.said, p.said
	require.NoError(t, p.command.Start())
	go func() {
		_ = p.command.Wait() // the state tells
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill() // gone already, as a rule
		<-p.done
	})
	return p
}

// kill ends the process as a crash does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.command.Process.Kill())
	<-p.done
}

// interrupt sends a Ctrl-C and expects the process to end well.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(os.Interrupt))
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(t, "the process does not end", p.said.String())
	}
	require.Zero(t, p.command.ProcessState.ExitCode(), p.said.String())
}

// says waits until the process has printed text.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.said.String(), text) }, patience, 20*time.Millisecond, "%s: %s", text, p.said)
}
