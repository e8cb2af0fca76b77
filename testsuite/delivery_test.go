package testsuite_test

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// composition is what these tests read of docker-compose.yml.
type composition struct {
	Services map[string]composed
	Volumes  map[string]any
	Configs  map[string]struct{ Content string }
}

// composed is a service of a composition.
type composed struct {
	Image       string
	Build       struct{ Context, Target string }
	Command     []string
	Environment map[string]string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct{ Test []string }
	Configs     []struct{ Source, Target string }
	Volumes     []string
	Ports       []string
	Restart     string
}

func readComposition(tb testing.TB) (read composition, text string) {
	tb.Helper()
	content, err := os.ReadFile("../docker-compose.yml")
	require.NoError(tb, err)
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	require.NoError(tb, decoder.Decode(&read))
	require.ErrorIs(tb, decoder.Decode(new(any)), io.EOF, "one document")
	return read, string(content)
}

// required returns the version of a module in a go.mod, or that of Go.
func required(t *testing.T, modFile, module string) string {
	t.Helper()
	content, err := os.ReadFile(modFile)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(module) + `\s+v?([0-9.]+)`).FindSubmatch(content)
	require.NotNil(t, found, "%s in %s", module, modFile)
	return string(found[1])
}

func TestComposeHangsTogether(t *testing.T) {
	t.Parallel()
	compose, _ := readComposition(t)
	for name, service := range compose.Services {
		for other, on := range service.DependsOn {
			needed, there := compose.Services[other]
			require.True(t, there, "%s waits for %s", name, other)
			switch on.Condition {
			case "service_healthy":
				require.NotEmpty(t, needed.Healthcheck.Test, "%s waits for the health of %s", name, other)
			case "service_completed_successfully":
				require.Equal(t, "no", needed.Restart, "%s waits for the end of %s", name, other)
			default:
				require.Fail(t, "unknown condition", "%s waits for %s: %s", name, other, on.Condition)
			}
		}
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if strings.ContainsAny(from, "./$") {
				continue
			}
			require.Contains(t, compose.Volumes, from, name)
		}
		for _, config := range service.Configs {
			require.Contains(t, compose.Configs, config.Source, name)
		}
		for _, port := range service.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s opens %s to everybody", name, port)
		}
		if service.Build.Context == "" {
			require.Regexp(t, `:v?[0-9][0-9.]*$`, service.Image, "%s names the version of its image", name)
		}
	}
}

// TestComposeRunsTheVersionsOfTheModules keeps what people deploy at the versions that the tests run.
func TestComposeRunsTheVersionsOfTheModules(t *testing.T) {
	t.Parallel()
	compose, _ := readComposition(t)
	server := required(t, "../devserver/go.mod", "go.temporal.io/server")
	require.Equal(t, "temporalio/server:"+server, compose.Services["temporal"].Image)
	require.Equal(t, "temporalio/admin-tools:"+server, compose.Services["temporal-schema"].Image)
	require.Equal(t, "temporalio/admin-tools:"+server, compose.Services["temporal-namespace"].Image)
	require.Equal(t, "temporalio/ui:"+required(t, "../devserver/go.mod", "github.com/temporalio/ui-server/v2"), compose.Services["temporal-ui"].Image)
}

func TestComposeMakesEverySearchAttribute(t *testing.T) {
	t.Parallel()
	compose, _ := readComposition(t)
	made := map[string]string{}
	for _, found := range regexp.MustCompile(`--name (\S+)\s+--type (\S+)`).FindAllStringSubmatch(strings.Join(compose.Services["temporal-namespace"].Command, "\n"), -1) {
		made[found[1]] = found[2]
	}
	require.Equal(t, worker.AttributeTypes(), made)
	require.Equal(t, "service_completed_successfully", compose.Services["worker"].DependsOn["temporal-namespace"].Condition)
}

// TestComposeNeverChangesItsShards: a server that finds another number than its database was made with does not start.
func TestComposeNeverChangesItsShards(t *testing.T) {
	t.Parallel()
	compose, _ := readComposition(t)
	require.Equal(t, "512", compose.Services["temporal"].Environment["NUM_HISTORY_SHARDS"])
	schema := strings.Join(compose.Services["temporal-schema"].Command, "\n")
	require.Contains(t, schema, "schema temporal postgresql/v12/temporal")
	require.Contains(t, schema, "schema temporal_visibility postgresql/v12/visibility")
	require.Equal(t, compose.Services["temporal"].Environment["DB"], compose.Services["temporal-schema"].Environment["SQL_PLUGIN"])
}

func TestComposeHoldsNoSecret(t *testing.T) {
	t.Parallel()
	compose, text := readComposition(t)
	for name, service := range compose.Services {
		for variable, value := range service.Environment {
			if regexp.MustCompile(`PASSWORD|PWD|SECRET|TOKEN|KEY`).MatchString(variable) {
				require.Regexp(t, `^\$\{[A-Z_]+:\?`, value, "%s of %s comes from outside, and there is no default", variable, name)
			}
			require.NotRegexp(t, `://[^@/]*:[^@/]*@`, value, "%s of %s holds a password", variable, name)
		}
	}
	example, err := os.ReadFile("../.env.example")
	require.NoError(t, err)
	var wanted, given []string
	for _, found := range regexp.MustCompile(`[^$]\$\{([A-Z_]+)`).FindAllStringSubmatch(text, -1) {
		wanted = append(wanted, found[1])
	}
	for _, found := range regexp.MustCompile(`(?m)^([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(example), -1) {
		given = append(given, found[1])
	}
	slices.Sort(wanted)
	slices.Sort(given)
	require.Equal(t, slices.Compact(wanted), given, ".env.example explains every variable")
	require.Contains(t, string(example), "\nPOSTGRES_PASSWORD=\n")
}

// TestImageIsStaticAndNotRoot reads the Dockerfile, which needs an engine to be run.
func TestImageIsStaticAndNotRoot(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	version := required(t, "../go.mod", "go")
	require.Contains(t, string(content), "ARG GO_VERSION="+version+"\n")
	require.Equal(t, version, required(t, "../devserver/go.mod", "go"))

	stages, last := stagesOf(string(content))
	require.Equal(t, "millrace", last, "what is made when nobody says what")
	compose, _ := readComposition(t)
	require.Equal(t, last, compose.Services["worker"].Build.Target)
	for stage, program := range map[string]string{"millrace": "millrace", "devserver": "millrace-devserver"} {
		require.Contains(t, stages[stage], "FROM scratch\n")
		require.Contains(t, stages[stage], "USER 65532:65532\n")
		require.Contains(t, stages[stage], `ENTRYPOINT ["/usr/local/bin/`+program+`"]`)
		copied := regexp.MustCompile(`COPY --from=(\S+) /out/` + program + ` /usr/local/bin/`).FindStringSubmatch(stages[stage])
		require.NotNil(t, copied, stage)
		require.Regexp(t, `ENV CGO_ENABLED=0 .*GOTOOLCHAIN=local`, stages[copied[1]])
		require.Regexp(t, `RUN go build .* -o /out/`+program+` `, stages[copied[1]])
	}
}

// stagesOf returns what each stage of a Dockerfile does, with that of the stages it begins with, and the last one's name.
func stagesOf(content string) (stages map[string]string, last string) {
	stages = map[string]string{}
	from := regexp.MustCompile(`^FROM (?:--\S+ )*(\S+) AS (\S+)`)
	for line := range strings.Lines(strings.ReplaceAll(content, "\\\n", "")) {
		if named := from.FindStringSubmatch(line); named != nil {
			last = named[2]
			before, ours := stages[named[1]]
			if !ours {
				before = "FROM " + named[1] + "\n"
			}
			stages[last] = before
			continue
		}
		stages[last] += line
	}
	return stages, last
}
