// Package publish turns a checked workspace into what the store publishes at once: plans, files, settings,
// properties, people; and foresees what that does to people inside.
package publish

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
)

// Options say how to publish.
type Options struct {
	At       time.Time
	By       string
	InFlight string   // what people inside do; "" = follow
	Map      []string // with migrate: FROM=TO or WORKFLOW/FROM=TO, where the people of an action go; TO is an action or `end`
	// Latest returns the newest published plan of a workflow, nil when there is none.
	Latest func(workflow string) (*plan.Plan, error)
}

// Workspace compiles a workspace that was read without errors. Diagnostics are those of compiling and of the map.
func Workspace(workspace *definition.Workspace, options Options) (store.Publication, schema.Diagnostics, error) {
	account, err := json.Marshal(workspace.Account)
	if err != nil {
		return store.Publication{}, nil, fmt.Errorf("encoding the account's settings: %w", err)
	}
	publication := store.Publication{
		At: options.At, By: options.By, Assets: workspace.Assets, Account: account, Catalog: workspace.Catalog,
		Users: workspace.Users, Teams: workspace.Teams, Lists: static(workspace.Lists),
	}
	var problems schema.Diagnostics
	publication.Definitions, problems, err = compile(workspace.Definitions, workspace, options)
	return publication, problems, err
}

// Definition compiles a single definition outside a workspace: every property is allowed, the zone is UTC
// (language §3).
func Definition(file *definition.File, options Options) (store.Publication, schema.Diagnostics, error) {
	catalog := crm.Builtin()
	catalog.Open = true
	revisions, problems, err := compile([]*definition.File{file}, nil, options)
	return store.Publication{
		At: options.At, By: options.By, Account: json.RawMessage(`{"time_zone":"UTC"}`), Catalog: catalog, Definitions: revisions,
	}, problems, err
}

// compile makes a revision of each definition, with where people go who stand in what it no longer has.
func compile(files []*definition.File, workspace *definition.Workspace, options Options) (revisions []plan.Revision, problems schema.Diagnostics, err error) {
	var revised []revising
	latest := map[string]*plan.Plan{}
	for _, file := range files {
		compiled, found := definition.Compile(file, workspace)
		problems = append(problems, found...)
		revision := plan.Revision{Workflow: compiled.Workflow, Plan: compiled, Source: string(file.Source()), InFlight: options.InFlight, On: true}
		revisions = append(revisions, revision)
		if options.Latest == nil {
			continue
		}
		before, err := options.Latest(compiled.Workflow)
		if err != nil {
			return nil, nil, err
		}
		latest[compiled.Workflow] = before
		if before != nil && before.Hash != compiled.Hash {
			revised = append(revised, revising{compiled.Workflow, before, compiled})
		}
	}
	migrate, wrong := readMap(options.Map, revised)
	problems = append(problems, wrong...)
	for i := range revisions {
		one := &revisions[i]
		one.Migrate = migrate[one.Workflow]
		one.Plan.Moved = definition.Moved(latest[one.Workflow], one.Plan, one.Migrate)
	}
	return revisions, problems, nil
}

// static are the names of the lists whose members are kept in the store.
func static(lists map[string]*definition.List) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		if lists[name].Filter == nil {
			names = append(names, name)
		}
	}
	return names
}
