package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// differences are the result of `millrace diff`.
type differences struct {
	Workflows []changedWorkflow `json:"workflows"`
	Files     []changedFile     `json:"files"` // e-mails, settings and other files that are no definitions
}

// changedWorkflow is what a push would do to one workflow.
type changedWorkflow struct {
	Workflow string          `json:"workflow"`
	Change   string          `json:"change"`   // new, revised, unchanged, or absent: published, but not in the workspace
	Revision int             `json:"revision"` // that it would have
	Inside   int             `json:"inside"`
	Actions  []changedAction `json:"actions"`
	Beside   []string        `json:"beside"` // what else differs: name, goal, settings, …
	People   []publish.Place `json:"people"` // what becomes of those inside when they follow
}

// changedAction is what becomes of an action, with the people who stand at it.
type changedAction struct {
	definition.Change
	Inside int `json:"inside"`
}

// changedFile is a file that a push would store.
type changedFile struct {
	Path string `json:"path"`
	How  string `json:"how"` // added, removed, edited
}

// changeAbsent is the change of a workflow that the workspace no longer has.
const changeAbsent = "absent"

func newDiff(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "diff [WORKSPACE]",
		Short: "Show what a push would change, and for whom",
		Long: `Show what a push would change: for each workflow the actions that are added,
removed, edited or moved, and where those in removed actions would go on; then
for each action with people how many go on, move, wake earlier, wait longer or
leave when they follow the new revision, and which messages they may get twice
or never. ` + "`millrace push --dry-run`" + ` shows that for other policies. Without
WORKSPACE it is the one around the working directory.`,
		Example: "  millrace diff examples/trial-nurture",
		Args:    arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error {
			folder, err := a.workspaceArgument(args)
			if err != nil {
				return err
			}
			return a.diff(command.Context(), folder)
		},
	}
	a.databaseFlag(command)
	return command
}

func (a *app) diff(ctx context.Context, folder string) error {
	checked, err := a.readWorkspace(folder)
	if err != nil {
		return err
	}
	if checked.Diagnostics.HasErrors() {
		checked.Diagnostics.Print(a.Stderr, checked.Sources, a.color(a.Stderr))
		return exitFailed
	}
	a.workspace = a.absolute(folder)
	return a.withStore(ctx, func(books *store.Store) error {
		found, err := compared(ctx, books, checked.Workspace)
		if err != nil {
			return err
		}
		if err := a.foreseen(ctx, books, checked.Workspace, found.Workflows); err != nil {
			return err
		}
		return a.show(found, found.print)
	})
}

// foreseen adds to changed workflows what becomes of people when they follow.
func (a *app) foreseen(ctx context.Context, books *store.Store, workspace *definition.Workspace, workflows []changedWorkflow) error {
	publication, _, err := publish.Workspace(workspace, publish.Options{At: a.Now(), Latest: func(workflow string) (*plan.Plan, error) {
		latest, _, err := books.LatestRevision(ctx, workflow)
		return latest.Plan, err
	}})
	if err != nil {
		return err
	}
	forecasts, err := a.foresee(ctx, books, publication)
	for i := range workflows {
		workflows[i].People = placesOf(forecasts, workflows[i].Workflow)
	}
	return err
}

// compared tells how a sound workspace differs from what is published.
func compared(ctx context.Context, books *store.Store, workspace *definition.Workspace) (differences, error) {
	found := differences{Workflows: []changedWorkflow{}, Files: []changedFile{}}
	published, err := books.Workflows(ctx)
	if err != nil {
		return found, err
	}
	absent := map[string]store.Overview{}
	for _, one := range published {
		absent[one.Workflow] = one
	}
	for _, file := range workspace.Definitions {
		one, err := comparedWorkflow(ctx, books, file, workspace)
		if err != nil {
			return found, err
		}
		delete(absent, one.Workflow)
		found.Workflows = append(found.Workflows, one)
	}
	for _, workflow := range slices.Sorted(maps.Keys(absent)) {
		places, err := books.Inside(ctx, workflow)
		if err != nil {
			return found, err
		}
		found.Workflows = append(found.Workflows, changedWorkflow{
			Workflow: workflow, Change: changeAbsent, Revision: absent[workflow].Revision, Inside: total(places, anywhere),
			Actions: []changedAction{}, Beside: []string{}, People: []publish.Place{},
		})
	}
	found.Files, err = comparedFiles(ctx, books, workspace)
	return found, err
}

func comparedWorkflow(ctx context.Context, books *store.Store, file *definition.File, workspace *definition.Workspace) (changedWorkflow, error) {
	one := changedWorkflow{Workflow: file.Workflow.Text, Change: changeNew, Revision: 1, Actions: []changedAction{}, Beside: []string{}, People: []publish.Place{}}
	compiled, _ := definition.Compile(file, workspace) // what is wrong with it is told by the push
	latest, found, err := books.LatestRevision(ctx, one.Workflow)
	if err != nil || !found {
		return one, err
	}
	places, err := books.Inside(ctx, one.Workflow)
	if err != nil {
		return one, err
	}
	one.Inside = total(places, anywhere)
	one.Change, one.Revision = changeUnchanged, latest.Number
	if latest.Plan.Hash == compiled.Hash {
		return one, nil
	}
	one.Change, one.Revision = changeRevised, latest.Number+1
	compiled.Moved = definition.Moved(latest.Plan, compiled, nil)
	changes := definition.Diff(latest, file, compiled)
	one.Beside = changes.Beside
	for _, change := range changes.Actions {
		one.Actions = append(one.Actions, changedAction{change, total(places, func(place store.Place) bool { return place.Node == change.ID })})
	}
	return one, nil
}

// comparedFiles compares the files beside the definitions by their hashes.
func comparedFiles(ctx context.Context, books *store.Store, workspace *definition.Workspace) ([]changedFile, error) {
	stored, err := books.Assets(ctx)
	if err != nil {
		return nil, err
	}
	changes := []changedFile{}
	add := func(path, how string) {
		if !strings.HasPrefix(path, "workflows/") {
			changes = append(changes, changedFile{path, how})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(workspace.Assets)) {
		sum := sha256.Sum256(workspace.Assets[path])
		switch hash, known := stored[path]; {
		case !known:
			add(path, definition.Added)
		case hash != hex.EncodeToString(sum[:]):
			add(path, definition.Edited)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(stored)) {
		if _, kept := workspace.Assets[path]; !kept {
			add(path, definition.Removed)
		}
	}
	return changes, nil
}

// changed tells whether a push would do anything.
func (d differences) changed() bool {
	return len(d.Files) > 0 || slices.ContainsFunc(d.Workflows, func(one changedWorkflow) bool {
		return one.Change == changeNew || one.Change == changeRevised
	})
}

func (d differences) print(w io.Writer) {
	for _, one := range d.Workflows {
		switch one.Change {
		case changeNew:
			fmt.Fprintf(w, "%s: new\n", one.Workflow)
		case changeRevised:
			fmt.Fprintf(w, "%s: would become revision %d, %d inside\n", one.Workflow, one.Revision, one.Inside)
		case changeAbsent:
			fmt.Fprintf(w, "%s: not in the workspace; stays as it is, %d inside\n", one.Workflow, one.Inside)
		default:
			fmt.Fprintf(w, "%s: unchanged, revision %d\n", one.Workflow, one.Revision)
		}
		var rows [][]string
		for _, action := range one.Actions {
			rows = append(rows, []string{"  " + strings.Join(action.How, ", "), action.ID, action.Kind, action.fate()})
		}
		table(w, rows)
		if len(one.Beside) > 0 {
			fmt.Fprintf(w, "  also %s\n", strings.Join(one.Beside, ", "))
		}
		printPlaces(w, one.People)
	}
	for _, file := range d.Files {
		fmt.Fprintf(w, "%s: %s\n", file.Path, file.How)
	}
}

// fate says what becomes of an action's config and people.
func (c changedAction) fate() string {
	var parts []string
	for _, field := range c.Fields {
		parts = append(parts, fmt.Sprintf("%s %s → %s", field.Name, short(field.Old), short(field.New)))
	}
	removed := slices.Contains(c.How, definition.Removed)
	switch {
	case removed && c.To == "":
		parts = append(parts, fmt.Sprintf("%d inside complete the workflow", c.Inside))
	case removed:
		parts = append(parts, fmt.Sprintf("%d inside go on at %s", c.Inside, c.To))
	case c.Inside > 0:
		parts = append(parts, fmt.Sprintf("%d inside", c.Inside))
	}
	return strings.Join(parts, "; ")
}

// short is a value of a config on a line with others.
func short(value any) string {
	if value == nil {
		return "none"
	}
	text, isText := value.(string)
	if !isText {
		content, err := json.Marshal(value)
		if err != nil {
			return "?"
		}
		text = string(content)
	}
	if runes := []rune(text); len(runes) > 40 {
		text = string(runes[:39]) + "…"
	}
	return text
}
