package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mostProposed is how many records are proposed.
const mostProposed = 100

func newCompletion(a *app) *cobra.Command {
	shells := map[string]func(root *cobra.Command, out io.Writer) error{
		"bash":       func(root *cobra.Command, out io.Writer) error { return root.GenBashCompletionV2(out, true) },
		"zsh":        (*cobra.Command).GenZshCompletion,
		"fish":       func(root *cobra.Command, out io.Writer) error { return root.GenFishCompletion(out, true) },
		"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	}
	names := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print what a shell needs to complete commands and names",
		Long: `Print what a shell needs to complete commands, flags, and the names of
workflows, records and actions that are in the database. Let it read that at its
start:
  bash         source <(millrace completion bash), in ~/.bashrc; it needs the
               package bash-completion
  zsh          source <(millrace completion zsh), in ~/.zshrc behind compinit
  fish         millrace completion fish | source, in config.fish
  powershell   millrace completion powershell | Out-String | Invoke-Expression,
               in the profile`,
		Example:           "  millrace completion bash > /etc/bash_completion.d/millrace",
		Args:              arguments(1, 1),
		ValidArgsFunction: cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(command *cobra.Command, args []string) error {
			write, known := shells[args[0]]
			if !known {
				return usagef("there is nothing for the shell %q: choose %s or %s%s", args[0],
					strings.Join(names[:len(names)-1], ", "), names[len(names)-1], didYouMean(args[0], names))
			}
			return write(command.Root(), a.Stdout)
		},
	}
}

// proposal lists words for an argument, given those before it and what is typed of it so far.
type proposal func(ctx context.Context, books *store.Store, args []string, typed string) ([]string, error)

// complete makes the shell complete workflows, records, actions, kinds and what else has few values.
func (a *app) complete(root *cobra.Command) {
	enrolled, inside := proposeEnrolled(false), proposeEnrolled(true)
	anyRecord := func(ctx context.Context, books *store.Store, _ []string, typed string) ([]string, error) {
		return proposeRecords(ctx, books, nil, typed)
	}
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
		"workflows drain":     {proposeWorkflows},
		"workflows pause":     {proposeWorkflows},
		"workflows stop":      {proposeWorkflows},
		"event":               {proposeNothing},
		"events":              {proposeRecords, proposeNothing},
		"records list":        {proposeObjects, proposeNothing},
		"records export":      {proposeObjects, proposeNothing},
		"records delete":      {proposeRecords, proposeNothing},
		"records merge":       {anyRecord, anyRecord, proposeNothing},
		"lists show":          {proposeLists, proposeNothing},
		"lists count":         {proposeLists, proposeNothing},
		"lists add":           {proposeLists, anyRecord},
		"lists remove":        {proposeLists, anyRecord},
		"keys revoke":         {proposeKeys, proposeNothing},
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
	for _, path := range []string{"enrollments", "unenroll", "pause", "resume", "skip-wait", "move"} {
		propose(path, "at", a.proposing(proposeNothing, proposeActions))
	}
	propose("event", "record", a.proposing(anyRecord))
	propose("enroll", "list", a.proposing(proposeLists))
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
		names, err := proposeObjects(ctx, books, nil, "")
		for _, name := range names {
			words = append(words, name+"/")
		}
		return words, err
	}
	records, err := books.List(ctx, object, "", mostProposed)
	for _, record := range records {
		words = append(words, record.Ref.String())
	}
	return words, err
}

func proposeObjects(ctx context.Context, books *store.Store, _ []string, _ string) ([]string, error) {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	return catalog.Objects(), nil
}

func proposeLists(ctx context.Context, books *store.Store, _ []string, _ string) (words []string, err error) {
	lists, err := books.Lists(ctx, time.Now(), time.UTC) // in which zone matters to their sizes alone
	for _, one := range lists {
		words = append(words, one.Name)
	}
	return words, err
}

func proposeKeys(ctx context.Context, books *store.Store, _ []string, _ string) (words []string, err error) {
	keys, err := books.Keys(ctx)
	for _, key := range keys {
		if key.Revoked.IsZero() {
			words = append(words, key.Name)
		}
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
