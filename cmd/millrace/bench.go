package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/testsuite"
	"github.com/millrace/millrace/worker"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	temporallog "go.temporal.io/sdk/log"
)

// Bounds of a bench.
const (
	mostBenched  = 100_000
	mostInFlight = 1000
	longestBench = time.Hour
)

func newBench(a *app) *cobra.Command {
	count, inFlight, longest := 300, 20, time.Minute
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure enrollments beside workflows written by hand",
		Long: `Put enrollments through five webhooks, and beside them a workflow of five
activities that was written by hand for Temporal, in turns on the same embedded
server. Prints enrollments per second of both, medians of ten turns or so, the
bytes of history that one leaves, and their ratios. The webhooks go to this
process: nothing leaves the machine.`,
		Example: "  millrace bench --count 1000 --in-flight 50",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			switch {
			case count < 1 || count > mostBenched:
				return usagef("--count %d is not between 1 and %d", count, mostBenched)
			case inFlight < 1 || inFlight > mostInFlight:
				return usagef("--in-flight %d is not between 1 and %d", inFlight, mostInFlight)
			case longest <= 0 || longest > longestBench:
				return usagef("--time %s is not between 1s and %s", longest, longestBench)
			}
			return a.bench(command.Context(), testsuite.Bench{Enrollments: count, InFlight: inFlight, Longest: longest})
		},
	}
	command.Flags().IntVar(&count, "count", count, "`number` of enrollments of each side")
	command.Flags().IntVar(&inFlight, "in-flight", inFlight, "`number` of enrollments at once")
	command.Flags().DurationVar(&longest, "time", longest, "`duration` after which no more are begun")
	return command
}

func (a *app) bench(ctx context.Context, bench testsuite.Bench) (err error) {
	binary, err := devserver.Find(ctx, a.Stderr, true)
	if err != nil {
		return err
	}
	a.note("starting a Temporal server …")
	server, err := devserver.Start(ctx, devserver.Options{Binary: binary, Attributes: worker.AttributeTypes()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	folder, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return fmt.Errorf("making room for the bench's database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	books, err := store.Open(ctx, "sqlite://"+filepath.Join(folder, databaseFile))
	if err != nil {
		return err
	}
	defer closing(books, &err)
	connected, err := connect(ctx, client.Options{HostPort: server.Address, Namespace: server.Namespace, Logger: temporallog.NewStructuredLogger(a.log(slog.LevelError))})
	if err != nil {
		return err
	}
	defer connected.Close()
	bench.Temporal, bench.Namespace, bench.Store, bench.Kinds = connected.Client, server.Namespace, books, a.Kinds
	a.note("enrolling %d, %d at once …", bench.Enrollments, bench.InFlight)
	result, err := bench.Run(ctx)
	if err != nil {
		return err
	}
	return a.show(result, func(w io.Writer) {
		fmt.Fprintf(w, "%d of each, %d at once\n\n", result.Enrollments, result.InFlight)
		row := func(name string, pace testsuite.Pace) []string {
			return []string{name, fmt.Sprintf("%.1f", pace.PerSecond), fmt.Sprintf("%.1f", pace.Seconds), strconv.FormatInt(pace.HistoryBytes, 10)}
		}
		table(w, [][]string{{"", "PER SECOND", "SECONDS", "HISTORY BYTES"}, row("Millrace", result.Millrace), row("by hand", result.ByHand)})
		fmt.Fprintf(w, "\nratio %.2f, of histories %.2f\n", result.Ratio, result.Histories)
	})
}
