package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func newPrune(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "prune",
		Short: "Remove what is kept no longer",
		Long: `Remove what is kept no longer by ` + "`retention`" + ` in millrace.yaml, and records that
were deleted 90 days ago. Workers do this every night;
` + "`millrace history --export`" + ` saves the journal before. It may be stopped and run
again at any time.`,
		Example: "  millrace prune",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.prune(command.Context(), books)
			})
		},
	}
	a.databaseFlag(command)
	return command
}

// prunedThings is the result of `millrace prune`.
type prunedThings struct {
	Removed map[string]int64 `json:"removed"` // by kind: actions, outbox, decisions, enrollments, membership, audit, rejected, records
}

func (a *app) prune(ctx context.Context, books *store.Store) (err error) {
	numbers, err := books.Audit(ctx, a.deed(store.DeedPrune, "database", nil, nil))
	if err != nil {
		return err
	}
	state := plan.Pruning{At: a.Now()}
	for !state.Done {
		if state, err = enroll.PrunePage(ctx, books, state); err != nil {
			return errors.Join(err, books.AuditFailed(context.WithoutCancel(ctx), numbers[0], oneLine(err)))
		}
	}
	result := prunedThings{Removed: map[string]int64{}}
	maps.Copy(result.Removed, state.Removed)
	if err := books.Tx(ctx, func(tx *store.Tx) error { return tx.AuditBecame(ctx, numbers[0], encoded(result)) }); err != nil {
		return err
	}
	return a.show(result, func(w io.Writer) {
		var parts []string
		for _, kind := range slices.Sorted(maps.Keys(result.Removed)) {
			parts = append(parts, fmt.Sprintf("%d %s", result.Removed[kind], kind))
		}
		if len(parts) == 0 {
			parts = []string{"nothing"}
		}
		fmt.Fprintln(w, "removed: "+strings.Join(parts, ", "))
	})
}
