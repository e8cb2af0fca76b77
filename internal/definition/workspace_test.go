package definition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/internal/golden"
	"github.com/stretchr/testify/require"
)

// TestWorkspaceOfTheLanguage reads a workspace around the definition that the language documents.
func TestWorkspaceOfTheLanguage(t *testing.T) {
	t.Parallel()
	workspace := testWorkspace(t)
	require.Equal(t, "Europe/Rome", workspace.Account.TimeZone)
	require.Equal(t, []string{"thanks", "welcome"}, must(workspace.names("email")))
	require.Equal(t, []string{"customers", "do-not-contact", "fleet", "partners"}, must(workspace.names("list")))
	require.Equal(t, []string{"ada", "ada@hillwater.example"}, must(workspace.names("user")))
	require.Equal(t, []string{"enterprise-sales"}, workspace.Teams)
	require.Equal(t, []string{"onboarding", "trial-nurture"}, must(workspace.names("workflow")))
	require.Contains(t, workspace.Assets, "emails/welcome.md")
	property, declared := workspace.Catalog.Property("contact", "employees")
	require.True(t, declared)
	require.EqualValues(t, "number", property.Type)

	compiled, problems := Compile(workspace.Definition("trial-nurture"), workspace)
	require.Empty(t, problems)
	require.Equal(t, []string{"score"}, compiled.Nodes["thanks"].Reads, "the e-mail reads the score")
	require.True(t, compiled.Nodes["score"].Keep)
	require.Nil(t, workspace.Definition("nowhere"))
}

func must(names []string, listed bool) []string {
	if !listed {
		return []string{"not listed"}
	}
	return names
}

func TestBadWorkspace(t *testing.T) {
	t.Parallel()
	workspace, problems, err := ReadWorkspace(os.DirFS("testdata/badworkspace"), testKinds())
	require.NoError(t, err)
	var out strings.Builder
	problems.Print(&out, workspace.Assets, false)
	golden.Equal(t, "testdata/badworkspace.txt", out.String())
}

func TestWorkspaceNeedsItsFile(t *testing.T) {
	t.Parallel()
	_, _, err := ReadWorkspace(fstest.MapFS{"workflows/a.yaml": {Data: []byte("workflow: a")}}, testKinds())
	require.ErrorContains(t, err, "millrace.yaml is missing")
}

func TestWorkspaceLimitsItsFiles(t *testing.T) {
	t.Parallel()
	workspace, problems, err := ReadWorkspace(fstest.MapFS{
		WorkspaceFile: {}, "emails/huge.html": {Data: make([]byte, maxAsset+1)}, "pictures/logo.png": {Data: []byte{0xff}},
	}, testKinds())
	require.NoError(t, err)
	require.Len(t, problems, 1)
	require.Equal(t, "too-large", problems[0].Code)
	require.Contains(t, workspace.Assets, "pictures/logo.png")
}

func TestActiveListsAreChecked(t *testing.T) {
	t.Parallel()
	list := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	workspace, problems, err := ReadWorkspace(fstest.MapFS{
		WorkspaceFile: {}, "lists/static.yaml": list("name: Some"), "lists/vip.yaml": list("list: vip\nobject: contact\nfilter: {property: score, gte: 50}"),
		"lists/a.yaml":    list("filter: {any: [{list: vip}, {list: b}]}"),
		"lists/b.yaml":    list("filter: {not: {associated: company, where: {list: c}}}"),
		"lists/c.yaml":    list("object: company\nfilter: {list: a}"),
		"lists/self.yaml": list("filter: {list: self}"),
		"lists/odd.yaml":  list("list: even\nfilter: {all: [{property: scroe, gt: 1}, {list: vipp}]}"),
	}, testKinds())
	require.NoError(t, err)
	var messages []string
	for _, problem := range problems {
		require.Positive(t, problem.Line)
		messages = append(messages, problem.File+" "+problem.Message+" "+problem.Hint)
	}
	require.ElementsMatch(t, []string{
		`lists/a.yaml who is on the list "a" depends on who is on it: a → b → c → a take one of these lists out of the filter of the one before`,
		`lists/b.yaml who is on the list "b" depends on who is on it: b → c → a → b take one of these lists out of the filter of the one before`,
		`lists/c.yaml who is on the list "c" depends on who is on it: c → a → b → c take one of these lists out of the filter of the one before`,
		`lists/self.yaml who is on the list "self" depends on who is on it: self → self take one of these lists out of the filter of the one before`,
		`lists/odd.yaml this is the file of the list "odd", not of "even" leave ` + "`list`" + ` out, or rename the file`,
		`lists/odd.yaml contact has no property "scroe" did you mean "score"?`,
		`lists/odd.yaml there is no list "vipp" in the workspace did you mean "vip"?`,
	}, messages)
	active, is := workspace.Catalog.ActiveList("vip")
	require.True(t, is)
	require.Equal(t, "contact", active.Object)
	_, is = workspace.Catalog.ActiveList("static")
	require.False(t, is)
}

func TestTeamsNeedNoDeclaration(t *testing.T) {
	t.Parallel()
	workspace, problems, err := ReadWorkspace(fstest.MapFS{
		WorkspaceFile: {}, "users.yaml": {Data: []byte("users: [{id: ada, team: sales, teams: [service, sales]}]")},
	}, testKinds())
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, []string{"sales", "service"}, workspace.Teams)
}

func TestCheckPathLooksForTheWorkspace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	definition := []byte("workflow: w\nobject: contact\nactions: [{id: a, send_email: {email: missing}}]\n")
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, content, 0o644))
		return path
	}
	outside := write("outside/w.yaml", definition)
	inside := write("shop/workflows/w.yaml", definition)
	draft := write("shop/drafts/new/d.yaml", definition)
	broken := write("shop/workflows/broken.yaml", []byte("workflow: b\n"))
	write("shop/"+WorkspaceFile, nil)

	checked, err := CheckPath(outside, testKinds())
	require.NoError(t, err)
	require.Empty(t, checked.Diagnostics)
	require.Nil(t, checked.Workspace)
	require.Equal(t, "w", checked.File.Workflow.Text)

	for _, path := range []string{inside, draft} {
		checked, err = CheckPath(path, testKinds())
		require.NoError(t, err)
		require.Len(t, checked.Diagnostics, 1, "nothing of other files")
		require.Equal(t, "unknown-email", checked.Diagnostics[0].Code)
		require.Equal(t, path, checked.Diagnostics[0].File)
		require.Equal(t, definition, checked.Sources[path])
	}

	checked, err = CheckPath(filepath.Join(dir, "shop"), testKinds())
	require.NoError(t, err)
	require.Len(t, checked.Diagnostics, 3)
	require.Equal(t, broken, checked.Diagnostics[0].File)
	require.Equal(t, []byte("workflow: b\n"), checked.Sources[broken])

	_, err = CheckPath(filepath.Join(dir, "outside"), testKinds())
	require.ErrorContains(t, err, "no workspace")
	_, err = CheckPath(filepath.Join(dir, "nowhere"), testKinds())
	require.ErrorIs(t, err, os.ErrNotExist)
}
