package main

import (
	"context"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mostProposed is how many records are proposed.
const mostProposed = 100

// proposal lists words for an argument, given those before it and what is typed of it so far.
type proposal func(ctx context.Context, books *store.Store, args []string, typed string) ([]string, error)

// complete makes the shell complete workflows, records, actions, kinds and what else has few values.
func (a *app) complete(root *cobra.Command) {
	enrolled, inside := proposeEnrolled(false), proposeEnrolled(true)
	for path, proposals := range map[string][]proposal{
		"workflows show":      {proposeWorkflows, proposeNothing},
		"workflows revisions": {proposeWorkflows, proposeNothing},
		"workflows on":        {proposeWorkflows},
		"workflows off":       {proposeWorkflows},
		"enroll":              {proposeWorkflows, proposeRecords},
		"unenroll":            {proposeWorkflows, inside, proposeNothing},
		"pause":               {proposeWorkflows, inside},
		"resume":              {proposeWorkflows, inside},
		"skip-wait":           {proposeWorkflows, inside},
		"move":                {proposeWorkflows, inside},
		"enrollments":         {proposeWorkflows, proposeNothing},
		"why":                 {proposeWorkflows, enrolled, proposeNothing},
		"history":             {proposeWorkflows, enrolled, proposeNothing},
		"records get":         {proposeRecords, proposeNothing},
		"records set":         {proposeRecords, proposeProperties},
		"records delete":      {proposeRecords, proposeNothing},
	} {
		command(root, path).ValidArgsFunction = a.proposing(proposals...)
	}
	var kinds []string
	for _, kind := range a.Kinds {
		kinds = append(kinds, kind.ID)
	}
	command(root, "kinds show").ValidArgsFunction = cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveNoFileComp)
	propose := func(path, flag string, with cobra.CompletionFunc) {
		if err := command(root, path).RegisterFlagCompletionFunc(flag, with); err != nil {
			panic(err)
		}
	}
	propose("init", "template", cobra.FixedCompletions(templates(), cobra.ShellCompDirectiveNoFileComp))
	propose("move", "to", a.proposing(proposeNothing, proposeActions))
	propose("enrollments", "at", a.proposing(proposeNothing, proposeActions))
	proposeChoices(root)
}

// command is the command at a path. That it is not there is a programmer's mistake.
func command(root *cobra.Command, path string) *cobra.Command {
	found, rest, err := root.Find(strings.Fields(path))
	if err != nil || len(rest) > 0 {
		panic("millrace: there is no command " + path)
	}
	return found
}

// proposing completes arguments, one proposal for each; the last one is also for those that follow. What cannot be
// proposed is left to the person who types.
func (a *app) proposing(proposals ...proposal) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var words []string
		err := a.withStore(command.Context(), func(books *store.Store) (err error) {
			words, err = proposals[min(len(args), len(proposals)-1)](command.Context(), books, args, typed)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words = slices.DeleteFunc(words, func(word string) bool { return !strings.HasPrefix(word, typed) || slices.Contains(args, word) })
		directive := cobra.ShellCompDirectiveNoFileComp
		if slices.ContainsFunc(words, func(word string) bool { return strings.HasSuffix(word, "/") || strings.HasSuffix(word, "=") }) {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return words, directive
	}
}

func proposeWorkflows(ctx context.Context, books *store.Store, _ []string, _ string) (words []string, err error) {
	workflows, err := books.Workflows(ctx)
	for _, workflow := range workflows {
		words = append(words, workflow.Workflow)
	}
	return words, err
}

// proposeRecords proposes records of the workflow's object, if there is a workflow, else of any.
func proposeRecords(ctx context.Context, books *store.Store, args []string, typed string) (words []string, err error) {
	object, _, begun := strings.Cut(typed, "/")
	if !begun && len(args) > 0 {
		newest, found, err := books.LatestRevision(ctx, args[0])
		if err != nil || !found {
			return nil, err
		}
		return []string{newest.Plan.Object + "/"}, nil
	}
	if !begun {
		catalog, err := books.Catalog(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range catalog.Objects() {
			words = append(words, name+"/")
		}
		return words, nil
	}
	records, err := books.List(ctx, object, "", mostProposed)
	for _, record := range records {
		words = append(words, record.Ref.String())
	}
	return words, err
}

// proposeEnrolled proposes records that are in the workflow, or were.
func proposeEnrolled(openOnly bool) proposal {
	return func(ctx context.Context, books *store.Store, args []string, _ string) (words []string, err error) {
		enrollments, err := books.Enrollments(ctx, store.EnrollmentFilter{Workflow: args[0], OpenOnly: openOnly, Limit: mostProposed})
		for _, one := range enrollments {
			words = append(words, one.Record)
		}
		slices.Sort(words)
		return slices.Compact(words), err
	}
}

func proposeProperties(ctx context.Context, books *store.Store, args []string, _ string) (words []string, err error) {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(args[0], "/")
	object, _ := catalog.Object(name)
	for _, property := range propertyNames(object) {
		words = append(words, property+"=")
	}
	return words, nil
}

func proposeNothing(context.Context, *store.Store, []string, string) ([]string, error) {
	return nil, nil
}

func proposeActions(ctx context.Context, books *store.Store, args []string, _ string) ([]string, error) {
	newest, found, err := books.LatestRevision(ctx, args[0])
	if err != nil || !found {
		return nil, err
	}
	return definition.Order(newest.Plan), nil
}

// proposeChoices completes the flags that have a few allowed values, of a command and of those below.
func proposeChoices(command *cobra.Command) {
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if choice, is := flag.Value.(*choice); is {
			_ = command.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(choice.allowed, cobra.ShellCompDirectiveNoFileComp)) // fails when there is no such flag
		}
	})
	for _, below := range command.Commands() {
		proposeChoices(below)
	}
}
