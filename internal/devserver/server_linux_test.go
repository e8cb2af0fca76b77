package devserver

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const official = "MILLRACE_TEST_OFFICIAL"

// TestParentOfAnOfficialServer is the process that TestOfficialServerEndsWithItsParent kills.
func TestParentOfAnOfficialServer(t *testing.T) {
	t.Parallel()
	path := os.Getenv(official)
	if path == "" {
		return // it is the parent process of the test below, which names one
	}
	_, err := Start(t.Context(), Options{Binary: Binary{Path: path, Official: true}})
	require.NoError(t, err)
}

func TestOfficialServerEndsWithItsParent(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	script := filepath.Join(folder, "temporal")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho $$ > "+folder+"/new && mv "+folder+"/new "+folder+"/pid\nexec sleep 60\n"), 0o755))
	parent := exec.Command(os.Args[0], "-test.run=^TestParentOfAnOfficialServer$")
	parent.Env = append(os.Environ(), official+"="+script, "TMPDIR="+folder)
	require.NoError(t, parent.Start())
	var pid int
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(filepath.Join(folder, "pid"))
		pid, _ = strconv.Atoi(string(bytes.TrimSpace(content)))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // gone, if the test passes
	runs := func() bool {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return err == nil && !bytes.Contains(status, []byte(") Z "))
	}
	require.Never(t, func() bool { return !runs() }, 300*time.Millisecond, 10*time.Millisecond, "it lives as long as its parent")
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait() // killed
	require.Eventually(t, func() bool { return !runs() }, 10*time.Second, 10*time.Millisecond)
}
