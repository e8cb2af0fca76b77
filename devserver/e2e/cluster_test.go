package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// cluster is a PostgreSQL server of one test. It waits for no disk, yet a kill
// loses nothing that was committed.
type cluster struct {
	dir    string
	port   string
	cmd    *exec.Cmd
	exited chan struct{}
}

// startCluster starts PostgreSQL from the programs that are installed.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-devserver-postgres-") // another user has no way into t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	c := &cluster{dir: dir, port: port}
	out, err := c.command(t, "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput()
	require.NoError(t, err, "%s", out)
	c.start(t)
	t.Cleanup(func() { c.kill(t) })
	return c
}

// command is one of PostgreSQL's programs, which refuse to be run by root.
func (c *cluster) command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err != nil && len(installed) > 0 {
		path, err = installed[len(installed)-1], nil
	}
	require.NoError(t, err, "this test needs PostgreSQL, which is Debian's package postgresql")
	cmd := exec.Command(path, args...)
	cmd.Dir = c.dir
	if os.Geteuid() == 0 {
		account, err := user.Lookup("postgres")
		require.NoError(t, err)
		uid, err := strconv.Atoi(account.Uid)
		require.NoError(t, err)
		require.NoError(t, os.Chown(c.dir, uid, -1))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid)}}
	}
	return cmd
}

// start returns once the server answers. What is left of a killed one may end
// a new one at first.
func (c *cluster) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c.launch(t)
	for {
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err == nil {
			require.NoError(t, conn.Close(ctx))
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, err)
		case <-c.exited:
			c.launch(t)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *cluster) launch(t *testing.T) {
	t.Helper()
	cmd, exited := c.command(t, "postgres", "-D", "data", "-p", c.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"), make(chan struct{})
	require.NoError(t, cmd.Start())
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	c.cmd, c.exited = cmd, exited
}

// kill ends the server as kill -9 does.
func (c *cluster) kill(t *testing.T) {
	t.Helper()
	_ = c.cmd.Process.Kill() // gone already, perhaps
	<-c.exited
}

// url names a database.
func (c *cluster) url(database string) string {
	return "postgres://postgres@127.0.0.1:" + c.port + "/" + database
}

// exec runs a statement in a database.
func (c *cluster) exec(t *testing.T, database, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.url(database))
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}
