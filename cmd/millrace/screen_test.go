package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// newSecrets is newTeam with workflows that use the salary, which ed sees and vera does not: raise itself, mailed in its mail,
// listed by a list. In each, and in the workflow plain, contact/51 has been; the salary stands in what is told of it.
func newSecrets(t *testing.T) *terminal {
	term := newTeam(t)
	term.write("lists/rich.yaml", "list: rich\nobject: contact\nfilter: {property: salary, gt: 500}\n")
	term.write("emails/raised.md", "---\nsubject: Your salary\n---\nIt is {{ contact.salary }}.\n")
	for workflow, rest := range map[string]string{
		"raise":  "enroll: {when: {property: salary, gt: 5000}}\nactions: [{id: a, edit_record: {set: {first_name: Ada}}}]\n",
		"mailed": "actions: [{id: a, send_email: {email: raised}}]\n",
		"listed": "actions: [{id: a, branch_and_or: {branches: [{name: rich, when: {list: rich}}]}}]\n",
		"plain":  "actions: [{id: a, edit_record: {set: {first_name: Ada}}}]\n",
	} {
		term.write("workflows/"+workflow+".yaml", "workflow: "+workflow+"\nobject: contact\n"+rest)
	}
	term.run("push").succeeds()
	term.run("records", "set", "contact/51", "salary=1000", "email=ada@example.com").succeeds()
	books := term.store()
	for _, workflow := range []string{"raise", "mailed", "listed", "plain"} {
		e, err := books.OpenEnrollment(t.Context(), plan.Enrollment{
			Workflow: workflow, Record: "contact/51", WorkflowID: plan.WorkflowID(workflow, "contact/51"), FirstRun: "run", Revision: 1, Started: time.Now(),
		})
		require.NoError(t, err)
		key := e.ID + "/a/1"
		require.NoError(t, books.WriteJournal(t.Context(), plan.Entry{
			Enrollment: e.ID, Key: key, At: time.Now(), Node: "a", Event: plan.JournalBranch, Port: "over-1000", Detail: "the salary is 1000",
		}))
		require.NoError(t, books.AddMessage(t.Context(), plan.Message{
			Key: key + "/ada@example.com", At: time.Now(), Node: "a", Channel: "email", To: "ada@example.com", Subject: "Of 1000", Body: "It is 1000.",
		}))
		require.NoError(t, books.CloseEnrollment(t.Context(), e.ID, plan.Exit{Reason: plan.ExitEnded, Node: "a", Detail: "left with 1000"}, time.Now()))
	}
	return term
}

func TestWhatTellsAValueIsNotShownToWhoMayNotSeeIt(t *testing.T) {
	t.Parallel()
	term := newSecrets(t)
	for _, workflow := range []string{"raise", "mailed", "listed", "plain"} {
		for _, command := range []string{"history", "why", "enrollments"} {
			arguments := []string{command, workflow, "contact/51"}
			if command == "enrollments" {
				arguments = []string{command, workflow, "--all", "-o", "json"}
			}
			seen := term.run(append(arguments, "--as", "ed")...).succeeds()
			require.Contains(t, seen.stdout, "1000", "%s %s", command, workflow)
			seen = term.run(append(arguments, "--as", "vera")...).succeeds()
			if workflow == "plain" {
				require.Contains(t, seen.stdout, "1000", "nothing in it has to do with the salary")
				continue
			}
			require.NotContains(t, seen.stdout, "1000", "%s %s", command, workflow)
			require.Contains(t, seen.stdout, enroll.NotShown, "%s %s", command, workflow)
			require.Contains(t, seen.stdout+seen.stderr, "needs the access view to salary of contact, and vera has none", "%s %s", command, workflow)
		}
		shown := term.run("workflows", "show", workflow, "--as", "vera")
		require.Equal(t, workflow != "plain", shown.code == 1, shown.stderr)
	}
	require.Equal(t, 8, strings.Count(term.run("outbox", "--body", "--as", "ed").succeeds().stdout, "1000"))
	require.Equal(t, 2, strings.Count(term.run("outbox", "--body", "--as", "vera").succeeds().stdout, "1000"))
	require.Contains(t, term.run("outbox", "--as", "vera").succeeds().stdout, "ada@example.com")
	exported := term.run("history", "--export", "-", "--as", "vera").succeeds().stdout
	for line := range strings.Lines(exported) {
		require.Equal(t, strings.Contains(line, `"enrollment":"plain/`), strings.Contains(line, "1000"), line)
	}
	require.Contains(t, term.run("records", "get", "contact/51", "--as", "vera").succeeds().stderr, "(not shown): salary, which vera may not see")
}

func TestWhoMayNotSeeAnAddressDoesNotSeeItInTheOutbox(t *testing.T) {
	t.Parallel()
	term := newSecrets(t)
	term.write("objects/contact-address.yaml", "object: contact\nproperties:\n  - {name: email, unique: true, access: {everyone: none, teams: {sales: view}}}\n")
	term.run("push").succeeds()
	require.Contains(t, term.run("outbox", "--as", "ed").succeeds().stdout, "ada@example.com")
	require.NotContains(t, term.run("outbox", "--as", "vera").succeeds().stdout, "ada@example.com")
}

func TestWhoMayNotSeeAPropertyCannotAskForIt(t *testing.T) {
	t.Parallel()
	term := newSecrets(t)
	const denied = "needs the access view to salary of contact, and "
	for _, command := range [][]string{
		{"records", "export", "contact", "--matching", "{property: salary, gt: 500}"},
		{"records", "export", "contact", "--matching", "{list: rich}"},
		{"records", "export", "contact", "--matching", "{associated: company, where: {associated: contact, where: {property: salary, gt: 1}}}"},
		{"records", "export", "contact", "--properties", "salary"},
		{"lists", "show", "rich"},
		{"lists", "count", "rich"},
	} {
		term.run(append(command, "--as", "vera")...).fails(1, denied+"vera has none")
		term.run(append(command, "--as", "ed")...).succeeds()
	}
	for _, command := range [][]string{
		{"enroll", "plain", "--matching", "{property: salary, gt: 500}"},
		{"enroll", "plain", "--list", "rich"},
		{"pause", "plain", "--matching", "{not: {property: salary, known: true}}", "--dry-run"},
	} {
		term.run(append(command, "--as", "eno")...).fails(1, denied+"eno has none")
	}
	exported := term.run("records", "export", "contact", "--as", "vera").succeeds()
	require.NotContains(t, exported.stdout, "salary")
	require.Contains(t, exported.stderr, "(not shown): salary, which vera may not see")
	require.Contains(t, term.run("records", "export", "contact", "--as", "ed").succeeds().stdout, "salary")
	term.write("people.csv", "id,salary\n51,7\n")
	term.run("records", "import", "contact", "people.csv", "--as", "ed").fails(1, "needs the access edit to salary of contact, and ed has view")
	kept, err := term.store().Get(t.Context(), crm.Ref{Object: "contact", ID: "51"})
	require.NoError(t, err)
	require.Equal(t, "1000", kept.Properties["salary"])
	deeds, err := term.store().Deeds(t.Context(), store.DeedFilter{Action: store.DeedImportRecords})
	require.NoError(t, err)
	require.Empty(t, deeds)
}
