package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what every command works with: the process around it, which tests replace, and the flags that
// several commands share.
type app struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environment    environment
	Folder         string // the working directory, where the workspace is looked for
	Now            func() time.Time
	Kinds          []action.Kind
	Scripts        action.Scripts // nil = scripts run in this process

	output    string    // text or json
	database  string    // --database
	workspace string    // the folder that a command names; "" = the one around Folder
	as        string    // --as
	command   string    // path of the command that runs, without the program
	who       crm.Actor // who runs it, once a database is open
}

// environment is a process's environment as KEY=VALUE; it is an envconfig.EnvLookup.
type environment []string

func (e environment) Environ() []string { return e }

func (e environment) LookupEnv(name string) (string, bool) {
	for _, entry := range slices.Backward(e) {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value, true
		}
	}
	return "", false
}

func (e environment) get(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// Forms of output.
const (
	outputText   = "text"
	outputJSON   = "json"
	outputGitHub = "github"
)

// Exit codes (language §3).
const (
	exitFailed       exit = 1
	exitUsage        exit = 2
	exitPlaceholders exit = 3
)

// exit ends the program with a code when everything there is to say has been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes one command and returns the exit code of the program. An error is printed once, on one line.
func run(ctx context.Context, a *app) int {
	root := newRoot(a)
	command, err := root.ExecuteContextC(ctx)
	var code exit
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(a.Stderr, "millrace: %s; see `%s --help`\n", oneLine(err), command.CommandPath())
		return int(exitUsage)
	}
	fmt.Fprintf(a.Stderr, "millrace: %s\n", oneLine(err))
	return int(exitFailed)
}

// oneLine is the text of an error without line breaks; joined errors have some.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// newRoot assembles the command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Workflows for customer records, on Temporal",
		Long: `Millrace runs the workflows of a workspace: it enrolls records, waits, branches
and sends, and every enrollment is a durable Temporal workflow.

The Temporal server is found by the official TEMPORAL_* variables and profiles,
the database by --database or MILLRACE_DATABASE. Without them a running
` + "`millrace dev`" + ` of the workspace is used, else the database in its .millrace/.

` + "`millrace completion`" + ` prints what your shell needs to complete names.`,
		Example:       "  millrace dev examples/trial-nurture",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.Args = subcommandOf(root)
	root.SetArgs(a.Args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(flagError)
	a.output = outputText
	root.PersistentFlags().VarP(&choice{&a.output, []string{outputText, outputJSON}}, "output", "o", "form of the result on standard output")
	root.PersistentFlags().StringVar(&a.as, "as", a.Environment.get("MILLRACE_USER"), "`user` in whose name it is done, with what users.yaml lets him (default: MILLRACE_USER, else whoever runs it, who may do everything)")
	root.PersistentPreRun = func(command *cobra.Command, _ []string) {
		_, a.command, _ = strings.Cut(command.CommandPath(), " ")
	}
	author := &cobra.Group{ID: "author", Title: "Write workflows:"}
	runs := &cobra.Group{ID: "run", Title: "Run them:"}
	people := &cobra.Group{ID: "people", Title: "See and move records:"}
	root.AddGroup(author, runs, people)
	add := func(group *cobra.Group, commands ...*cobra.Command) {
		for _, command := range commands {
			command.GroupID = group.ID
			root.AddCommand(command)
		}
	}
	add(author, newInit(a), newCheck(a), newPush(a), newSimulate(a), newTest(a), newDiff(a), newGraph(a), newImport(a), newKinds(a), newSchema(a))
	add(runs, newDemo(a), newDev(a), newWorker(a), newServe(a), newWorkflows(a), newPrune(a), newDoctor(a), newUsage(a), newKeys(a), newAudit(a), newBench(a))
	add(people, newEnroll(a), newUnenroll(a), newPause(a), newResume(a), newSkipWait(a), newMove(a), newEvent(a), newEvents(a), newEnrollments(a), newWhy(a), newHistory(a), newOutbox(a), newRecords(a), newLists(a))
	root.AddCommand(newVersion(a), newCompletion(a))
	a.complete(root)
	return root
}

// subcommandOf refuses arguments that name no command below parent.
func subcommandOf(parent *cobra.Command) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, command := range parent.Commands() {
			if command.IsAvailableCommand() {
				names = append(names, command.Name())
			}
		}
		return usagef("unknown command %q for %q%s", args[0], parent.CommandPath(), didYouMean(args[0], names))
	}
}

// needsSubcommand is what a group of commands does when none is named.
func needsSubcommand(command *cobra.Command, _ []string) error {
	var names []string
	for _, below := range command.Commands() {
		names = append(names, below.Name())
	}
	return usagef("`%s` needs a command: %s", command.CommandPath(), strings.Join(names, ", "))
}

// arguments refuses another number of arguments than least to most; most < 0 is any.
func arguments(least, most int) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		_, wanted, _ := strings.Cut(command.Use, " ")
		switch {
		case len(args) < least:
			return usagef("`%s` needs %s", command.CommandPath(), wanted)
		case most == 0 && len(args) > 0:
			return usagef("`%s` takes no arguments, got %q", command.CommandPath(), args[0])
		case most >= 0 && len(args) > most:
			return usagef("`%s` takes %s; %q is too much", command.CommandPath(), wanted, args[most])
		}
		return nil
	}
}

// flagError turns an error of the flag parser into wrong usage, with a suggestion.
func flagError(command *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if words := command.Flags().Args(); command.HasSubCommands() && len(words) > 0 { // the flag of a command that is not there
		return subcommandOf(command)(command, words)
	}
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	if errors.As(err, &invalid) && errors.As(err, &number) {
		return usagef("--%s takes a whole number, not %q", invalid.GetFlag().Name, invalid.GetValue())
	}
	suggestion := ""
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
		if name := schema.Suggest(unknown.GetSpecifiedName(), names); name != "" {
			suggestion = fmt.Sprintf(": did you mean --%s?", name)
		}
	}
	return usagef("%w%s", err, suggestion)
}

// didYouMean is the end of an error about a wrong word, or "".
func didYouMean(wrong string, known []string) string {
	if word := schema.Suggest(wrong, known); word != "" {
		return fmt.Sprintf(": did you mean %q?", word)
	}
	return ""
}

// choice is a flag with a few allowed values.
type choice struct {
	value   *string
	allowed []string
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }

func (c *choice) Set(value string) error {
	if !slices.Contains(c.allowed, value) {
		return fmt.Errorf("write %s%s", strings.Join(c.allowed, " or "), didYouMean(value, c.allowed))
	}
	*c.value = value
	return nil
}

// show writes a result to standard output: value as JSON, or what text writes.
func (a *app) show(value any, text func(w io.Writer)) error {
	if a.output == outputJSON {
		encoder := json.NewEncoder(a.Stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	var out strings.Builder
	text(&out)
	_, err := io.WriteString(a.Stdout, out.String())
	return err
}

// table writes rows with aligned columns; the first one is the head.
func table(w io.Writer, rows [][]string) {
	var aligned strings.Builder
	columns := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	columns.Flush() // into memory
	for line := range strings.Lines(aligned.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// printable replaces what could break a line or steer a terminal: values come from anywhere.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// note tells the user something beside the result.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.Stderr, format+"\n", args...) }

// color tells whether to write colours to w.
func (a *app) color(w io.Writer) bool {
	return a.terminal(w) && a.Environment.get("NO_COLOR") == ""
}

// usageTemplate is cobra's, with flags wrapped at 80 columns.
const usageTemplate = `Usage:
  {{if .Runnable}}{{.UseLine}}{{else}}{{.CommandPath}} COMMAND{{end}}
{{- if .HasExample}}

Example:
{{.Example}}
{{- end}}
{{- $root := .}}
{{- range $group := .Groups}}

{{.Title}}
{{- range $root.Commands}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{- end}}
{{- if .HasAvailableSubCommands}}

{{if .Groups}}Other commands:{{else}}Commands:{{end}}
{{- range .Commands}}{{if and (eq .GroupID "") .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{- end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}
{{- end}}
`
