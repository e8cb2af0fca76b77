package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// createdKey is the result of `millrace keys create`.
type createdKey struct {
	store.Key
	Text string `json:"key"` // shown this once
}

func newKeys(a *app) *cobra.Command {
	keys := &cobra.Command{
		Use:     "keys",
		Short:   "Make, list and revoke keys of the HTTP API",
		Example: "  millrace keys list",
		RunE:    needsSubcommand,
	}
	keys.Args = subcommandOf(keys)
	var given []string
	var user string
	create := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a key, which is shown this once",
		Long: `Make a key of the HTTP API. It is shown this once: what is kept is a digest, by
which it is known again. Roles are view, edit, publish, enroll and admin; a
sender of events needs enroll, one of records edit. With --user the key is bound
by what that user may do with properties.`,
		Example: "  millrace keys create shop --role enroll --role edit",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			key := store.Key{Name: args[0], User: user}
			for _, text := range given {
				role, err := crm.ParseRole(text)
				if err != nil {
					return usageError{err}
				}
				if !slices.Contains(key.Roles, role) {
					key.Roles = append(key.Roles, role)
				}
			}
			if len(key.Roles) == 0 {
				return usagef("`millrace keys create` needs --role, one of %s", crm.JoinRoles(crm.Roles))
			}
			return a.withStore(command.Context(), func(books *store.Store) error { return a.createKey(command.Context(), books, key) })
		},
	}
	create.Flags().StringArrayVar(&given, "role", nil, "`role` of the key; may be given several times")
	create.Flags().StringVar(&user, "user", "", "`user` whose access to properties binds the key")
	keys.AddCommand(create, &cobra.Command{
		Use:     "list",
		Short:   "List the keys, revoked ones too",
		Example: "  millrace keys list -o json",
		Args:    arguments(0, 0),
		RunE:    a.withBooks(func(ctx context.Context, books *store.Store, _ []string) error { return a.listKeys(ctx, books) }),
	}, &cobra.Command{
		Use:     "revoke NAME",
		Short:   "End a key, at once and for good",
		Example: "  millrace keys revoke shop",
		Args:    arguments(1, 1),
		RunE: a.withBooks(func(ctx context.Context, books *store.Store, args []string) error {
			return a.revokeKey(ctx, books, args[0])
		}),
	})
	for _, command := range keys.Commands() {
		a.databaseFlag(command)
	}
	return keys
}

func (a *app) createKey(ctx context.Context, books *store.Store, key store.Key) error {
	if key.User != "" {
		user, err := books.User(ctx, key.User)
		if errors.Is(err, crm.ErrNotFound) {
			return fmt.Errorf("there is no user %q: users.yaml says who there is, as it was last pushed", key.User)
		}
		if err != nil {
			return err
		}
		key.User = user.ID
	}
	key.Created, key.CreatedBy = a.Now(), a.who.Name
	var made createdKey
	err := books.Tx(ctx, func(tx *store.Tx) (err error) {
		if made.Key, made.Text, err = tx.CreateKey(ctx, key); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, a.deed(store.DeedCreateKey, key.Name, nil, map[string]any{"id": made.ID, "roles": made.Roles, "user": made.User}))
		return err
	})
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("there is a key %q, or there was one: choose another name", key.Name)
	}
	if err != nil {
		return err
	}
	a.note("keep it: it is not shown again")
	return a.show(made, func(w io.Writer) { fmt.Fprintln(w, made.Text) })
}

func (a *app) listKeys(ctx context.Context, books *store.Store) error {
	keys, err := books.Keys(ctx)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	return a.show(list(keys), func(w io.Writer) {
		rows := [][]string{{"NAME", "ID", "ROLES", "USER", "CREATED", "BY", "REVOKED"}}
		for _, key := range keys {
			revoked := ""
			if !key.Revoked.IsZero() {
				revoked = clock(key.Revoked, zone)
			}
			rows = append(rows, []string{key.Name, key.ID, crm.JoinRoles(key.Roles), key.User, clock(key.Created, zone), key.CreatedBy, revoked})
		}
		table(w, rows)
	})
}

func (a *app) revokeKey(ctx context.Context, books *store.Store, name string) error {
	var revoked store.Key
	err := books.Tx(ctx, func(tx *store.Tx) (err error) {
		if revoked, err = tx.RevokeKey(ctx, name, a.Now()); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, a.deed(store.DeedRevokeKey, revoked.Name, nil, nil))
		return err
	})
	if errors.Is(err, crm.ErrNotFound) {
		return fmt.Errorf("there is no key %q that is valid: `millrace keys list` shows them", name)
	}
	if err != nil {
		return err
	}
	return a.show(revoked, func(w io.Writer) { fmt.Fprintf(w, "%s: revoked\n", revoked.Name) })
}
