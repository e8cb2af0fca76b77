package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// examined runs the doctor and returns its findings as "state detail", by check.
func examined(term *terminal, code int) map[string]string {
	term.t.Helper()
	result := term.run("doctor", "-o", "json")
	require.Equal(term.t, code, result.code, result.stderr)
	var got checkup
	result.decode(&got)
	require.Equal(term.t, code == 0, got.OK)
	found := map[string]string{}
	for _, one := range got.Checks {
		found[one.Check] = one.State + " " + one.Detail
	}
	require.Len(term.t, found, len(got.Checks), "each check once")
	return found
}

func TestDoctorSaysHowToMendWhatIsMissing(t *testing.T) {
	t.Parallel()
	found := examined(newWorkspace(t), 1)
	require.Contains(t, found["database"], "run `millrace push` or `millrace dev` first")
	require.Equal(t, "unknown needs the database", found["secrets"])
	require.Contains(t, found["temporal"], "problem cannot reach a Temporal server at 127.0.0.1:1")
	require.Equal(t, "unknown needs the Temporal server", found["worker"])
	require.Regexp(t, `(?m)^temporal +problem +cannot reach`, newTerminal(t).run("doctor").stdout)
}

func TestDoctorLooksAtTheAccount(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	found := examined(term, 1)
	require.Regexp(t, `^ok sqlite://.*, migration \d+$`, found["database"])
	require.Equal(t, "ok none is named", found["secrets"])
	require.Equal(t, "ok none: mails go to `millrace outbox`", found["mail server"])
	require.Equal(t, "ok "+term.Folder, found["workspace"])

	term.replace("millrace.yaml", "time_zone:", "providers: {smtp: {host: 127.0.0.1, port: 1, tls: none, username: crm, password: secret://mail}}\ntime_zone:")
	found = examined(term, 1)
	require.Contains(t, found["workspace"], "problem "+term.Folder+" differs from what is published: `millrace diff` shows how")
	term.run("push").succeeds()
	found = examined(term, 1)
	require.Equal(t, "problem secret://mail has no value: set MILLRACE_SECRET_MAIL", found["secrets"])
	require.Equal(t, found["secrets"], found["mail server"])

	term.Environment = append(term.Environment, "MILLRACE_SECRET_MAIL=x")
	found = examined(term, 1)
	require.Equal(t, "ok secret://mail", found["secrets"])
	require.Contains(t, found["mail server"], "problem 127.0.0.1:1: connection-refused: connect to the mail server")
	require.Contains(t, found["mail server"], "mend providers.smtp in millrace.yaml, or the server")

	term.replace(definitionFile, "send_email:", "send_emial:")
	require.Contains(t, examined(term, 1)["workspace"], "`millrace check` shows them")
}

func TestDoctorNamesFiltersThatWantAnIndex(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.write("objects/contact.yaml", "object: contact\nproperties: [{name: employees, type: number}, {name: hobby}, {name: rank, type: number, indexed: true}]\n")
	term.write("objects/company.yaml", "object: company\nproperties: [{name: branch}]\n")
	term.write("lists/gardeners.yaml", "list: gardeners\nobject: contact\nfilter: {all: [{property: hobby, is: gardening}, {associated: company, where: {property: branch, is: retail}}]}\n")
	term.write("lists/ranked.yaml", "list: ranked\nobject: contact\nfilter: {property: rank, gt: 5}\n")
	term.write("workflows/weekly.yaml", "workflow: weekly\nobject: contact\nenroll: {schedule: {daily: true, at: \"09:00\", if: {property: hobby, known: true}}}\nactions:\n  - {id: wait, delay_set_amount: {for: 1d}}\n")
	term.run("push").succeeds()
	require.Equal(t, "ok none is slow", examined(term, 1)["filters"], "there are too few contacts")
	slow, err := examineFilters(t.Context(), term.store(), 0)
	require.NoError(t, err)
	require.Regexp(t, "^list gardeners asks each of \\d+ records of contact: declare contact.hobby, company.branch `indexed: true`; "+
		"schedule of weekly asks each of \\d+ records of contact: declare contact.hobby `indexed: true`$", slow)
}
