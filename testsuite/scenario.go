package testsuite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"golang.org/x/tools/txtar"
)

// scenarioHead is the text before the first file of a scenario.
type scenarioHead struct {
	Workflow string `json:"workflow,omitempty" doc:"Workflow of the workspace that the record goes through; a scenario about who enters and leaves has none."`
	Start    string `json:"start" doc:"Instant of enrollment in RFC 3339." required:"true"`
	Until    string `json:"until,omitempty" doc:"How far to look, as in 90d; two years if left out."`
	Seed     int    `json:"seed,omitempty" doc:"Varies random splits."`
}

// Parts of a scenario.
const (
	partRecord   = "record.json"
	partEvents   = "events.json"
	partTimeline = "timeline"
	partHappens  = "happens" // who enters and leaves, in all workflows: no journey
	partFollows  = "follows"
	partEffects  = "effects"
	partExit     = "exit"
)

// Scenario is an author's own test: a txtar file in tests/ that says who enters which workflow, what happens
// meanwhile, and what is wanted: a timeline, the effects, the exit. Only the wanted parts that it has are compared.
type Scenario struct {
	Name    string // of the file
	archive *txtar.Archive
	head    scenarioHead
}

// ReadScenario reads a scenario. Its diagnostics are about the head and about parts that are not known.
func ReadScenario(name string, content []byte) (*Scenario, schema.Diagnostics) {
	s := &Scenario{Name: name, archive: txtar.Parse(content)}
	node, problems := schema.Parse(name, s.archive.Comment)
	if !problems.HasErrors() {
		problems = append(problems, schema.Decode(node, &s.head)...)
	}
	known := []string{partRecord, partEvents, partTimeline, partEffects, partExit, partHappens, partFollows}
	for _, file := range s.archive.Files {
		if !slices.Contains(known, file.Name) {
			problems.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "unknown-part", "the part %q is not one of %s", file.Name, strings.Join(known, ", ")).
				Hint = schema.Suggest(file.Name, known)
		}
	}
	if s.part(partHappens) == nil && s.head.Workflow == "" && !problems.HasErrors() {
		problems.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "missing-key", "the scenario names no workflow").
			Hint = "write workflow: …, or what happens in a part -- happens --"
	}
	return s, problems
}

// Run simulates the scenario in a workspace and returns how it differs from what is wanted, "" when it does not.
// The scenario then holds what was shown, for Update.
func (s *Scenario) Run(ctx context.Context, workspace store.Publication) (difference string, err error) {
	journey := Simulation{Workspace: workspace, Workflow: s.head.Workflow, Seed: int64(s.head.Seed)}
	if journey.Start, err = time.Parse(time.RFC3339, s.head.Start); err != nil {
		return "", fmt.Errorf("%s: start: %w", s.Name, err)
	}
	if s.head.Until != "" {
		until, err := crm.ParseDuration(s.head.Until)
		if err != nil {
			return "", fmt.Errorf("%s: until: %w", s.Name, err)
		}
		journey.Until = journey.Start.Add(until.Elapsed())
	}
	if text := s.part(partRecord); text != nil {
		if journey.Record, err = ParseRecord(text.Data); err != nil {
			return "", fmt.Errorf("%s: %s: %w", s.Name, text.Name, err)
		}
	}
	if text := s.part(partEvents); text != nil {
		if journey.Events, err = ParseEvents(text.Data); err != nil {
			return "", fmt.Errorf("%s: %s: %w", s.Name, text.Name, err)
		}
	}
	if script := s.part(partHappens); script != nil {
		follows, err := happens(ctx, workspace, journey.Start, string(script.Data))
		if err != nil {
			return "", fmt.Errorf("%s: %s: %w", s.Name, partHappens, err)
		}
		return s.compare(partFollows, follows), nil
	}
	shown, err := Simulate(ctx, journey)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Name, err)
	}
	var report strings.Builder
	for _, compared := range []struct{ part, text string }{
		{partTimeline, timeline(shown)}, {partEffects, effects(shown)}, {partExit, shown.Exit.Reason + "\n"},
	} {
		report.WriteString(s.compare(compared.part, compared.text))
	}
	return report.String(), nil
}

// compare tells how what is shown differs from what is wanted, and keeps it for Update.
func (s *Scenario) compare(name, shown string) (difference string) {
	part := s.part(name)
	if part == nil {
		return ""
	}
	if wanted := string(part.Data); wanted != shown {
		difference = fmt.Sprintf("%s, wanted:\n%sshown:\n%s", name, indent(wanted), indent(shown))
	}
	part.Data = []byte(shown)
	return difference
}

// Content is the scenario as a file, with what the last Run showed in place of what was wanted.
func (s *Scenario) Content() []byte { return txtar.Format(s.archive) }

func (s *Scenario) part(name string) *txtar.File {
	for i := range s.archive.Files {
		if s.archive.Files[i].Name == name {
			return &s.archive.Files[i]
		}
	}
	return nil
}

const minute = "2006-01-02 15:04"

// timeline is a line for each step: when, which action, by which port it left.
func timeline(shown Simulated) string {
	var text strings.Builder
	for _, step := range shown.Steps {
		fmt.Fprintln(&text, strings.TrimSpace(fmt.Sprintf("%s %s %s", step.At.Format(minute), step.Node, step.Port)))
	}
	return text.String()
}

// effects is a line for each thing that was delivered.
func effects(shown Simulated) string {
	var text strings.Builder
	for _, effect := range shown.Effects {
		fmt.Fprintln(&text, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", effect.At.Format(minute), effect.Channel, effect.To, effect.Summary)))
	}
	return text.String()
}

func indent(text string) string {
	if text == "" {
		return "  (nothing)\n"
	}
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}
