package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

func TestInitWritesWorkspacesThatWork(t *testing.T) {
	t.Parallel()
	require.Contains(t, templates(), usualTemplate)
	for _, template := range templates() {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			term := newTerminal(t)
			var made initialized
			term.run("init", "mine", "--template", template, "-o", "json").succeeds().decode(&made)
			require.Equal(t, template, made.Template)
			require.Contains(t, made.Files, "millrace.yaml")
			term.Folder = made.Folder
			require.Empty(t, term.run("check").succeeds().stderr)
			definitions, err := filepath.Glob(filepath.Join(term.Folder, "workflows", "*.yaml"))
			require.NoError(t, err)
			for _, definition := range definitions {
				var shown testsuite.Simulated
				term.run("simulate", definition, "-o", "json").succeeds().decode(&shown)
				require.NotEmpty(t, shown.Steps)
			}
			term.run("test").succeeds()
			term.run("push").succeeds()
		})
	}
}

func TestInitBeginsInAnEmptyFolderOnly(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.write(".git/HEAD", "ref: refs/heads/main\n")
	require.Contains(t, term.run("init").succeeds().stdout, "workflows/welcome.yaml\n")
	require.DirExists(t, filepath.Join(term.Folder, ".git"))
	term.run("init").fails(1, "is not empty: name a new folder")
	term.run("init", "emails").fails(1, "emails is not empty")
	term.run("init", "millrace.yaml").fails(1, "making a workspace: ")
	term.run("init", "other", "--template", "minimum").fails(2, `there is no template "minimum": did you mean "minimal"?`)
	term.run("init", "other", "--template", "zzz").fails(2, "choose minimal or trial-nurture")
	_, err := os.Stat(filepath.Join(term.Folder, "other"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
