// Command millrace is the whole product at a terminal: the author's loop, the worker, and what operators
// ask and do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/millrace/millrace/activities"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	folder, err := os.Getwd()
	if err != nil {
		folder = "."
	}
	os.Exit(run(ctx, &app{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environment: os.Environ(), Folder: folder, Now: time.Now, Kinds: activities.Kinds(),
	}))
}
