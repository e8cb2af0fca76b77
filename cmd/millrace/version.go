package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/millrace/millrace/workflows"
	"github.com/spf13/cobra"
)

// versions is the result of `millrace version`.
type versions struct {
	Version     string `json:"version"`
	Interpreter int    `json:"interpreter"` // of the Temporal workflow; never lower in a later release
	Go          string `json:"go"`
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of Millrace, its interpreter and Go",
		Example: "  millrace version -o json",
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			v := versions{Version: "(devel)", Interpreter: workflows.Version, Go: runtime.Version()}
			if info, known := debug.ReadBuildInfo(); known && info.Main.Version != "" {
				v.Version = info.Main.Version
			}
			return a.show(v, func(w io.Writer) {
				fmt.Fprintf(w, "millrace %s (interpreter %d, %s)\n", v.Version, v.Interpreter, v.Go)
			})
		},
	}
}
