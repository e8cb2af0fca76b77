package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// byHand is the source of values that are set at the command line, in the history of properties.
const byHand = "command line"

// shownRecord is a record as `millrace records` shows it.
type shownRecord struct {
	Record     string         `json:"record"`
	Properties map[string]any `json:"properties"` // of their types
	Created    time.Time      `json:"created"`
	Updated    time.Time      `json:"updated"`
	Version    int            `json:"version"`
}

// changedRecord is the result of `millrace records delete` and `restore`.
type changedRecord struct {
	Record  string `json:"record"`
	Deleted bool   `json:"deleted"`
}

func newRecords(a *app) *cobra.Command {
	records := &cobra.Command{
		Use:     "records",
		Short:   "See and change records",
		Example: "  millrace records get contact/51",
		RunE:    needsSubcommand,
	}
	records.Args = subcommandOf(records)
	var after string
	var limit int
	listing := &cobra.Command{
		Use:     "list OBJECT",
		Short:   "List the records of a type",
		Long:    "List the records of a type in the order of their ids. Deleted ones are left out.",
		Example: "  millrace records list contact --limit 20",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.listRecords(command.Context(), books, args[0], after, limit)
			})
		},
	}
	listing.Flags().StringVar(&after, "after", "", "only records after this `id`")
	listing.Flags().IntVar(&limit, "limit", 0, "at most this `number`; 0 is all")
	records.AddCommand(
		a.onRecord(&cobra.Command{
			Use:     "get RECORD",
			Short:   "Show a record",
			Example: "  millrace records get contact/51 -o json",
			Args:    arguments(1, 1),
		}, a.getRecord),
		listing,
		a.onRecord(&cobra.Command{
			Use:   "set RECORD PROPERTY=VALUE...",
			Short: "Change properties of a record, or make it",
			Long: `Change properties of a record; one that is not there is made. An empty value
clears. Waits that follow a property are told.`,
			Example: "  millrace records set contact/51 email=ada@example.com first_name=Ada",
			Args:    arguments(1, -1),
		}, a.setRecord),
		a.onRecord(&cobra.Command{
			Use:     "delete RECORD",
			Short:   "Delete a record, and take it out of all workflows",
			Example: "  millrace records delete contact/51",
			Args:    arguments(1, 1),
		}, a.deleteRecord),
		a.onRecord(&cobra.Command{
			Use:     "restore RECORD",
			Short:   "Bring a deleted record back",
			Example: "  millrace records restore contact/51",
			Args:    arguments(1, 1),
		}, a.restoreRecord),
		a.importRecordsCommand(),
		a.exportRecordsCommand(),
		a.mergeCommand(),
		a.purgeCommand(),
	)
	for _, command := range records.Commands() {
		a.databaseFlag(command)
	}
	return records
}

// onRecord makes a command run on the record that its first argument names.
func (a *app) onRecord(command *cobra.Command, do func(ctx context.Context, books *store.Store, ref crm.Ref, rest []string) error) *cobra.Command {
	command.RunE = func(command *cobra.Command, args []string) error {
		refs, err := recordArguments(args[:1])
		if err != nil {
			return err
		}
		return a.withStore(command.Context(), func(books *store.Store) error {
			return do(command.Context(), books, refs[0], args[1:])
		})
	}
	return command
}

func (a *app) getRecord(ctx context.Context, books *store.Store, ref crm.Ref, _ []string) error {
	if err := knownRecord(ctx, books, ref); err != nil {
		return err
	}
	record, err := books.Get(ctx, ref)
	if err != nil {
		return err
	}
	return a.showRecord(ctx, books, record)
}

func (a *app) showRecord(ctx context.Context, books *store.Store, record crm.Record) error {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return err
	}
	a.visibleProperties(catalog, record.Object, slices.Sorted(maps.Keys(record.Properties)))
	record = a.visible(catalog, record)
	return a.show(typed(catalog, record), func(w io.Writer) {
		rows := [][]string{{"PROPERTY", "VALUE"}}
		for _, name := range slices.Sorted(maps.Keys(record.Properties)) {
			rows = append(rows, []string{name, record.Properties[name]})
		}
		table(w, rows)
	})
}

// visible is a record without the properties that the user may not see.
func (a *app) visible(catalog *crm.Catalog, record crm.Record) crm.Record {
	record.Properties = maps.Clone(record.Properties)
	maps.DeleteFunc(record.Properties, func(name, _ string) bool {
		property, declared := catalog.Property(record.Object, name)
		return declared && a.who.Access(property) == crm.AccessNone
	})
	return record
}

// typed gives a record's values their types.
func typed(catalog *crm.Catalog, record crm.Record) shownRecord {
	shown := shownRecord{
		Record: record.Ref.String(), Properties: map[string]any{}, Created: record.Created, Updated: record.Updated, Version: record.Version,
	}
	for name, text := range record.Properties {
		shown.Properties[name] = catalog.Typed(record.Object, name, text)
	}
	return shown
}

func (a *app) listRecords(ctx context.Context, books *store.Store, object, after string, limit int) error {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return err
	}
	if _, declared := catalog.Object(object); !declared && !catalog.IsOpen() {
		return fmt.Errorf("there is no object %q%s", object, didYouMean(object, catalog.Objects()))
	}
	records, err := books.List(ctx, object, after, limit)
	if err != nil {
		return err
	}
	shown := []shownRecord{}
	for i := range records {
		records[i] = a.visible(catalog, records[i])
		shown = append(shown, typed(catalog, records[i]))
	}
	return a.show(shown, func(w io.Writer) {
		rows := [][]string{{"RECORD", "PROPERTIES"}}
		for _, record := range records {
			var pairs []string
			for _, name := range slices.Sorted(maps.Keys(record.Properties)) {
				pairs = append(pairs, name+"="+record.Properties[name])
			}
			rows = append(rows, []string{record.Ref.String(), strings.Join(pairs, " ")})
		}
		table(w, rows)
	})
}

func (a *app) setRecord(ctx context.Context, books *store.Store, ref crm.Ref, pairs []string) error {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return usagef("%q is not of the form PROPERTY=VALUE", pair)
		}
		object, declared := catalog.Object(ref.Object)
		property, known := object.Property(name)
		if declared && !known && !catalog.IsOpen() {
			return fmt.Errorf("%s has no property %q%s; objects/%s.yaml declares what there is, and `millrace push` publishes it",
				ref.Object, name, didYouMean(name, propertyNames(object)), ref.Object)
		} else if known {
			if err := a.who.MustAccess(ref.Object, property, crm.AccessEdit); err != nil {
				return err
			}
		}
		values[name] = value
	}
	var waiting []string
	err = books.Tx(ctx, func(tx *store.Tx) error {
		before, err := tx.Get(ctx, ref)
		if err != nil && !errors.Is(err, crm.ErrNotFound) {
			return err
		}
		after, _, err := tx.Upsert(ctx, ref, values, a.Now(), byHand)
		if err != nil {
			return err
		}
		deed := a.deed(store.DeedSetRecord, ref.String(), nil, nil)
		deed.Changed(before.Properties, after.Properties)
		if _, err := tx.Audit(ctx, deed); err != nil {
			return err
		}
		waiting, err = tx.Waiting(ctx)
		return err
	})
	if errors.Is(err, crm.ErrDeleted) {
		return knownRecord(ctx, books, ref)
	}
	if err != nil {
		return err
	}
	a.tellRecord(ctx, books, ref, waiting, func(client *enroll.Client, open []plan.Enrollment) error {
		for _, one := range open {
			waiting = append(waiting, one.WorkflowID)
		}
		slices.Sort(waiting)
		return client.Wake(ctx, slices.Compact(waiting))
	})
	return a.getRecord(ctx, books, ref, nil)
}

func propertyNames(object crm.Object) []string {
	var names []string
	for _, property := range object.Properties {
		names = append(names, property.Name)
	}
	return names
}

func (a *app) deleteRecord(ctx context.Context, books *store.Store, ref crm.Ref, _ []string) error {
	if err := knownRecord(ctx, books, ref); err != nil {
		return err
	}
	if err := books.Tx(ctx, func(tx *store.Tx) error {
		if err := tx.Delete(ctx, ref, a.Now()); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, a.deed(store.DeedDeleteRecord, ref.String(), nil, nil))
		return err
	}); err != nil {
		return err
	}
	a.tellRecord(ctx, books, ref, nil, func(client *enroll.Client, open []plan.Enrollment) (err error) {
		for _, one := range open {
			left := client.Unenroll(ctx, one.Workflow, ref, plan.Unenroll{Reason: plan.ExitDeleted})
			if !errors.Is(left, enroll.ErrNotInside) {
				err = errors.Join(err, left)
			}
		}
		return err
	})
	return a.show(changedRecord{ref.String(), true}, func(w io.Writer) { fmt.Fprintf(w, "%s: deleted\n", ref) })
}

func (a *app) restoreRecord(ctx context.Context, books *store.Store, ref crm.Ref, _ []string) error {
	err := books.Tx(ctx, func(tx *store.Tx) error {
		if err := tx.Restore(ctx, ref); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, a.deed(store.DeedRestoreRecord, ref.String(), nil, nil))
		return err
	})
	if errors.Is(err, crm.ErrNotFound) {
		return fmt.Errorf("there is no record %s, deleted or not", ref)
	}
	if err != nil {
		return err
	}
	return a.show(changedRecord{ref.String(), false}, func(w io.Writer) { fmt.Fprintf(w, "%s: restored\n", ref) })
}

// tellRecord tells the open enrollments of a record, and others that wait for it, what was done to it. What is done is
// done: that they could not be told is noted, and every action looks at the record before it runs.
func (a *app) tellRecord(ctx context.Context, books *store.Store, ref crm.Ref, waiting []string, tell func(client *enroll.Client, open []plan.Enrollment) error) {
	open, err := books.Enrollments(ctx, store.EnrollmentFilter{Record: ref.String(), OpenOnly: true})
	if len(open)+len(waiting) > 0 && err == nil {
		var client *enroll.Client
		var done func()
		if client, done, err = a.enrollments(ctx, books); err == nil {
			err = tell(client, open)
			done()
		}
	}
	if err != nil {
		a.note("the workflows that %s is in could not be told: %s", ref, oneLine(err))
	}
}
