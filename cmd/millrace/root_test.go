package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/examples"
	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// terminal is a place where the real command line is used. No Temporal server answers there.
type terminal struct {
	t           *testing.T
	Folder      string // the working directory
	Stdin       string
	Environment []string
}

func newTerminal(t *testing.T) *terminal {
	folder := t.TempDir()
	return &terminal{t: t, Folder: folder, Environment: []string{
		"TEMPORAL_CONFIG_FILE=" + filepath.Join(folder, "profiles.toml"),
		"TEMPORAL_ADDRESS=127.0.0.1:1",
		"USER=ada",
	}}
}

// newWorkspace is a terminal in a copy of an example workspace.
func newWorkspace(t *testing.T) *terminal {
	term := newTerminal(t)
	workspace, err := fs.Sub(examples.Files, "trial-nurture")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(term.Folder, workspace))
	return term
}

// newPushed is a terminal in a workspace that was pushed.
func newPushed(t *testing.T) *terminal {
	term := newWorkspace(t)
	term.run("push").succeeds()
	return term
}

func (term *terminal) app(args ...string) (a *app, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &app{
		Args: args, Stdin: strings.NewReader(term.Stdin), Stdout: stdout, Stderr: stderr,
		Environment: term.Environment, Folder: term.Folder, Now: time.Now, Kinds: activities.Kinds(),
	}, stdout, stderr
}

// run runs a command line.
func (term *terminal) run(args ...string) outcome {
	term.t.Helper()
	a, stdout, stderr := term.app(args...)
	code := run(term.t.Context(), a)
	return outcome{t: term.t, code: code, stdout: stdout.String(), stderr: stderr.String()}
}

// write writes a file of the workspace.
func (term *terminal) write(name, content string) {
	term.t.Helper()
	require.NoError(term.t, writeFile(filepath.Join(term.Folder, name), []byte(content)))
}

// replace changes a file of the workspace.
func (term *terminal) replace(name, old, new string) {
	term.t.Helper()
	content, err := os.ReadFile(filepath.Join(term.Folder, name))
	require.NoError(term.t, err)
	require.Contains(term.t, string(content), old)
	term.write(name, strings.ReplaceAll(string(content), old, new))
}

// store opens the database of the workspace.
func (term *terminal) store() *store.Store {
	term.t.Helper()
	books, err := store.OpenExisting(term.t.Context(), "sqlite://"+filepath.Join(term.Folder, stateFolder, databaseFile))
	require.NoError(term.t, err)
	term.t.Cleanup(func() { require.NoError(term.t, books.Close()) })
	return books
}

// outcome is what a command line came to.
type outcome struct {
	t              *testing.T
	code           int
	stdout, stderr string
}

// succeeds requires exit code 0.
func (o outcome) succeeds() outcome {
	o.t.Helper()
	require.Zero(o.t, o.code, o.stderr)
	return o
}

// fails requires an exit code, nothing on standard output, and one line on standard error.
func (o outcome) fails(code int, line string) {
	o.t.Helper()
	require.Equal(o.t, code, o.code, o.stderr)
	require.Empty(o.t, o.stdout)
	require.Contains(o.t, o.stderr, line)
	require.Equal(o.t, 1, strings.Count(o.stderr, "\n"), o.stderr)
	require.Equal(o.t, 1, strings.Count(o.stderr, "millrace: "), o.stderr)
}

// decode requires that standard output is one JSON value of the documented form.
func (o outcome) decode(into any) {
	o.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(o.stdout))
	decoder.DisallowUnknownFields()
	require.NoError(o.t, decoder.Decode(into), o.stdout)
	_, err := decoder.Token()
	require.ErrorIs(o.t, err, io.EOF)
	require.NotContains(o.t, o.stdout, "\x1b")
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"chek"}, `unknown command "chek" for "millrace": did you mean "check"?`},
		{"looking back", []string{"simulate", "x.yaml", "--until=-1d"}, `--until "-1d" lies before the start`},
		{"flag without a number", []string{"simulate", "x.yaml", "--seed", "abc"}, `--seed takes a whole number, not "abc"`},
		{"unknown command with flags", []string{"evnt", "x", "--record", "contact/1"}, `did you mean "event"?`},
		{"unknown command of a group", []string{"kinds", "lst"}, `unknown command "lst" for "millrace kinds": did you mean "list"?`},
		{"group alone", []string{"records"}, "needs a command: delete, export, get, import, list, merge, purge, restore, set"},
		{"unknown flag", []string{"push", "--dry-rum"}, "did you mean --dry-run?"},
		{"unknown flag of the root", []string{"--outptu", "json"}, "did you mean --output?"},
		{"flag without value", []string{"kinds", "-o"}, "flag needs an argument"},
		{"form of output", []string{"kinds", "-o", "jsn"}, `write text or json: did you mean "json"?`},
		{"form of another command", []string{"kinds", "-o", "github"}, "write text or json"},
		{"missing argument", []string{"why", "welcome"}, "`millrace why` needs WORKFLOW RECORD"},
		{"too many arguments", []string{"why", "welcome", "contact/1", "contact/2"}, `"contact/2" is too much`},
		{"no arguments", []string{"version", "now"}, `takes no arguments, got "now"`},
		{"record", []string{"why", "welcome", "51"}, `"51" is not a record: write OBJECT/ID, as in contact/51`},
		{"enroll without records", []string{"enroll", "welcome"}, "needs WORKFLOW RECORD... or --file"},
		{"event without record", []string{"event", "page_viewed"}, "needs --record"},
		{"event data", []string{"event", "page_viewed", "--record", "contact/1", "--data", "[1]"}, "is not a JSON object"},
		{"event type", []string{"event", "page viewed", "--record", "contact/1"}, "use letters, digits, underscores, hyphens, dots and colons"},
		{"event to come", []string{"event", "page_viewed", "--record", "contact/1", "--at", "2999-01-01T00:00:00Z"}, "is in the future: an event is something that happened"},
		{"event time", []string{"event", "page_viewed", "--record", "contact/1", "--at", "now"}, "is not an instant"},
		{"shell", []string{"completion", "tcsh"}, `there is nothing for the shell "tcsh": choose bash, zsh, fish or powershell`},
		{"no shell", []string{"completion"}, "`millrace completion` needs bash|zsh|fish|powershell"},
		{"kind like no other", []string{"kinds", "show", "teleport"}, `unknown kind "teleport"; ` + "`millrace kinds list` has them all"},
		{"unknown kind", []string{"kinds", "show", "send_emial"}, `unknown kind "send_emial": did you mean "send_email"?`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			newTerminal(t).run(test.args...).fails(2, test.want)
		})
	}
}

func TestHelpFitsATerminalAndHasAnExample(t *testing.T) {
	t.Parallel()
	a, _, _ := newTerminal(t).app()
	root := newRoot(a)
	var visit func(command *cobra.Command)
	visit = func(command *cobra.Command) {
		if command.Name() == "help" {
			return
		}
		help := newTerminal(t).run(append(strings.Fields(command.CommandPath())[1:], "--help")...).succeeds()
		require.Empty(t, help.stderr)
		_, words, found := strings.Cut(command.Example, "millrace ")
		require.True(t, found, "%s has no example", command.CommandPath())
		if command != root {
			for line := range strings.Lines(help.stdout) {
				require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, "%s: %s", command.CommandPath(), line)
			}
			shown, _, err := root.Find(strings.Fields(words))
			require.NoError(t, err)
			require.True(t, shown == command || shown.Parent() == command, "%s has the example %s", command.CommandPath(), command.Example)
		}
		for _, below := range command.Commands() {
			visit(below)
		}
	}
	visit(root)
}

func TestWithoutACommandTheHelpIsShown(t *testing.T) {
	t.Parallel()
	require.Contains(t, newTerminal(t).run().succeeds().stdout, "See and move records:")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var got versions
	newTerminal(t).run("version", "-o", "json").succeeds().decode(&got)
	require.NotEmpty(t, got.Version)
	require.Positive(t, got.Interpreter)
	require.Contains(t, got.Go, "go1.")
}

func TestKinds(t *testing.T) {
	t.Parallel()
	var got []kindSummary
	newTerminal(t).run("kinds", "list", "-o", "json").succeeds().decode(&got)
	require.Len(t, got, len(activities.Kinds()))
	for _, kind := range got {
		require.NotNil(t, kind.Objects)
		require.Contains(t, kind.Ports, "failed")
	}
	require.Equal(t, newTerminal(t).run("kinds").succeeds(), newTerminal(t).run("kinds", "list").succeeds())

	var details kindDetails
	newTerminal(t).run("kinds", "show", "send_email", "-o", "json").succeeds().decode(&details)
	require.Equal(t, "object", details.Config["type"])
	require.Contains(t, newTerminal(t).run("kinds", "show", "send_email").succeeds().stdout, "## Config")
}

func TestAnErrorIsOneLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a; b", oneLine(usagef("a\nb")))
}

func TestTablesCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table(&out, [][]string{{"HEAD", "B"}, {"\x1b[2J\n", "z"}})
	require.Equal(t, "HEAD   B\n [2J   z\n", out.String())
}

func TestColumnsStayBehindEmptyCells(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table(&out, [][]string{{"A", "B", "NOTE"}, {"one", "", ""}, {"2", "longer", "n"}, {"3", "", "n"}})
	require.Equal(t, "A    B       NOTE\none\n2    longer  n\n3            n\n", out.String())
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	started := time.Now()
	term.run("worker").fails(1, "cannot reach a Temporal server at 127.0.0.1:1 (dial tcp 127.0.0.1:1: connect: connection refused): start one with `millrace dev` or set TEMPORAL_ADDRESS")
	require.Less(t, time.Since(started), 2*dialTime)
	term.run("records", "set", "contact/51", "email=ada@example.com").succeeds()
	term.run("enroll", "trial-nurture", "contact/51").fails(1, "cannot reach a Temporal server at 127.0.0.1:1")
	term.run("unenroll", "trial-nurture", "contact/51").fails(1, "cannot reach a Temporal server at 127.0.0.1:1")
	term.run("dev").fails(1, "cannot reach a Temporal server at 127.0.0.1:1")
}

func TestWrongTemporalSettings(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.Environment = append(term.Environment, "TEMPORAL_PROFILE=production")
	term.run("worker").fails(1, "reading the TEMPORAL_* settings: unable to find profile production")
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	newTerminal(t).run("outbox").fails(1, "no database: run this in a workspace (a folder with millrace.yaml), or name one with --database or MILLRACE_DATABASE")
	newWorkspace(t).run("outbox").fails(1, "run `millrace push` or `millrace dev` first")
	newTerminal(t).run("outbox", "--database", "mysql://x").fails(1, "not a database url: write sqlite://PATH")
}

func TestTheDatabaseIsThatOfTheFlagTheVariableOrTheWorkspace(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	database := "sqlite://" + filepath.Join(term.Folder, stateFolder, databaseFile)
	elsewhere := newTerminal(t)
	elsewhere.run("outbox", "--database", database).succeeds()
	elsewhere.Environment = append(elsewhere.Environment, "MILLRACE_DATABASE="+database)
	elsewhere.run("outbox").succeeds()
	term.Folder = filepath.Join(term.Folder, "workflows")
	term.run("outbox").succeeds()
}

func TestARunningDevIsFound(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	other := newPushed(t)
	state := filepath.Join(term.Folder, stateFolder)
	told := running{Address: "127.0.0.1:2", Namespace: "n", Database: "sqlite://" + filepath.Join(other.Folder, stateFolder, databaseFile)}
	require.NoError(t, tellOthers(state, told))
	_, found := dev(term.Folder)
	require.False(t, found, "nobody holds the lock: it crashed")

	release, err := claim(t.Context(), state)
	require.NoError(t, err)
	require.NoError(t, tellOthers(state, told))
	state1, found := dev(term.Folder)
	require.True(t, found)
	require.Equal(t, told, state1)

	other.run("records", "set", "contact/7", "email=bo@example.com").succeeds()
	term.run("records", "get", "contact/7").succeeds()
	term.run("dev").fails(1, "a `millrace dev` runs for this workspace already")
	release()
	_, found = dev(term.Folder)
	require.False(t, found)
}

func TestTheServerIsThatOfTheEnvironmentARunningDevOrTheProfile(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	options := func(environment ...string) client.Options {
		a, _, _ := term.app()
		a.Environment = append([]string{term.Environment[0]}, environment...)
		options, err := a.temporalOptions()
		require.NoError(t, err)
		return options
	}
	address := func(environment ...string) string { return options(environment...).HostPort }
	require.Equal(t, usualAddress, address())
	term.write("profiles.toml", "[profile.default]\naddress = \"profile:1\"\n[profile.other]\naddress = \"other:1\"\n")
	require.Equal(t, "profile:1", address())

	state := filepath.Join(term.Folder, stateFolder)
	require.NoError(t, makeStateFolder(state))
	release, err := claim(t.Context(), state)
	require.NoError(t, err)
	defer release()
	require.NoError(t, tellOthers(state, running{Address: "dev:1", Namespace: "default"}))
	require.Equal(t, "dev:1", address())
	require.Equal(t, "default", options().Namespace)
	require.Equal(t, "dev:1 other", address("TEMPORAL_NAMESPACE=other")+" "+options("TEMPORAL_NAMESPACE=other").Namespace)
	require.Equal(t, "other:1", address("TEMPORAL_PROFILE=other"))
	require.Equal(t, "named:1", address("TEMPORAL_ADDRESS=named:1"))
}

func TestNobodyElseLooksIntoTheState(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	state := filepath.Join(term.Folder, stateFolder)
	require.NoError(t, os.Mkdir(state, 0o755)) // by an earlier version
	term.run("push").succeeds()
	info, err := os.Stat(state)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
}

func TestOneDevAtATime(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	release, err := claim(t.Context(), state)
	require.NoError(t, err)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = claim(canceled, state)
	require.ErrorContains(t, err, "already")
	release()
	release, err = claim(t.Context(), state)
	require.NoError(t, err)
	release()
}
