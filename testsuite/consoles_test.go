package testsuite_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/stretchr/testify/require"
)

// Why a console is not typed. That its commands, flags and names exist is checked all the same, by
// TestCommandsOfTheDocumentsExist.
const (
	needsDocker   = "needs Docker, which no test does"
	needsOfficial = "needs Temporal's own command line, which is no part of ours: TestStartedAndReadWithTheOfficialTools does the same with its payloads"
	withItsOwn    = " does the same with people of its own: those of the page have waited for weeks"
	needsItself   = "is the command that runs these tests"
)

// consoles tells of every console block, by its document and first line, which test types it or why none does.
var consoles = map[string]string{
	"README.md: go run ./cmd/millrace demo":                                                     "TestDemoTakesPeopleThroughWeeksInSeconds; and " + needsItself,
	"README.md: go install ./cmd/millrace":                                                      "TestConsoleOfTheReadmeRuns",
	"README.md: temporal workflow start":                                                        needsOfficial,
	"docs/operations.md: cp .env.example .env":                                                  needsDocker,
	"docs/operations.md: export SQL_PLUGIN=postgres12_pgx":                                      "TestConsolesOfOperationsRun",
	"docs/operations.md: temporal operator namespace create":                                    needsOfficial,
	"docs/operations.md: createdb":                                                              "TestConsolesOfOperationsRun",
	"docs/operations.md: millrace worker":                                                       "TestConsolesOfOperationsRun",
	"docs/operations.md: millrace serve":                                                        "TestServeKilledAgainAndAgainKeepsWhatItAnswered does the same at a port that is free",
	"docs/operations.md: temporal task-queue describe":                                          needsOfficial,
	"docs/operations.md: temporal workflow list --query 'TemporalReportedProblems IS NOT NULL'": needsOfficial,
	"docs/operations.md: temporal activity reset":                                               needsOfficial,
	"docs/live-edits.md: millrace push --dry-run":                                               "TestAPushThatAffectsPeopleIsAgreedTo" + withItsOwn,
	"docs/live-edits.md: millrace move trial-nurture":                                           "TestManyAreHeldMovedAndTakenOut" + withItsOwn,
	"docs/live-edits.md: millrace move --job":                                                   "TestAJobThatIsCutGoesOnAndDoesNothingTwice" + withItsOwn,
	"docs/operations.md: millrace history --export":                                             "TestHistoryIsSavedBeforeItGoes" + withItsOwn,
	"docs/operations.md: pg_dump":                                                               "TestConsolesOfOperationsRun",
}

// told is the entry of consoles about a block.
func told(b block) (first string, found bool) {
	document, _, _ := strings.Cut(b.at, ":")
	for known := range consoles {
		if strings.HasPrefix(document+": "+commands(b)[0], known) {
			return known, true
		}
	}
	return document + ": " + commands(b)[0], false
}

func TestConsolesOfTheDocumentsAreTypedOrSayWhyNot(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, block := range blocksOf(t, "console") {
		if strings.HasPrefix(block.at, "docs/reference/") {
			continue // generated from the commands themselves
		}
		first, found := told(block)
		require.True(t, found, "%s: nothing types %s", block.at, first)
		shown[first] = true
	}
	declared := declaredTests(t)
	for first, typist := range consoles {
		require.True(t, shown[first], "no document shows %s", first)
		for _, name := range regexp.MustCompile(`Test[A-Z]\w+`).FindAllString(typist, -1) {
			require.True(t, declared[name], "%s: there is no %s", first, name)
		}
	}
}

// TestConsolesOfOperationsRun types how databases are made, filled and saved, on a PostgreSQL server of its own.
func TestConsolesOfOperationsRun(t *testing.T) {
	t.Parallel()
	binary, err := devserver.Find(t.Context(), os.Stderr, false)
	require.NoError(t, err)
	server := postgrestest.Start(t)
	s := newStage(t, "")
	path := strings.Join([]string{filepath.Dir(program(t)), filepath.Dir(binary.Path), server.Programs(), os.Getenv("PATH")}, string(os.PathListSeparator))
	shell := s.shell(t, "")
	shell.env = append(shell.env, "PATH="+path, "PGHOST="+server.Host, "PGPORT="+strconv.Itoa(server.Port), "PGUSER="+server.User)
	here := strings.NewReplacer(
		"SQL_HOST=db.internal", "SQL_HOST="+server.Host, "SQL_PORT=5432", "SQL_PORT="+strconv.Itoa(server.Port),
		"SQL_USER=temporal", "SQL_USER="+server.User, "SQL_PASSWORD=…", "SQL_PASSWORD=",
		"millrace@db.internal", fmt.Sprintf("%s@%s:%d", server.User, server.Host, server.Port),
	)
	typed := 0
	for _, block := range blocksOf(t, "console") {
		first, _ := told(block)
		if consoles[first] != "TestConsolesOfOperationsRun" {
			continue
		}
		typed++
		var script []string
		worker := ""
		for _, line := range commands(block) {
			if line = here.Replace(line); strings.HasSuffix(line, "millrace worker") {
				worker = strings.TrimSuffix(line, "millrace worker")
				continue
			}
			script = append(script, line)
		}
		shell.types(t, strings.Join(script, "\n"))
		if strings.HasSuffix(here.Replace(block.text), "millrace worker\n") {
			shell.works(t, strings.TrimSpace(worker))
		}
	}
	require.Equal(t, 4, typed)
	shell.types(t, "createdb again\npg_restore --dbname again millrace.dump\npsql --dbname again --command 'SELECT COUNT(*) FROM ledger'")
}

// types runs lines as a person's shell does, and stops at the first that fails.
func (s *shell) types(t *testing.T, script string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-ec", script)
	command.Dir, command.Env = s.folder, s.env
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, output)
}

// works starts a worker with a setting, and stops it once it works.
func (s *shell) works(t *testing.T, setting string) {
	t.Helper()
	with := *s
	with.env = append(append([]string(nil), s.env...), setting)
	worker := with.start(t, "worker")
	worker.says(t, "worker is tuned")
	worker.interrupt(t)
}
