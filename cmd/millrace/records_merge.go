package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func (a *app) mergeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "merge KEEP LOSE",
		Short: "Make one record of two",
		Long: `Make one record of two of the same type. KEEP keeps its values and gets those of
LOSE that it lacks, and its history, associations, lists, events and
subscriptions; an opt-out of either holds. LOSE leaves all workflows, is deleted
for good and points to KEEP, which gets the events that still come for it.`,
		Example: "  millrace records merge contact/51 contact/52",
		Args:    arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error {
			refs, err := recordArguments(args)
			if err != nil {
				return err
			}
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.mergeRecords(command.Context(), books, refs[0], refs[1])
			})
		},
	}
}

func (a *app) mergeRecords(ctx context.Context, books *store.Store, keep, lose crm.Ref) error {
	for _, ref := range []crm.Ref{keep, lose} {
		if err := knownRecord(ctx, books, ref); err != nil {
			return err
		}
	}
	var waiting []string
	err := books.Tx(ctx, func(tx *store.Tx) (err error) {
		before, err := tx.Get(ctx, keep)
		if err != nil {
			return err
		}
		if err := tx.Merge(ctx, keep, lose, a.Now(), "merge of "+lose.String()); err != nil {
			return err
		}
		after, err := tx.Get(ctx, keep)
		if err != nil {
			return err
		}
		won := a.deed(store.DeedMergeRecord, keep.String(), nil, nil)
		won.Changed(before.Properties, after.Properties)
		if _, err := tx.Audit(ctx, won, a.deed(store.DeedMergeRecord, lose.String(), nil, map[string]string{"into": keep.String()})); err != nil {
			return err
		}
		waiting, err = tx.Waiting(ctx)
		return err
	})
	if err != nil {
		return err
	}
	a.tellRecord(ctx, books, lose, waiting, func(client *enroll.Client, open []plan.Enrollment) error {
		err := client.Wake(ctx, waiting)
		for _, one := range open {
			left := client.Unenroll(ctx, one.Workflow, lose, plan.Unenroll{Reason: plan.ExitMerged})
			if !errors.Is(left, enroll.ErrNotInside) {
				err = errors.Join(err, left)
			}
		}
		return err
	})
	return a.getRecord(ctx, books, keep, nil)
}

// purgedRecords is the result of `millrace records purge`.
type purgedRecords struct {
	Purged int `json:"purged"`
}

// purgeBatch is how many records one transaction purges.
const purgeBatch = 200

func (a *app) purgeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "purge",
		Short: "Remove for good what was deleted 90 days ago",
		Long: `Remove for good the records that were deleted more than 90 days ago, with their
history, events, associations and places on lists. Until then they can be
restored. What workflows did with them stays in the journal.`,
		Example: "  millrace records purge",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.purgeRecords(command.Context(), books)
			})
		},
	}
}

func (a *app) purgeRecords(ctx context.Context, books *store.Store) error {
	result := purgedRecords{}
	for before := a.Now().Add(-crm.Restorable); ; {
		var purged []crm.Ref
		err := books.Tx(ctx, func(tx *store.Tx) (err error) {
			if purged, err = tx.Purge(ctx, before, purgeBatch); err != nil {
				return err
			}
			var deeds []store.Deed
			for _, ref := range purged {
				deeds = append(deeds, a.deed(store.DeedPurgeRecord, ref.String(), nil, nil))
			}
			_, err = tx.Audit(ctx, deeds...)
			return err
		})
		if err != nil {
			return err
		}
		if result.Purged += len(purged); len(purged) < purgeBatch {
			break
		}
	}
	return a.show(result, func(w io.Writer) { fmt.Fprintf(w, "%d purged\n", result.Purged) })
}
