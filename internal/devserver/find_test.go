package devserver

import (
	"os"
	"path/filepath"
	"testing"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/stretchr/testify/require"
)

func TestFindTakesTheProgramThatIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.WriteFile(path, nil, 0o755))
	t.Setenv(variable, path)
	binary, err := Find(t.Context(), os.Stderr, true)
	require.NoError(t, err)
	require.Equal(t, Binary{Path: path}, binary)
}

func TestFindSaysThatTheNamedProgramIsMissing(t *testing.T) {
	t.Setenv(variable, filepath.Join(t.TempDir(), "nothing"))
	_, err := Find(t.Context(), os.Stderr, true)
	require.ErrorContains(t, err, "MILLRACE_DEVSERVER does not name a program")
}

func TestFingerprintChangesWithTheSourcesAlone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	write("main.go", "package main")
	write("go.mod", "module x")
	first, err := fingerprint(folder)
	require.NoError(t, err)
	write("README.md", "words")
	write("main_test.go", "package main")
	same, err := fingerprint(folder)
	require.NoError(t, err)
	require.Equal(t, first, same)
	write("main.go", "package main // changed")
	other, err := fingerprint(folder)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

func TestStartSaysWhatTheServerSaidWhenItDoesNotComeUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho the disk is full >&2\nexit 1\n"), 0o755))
	_, err := Start(t.Context(), Options{Binary: Binary{Path: path}})
	require.ErrorContains(t, err, "ended while starting")
	require.ErrorContains(t, err, "the disk is full")
}
