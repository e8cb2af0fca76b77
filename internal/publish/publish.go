// Package publish turns a checked workspace into what the store publishes at once: plans, files, settings,
// properties, people.
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
	InFlight string // what people inside do; "" = follow
	// Latest returns the newest published plan of a workflow, nil when there is none.
	Latest func(workflow string) (*plan.Plan, error)
}

// Workspace compiles a workspace that was read without errors. Diagnostics are those of compiling.
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
	for _, file := range workspace.Definitions {
		revision, found, err := compile(file, workspace, options)
		if err != nil {
			return store.Publication{}, nil, err
		}
		problems = append(problems, found...)
		publication.Definitions = append(publication.Definitions, revision)
	}
	return publication, problems, nil
}

// Definition compiles a single definition outside a workspace: every property is allowed, the zone is UTC
// (language §3).
func Definition(file *definition.File, options Options) (store.Publication, schema.Diagnostics, error) {
	catalog := crm.Builtin()
	catalog.Open = true
	revision, problems, err := compile(file, nil, options)
	return store.Publication{
		At: options.At, By: options.By, Account: json.RawMessage(`{"time_zone":"UTC"}`), Catalog: catalog,
		Definitions: []plan.Revision{revision},
	}, problems, err
}

func compile(file *definition.File, workspace *definition.Workspace, options Options) (plan.Revision, schema.Diagnostics, error) {
	compiled, problems := definition.Compile(file, workspace)
	if options.Latest != nil {
		latest, err := options.Latest(compiled.Workflow)
		if err != nil {
			return plan.Revision{}, nil, err
		}
		if latest != nil {
			compiled.Moved = definition.Moved(latest, compiled)
		}
	}
	return plan.Revision{Workflow: compiled.Workflow, Plan: compiled, Source: string(file.Source()), InFlight: options.InFlight, On: true}, problems, nil
}

// static are the names of the lists whose members are kept in the store.
func static(lists map[string]*definition.List) (names []string) {
	return slices.Sorted(maps.Keys(lists))
}
