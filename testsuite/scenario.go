package testsuite

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"golang.org/x/tools/txtar"
)

// scenarioHead is the text before the first file of a scenario.
type scenarioHead struct {
	Workflow string `json:"workflow,omitempty" doc:"Workflow of the workspace that a record goes through; a scenario about who enters and leaves may have none."`
	Start    string `json:"start" doc:"Instant of enrollment, or when it all begins, in RFC 3339." required:"true"`
	Until    string `json:"until,omitempty" doc:"How far to look, as in 90d; two years if left out."`
	Seed     int    `json:"seed,omitempty" doc:"Varies random splits."`
}

// Parts of a scenario, beside files of its workspace.
const (
	partRecord   = "record.json"
	partEvents   = "events.json"
	partTimeline = "timeline"
	partHappens  = "happens" // who enters and leaves, in all workflows
	partFollows  = "follows"
	partEffects  = "effects"
	partHistory  = "history"
	partExit     = "exit"
)

var parts = []string{partRecord, partEvents, partHappens, partFollows, partTimeline, partEffects, partHistory, partExit}

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
	for _, file := range s.archive.Files {
		if !slices.Contains(parts, file.Name) && !ofWorkspace(file.Name) {
			problems.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "unknown-part", "the part %q is not one of %s", file.Name, strings.Join(parts, ", ")).
				Hint = schema.Suggest(file.Name, parts)
		}
	}
	if s.part(partHappens) == nil && s.head.Workflow == "" && !problems.HasErrors() {
		problems.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "missing-key", "the scenario names no workflow").
			Hint = "write workflow: …, or what happens in a part -- happens --"
	}
	return s, problems
}

// ofWorkspace tells whether a part is a file of the workspace, which takes the place of the one that is there. A part
// such as `longer: workflows/welcome.yaml` is what it becomes later.
func ofWorkspace(part string) bool {
	return strings.Contains(part, "/") || path.Ext(part) == ".yaml"
}

// workspace compiles a workspace with the files that the scenario has of its own, and those of an edit besides.
func (s *Scenario) workspace(files fs.FS, edit string, options publish.Options) (store.Publication, error) {
	own, edited := map[string][]byte{}, edit == ""
	for _, wanted := range []string{"", edit} {
		for _, part := range s.archive.Files {
			name, file, later := strings.Cut(part.Name, ": ")
			switch {
			case later && name == wanted:
				own[file], edited = part.Data, true
			case !later && wanted == "" && ofWorkspace(part.Name):
				own[part.Name] = part.Data
			}
		}
	}
	if !edited {
		return store.Publication{}, fmt.Errorf("no part is what it becomes: write one that begins as in -- %s: workflows/welcome.yaml --", edit)
	}
	if len(own) > 0 {
		var err error
		if files, err = overlaid(files, own); err != nil {
			return store.Publication{}, err
		}
	}
	workspace, problems, err := definition.ReadWorkspace(files, activities.Kinds())
	if err != nil {
		return store.Publication{}, fmt.Errorf("reading the workspace: %w", err)
	}
	if problems.HasErrors() {
		return store.Publication{}, wrong(problems)
	}
	publication, problems, err := publish.Workspace(workspace, options)
	if err == nil && problems.HasErrors() {
		err = wrong(problems)
	}
	return publication, err
}

// wrong is what is wrong with a workspace, a line for each problem.
func wrong(problems schema.Diagnostics) error {
	var mistakes Mistakes
	for _, problem := range problems {
		mistakes = append(mistakes, fmt.Sprintf("%s:%d:%d: %s", problem.File, problem.Line, problem.Column, problem.Message))
	}
	return mistakes
}

// overlaid are the files of a folder, with others in their place.
func overlaid(files fs.FS, own map[string][]byte) (fs.FS, error) {
	archive := &txtar.Archive{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || own[name] != nil:
			return nil
		}
		data, err := fs.ReadFile(files, name)
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
		return err
	})
	if err != nil {
		return nil, err
	}
	for name, data := range own {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
	}
	return txtar.FS(archive)
}

// Run plays the scenario in a workspace and returns how what follows differs from what is wanted, "" when it does not.
// The scenario then holds what was shown, for Content.
func (s *Scenario) Run(ctx context.Context, files fs.FS) (difference string, err error) {
	start, err := time.Parse(time.RFC3339, s.head.Start)
	if err != nil {
		return "", fmt.Errorf("%s: start: %w", s.Name, err)
	}
	journey := Simulation{Workflow: s.head.Workflow, Seed: int64(s.head.Seed), Start: start}
	if s.head.Until != "" {
		until, err := crm.ParseDuration(s.head.Until)
		if err != nil {
			return "", fmt.Errorf("%s: until: %w", s.Name, err)
		}
		journey.Until = start.Add(until.Elapsed())
	}
	if journey.Workspace, err = s.workspace(files, "", publish.Options{At: start}); err != nil {
		return "", fmt.Errorf("%s: %w", s.Name, err)
	}
	if script := s.part(partHappens); script != nil {
		played := &happening{journey: journey, edited: func(edit string, options publish.Options) (store.Publication, error) {
			return s.workspace(files, edit, options)
		}}
		if err := played.play(ctx, string(script.Data)); err != nil {
			return "", fmt.Errorf("%s: %s: %w", s.Name, partHappens, err)
		}
		return s.compare(partFollows, played.shown.String()) + s.compareJourneys(played.journeys), nil
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
	shown, err := Simulate(ctx, journey)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Name, err)
	}
	return s.compareJourneys([]Simulated{shown}), nil
}

// compareJourneys compares what was shown of journeys, one after the other. Their lines begin with the record where there
// are several.
func (s *Scenario) compareJourneys(journeys []Simulated) (difference string) {
	var steps, sent, told, exits strings.Builder
	several := slices.ContainsFunc(journeys, func(shown Simulated) bool { return shown.record != journeys[0].record })
	for _, shown := range journeys {
		of := func(lines string) string {
			if !several || lines == "" {
				return lines
			}
			return shown.record + " " + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n"+shown.record+" ") + "\n"
		}
		steps.WriteString(of(timeline(shown)))
		sent.WriteString(of(effects(shown)))
		told.WriteString(of(history(shown)))
		exits.WriteString(of(shown.Exit.Reason + "\n"))
	}
	return s.compare(partTimeline, steps.String()) + s.compare(partEffects, sent.String()) +
		s.compare(partHistory, told.String()) + s.compare(partExit, exits.String())
}

// compare tells how what is shown differs from what is wanted, and keeps it for Content.
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

// history is a line for each entry of the journal: when, which action, what happened, the port, more about it.
func history(shown Simulated) string {
	var text strings.Builder
	for _, entry := range shown.journal {
		words := []string{entry.At.UTC().Format(minute), entry.Node, entry.Event, entry.Port}
		text.WriteString(strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), " "))
		if entry.Detail != "" {
			text.WriteString(": " + entry.Detail)
		}
		text.WriteString("\n")
	}
	return text.String()
}

func indent(text string) string {
	if text == "" {
		return "  (nothing)\n"
	}
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}
