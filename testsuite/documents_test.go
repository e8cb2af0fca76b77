package testsuite_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
)

// document is a page that people read; its name is its path in the repository.
type document struct{ name, text string }

// block is a fenced part of a document.
type block struct {
	at       string // document:line
	language string
	text     string
}

func documents(t *testing.T) []document {
	t.Helper()
	names := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "devserver/README.md"}
	require.NoError(t, filepath.WalkDir("../docs", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".md" {
			names = append(names, strings.TrimPrefix(filepath.ToSlash(name), "../"))
		}
		return err
	}))
	var found []document
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err)
		found = append(found, document{name, string(content)})
	}
	return found
}

// parts splits a document into its fenced blocks and, line by line, the rest.
func (d document) parts() (blocks []block, prose string) {
	var rest strings.Builder
	var open *block
	for number, line := range strings.Split(d.text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{at: fmt.Sprintf("%s:%d", d.name, number+1), language: language}
		case fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line + "\n"
		default:
			rest.WriteString(line + "\n")
		}
	}
	return blocks, rest.String()
}

func blocksOf(t *testing.T, language string) []block {
	t.Helper()
	var found []block
	for _, document := range documents(t) {
		blocks, _ := document.parts()
		for _, block := range blocks {
			if block.language == language {
				found = append(found, block)
			}
		}
	}
	require.NotEmpty(t, found, language)
	return found
}

// TestLinksOfTheDocumentsLeadSomewhere looks for files and headings.
func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	headings := map[string]map[string]bool{}
	for _, document := range documents(t) {
		headings[document.name] = document.anchors()
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, document := range documents(t) {
		_, prose := document.parts()
		for _, found := range link.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(found[1], "#")
			target := path.Join(path.Dir(document.name), file)
			if file == "" {
				target = document.name
			}
			require.True(t, filepath.IsLocal(target), "%s: %s leads out of the repository", document.name, found[1])
			_, err := os.Stat(filepath.Join("..", target))
			require.NoError(t, err, "%s: %s", document.name, found[1])
			if anchor != "" {
				require.True(t, headings[target][anchor], "%s: there is no heading %s", document.name, found[1])
			}
		}
	}
}

// anchors are the names of the document's headings in links.
func (d document) anchors() map[string]bool {
	_, prose := d.parts()
	found := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(prose, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// TestYAMLOfTheDocumentsIsRight checks definitions and settings as `millrace check` does; of anything else, that
// it can be read.
func TestYAMLOfTheDocumentsIsRight(t *testing.T) {
	t.Parallel()
	for _, block := range blocksOf(t, "yaml") {
		var problems schema.Diagnostics
		switch {
		case strings.HasPrefix(block.text, "workflow:"):
			file, found := definition.Read(block.at+".yaml", []byte(block.text), activities.Kinds())
			problems = append(found, file.Check(nil)...)
		case strings.HasPrefix(block.text, "# "+definition.WorkspaceFile+"\n"):
			_, found, err := definition.ReadWorkspace(fstest.MapFS{definition.WorkspaceFile: {Data: []byte(block.text)}}, activities.Kinds())
			require.NoError(t, err)
			problems = found
		default:
			_, problems = schema.Parse(block.at+".yaml", []byte(block.text))
		}
		require.False(t, problems.HasErrors(), "%s: %v", block.at, problems)
	}
}

func TestJSONOfTheDocumentsIsRight(t *testing.T) {
	t.Parallel()
	for _, block := range blocksOf(t, "json") {
		require.True(t, json.Valid([]byte(block.text)), block.at)
	}
}

// TestTestsThatTheDocumentsNameAreThere: who reads that something is shown by a test shall find it.
func TestTestsThatTheDocumentsNameAreThere(t *testing.T) {
	t.Parallel()
	declared := declaredTests(t)
	for _, document := range documents(t) {
		_, prose := document.parts()
		for _, found := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(prose, -1) {
			require.True(t, declared[found[1]], "%s: there is no %s", document.name, found[1])
		}
	}
}

// declaredTests are the names of all tests.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	require.NoError(t, filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		content, err := os.ReadFile(name)
		for _, found := range function.FindAllStringSubmatch(string(content), -1) {
			declared[found[1]] = true
		}
		return err
	}))
	return declared
}

// TestArchitectureTellsTheBudgets compares its table with budgets.txt.
func TestArchitectureTellsTheBudgets(t *testing.T) {
	t.Parallel()
	told := map[string]string{}
	for _, document := range documents(t) {
		if document.name == "docs/architecture.md" {
			for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)`: .* \\| (\\d+) \\|$").FindAllStringSubmatch(document.text, -1) {
				told[row[1]] = row[2]
			}
		}
	}
	budgets, err := os.ReadFile("budgets.txt")
	require.NoError(t, err)
	kept := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^([a-z-]+)\s+(\d+)`).FindAllStringSubmatch(string(budgets), -1) {
		kept[line[1]] = line[2]
	}
	require.Equal(t, kept, told)
}

// TestOperationsTellEverySetting looks for the variables that the programs read.
func TestOperationsTellEverySetting(t *testing.T) {
	t.Parallel()
	variable := regexp.MustCompile(`"(MILLRACE_[A-Z_]*[A-Z])"`)
	told, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "test.go") { // what only tests read is no setting
			return err
		}
		content, err := os.ReadFile(name)
		for _, found := range variable.FindAllStringSubmatch(string(content), -1) {
			if !strings.Contains(string(told), "`"+found[1]+"`") {
				require.Fail(t, "docs/operations.md does not tell of "+found[1], "which %s reads", name)
			}
		}
		return err
	}))
	for name, kind := range worker.AttributeTypes() {
		require.Regexp(t, `--name `+name+`\s+--type `+kind+`\b`, string(told))
	}
}

// TestCommandsOfTheDocumentsExist looks at every command of a console block, and at those that prose names.
func TestCommandsOfTheDocumentsExist(t *testing.T) {
	t.Parallel()
	compose, _ := readComposition(t)
	reader := commandReader{T: t, compose: compose, program: program(t), helps: map[string]*help{}}
	for _, block := range blocksOf(t, "console") {
		for _, line := range commands(block) {
			reader.at = block.at + ": " + line
			reader.read(words(t, line))
		}
	}
	for _, document := range documents(t) {
		if strings.HasPrefix(document.name, "docs/decisions/") {
			continue // they tell what was, and what is to come
		}
		_, prose := document.parts()
		for _, found := range regexp.MustCompile("`(millrace [a-z][^`]*)`").FindAllStringSubmatch(strings.ReplaceAll(prose, "\n", " "), -1) {
			reader.at = document.name + ": " + found[1]
			reader.read(words(t, found[1]))
		}
	}
}

// commands are the lines of a console block that somebody types. A backslash at its end continues a line.
func commands(b block) (lines []string) {
	scanner := bufio.NewScanner(strings.NewReader(b.text))
	for continued := false; scanner.Scan(); {
		line, typed := strings.CutPrefix(scanner.Text(), "$ ")
		switch {
		case typed:
			lines = append(lines, line)
		case continued:
			lines[len(lines)-1] += strings.TrimSpace(line)
		default:
			continue
		}
		last := &lines[len(lines)-1]
		*last, continued = strings.CutSuffix(*last, `\`)
	}
	return lines
}

// words splits a command line as a shell does, without expansions, and drops its comment.
func words(t *testing.T, line string) (found []string) {
	t.Helper()
	var word strings.Builder
	quote, inside := rune(0), false
	for _, sign := range line + " " {
		switch {
		case quote != 0 && sign == quote:
			quote = 0
		case quote == 0 && (sign == '\'' || sign == '"'):
			quote, inside = sign, true
		case quote == 0 && sign == ' ':
			if inside {
				found = append(found, word.String())
			}
			inside = false
			word.Reset()
		case quote == 0 && sign == '#' && !inside:
			require.NotEmpty(t, found, line)
			return found
		default:
			inside = true
			word.WriteRune(sign)
		}
	}
	require.Zero(t, quote, "%s: a quote is open", line)
	require.NotEmpty(t, found, line)
	return found
}

// commandReader looks whether what a command line names is there.
type commandReader struct {
	*testing.T
	compose composition
	program string
	at      string

	mu    sync.Mutex
	helps map[string]*help
}

// others are programs that no test looks into.
var others = []string{"cd", "cp", "createdb", "export", "pg_dump", "pg_restore", "psql", "sqlite3", "kill", "millrace-devserver", "systemctl"}

func (r *commandReader) read(words []string) {
	for strings.Contains(words[0], "=") { // NAME=value before a command
		words = words[1:]
	}
	if next := slices.IndexFunc(words, func(word string) bool { return word == "|" || word == "&&" || word == ">" }); next >= 0 {
		if words[next] != ">" {
			r.read(words[next+1:])
		}
		words = words[:next]
	}
	switch command := words[0]; command {
	case "millrace":
		r.millrace(words[1:])
	case "go":
		r.toolchain(words[1:])
	case "docker":
		r.docker(words[1:])
	case "temporal":
		r.temporal(words[1:])
	default:
		require.Contains(r, others, command, r.at)
	}
}

func (r *commandReader) toolchain(words []string) {
	require.Contains(r, []string{"run", "test", "install", "build"}, words[0], r.at)
	for i, word := range words {
		folder, local := strings.CutPrefix(word, "./")
		if !local || folder == "..." {
			continue
		}
		info, err := os.Stat(filepath.Join("..", folder))
		require.NoError(r, err, r.at)
		require.True(r, info.IsDir(), r.at)
		if words[0] == "run" && folder == "cmd/millrace" {
			r.millrace(words[i+1:])
		}
	}
}

func (r *commandReader) docker(words []string) {
	switch {
	case words[0] == "build":
		target := slices.Index(words, "--target")
		if target > 0 {
			dockerfile, err := os.ReadFile("../Dockerfile")
			require.NoError(r, err)
			require.Contains(r, string(dockerfile), " AS "+words[target+1]+"\n", r.at)
		}
		return
	case words[0] != "compose":
		require.Fail(r, "only build and compose are looked into", r.at)
	}
	verb := words[1]
	rest := slices.DeleteFunc(slices.Clone(words[2:]), func(word string) bool { return strings.HasPrefix(word, "--") || word == "-T" })
	for i, service := range rest {
		require.Contains(r, r.compose.Services, service, r.at)
		if verb == "exec" {
			if rest[i+1] == "millrace" {
				all := slices.Index(words, "millrace")
				r.millrace(words[all+1:])
			}
			return
		}
	}
}

// temporal looks whether the names that belong to us are right.
func (r *commandReader) temporal(words []string) {
	value := func(flag string) string {
		at := slices.Index(words, flag)
		require.Positive(r, at, "%s: %s", r.at, flag)
		return words[at+1]
	}
	switch strings.Join(words[:2], " ") {
	case "workflow start":
		require.Equal(r, plan.WorkflowType, value("--type"), r.at)
		require.Equal(r, plan.TaskQueue, value("--task-queue"), r.at)
		var state plan.State
		require.NoError(r, json.Unmarshal([]byte(value("--input")), &state), r.at)
		require.Equal(r, plan.WorkflowID(state.Workflow, state.Record), value("--workflow-id"), r.at)
	case "workflow signal":
		require.Contains(r, []string{plan.SignalEvent, plan.SignalChanged, plan.SignalUnenroll}, value("--name"), r.at)
	case "workflow query":
		require.Contains(r, []string{plan.QueryStatus, plan.QueryPath}, value("--type"), r.at)
	case "workflow update":
		require.Contains(r, []string{plan.UpdatePause, plan.UpdateResume, plan.UpdateUnenroll, plan.UpdateSkipWait, plan.UpdateMove}, value("--name"), r.at)
	case "workflow list", "workflow count":
		for _, name := range regexp.MustCompile(`Millrace\w+`).FindAllString(value("--query"), -1) {
			require.Contains(r, worker.Attributes, name, r.at)
		}
	case "task-queue describe":
		require.Equal(r, plan.TaskQueue, value("--task-queue"), r.at)
	}
}

// help is what a command says about itself.
type help struct{ usage, text string }

// millrace looks for the command and its flags in what `--help` tells.
func (r *commandReader) millrace(words []string) {
	var command []string
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			break
		}
		deeper := append(slices.Clone(command), word)
		if usage := r.help(deeper).usage + " "; !strings.HasPrefix(usage, "millrace "+strings.Join(deeper, " ")+" ") {
			break
		}
		command = deeper
	}
	require.NotEmpty(r, command, "%s: there is no such command", r.at)
	known := r.help(command)
	for _, word := range words[len(command):] {
		if word == "--" {
			break
		}
		if flag, _, _ := strings.Cut(word, "="); strings.HasPrefix(flag, "-") && flag != "-" {
			require.Regexp(r, `(?m)^\s+(-\w, )?`+regexp.QuoteMeta(flag)+`[, \n]`, known.text, r.at)
		}
	}
}

func (r *commandReader) help(command []string) *help {
	name := strings.Join(command, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.helps[name] == nil {
		output, err := exec.CommandContext(r.Context(), r.program, append(slices.Clone(command), "--help")...).CombinedOutput()
		require.NoError(r, err, "%s: %s", r.at, output)
		_, after, _ := strings.Cut(string(output), "Usage:\n")
		usage, _, _ := strings.Cut(strings.TrimSpace(after), "\n")
		r.helps[name] = &help{usage: usage, text: string(output)}
	}
	return r.helps[name]
}

// TestConsoleOfTheReadmeRuns types what the section "With your own" tells, in a copy of the examples, and so what
// newcomers do first.
func TestConsoleOfTheReadmeRuns(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, block := range blocksOf(t, "console") {
		if strings.HasPrefix(block.at, "README.md:") && strings.Contains(block.text, "millrace dev ") {
			lines = append(lines, commands(block)...)
		}
	}
	require.NotEmpty(t, lines)
	s := newShell(t, "")
	require.NoError(t, os.CopyFS(filepath.Join(s.folder, "examples"), os.DirFS("../examples")))
	var said strings.Builder
	for _, line := range lines {
		switch words := words(t, line); {
		case words[0] == "go": // this test's own program stands in for what it installs
		case words[0] == "cd":
			s.folder = filepath.Join(s.folder, words[1])
		case words[1] == "dev":
			s.start(t, append(words[1:], "--port", "0", "--ui-port", "0")...).says(t, "Ctrl-C")
		default:
			said.WriteString(s.ok(t, words[1:]...))
			require.Eventually(t, func() bool { // people type more slowly than an enrollment moves
				place := map[string]string{"enroll": "(opened)", "event": "(week)"}[words[1]]
				return place == "" || strings.Contains(s.ok(t, "why", "trial-nurture", "contact/51"), place)
			}, patience, 200*time.Millisecond, line)
		}
	}
	spaced := strings.Join(strings.Fields(said.String()), " ")
	for _, wanted := range []string{"waits for email_opened", "interested", "Welcome aboard, Ada"} {
		require.Contains(t, spaced, wanted)
	}
}
