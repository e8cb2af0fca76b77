package testsuite_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// smallDisk mounts a file system of so many megabytes where only a process of its own sees it. It returns the folder
// there, the way to it from here, and a program that runs ours there.
func smallDisk(t *testing.T, megabytes int) (folder, outside, within string) {
	t.Helper()
	folder = t.TempDir()
	script := fmt.Sprintf(`mount -t tmpfs -o size=%dm small "$0" && echo ready && read -r end`, megabytes)
	command := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "sh", "-c", script, folder)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	command.Stderr = os.Stderr
	require.NoError(t, command.Start(), "util-linux has unshare")
	t.Cleanup(func() {
		require.NoError(t, stdin.Close())
		_ = command.Wait() // reading nothing, it ends with 1
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the kernel lets this user mount in a namespace of its own")
	require.Equal(t, "ready\n", line)
	within = filepath.Join(t.TempDir(), "millrace")
	enter := fmt.Sprintf("#!/bin/sh\nexec nsenter --target %d --user --mount --preserve-credentials --wd=/ -- %s \"$@\"\n", command.Process.Pid, program(t))
	require.NoError(t, os.WriteFile(within, []byte(enter), 0o755)) //nolint:gosec // it is to be run
	return folder, filepath.Join("/proc", fmt.Sprint(command.Process.Pid), "root", folder), within
}

// fill leaves no room on the disk of a folder, until what it returns is called.
func fill(t *testing.T, folder string) (empty func()) {
	t.Helper()
	ballast, err := os.Create(filepath.Join(folder, "ballast"))
	require.NoError(t, err)
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = ballast.Write(make([]byte, size))
		}
		require.True(t, errors.Is(err, syscall.ENOSPC) || errors.Is(err, io.ErrShortWrite), err)
	}
	require.NoError(t, ballast.Close())
	return func() { require.NoError(t, os.Remove(ballast.Name())) }
}

// TestDiskThatIsFullHoldsEverybodyAndLosesNobody fills the disk that our database lies on under one who is in the
// middle of a journey, one who waits and one who enters.
func TestDiskThatIsFullHoldsEverybodyAndLosesNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t, "-- workflows/other.yaml --\nworkflow: other\nobject: contact\nactions: [{id: done, delay_set_amount: {for: 1s}}]\n") // for its namespace
	folder, outside, within := smallDisk(t, 64)
	s.Database = "sqlite://" + filepath.Join(folder, "millrace.db")
	shell := s.shell(t, "")
	shell.program = within
	workspace := newShell(t, "-- millrace.yaml --\n"+waitForPage).folder
	require.NoError(t, os.CopyFS(filepath.Join(outside, "workspace"), os.DirFS(workspace)))
	shell.ok(t, "push", filepath.Join(folder, "workspace")) // the last one out empties the log, or it would be room to write into
	for _, contact := range []string{"contact/1", "contact/2", "contact/3"} {
		shell.ok(t, "records", "set", contact, "city=Rome")
	}
	shell.start(t, "worker")
	shell.ok(t, "enroll", "journey", "contact/1", "contact/2")
	inside, waits := s.GetWorkflow(t.Context(), "enrollment/journey/contact/1", ""), s.GetWorkflow(t.Context(), "enrollment/journey/contact/2", "")
	s.arrives(t, inside, "wait")
	s.arrives(t, waits, "wait")

	empty := fill(t, outside)
	s.signalRaw(t, inside, "event", `{"type":"page_viewed"}`)
	enters := s.startRaw(t, "enrollment/journey/contact/3", `{"workflow":"journey","record":"contact/3"}`)
	for _, run := range []client.WorkflowRun{inside, enters} {
		held := s.attempts(t, run.GetID(), 3)
		require.Contains(t, held.GetLastFailure().GetMessage(), "the disk is full: make room and try again")
	}
	stdout, stderr, code := shell.run(t, "event", "page_viewed", "--record", "contact/2")
	require.Equal(t, 1, code, "%s%s", stdout, stderr)
	require.Contains(t, stderr, "the disk is full: make room and try again")
	empty()

	s.arrives(t, enters, "wait")
	shell.ok(t, "event", "page_viewed", "--record", "contact/2")
	shell.ok(t, "event", "page_viewed", "--record", "contact/3")
	for contact, run := range map[string]client.WorkflowRun{"contact/1": inside, "contact/2": waits, "contact/3": enters} {
		s.ends(t, run)
		var entries []plan.Entry
		shell.json(t, &entries, "history", "journey", contact)
		var told []string
		for _, entry := range entries {
			told = append(told, entry.Event)
		}
		require.Equal(t, []string{"enrolled", "delay_started", "delay_ended", "action_succeeded", "completed"}, told, contact)
	}
}
