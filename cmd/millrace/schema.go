package main

import (
	"github.com/millrace/millrace/internal/definition"
	"github.com/spf13/cobra"
)

func newSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a definition, for editors",
		Long: `Print the JSON Schema of a definition, by which editors complete and explain
while you write. One with the YAML language server finds it by a first line:
  # yaml-language-server: $schema=../millrace.schema.json`,
		Example: "  millrace schema > millrace.schema.json",
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			a.output = outputJSON // it has no other form
			return a.show(definition.JSONSchema(a.Kinds), nil)
		},
	}
}
