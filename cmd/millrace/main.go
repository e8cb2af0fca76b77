// Command millrace is the whole product at a terminal: the author's loop, the worker, and what operators
// ask and do.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/sandbox"
)

// servesScripts is the only argument of the processes in which this program runs scripts.
const servesScripts = "serve-scripts"

func main() {
	if len(os.Args) == 2 && os.Args[1] == servesScripts {
		if err := sandbox.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(int(exitFailed))
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	folder, err := os.Getwd()
	if err != nil {
		folder = "."
	}
	jail := sandbox.Jail{Program: []string{self(), servesScripts}}
	code := run(ctx, &app{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environment: os.Environ(), Folder: folder, Now: time.Now, Kinds: activities.Kinds(), Scripts: jail.Run,
	})
	jail.Close()
	os.Exit(code)
}

// self is where this very program is, also when its file is replaced while it runs.
func self() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	program, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return program
}
