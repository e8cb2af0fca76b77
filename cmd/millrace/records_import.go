package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// importedFile is the result of `millrace records import`.
type importedFile struct {
	File    string `json:"file"`
	Object  string `json:"object"`
	Rows    int    `json:"rows"` // lines with a record
	Created int    `json:"created"`
	Updated int    `json:"updated"` // those that were as the file has them are among them
	Failed  int    `json:"failed"`
	Errors  string `json:"errors,omitempty"` // file with the lines that failed, and why
	Resumed int    `json:"resumed"`          // rows that an earlier run had done
	DryRun  bool   `json:"dry_run"`
}

type importOptions struct {
	key    string
	rename []string
	dryRun bool
	again  bool
}

func (a *app) importRecordsCommand() *cobra.Command {
	var options importOptions
	command := &cobra.Command{
		Use:   "import OBJECT FILE",
		Short: "Create and change records from a CSV file",
		Long: `Create and change records from a CSV file whose first line names properties, by
name or label. A record is found by its id, in a column id, or by a unique
property; without either every line is a new record. An empty cell leaves the
property as it is. A line that does not fit goes into FILE.errors.csv with the
reason, and the others go on. An import that was stopped goes on where it was
when it is started again.`,
		Example: "  millrace records import contact people.csv --map Mail=email --map Notes=",
		Args:    arguments(2, 2),
		RunE: func(command *cobra.Command, args []string) error {
			return a.withStore(command.Context(), func(books *store.Store) error {
				return a.importRecords(command.Context(), books, args[0], args[1], options)
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.key, "key", "", "unique `property` by which records are found; the first one in the file if left out")
	flags.StringArrayVar(&options.rename, "map", nil, "`COLUMN=PROPERTY`, or COLUMN= to pass over it; may be repeated")
	flags.BoolVar(&options.dryRun, "dry-run", false, "check every line and write nothing but the lines that fail")
	flags.BoolVar(&options.again, "again", false, "import a file that was imported before")
	return command
}

// importBatch is how many lines are imported in one transaction.
const importBatch = 1000

func (a *app) importRecords(ctx context.Context, books *store.Store, object, name string, options importOptions) error {
	content, err := os.ReadFile(a.absolute(name))
	if err != nil {
		return err
	}
	in := &recordsImport{app: a, books: books, options: options, reader: csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\uFEFF"))))}
	in.reader.FieldsPerRecord = -1
	in.result = importedFile{File: name, Object: object, DryRun: options.dryRun}
	in.errors = strings.TrimSuffix(a.absolute(name), ".csv") + ".errors.csv"
	if err := in.readHeader(ctx); err != nil {
		return err
	}
	in.progress.Hash = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%q\n%s", object, in.options.key, in.columns, content)))
	if err := in.resume(ctx); err != nil {
		return err
	}
	bar := a.progress("importing")
	defer bar.end()
	lines := bytes.Count(content, []byte("\n"))
	for more := true; more; {
		if more, err = in.batch(ctx); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("stopped after %d lines: the same command goes on from there", in.progress.Rows)
			}
			return err
		}
		bar.at(in.progress.Rows, max(lines, in.progress.Rows))
	}
	bar.end()
	return in.show()
}

// recordsImport is an import on its way.
type recordsImport struct {
	*app
	books    *store.Store
	options  importOptions
	reader   *csv.Reader
	header   []string
	columns  []string // the property of each column; "" = passed over
	errors   string   // path of the file of errors
	progress store.ImportProgress
	began    int64 // number of the line of the audit log that a transaction has begun
	line     int64 // the same, once it is committed
	result   importedFile
	untold   error
}

// readHeader finds the properties of the columns, and by which of them records are found.
func (in *recordsImport) readHeader(ctx context.Context) (err error) {
	catalog, err := in.books.Catalog(ctx)
	if err != nil {
		return err
	}
	object, declared := catalog.Object(in.result.Object)
	if !declared && !catalog.IsOpen() {
		return fmt.Errorf("there is no object %q%s", in.result.Object, didYouMean(in.result.Object, catalog.Objects()))
	}
	if in.header, err = in.reader.Read(); errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is empty: its first line names properties", in.result.File)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.result.File, err)
	}
	renamed := map[string]string{}
	for _, pair := range in.options.rename {
		column, property, found := strings.Cut(pair, "=")
		if !found || !slices.Contains(in.header, column) {
			return usagef("--map %s: write COLUMN=PROPERTY with a column of %s: %s", pair, in.result.File, strings.Join(in.header, ", "))
		}
		renamed[column] = property
	}
	for _, column := range in.header {
		name, given := renamed[column]
		if !given {
			name = columnProperty(object, column)
		}
		property, known := object.Property(name)
		if known {
			if err := in.who.MustAccess(object.Name, property, crm.AccessEdit); err != nil {
				return err
			}
		}
		if !known && name != "" && name != "id" && !catalog.IsOpen() {
			return fmt.Errorf("%s has no property %q%s; `--map '%s=PROPERTY'` names another, `--map '%s='` passes over the column",
				object.Name, name, didYouMean(name, propertyNames(object)), column, column)
		}
		if name != "" && slices.Contains(in.columns, name) {
			return fmt.Errorf("two columns of %s are %s: pass over one of them with `--map '%s='`", in.result.File, name, column)
		}
		in.columns = append(in.columns, name)
	}
	uniques := catalog.Uniques(object.Name)
	switch key := in.options.key; {
	case key != "" && !slices.Contains(uniques, key):
		return usagef("--key %s: the property is not unique; unique in %s: %s", key, object.Name, strings.Join(uniques, ", "))
	case key != "" && !slices.Contains(in.columns, key):
		return usagef("--key %s: %s has no such column", key, in.result.File)
	case key == "" && !slices.Contains(in.columns, "id"):
		if at := slices.IndexFunc(in.columns, func(name string) bool { return slices.Contains(uniques, name) }); at >= 0 {
			in.options.key = in.columns[at]
		}
	}
	return nil
}

// columnProperty is the property that a column names: by its name, by its label, or by its name as people write it.
func columnProperty(object crm.Object, column string) string {
	column = strings.TrimSpace(column)
	for _, property := range object.Properties {
		if column == property.Name || property.Label != "" && strings.EqualFold(column, property.Label) {
			return property.Name
		}
	}
	written := strings.ReplaceAll(strings.ToLower(column), " ", "_")
	if _, known := object.Property(written); known || written == "id" {
		return written
	}
	return column
}

// resume passes over what an earlier run has done.
func (in *recordsImport) resume(ctx context.Context) error {
	fresh := store.ImportProgress{Hash: in.progress.Hash, Object: in.result.Object, File: filepath.Base(in.result.File), Started: in.Now()}
	earlier, found, err := in.books.ImportProgress(ctx, in.progress.Hash)
	if err != nil {
		return err
	}
	switch {
	case in.options.dryRun || !found || in.options.again && !earlier.Finished.IsZero():
		in.progress = fresh
		err := os.Remove(in.errors)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	case !earlier.Finished.IsZero():
		return fmt.Errorf("%s was imported at %s: %d created, %d updated, %d failed; --again imports it once more",
			in.result.File, earlier.Finished.Format("2006-01-02 15:04"), earlier.Created, earlier.Updated, earlier.Failed)
	}
	in.progress, in.result.Resumed = earlier, earlier.Rows
	for range earlier.Rows {
		if _, err := in.reader.Read(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return nil
}

// line is one record of the file.
type line struct {
	number int
	cells  []string
	err    error // of the line itself
}

// errDryRun undoes a transaction.
var errDryRun = errors.New("nothing is written")

// batch imports the next lines, and tells whether there may be more.
func (in *recordsImport) batch(ctx context.Context) (more bool, err error) {
	lines, part, at, err := in.read()
	if err != nil {
		return false, err
	}
	more = len(lines) == importBatch
	var next store.ImportProgress
	var waiting []string
	err = in.books.Tx(ctx, func(tx *store.Tx) error {
		next = in.progress
		imported, err := tx.Import(ctx, part)
		if err != nil {
			return err
		}
		for row, failure := range imported.Failed {
			lines[at[row]].err = failure
		}
		next.Rows += len(lines)
		next.Created += imported.Created
		next.Updated += imported.Updated
		if err := in.writeErrors(lines, &next); err != nil {
			return err
		}
		if !more {
			next.Finished = in.Now()
		}
		if in.options.dryRun {
			return errDryRun
		}
		if err := in.writeDown(ctx, tx, next); err != nil {
			return err
		}
		if waiting, err = tx.Waiting(ctx); err != nil {
			return err
		}
		return tx.SetImportProgress(ctx, next)
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return false, err
	}
	in.progress, in.line = next, in.began
	in.tell(ctx, waiting)
	return more, nil
}

// writeDown writes into this run's line of the audit log how far the import has come.
func (in *recordsImport) writeDown(ctx context.Context, tx *store.Tx, next store.ImportProgress) error {
	deed := in.deed(store.DeedImportRecords, in.result.Object, nil, map[string]any{
		"file": next.File, "rows": next.Rows, "created": next.Created, "updated": next.Updated, "failed": next.Failed,
	})
	if in.line > 0 {
		return tx.AuditBecame(ctx, in.line, deed.After)
	}
	numbers, err := tx.Audit(ctx, deed)
	if err != nil {
		return err
	}
	in.began = numbers[0]
	return nil
}

// read reads the next lines. at says which of them each row of the part is.
func (in *recordsImport) read() (lines []line, part store.Import, at []int, err error) {
	part = store.Import{Object: in.result.Object, Key: in.options.key, At: in.Now(), Source: "import " + in.progress.File}
	for len(lines) < importBatch {
		cells, err := in.reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		one := line{cells: cells}
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			one.number, one.err = broken.StartLine, broken.Err
		case err != nil:
			return nil, part, nil, fmt.Errorf("%s: %w", in.result.File, err)
		default:
			one.number, _ = in.reader.FieldPos(0)
			if len(cells) != len(in.header) {
				one.err = fmt.Errorf("%d cells, but the first line has %d", len(cells), len(in.header))
			}
		}
		if one.err == nil {
			part.Rows = append(part.Rows, in.row(cells))
			at = append(at, len(lines))
		}
		lines = append(lines, one)
	}
	return lines, part, at, nil
}

// row gives cells the names of their properties.
func (in *recordsImport) row(cells []string) store.ImportRow {
	row := store.ImportRow{Values: make(map[string]string, len(cells))}
	for i, name := range in.columns {
		switch name {
		case "":
		case "id":
			row.ID = strings.TrimPrefix(strings.TrimSpace(cells[i]), in.result.Object+"/")
		default:
			row.Values[name] = cells[i]
		}
	}
	return row
}

// writeErrors adds the lines that failed to the file of errors. What a run has added that was stopped before it was
// done is cut off.
func (in *recordsImport) writeErrors(lines []line, next *store.ImportProgress) error {
	var text bytes.Buffer
	writer := csv.NewWriter(&text)
	for _, one := range lines {
		if one.err == nil {
			continue
		}
		if next.Failed++; next.Failed == 1 {
			_ = writer.Write(append([]string{"line", "reason"}, in.header...)) // into memory
		}
		_ = writer.Write(append([]string{strconv.Itoa(one.number), reason(one.err)}, one.cells...))
	}
	writer.Flush()
	if text.Len() == 0 {
		return nil
	}
	file, err := os.OpenFile(in.errors, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the lines that failed: %w", err)
	}
	err = file.Truncate(in.progress.Errors)
	if err == nil {
		_, err = file.WriteAt(text.Bytes(), in.progress.Errors)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the lines that failed: %w", err)
	}
	next.Errors = in.progress.Errors + int64(text.Len())
	return nil
}

// reason is an error as a line of a file shows it.
func reason(err error) string {
	return strings.TrimPrefix(oneLine(err), crm.ErrInvalid.Error()+": ")
}

// tell wakes who waits for what was imported. What is imported is imported: that somebody could not be told is noted.
func (in *recordsImport) tell(ctx context.Context, waiting []string) {
	if len(waiting) == 0 || in.untold != nil {
		return
	}
	var client *enroll.Client
	var done func()
	if client, done, in.untold = in.enrollments(ctx, in.books); in.untold == nil {
		slices.Sort(waiting)
		in.untold = client.Wake(ctx, slices.Compact(waiting))
		done()
	}
	if in.untold != nil {
		in.note("workflows that wait for what was imported could not be told: %s", oneLine(in.untold))
	}
}

// show says what came of the import.
func (in *recordsImport) show() error {
	result := &in.result
	result.Rows, result.Created, result.Updated, result.Failed = in.progress.Rows, in.progress.Created, in.progress.Updated, in.progress.Failed
	if result.Failed > 0 {
		result.Errors = strings.TrimSuffix(result.File, ".csv") + ".errors.csv"
	}
	err := in.app.show(result, func(w io.Writer) {
		done := "imported"
		if result.DryRun {
			done = "checked"
		}
		fmt.Fprintf(w, "%s: %d lines %s, %d created, %d updated, %d failed\n", result.File, result.Rows, done, result.Created, result.Updated, result.Failed)
		if result.Failed > 0 {
			fmt.Fprintf(w, "what failed, and why: %s\n", result.Errors)
		}
	})
	if err == nil && result.Failed > 0 {
		return exitFailed
	}
	return err
}
