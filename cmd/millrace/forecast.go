package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/worker"
)

// foresee tells what a publication would do to the people inside the workflows that it revises.
func (a *app) foresee(ctx context.Context, books *store.Store, publication store.Publication) ([]publish.Forecast, error) {
	runtime := worker.Runtime(worker.Options{Store: books, Log: a.log(slog.LevelError)})
	kinds := map[string]action.Kind{}
	for _, kind := range a.Kinds {
		kinds[kind.ID] = kind
	}
	foresight := publish.Foresight{
		Now:      a.Now(),
		Messages: func(kind string) bool { return kinds[kind].Effect == action.Messages },
		Ask: func(ctx context.Context, prospect *plan.Plan, call plan.Call) (plan.Outcome, error) {
			with := action.Prospect{Plan: prospect, Account: publication.Account, Catalog: publication.Catalog}
			outcome, err := runtime.Foresee(ctx, kinds[prospect.Nodes[call.Node].Kind], with, call)
			if action.IsPermanent(err) {
				return plan.Outcome{Port: plan.PortFailed}, nil
			}
			return outcome, err
		},
	}
	var forecasts []publish.Forecast
	for _, revision := range publication.Definitions {
		latest, found, err := books.LatestRevision(ctx, revision.Workflow)
		if err != nil {
			return nil, err
		}
		if !found || latest.Plan.Hash == revision.Plan.Hash {
			continue
		}
		forecast, err := publish.Foresee(ctx, books, revision, foresight)
		if err != nil {
			return nil, err
		}
		forecasts = append(forecasts, forecast)
	}
	return forecasts, nil
}

// placesOf are the people of a workflow among forecasts.
func placesOf(forecasts []publish.Forecast, workflow string) []publish.Place {
	i := slices.IndexFunc(forecasts, func(one publish.Forecast) bool { return one.Workflow == workflow })
	if i < 0 {
		return []publish.Place{}
	}
	return list(forecasts[i].Places)
}

// affected counts those who would not simply go on.
func affected(forecasts []publish.Forecast) (people int) {
	for _, forecast := range forecasts {
		people += forecast.Affected()
	}
	return people
}

// printPlaces writes a line for each action with people.
func printPlaces(w io.Writer, places []publish.Place) {
	for _, place := range places {
		where := "at " + place.Node
		if place.Node == "" {
			where = "on the way to the first action"
		}
		fmt.Fprintf(w, "  %s: %s\n", where, place)
	}
}

// agree lets somebody at a terminal look at what becomes of people, or holds a token against it. A script that has no
// token is told and goes on. What comes back is why the push must not go on; "" = it may.
func (a *app) agree(seen pushed, how pushing) (refusal string) {
	people, token, deletes := affected(seen.forecasts), seen.Confirm, seen.deletes()
	seen.Confirm = "" // is told with the question
	switch {
	case how.confirm != "":
		if changed := publish.Confirm(how.confirm, seen.forecasts); changed != "" {
			return fmt.Sprintf("the token does not hold any more: %s; look again with --dry-run", changed)
		}
	case people == 0 && len(deletes) == 0 || how.yes || a.developing():
	case a.output == outputText && a.terminal(a.Stderr) && a.watched():
		seen.print(a.Stderr)
		question := "Publish this?"
		if people > 0 {
			question += fmt.Sprintf(" It affects %d inside.", people)
		}
		if len(deletes) > 0 {
			question += fmt.Sprintf(" It deletes records at %s.", strings.Join(deletes, ", "))
		}
		if !asked(a.Stdin, a.Stderr, question+" [y/N] ") {
			return "you did not agree"
		}
	case people == 0:
		fmt.Fprintf(a.Stderr, "records will be deleted at %s; nobody could be asked\n", strings.Join(deletes, ", "))
	default:
		seen.print(a.Stderr)
		fmt.Fprintf(a.Stderr, "nobody could be asked; `millrace push --confirm %s` would have held it to this\n", token)
	}
	return ""
}

// deletes names the actions that delete records, and did not before, as WORKFLOW/ACTION.
func (p pushed) deletes() []string {
	var named []string
	for _, one := range p.Workflows {
		for _, id := range one.Deletes {
			named = append(named, one.Workflow+"/"+id)
		}
	}
	return named
}

// asked asks a question whose answer is yes or anything else.
func asked(in io.Reader, out io.Writer, question string) bool {
	fmt.Fprint(out, question)
	answer, _ := bufio.NewReader(in).ReadString('\n') // what ends without a line is no yes
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}
