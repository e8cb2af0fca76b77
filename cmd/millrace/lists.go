package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// changedMember is what became of a record in `millrace lists add` and `remove`.
type changedMember struct {
	Record  string `json:"record"`
	Changed bool   `json:"changed"` // false when it was as wanted already
}

// listChange changes whether a record is on a list, and tells whether it was otherwise.
type listChange func(ctx context.Context, tx *store.Tx, list string, ref crm.Ref) (bool, error)

func newLists(a *app) *cobra.Command {
	lists := &cobra.Command{
		Use:     "lists",
		Short:   "See lists and who is on them",
		Example: "  millrace lists show vip",
		RunE:    needsSubcommand,
	}
	lists.Args = subcommandOf(lists)
	var limit int
	show := &cobra.Command{
		Use:     "show LIST",
		Short:   "Show the records on a list",
		Example: "  millrace lists show vip --limit 20",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.showList(command.Context(), books, args[0], limit)
			})
		},
	}
	show.Flags().IntVar(&limit, "limit", 0, "at most this `number`; 0 is all")
	change := func(use, short, example, deed string, do listChange) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Example: example, Args: arguments(2, -1),
			RunE: func(command *cobra.Command, args []string) error {
				refs, err := recordArguments(args[1:])
				if err != nil {
					return err
				}
				return a.withStore(command.Context(), func(books *store.Store) error {
					return a.changeList(command.Context(), books, args[0], refs, deed, do)
				})
			},
		}
	}
	lists.AddCommand(
		&cobra.Command{
			Use:     "list",
			Short:   "List the lists and how many records are on each",
			Example: "  millrace lists list",
			Args:    arguments(0, 0),
			RunE: func(command *cobra.Command, _ []string) error {
				return a.withStore(command.Context(), func(books *store.Store) error { return a.listLists(command.Context(), books) })
			},
		},
		show,
		&cobra.Command{
			Use:     "count LIST",
			Short:   "Count the records on a list",
			Example: "  millrace lists count vip",
			Args:    arguments(1, 1),
			RunE: func(command *cobra.Command, args []string) error {
				return a.withStore(command.Context(), func(books *store.Store) error { return a.countList(command.Context(), books, args[0]) })
			},
		},
		change("add LIST RECORD...", "Put records on a static list", "  millrace lists add vip contact/51 contact/52", store.DeedAddToList,
			func(ctx context.Context, tx *store.Tx, list string, ref crm.Ref) (bool, error) {
				return tx.AddToList(ctx, list, ref, a.Now())
			}),
		change("remove LIST RECORD...", "Take records off a static list", "  millrace lists remove vip contact/51", store.DeedRemoveFrom,
			func(ctx context.Context, tx *store.Tx, list string, ref crm.Ref) (bool, error) {
				return tx.RemoveFromList(ctx, list, ref)
			}),
	)
	for _, command := range lists.Commands() {
		a.databaseFlag(command)
	}
	return lists
}

// listLists shows a list of store.List.
func (a *app) listLists(ctx context.Context, books *store.Store) error {
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lists, err := books.Lists(ctx, a.Now(), zone)
	if err != nil {
		return err
	}
	return a.show(list(lists), func(w io.Writer) {
		rows := [][]string{{"LIST", "KIND", "RECORDS"}}
		for _, one := range lists {
			kind := "static"
			if one.Active {
				kind = "active"
			}
			rows = append(rows, []string{one.Name, kind, strconv.Itoa(one.Size)})
		}
		table(w, rows)
	})
}

// showList shows a list of references.
func (a *app) showList(ctx context.Context, books *store.Store, name string, limit int) error {
	if err := a.mayAskList(ctx, books, name); err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	members, err := books.Members(ctx, name, a.Now(), zone, limit)
	if errors.Is(err, crm.ErrNotFound) {
		return fmt.Errorf("there is no list %q: `millrace lists list` shows those that there are", name)
	}
	if err != nil {
		return err
	}
	return a.show(list(members), func(w io.Writer) {
		for _, ref := range members {
			fmt.Fprintln(w, ref)
		}
	})
}

// mayAskList fails when an active list asks for a property that the user may not see.
func (a *app) mayAskList(ctx context.Context, books *store.Store, name string) error {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return err
	}
	list, active := catalog.ActiveList(name)
	if !active {
		return nil
	}
	return a.who.MustAsk(catalog, list.Object, list.Filter)
}

// countList shows a store.List.
func (a *app) countList(ctx context.Context, books *store.Store, name string) error {
	if err := a.mayAskList(ctx, books, name); err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	lists, err := books.Lists(ctx, a.Now(), zone)
	if err != nil {
		return err
	}
	for _, one := range lists {
		if one.Name == name {
			return a.show(one, func(w io.Writer) { fmt.Fprintln(w, one.Size) })
		}
	}
	return fmt.Errorf("there is no list %q: `millrace lists list` shows those that there are", name)
}

// changeList changes who is on a static list, all of them or none, and shows a list of changedMember.
func (a *app) changeList(ctx context.Context, books *store.Store, name string, refs []crm.Ref, deed string, do listChange) error {
	var changes []changedMember
	err := books.Tx(ctx, func(tx *store.Tx) error {
		changes = nil
		for _, ref := range refs {
			changed, err := do(ctx, tx, name, ref)
			if err != nil {
				return err
			}
			changes = append(changes, changedMember{ref.String(), changed})
			if !changed {
				continue
			}
			if _, err := tx.Audit(ctx, a.deed(deed, name+"/"+ref.String(), nil, nil)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.show(list(changes), func(w io.Writer) {
		rows := [][]string{{"RECORD", "LIST"}}
		for _, one := range changes {
			what := "changed"
			if !one.Changed {
				what = "was so already"
			}
			rows = append(rows, []string{one.Record, what})
		}
		table(w, rows)
	})
}
