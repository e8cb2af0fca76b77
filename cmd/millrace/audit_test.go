package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

// inTheAuditLog are the commands that change something, in an order in which they can be run, and the line of the audit
// log that each leaves.
var inTheAuditLog = []struct{ command, arguments, line string }{
	{"push", "", "publish workspace"},
	{"records set", "contact/51 email=ada@example.com", "record.set contact/51"},
	{"records import", "contact people.csv", "record.import contact"},
	{"records merge", "contact/51 contact/52", "record.merge contact/52"},
	{"records delete", "contact/51", "record.delete contact/51"},
	{"records restore", "contact/51", "record.restore contact/51"},
	{"records purge", "", "record.purge contact/60"},
	{"lists add", "partners contact/51", "list.add partners/contact/51"},
	{"lists remove", "partners contact/51", "list.remove partners/contact/51"},
	{"event", "page_viewed --record contact/51", "event contact/51"},
	{"events send-again", "1", "event.send_again kafka/events/0/17"},
	{"workflows off", "trial-nurture", "switch trial-nurture"},
	{"workflows on", "trial-nurture", "switch trial-nurture"},
	{"workflows pause", "trial-nurture", "switch trial-nurture"},
	{"workflows drain", "trial-nurture", "switch trial-nurture"},
	{"workflows stop", "trial-nurture --at 2099-01-01T00:00", "switch trial-nurture"},
	{"keys create", "shop --role enroll", "key.create shop"},
	{"keys revoke", "shop", "key.revoke shop"},
	{"prune", "", "prune database"},
}

// atTemporal are the commands that change something and need a Temporal server:
// TestOperatorsLeaveLinesInTheAuditLog in testsuite/ runs them.
var atTemporal = []string{"enroll", "unenroll", "pause", "resume", "skip-wait", "move"}

// harmless are commands that need more than the role view and change nothing.
var harmless = []string{"keys", "keys list", "audit", "records", "lists", "workflows"}

func TestEveryCommandThatChangesSomethingLeavesALineInTheAuditLog(t *testing.T) {
	t.Parallel()
	term := newWorkspace(t)
	term.write("people.csv", "id,email\n52,bob@example.com\n")
	seen := 0
	for _, one := range inTheAuditLog {
		if one.command == "records purge" {
			old := crm.Ref{Object: "contact", ID: "60"}
			_, err := term.store().Create(t.Context(), old, nil, time.Now().AddDate(0, 0, -100), "test")
			require.NoError(t, err)
			require.NoError(t, term.store().Delete(t.Context(), old, time.Now().AddDate(0, 0, -91)))
		}
		if one.command == "events send-again" {
			require.NoError(t, term.store().Tx(t.Context(), func(tx *store.Tx) error {
				return tx.AddRejected(t.Context(), store.RejectedEvent{At: time.Now(), Origin: "kafka/events/0/17", Reason: "was", Content: []byte(`{"record":"contact/51","type":"paid"}`)})
			}))
		}
		term.run(append(strings.Fields(one.command), strings.Fields(one.arguments)...)...).succeeds()
		deeds, err := term.store().Deeds(t.Context(), store.DeedFilter{})
		require.NoError(t, err)
		slices.Reverse(deeds)
		var lines []string
		for _, deed := range deeds[seen:] {
			require.Equal(t, "ada", deed.Actor)
			lines = append(lines, deed.Action+" "+deed.Subject)
		}
		require.Contains(t, lines, one.line, "millrace %s", one.command)
		seen = len(deeds)
	}
	a, _, _ := term.app()
	var visit func(command *cobra.Command)
	visit = func(command *cobra.Command) {
		_, path, _ := strings.Cut(command.CommandPath(), " ")
		role, needed := roleOf(path)
		told := slices.Contains(atTemporal, path) || slices.Contains(harmless, path)
		for _, one := range inTheAuditLog {
			told = told || one.command == path
			require.False(t, one.command == path && role == crm.RoleView, "`millrace %s` needs more than the role view: say so in roles (access.go)", path)
		}
		require.True(t, !needed || role == crm.RoleView || told, "say in audit_test.go which line `millrace %s` leaves in the audit log", path)
		for _, below := range command.Commands() {
			visit(below)
		}
	}
	visit(newRoot(a))
}
