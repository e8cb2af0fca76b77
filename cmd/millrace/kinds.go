package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/schema"
	"github.com/spf13/cobra"
)

// kindSummary is one line of `millrace kinds list`.
type kindSummary struct {
	ID       string          `json:"id"`
	Category action.Category `json:"category"`
	Summary  string          `json:"summary"`
	Objects  []string        `json:"objects"` // record types it is allowed on; empty = any
	Ports    []string        `json:"ports"`   // without those that a config names
	Local    bool            `json:"local"`
}

// kindDetails is the result of `millrace kinds show`.
type kindDetails struct {
	kindSummary
	Aliases []string        `json:"aliases"`
	Doc     string          `json:"doc"`
	Example string          `json:"example"`
	Outputs []action.Output `json:"outputs"`
	Config  map[string]any  `json:"config"` // JSON Schema
}

func newKinds(a *app) *cobra.Command {
	list := func(*cobra.Command, []string) error { return a.listKinds() }
	kinds := &cobra.Command{
		Use:     "kinds",
		Short:   "List and explain the kinds of action",
		Example: "  millrace kinds",
		RunE:    list,
	}
	kinds.Args = subcommandOf(kinds)
	kinds.AddCommand(&cobra.Command{
		Use:     "list",
		Short:   "List the kinds of action",
		Example: "  millrace kinds list -o json",
		Args:    arguments(0, 0),
		RunE:    list,
	}, &cobra.Command{
		Use:   "show KIND",
		Short: "Explain a kind: config, ports, outputs, an example",
		Long: `Explain a kind of action: its config, ports and outputs, with an example.
As JSON the config is a JSON Schema.`,
		Example: "  millrace kinds show delay_until_event",
		Args:    arguments(1, 1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.showKind(args[0]) },
	})
	return kinds
}

func summarize(kind action.Kind) kindSummary {
	return kindSummary{
		ID: kind.ID, Category: kind.Category, Summary: kind.Summary, Objects: list(kind.Objects), Ports: list(kind.StaticPorts()), Local: kind.Local,
	}
}

// list is a slice that is [] in JSON when it is empty.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func (a *app) listKinds() error {
	summaries := []kindSummary{}
	rows := [][]string{{"KIND", "CATEGORY", "PORTS", "SUMMARY"}}
	for _, kind := range a.Kinds {
		summary := summarize(kind)
		summaries = append(summaries, summary)
		rows = append(rows, []string{summary.ID, string(summary.Category), strings.Join(summary.Ports, " "), summary.Summary})
	}
	return a.show(summaries, func(w io.Writer) { table(w, rows) })
}

func (a *app) showKind(id string) error {
	var ids []string
	for _, kind := range a.Kinds {
		ids = append(ids, kind.ID)
		if kind.ID == id || slices.Contains(kind.Aliases, id) {
			details := kindDetails{
				kindSummary: summarize(kind), Aliases: list(kind.Aliases), Doc: kind.Doc, Example: kind.Example,
				Outputs: list(kind.Outputs), Config: schema.JSONSchema(kind.Config),
			}
			return a.show(details, func(w io.Writer) { explainKind(w, kind) })
		}
	}
	return usagef("unknown kind %q%s; `millrace kinds list` has them all", id, didYouMean(id, ids))
}

// explainKind writes the Markdown of a kind.
func explainKind(w io.Writer, kind action.Kind) {
	fmt.Fprintf(w, "# %s\n\n%s.\n", kind.ID, strings.TrimSuffix(kind.Summary, "."))
	if kind.Doc != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(kind.Doc))
	}
	objects := "any"
	if kind.Objects != nil {
		objects = strings.Join(kind.Objects, ", ")
	}
	fmt.Fprintf(w, "\n- category: %s\n- objects: %s\n- ports: %s\n", kind.Category, objects, strings.Join(kind.StaticPorts(), ", "))
	fmt.Fprintf(w, "\n## Example\n\n```yaml\n%s\n```\n\n## Config\n\n%s", strings.TrimSpace(kind.Example), schema.Markdown(kind.Config))
	if len(kind.Outputs) == 0 {
		return
	}
	fmt.Fprint(w, "\n## Outputs\n\n")
	for _, output := range kind.Outputs {
		fmt.Fprintf(w, "- `%s` (%s) %s\n", output.Name, output.Type, output.Doc)
	}
}
