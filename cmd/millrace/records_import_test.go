package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func (term *terminal) read(name string) string {
	term.t.Helper()
	content, err := os.ReadFile(filepath.Join(term.Folder, name))
	require.NoError(term.t, err)
	return string(content)
}

func TestRecordsImport(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("records", "set", "contact/51", "email=ada@example.com", "first_name=Ada").succeeds()
	term.write("people.csv", "\uFEFFEmail,First Name,employees,Notes\n"+
		"ADA@example.com,,40,x\nbo@example.com,\"Bo, \"\"B\"\"\",many,y\nche@example.com,Che,7\ndi@example.com,Di,,\n,Nobody,1,\neva@example.com,ע 👩‍👧,2,\n")
	term.run("records", "import", "contact", "people.csv").fails(1, `contact has no property "Notes"; `+"`--map 'Notes=PROPERTY'` names another")
	var got importedFile
	imported := term.run("records", "import", "contact", "people.csv", "--map", "Notes=", "-o", "json")
	require.Equal(t, 1, imported.code, imported.stderr)
	imported.decode(&got)
	require.Equal(t, importedFile{File: "people.csv", Object: "contact", Rows: 6, Created: 2, Updated: 1, Failed: 3, Errors: "people.errors.csv"}, got)
	require.Equal(t, "line,reason,Email,First Name,employees,Notes\n"+
		"3,\"property employees: invalid value: \"\"many\"\" is not a number\",bo@example.com,\"Bo, \"\"B\"\"\",many,y\n"+
		"4,\"3 cells, but the first line has 4\",che@example.com,Che,7\n"+
		"6,\"there is no email, by which records are found\",,Nobody,1,\n", term.read("people.errors.csv"))
	var record shownRecord
	term.run("records", "get", "contact/51", "-o", "json").succeeds().decode(&record)
	require.Equal(t, map[string]any{"email": "ADA@example.com", "first_name": "Ada", "employees": 40.0}, record.Properties)

	term.run("records", "import", "contact", "people.csv", "--map", "Notes=").fails(1, "2 created, 1 updated, 3 failed; --again imports it once more")
	term.run("records", "import", "contact", "people.csv", "--map", "Notes=", "--again", "-o", "json").decode(&got)
	require.Equal(t, importedFile{File: "people.csv", Object: "contact", Rows: 6, Updated: 3, Failed: 3, Errors: "people.errors.csv"}, got)
	require.Len(t, strings.Split(strings.TrimSpace(term.read("people.errors.csv")), "\n"), 4)
}

func TestRecordsImportChecksWhatItIsAsked(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.write("people.csv", "email,first_name\na@example.com,A\n")
	term.write("empty.csv", "")
	term.write("twice.csv", "email,Email\n")
	for _, one := range []struct {
		code int
		want string
		args []string
	}{
		{1, "no such file", []string{"contact", "nobody.csv"}},
		{1, "empty.csv is empty", []string{"contact", "empty.csv"}},
		{1, "two columns of twice.csv are email", []string{"contact", "twice.csv"}},
		{1, `there is no object "contcat": did you mean "contact"?`, []string{"contcat", "people.csv"}},
		{2, "the property is not unique; unique in contact: email", []string{"contact", "people.csv", "--key", "first_name"}},
		{2, "people.csv has no such column", []string{"contact", "people.csv", "--key", "email", "--map", "email="}},
		{2, "write COLUMN=PROPERTY with a column of people.csv: email, first_name", []string{"contact", "people.csv", "--map", "Mail=email"}},
		{2, "", []string{"contact"}},
	} {
		term.run(append([]string{"records", "import"}, one.args...)...).fails(one.code, one.want)
	}
	term.run("records", "import", "contact", "people.csv", "--dry-run").succeeds()
	records, err := term.store().List(t.Context(), "contact", "", 0)
	require.NoError(t, err)
	require.Empty(t, records)
	require.Contains(t, term.run("records", "import", "contact", "people.csv").succeeds().stdout, "people.csv: 1 lines imported, 1 created, 0 updated, 0 failed")
}

// TestRecordsImportGoesOn stops an import after its first batch, with half a batch of errors on the disk.
func TestRecordsImportGoesOn(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	var file strings.Builder
	file.WriteString("email,employees\n")
	for i := range 2*importBatch + 500 {
		employees := "1"
		if i%1000 == 7 {
			employees = "many"
		}
		fmt.Fprintf(&file, "p%d@example.com,%s\n", i, employees)
	}
	term.write("people.csv", file.String())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a, _, stderr := term.app("records", "import", "contact", "people.csv")
	asked := 0
	a.Now = func() time.Time {
		if asked++; asked == 4 { // the start has asked, and the first batch and its line in the audit log
			stop()
		}
		return time.Now()
	}
	require.Equal(t, 1, run(ctx, a))
	require.Contains(t, stderr.String(), "stopped after 1000 lines: the same command goes on from there")
	errors := term.read("people.errors.csv")
	term.write("people.errors.csv", errors+"1008,half a li")

	var got importedFile
	term.run("records", "import", "contact", "people.csv", "-o", "json").decode(&got)
	require.Equal(t, importedFile{File: "people.csv", Object: "contact", Rows: 2500, Created: 2497, Failed: 3, Errors: "people.errors.csv", Resumed: 1000}, got)
	lines, err := csv.NewReader(strings.NewReader(term.read("people.errors.csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 4)
	records, err := term.store().List(t.Context(), "contact", "", 0)
	require.NoError(t, err)
	require.Len(t, records, 2497)
}

func TestRecordsExport(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("records", "set", "contact/9", "email=bo@example.com", "employees=7").succeeds()
	term.run("records", "set", "contact/51", "email=ada@example.com", "first_name=Ada, \"A\"").succeeds()
	term.run("records", "set", "contact/52", "email=che@example.com").succeeds()
	term.run("records", "delete", "contact/52").succeeds()
	everybody := "id,email,employees,first_name\n9,bo@example.com,7,\n51,ada@example.com,,\"Ada, \"\"A\"\"\"\n"
	require.Equal(t, everybody, term.run("records", "export", "contact").succeeds().stdout)
	require.Equal(t, "id,first_name,email\n9,,bo@example.com\n",
		term.run("records", "export", "contact", "--matching", "{property: employees, gt: 5}", "--properties", "first_name,email").succeeds().stdout)
	wrong := term.run("records", "export", "contact", "--matching", "{property: employes, gt: 5}")
	require.Equal(t, 2, wrong.code)
	require.Contains(t, wrong.stderr, "[unknown-property]")
	term.run("records", "export", "contact", "--properties", "frist_name").fails(1, `did you mean "first_name"?`)
	term.run("records", "export", "contakt").fails(1, `did you mean "contact"?`)

	term.write("people.csv", everybody)
	var got importedFile
	term.run("records", "import", "contact", "people.csv", "-o", "json").succeeds().decode(&got)
	require.Equal(t, 2, got.Updated)
	record, err := term.store().Get(t.Context(), crm.Ref{Object: "contact", ID: "9"})
	require.NoError(t, err)
	require.Equal(t, 1, record.Version, "what was exported changes nothing")
}
