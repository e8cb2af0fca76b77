package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestReferenceOfCommandsIsFresh compares docs/reference/commands.md with what the commands say about themselves.
func TestReferenceOfCommandsIsFresh(t *testing.T) {
	t.Parallel()
	a, _, _ := newTerminal(t).app()
	root := newRoot(a)
	var out strings.Builder
	out.WriteString(`# Commands

Written by ` + "`go test ./cmd/millrace -run TestReference -update`" + ` from the commands themselves; do not edit.

` + root.Long + `

Every command has ` + "`--output text|json`" + `, ` + "`-o`" + ` for short: with json there is one documented value on standard output and nothing else. Notes, progress and
errors go to standard error. Exit codes: 0 done, 1 failed or problems found, 2 wrong usage, 3 imported with placeholders.
` + "`NO_COLOR`" + ` turns colours off.
`)
	for _, group := range root.Groups() {
		fmt.Fprintf(&out, "\n%s\n\n| command | |\n|---|---|\n", group.Title)
		for _, command := range root.Commands() {
			if command.GroupID == group.ID {
				fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", command.Name(), anchor(command), command.Short)
			}
		}
	}
	for _, command := range root.Commands() {
		if command.Name() != "help" {
			describeCommand(t, &out, command)
		}
	}
	golden.Equal(t, filepath.Join("..", "..", "docs", "reference", "commands.md"), out.String())
}

// describeCommand writes the help of a command and of those below, without what all commands have in common.
func describeCommand(t *testing.T, out *strings.Builder, command *cobra.Command) {
	help := newTerminal(t).run(append(strings.Fields(command.CommandPath())[1:], "--help")...).succeeds().stdout
	help, _, found := strings.Cut(help, "\nFlags of every command:\n")
	require.True(t, found || command.Flags().Lookup("output") != nil, command.CommandPath())
	fmt.Fprintf(out, "\n## %s\n\n```text\n%s\n```\n", command.CommandPath(), strings.TrimSpace(help))
	for _, below := range command.Commands() {
		describeCommand(t, out, below)
	}
}

// anchor is the fragment under which Markdown finds the section of a command.
func anchor(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}
