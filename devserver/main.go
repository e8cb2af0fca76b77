// Command millrace-devserver runs a whole Temporal server with its Web UI in
// one process, on one SQLite file or on PostgreSQL. It serves development,
// demonstrations and tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	uiversion "github.com/temporalio/ui-server/v2/server/version"
	"go.temporal.io/server/common/headers"
	sqltool "go.temporal.io/server/tools/sql"
)

// Version is the version of millrace-devserver itself.
const Version = "0.1.0"

const usage = `millrace-devserver runs Temporal for development, demonstrations and tests.

  millrace-devserver server start-dev [flags]   run the server and its Web UI
  millrace-devserver sql ...                    manage the schema of an SQL database
  millrace-devserver version                    print the versions

Run a command with --help to see its flags.
`

// usageError is a mistake on the command line.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "millrace-devserver:", err)
	if errors.As(err, new(usageError)) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch {
	case command == "server" && len(args) > 1 && args[1] == "start-dev":
		opts, err := parseOptions(args[2:], stdout)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return nil
		case err != nil:
			return usageError{err}
		}
		return serve(ctx, opts, stdout)
	case command == "sql":
		return sqltool.RunTool(args) // the first argument stands where a program's name would
	case command == "version", command == "--version":
		fmt.Fprintf(stdout, "millrace-devserver %s (Temporal server %s, Web UI %s)\n",
			Version, headers.ServerVersion, uiversion.UIVersion)
		return nil
	case command == "help", command == "--help", command == "-h":
		fmt.Fprint(stdout, usage)
		return nil
	case command == "":
		return usageError{errors.New("no command; try 'millrace-devserver help'")}
	default:
		return usageError{fmt.Errorf("unknown command %q; try 'millrace-devserver help'", command)}
	}
}
