package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// newTeam is a terminal in a pushed workspace with users of all roles, some properties of contacts bound.
func newTeam(t *testing.T) *terminal {
	term := newWorkspace(t)
	term.write("users.yaml", `users:
  - {id: vera, roles: [view]}
  - {id: ed, roles: [view, edit], team: sales}
  - {id: pam, roles: [view, edit, publish], team: sales}
  - {id: eno, roles: [enroll]}
  - {id: root, roles: [admin]}
  - {id: noel, team: enterprise-sales}
  - {id: gone, active: false, roles: [admin]}
`)
	term.write("objects/contact-bound.yaml", `object: contact
properties:
  - {name: salary, type: number, access: {everyone: none, teams: {sales: view}, users: {root: edit}}}
`)
	term.run("push").succeeds()
	return term
}

func TestEveryCommandOnADatabaseSaysWhichRoleItNeeds(t *testing.T) {
	t.Parallel()
	a, _, _ := newTerminal(t).app()
	programs := []string{"worker", "serve", "dev", "demo", "bench"} // nobody's, or whoever runs the machine
	var visit func(command *cobra.Command)
	visit = func(command *cobra.Command) {
		_, path, _ := strings.Cut(command.CommandPath(), " ")
		if command.Flags().Lookup("database") != nil && !slices.Contains(programs, path) {
			_, needed := roleOf(path)
			require.True(t, needed, "say in roles (access.go) which role `millrace %s` needs", path)
		}
		for _, below := range command.Commands() {
			visit(below)
		}
	}
	visit(newRoot(a))
}

func TestWhoMayNotIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	term := newTeam(t)
	term.run("records", "set", "contact/51", "email=ada@example.com", "salary=1000").succeeds()
	for _, test := range []struct{ as, command, want string }{
		{"vera", "workflows off trial-nurture", "this is not allowed: it needs the role publish, and vera has view"},
		{"ed", "workflows off trial-nurture", "needs the role publish, and ed has view, edit"},
		{"vera", "records set contact/51 email=x@example.com", "needs the role edit"},
		{"vera", "records delete contact/51", "needs the role edit"},
		{"ed", "enroll trial-nurture contact/51", "needs the role enroll"},
		{"ed", "pause trial-nurture contact/51", "needs the role enroll"},
		{"ed", "event page_viewed --record contact/51", "needs the role enroll"},
		{"eno", "records get contact/51", "needs the role view, and eno has enroll"},
		{"eno", "push", "needs the role edit"},
		{"pam", "keys list", "needs the role admin"},
		{"pam", "audit", "needs the role admin"},
		{"noel", "workflows", "needs the role view, and noel has none"},
		{"ed", "records set contact/51 salary=1", "needs the access edit to salary of contact, and ed has view"},
		{"gone", "workflows", `the user "gone" is not active`},
		{"nobody", "workflows", `there is no user "nobody": users.yaml says who there is`},
	} {
		term.run(append(strings.Fields(test.command), "--as", test.as)...).fails(1, test.want)
	}
	term.run("worker", "--as", "ed").fails(1, "cannot reach")
	require.NotContains(t, term.run("records", "get", "contact/51", "--as", "vera").succeeds().stdout, "salary")
	require.NotContains(t, term.run("records", "list", "contact", "--as", "vera").succeeds().stdout, "salary")
	require.Contains(t, term.run("records", "get", "contact/51", "--as", "ed").succeeds().stdout, "salary")
	term.Environment = append(term.Environment, "MILLRACE_USER=vera")
	term.run("workflows", "off", "trial-nurture").fails(1, "vera has view")
	term.run("workflows", "off", "trial-nurture", "--as", "pam").succeeds()
}

func TestWhoPushesMayWriteWhatTheWorkflowWrites(t *testing.T) {
	t.Parallel()
	term := newTeam(t)
	raise := func(property string) {
		term.write("workflows/raise.yaml", "workflow: raise\nobject: contact\nactions:\n  - {id: raise, edit_record: {set: {first_name: \"{{ contact."+property+" }}\"}}}\n")
	}
	raise("last_name")
	term.run("push", "--as", "ed").fails(1, "publishing raise, which is on: this is not allowed: it needs the role publish, and ed has view, edit")
	require.Contains(t, term.run("push", "--as", "ed", "--off").succeeds().stdout, "raise: new revision 1, switched off")
	raise("salary")
	require.Contains(t, term.run("push", "--as", "pam").succeeds().stdout, "raise: new revision 2", "to read, view is enough")
	term.replace("workflows/raise.yaml", "set: {first_name", "set: {salary: 1, first_name")
	result := term.run("push", "--as", "pam")
	require.Equal(t, 1, result.code)
	require.Contains(t, result.stderr, "it needs the access edit to salary of contact, and pam has view")
	require.Contains(t, result.stderr, "workflows/raise.yaml:4:")

	term.run("workflows", "show", "raise", "--as", "pam").succeeds()
	term.run("workflows", "show", "raise", "--as", "vera").fails(1, "the workflow raise uses salary of contact: this is not allowed: it needs the access view")

	term.replace("users.yaml", "team: sales", "team: sales, name: Somebody")
	raise("salary")
	term.run("push", "--as", "pam").fails(1, "changing users.yaml, or access in objects/: this is not allowed: it needs the role admin")
	term.run("push", "--as", "root").succeeds()
}

func TestTheAuditLogTellsWhoDidWhat(t *testing.T) {
	t.Parallel()
	term := newTeam(t)
	term.run("records", "set", "contact/51", "email=ada@example.com", "--as", "ed").succeeds()
	term.run("records", "set", "contact/51", "email=", "--as", "ed").succeeds()
	term.run("records", "delete", "contact/51", "--as", "ed").succeeds()
	term.run("records", "restore", "contact/51", "--as", "ed").succeeds()
	term.run("workflows", "off", "trial-nurture", "--as", "pam").succeeds()
	term.run("keys", "create", "shop", "--role", "enroll", "--as", "root").succeeds()
	term.run("keys", "revoke", "shop", "--as", "root").succeeds()
	term.run("workflows", "on", "trial-nurture").succeeds()
	inside(term)
	require.Equal(t, 1, term.run("unenroll", "trial-nurture", "contact/51", "--as", "root").code, "no Temporal server answers")

	var deeds []store.Deed
	term.run("audit", "--as", "root", "-o", "json").succeeds().decode(&deeds)
	var lines []string
	for _, deed := range deeds {
		require.Equal(t, "cli", deed.Via)
		lines = append(lines, strings.TrimSpace(strings.Join([]string{deed.Actor, deed.Action, deed.Subject, compact(t, deed.Before), compact(t, deed.After)}, " ")))
	}
	slices.Reverse(lines)
	require.Regexp(t, `^ada publish trial-nurture  \{"revision":1,"plan":"[0-9a-f]+"\}$`, lines[0])
	require.Regexp(t, `^ada publish workspace \{.*\} \{.*"millrace.yaml":"[0-9a-f]{64}".*\}$`, lines[1])
	lines = slices.Delete(lines, 1, 2)
	require.Regexp(t, `^root key.create shop  \{"id":"[a-z2-7]{12}","roles":\["enroll"\],"user":""\}$`, lines[6])
	require.Equal(t, []string{
		`ed record.set contact/51 {"email":""} {"email":"ada@example.com"}`,
		`ed record.set contact/51 {"email":"ada@example.com"} {"email":""}`,
		`ed record.delete contact/51`,
		`ed record.restore contact/51`,
		`pam switch trial-nurture {"mode":"on"} {"mode":"off"}`,
	}, lines[1:6])
	require.Equal(t, []string{`root key.revoke shop`, `ada switch trial-nurture {"mode":"off"} {"mode":"on"}`}, lines[7:9])
	require.Contains(t, term.run("audit", "--action", "record.set", "--actor", "ed", "--subject", "contact/51", "--limit", "1").succeeds().stdout, `{"email":"ada@example.com"} → {"email":""}`)
}

func compact(t *testing.T, text json.RawMessage) string {
	t.Helper()
	var short bytes.Buffer
	if len(text) > 0 {
		require.NoError(t, json.Compact(&short, text))
	}
	return short.String()
}

func TestKeys(t *testing.T) {
	t.Parallel()
	term := newTeam(t)
	made := term.run("keys", "create", "shop", "--role", "enroll", "--role", "edit", "--role", "enroll", "--user", "ed").succeeds()
	text := strings.TrimSpace(made.stdout)
	require.Equal(t, "keep it: it is not shown again\n", made.stderr)
	known, err := term.store().KeyByText(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, []crm.Role{crm.RoleEnroll, crm.RoleEdit}, known.Roles)
	require.Equal(t, "ada", known.CreatedBy)
	var shown createdKey
	term.run("keys", "create", "other", "--role", "view", "-o", "json").succeeds().decode(&shown)
	require.NotEmpty(t, shown.Text)
	listed := term.run("keys", "list").succeeds().stdout
	require.Regexp(t, `(?m)^shop +[a-z2-7]{12} +enroll, edit +ed `, listed)
	require.NotContains(t, listed, text)
	var keys []store.Key
	term.run("keys", "list", "-o", "json").succeeds().decode(&keys)
	require.Len(t, keys, 2)
	term.run("keys", "revoke", "shop").succeeds()
	term.run("keys", "revoke", "shop").fails(1, `there is no key "shop" that is valid`)
	term.run("keys", "create", "shop", "--role", "view").fails(1, `there is a key "shop", or there was one`)
	term.run("keys", "create", "x", "--role", "view", "--user", "nobody").fails(1, `there is no user "nobody"`)
	term.run("keys", "create", "x").fails(2, "needs --role")
	term.run("keys", "create", "x", "--role", "owner").fails(2, `"owner" is not a role`)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("event", "page_viewed", "--record", "contact/51", "--id", "a", "--data", `{"url":"/"}`).succeeds()
	require.Regexp(t, `page_viewed +a +cli ada +\{"url":"/"\}`, term.run("events", "contact/51").succeeds().stdout)
	var events []shownEvent
	term.run("events", "contact/51", "-o", "json").succeeds().decode(&events)
	require.Equal(t, "a", events[0].ID)
	require.NoError(t, term.store().Tx(t.Context(), func(tx *store.Tx) error {
		return tx.AddRejected(t.Context(), store.RejectedEvent{At: time.Now(), Origin: "kafka/events/0/17", Reason: "malformed", Detail: "it is not JSON", Content: []byte("{")})
	}))
	require.Regexp(t, `kafka/events/0/17 +malformed +it is not JSON`, term.run("events", "--rejected").succeeds().stdout)
	var rejected []rejectedEvent
	term.run("events", "--rejected", "-o", "json").succeeds().decode(&rejected)
	require.Equal(t, "{", rejected[0].Content)
	term.run("events", "send-again", "1").fails(1, "1: it is rejected once more: malformed: it is not JSON: it ends too early")
	term.run("events", "send-again", "2").fails(1, "there is no rejected event of this number")
	term.run("events", "send-again", "x").fails(2, `"x" is not a number`)
	require.NoError(t, term.store().Tx(t.Context(), func(tx *store.Tx) error {
		return tx.AddRejected(t.Context(), store.RejectedEvent{At: time.Now(), Origin: "kafka/events/0/18", Reason: "in-future", Content: []byte(`{"record":"contact/51","type":"paid"}`)})
	}))
	require.Equal(t, "2: stored, kafka/events/0/18\n", term.run("events", "send-again", "2").succeeds().stdout)
	term.run("events", "send-again", "2").fails(1, "it became contact/51 kafka/events/0/18")
	term.run("events", "--rejected", "-o", "json").succeeds().decode(&rejected)
	require.Equal(t, []string{"contact/51 kafka/events/0/18"}, rejected[0].Events)
	term.run("events").fails(2, "needs RECORD or --rejected")
	term.run("events", "contact/51", "--rejected").fails(2, "needs RECORD or --rejected")
}

func TestUpdatesAreNamedAsInTheAuditLog(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{store.DeedPause, store.DeedResume, store.DeedSkipWait, store.DeedMove, store.DeedUnenroll},
		[]string{plan.UpdatePause, plan.UpdateResume, plan.UpdateSkipWait, plan.UpdateMove, plan.UpdateUnenroll})
}
