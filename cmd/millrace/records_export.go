package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

func (a *app) exportRecordsCommand() *cobra.Command {
	var matching string
	var properties []string
	command := &cobra.Command{
		Use:   "export OBJECT",
		Short: "Write records as CSV",
		Long: `Write records of a type to standard output as a CSV file that
` + "`millrace records import`" + ` reads: their ids, and the properties that any of
them has, or those that are named. Deleted ones are left out.`,
		Example: "  millrace records export contact --matching '{list: vip}' > people.csv",
		Args:    arguments(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.exportRecords(command.Context(), books, args[0], matching, properties)
			})
		},
	}
	command.Flags().StringVar(&matching, "matching", "", "those that match a `filter`, as in '{property: city, is: Rome}'")
	command.Flags().StringSliceVar(&properties, "properties", nil, "only these `properties`, in this order")
	return command
}

// exportPage is how many records are read at once.
const exportPage = 1000

func (a *app) exportRecords(ctx context.Context, books *store.Store, object, matching string, properties []string) error {
	catalog, err := books.Catalog(ctx)
	if err != nil {
		return err
	}
	declared, known := catalog.Object(object)
	if !known && !catalog.IsOpen() {
		return fmt.Errorf("there is no object %q%s", object, didYouMean(object, catalog.Objects()))
	}
	for _, name := range properties {
		property, known := declared.Property(name)
		if !known && !catalog.IsOpen() {
			return fmt.Errorf("%s has no property %q%s", object, name, didYouMean(name, propertyNames(declared)))
		}
		if known {
			if err := a.who.MustAccess(object, property, crm.AccessView); err != nil {
				return err
			}
		}
	}
	zone, err := zone(ctx, books)
	if err != nil {
		return err
	}
	query := store.Query{Object: object, Now: a.Now(), Zone: zone}
	if matching != "" {
		if query.Filter, err = a.filterArgument(catalog, object, matching); err != nil {
			return err
		}
	}
	if properties == nil {
		if properties, err = usedProperties(ctx, books, query); err != nil {
			return err
		}
		properties = a.visibleProperties(catalog, object, properties)
	}
	return a.writeRecords(ctx, books, query, properties)
}

// usedProperties are those of which any of the records has a value, by name.
func usedProperties(ctx context.Context, books *store.Store, query store.Query) ([]string, error) {
	used := map[string]bool{}
	err := eachRecord(ctx, books, query, func(record crm.Record) error {
		for name := range record.Properties {
			used[name] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(used)), err
}

func (a *app) writeRecords(ctx context.Context, books *store.Store, query store.Query, properties []string) error {
	writer := csv.NewWriter(a.Stdout)
	if err := writer.Write(append([]string{"id"}, properties...)); err != nil {
		return err
	}
	err := eachRecord(ctx, books, query, func(record crm.Record) error {
		cells := []string{record.ID}
		for _, name := range properties {
			cells = append(cells, record.Properties[name])
		}
		return writer.Write(cells)
	})
	if err != nil {
		return err
	}
	writer.Flush()
	return writer.Error()
}

// eachRecord does something with the records that a query finds, a page after the other.
func eachRecord(ctx context.Context, books *store.Store, query store.Query, do func(record crm.Record) error) error {
	for after := ""; ; {
		refs, err := books.Matching(ctx, query, after, exportPage)
		if err != nil || len(refs) == 0 {
			return err
		}
		records, err := books.GetMany(ctx, refs)
		if err != nil {
			return err
		}
		for _, record := range records {
			if err := do(record); err != nil {
				return err
			}
		}
		after = refs[len(refs)-1].ID
	}
}
