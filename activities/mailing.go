package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

// mailing is one step's mail to several people. Each gets it at most once, and one who cannot be
// reached keeps it from nobody else.
type mailing struct {
	env    *action.Env
	sent   int
	failed []failed
	later  error             // refused for now
	became map[string]string // of each: sent, or why not
}

// mailed are the outputs of a mailing.
var mailed = []action.Output{
	{Name: "sent_email", Type: "string", Doc: "Key of the send, for waits whose events answer it."},
	{Name: "recipients", Type: "json", Doc: "What became of each, as in {contact/51: sent, contact/52: no-address}."},
}

// newMailing is a mailing to nobody yet.
func newMailing(env *action.Env) *mailing { return &mailing{env: env, became: map[string]string{}} }

type failed struct {
	who string
	err error // permanent
}

// send sends to one person, unless an earlier attempt did.
func (m *mailing) send(ctx context.Context, who string, mail provider.Email) {
	err := m.env.Once(ctx, strings.ToLower(mail.To), func(ctx context.Context, key string) error {
		mail.Key = key
		return m.env.Mail.Send(ctx, mail)
	})
	switch {
	case err == nil:
		m.sent++
		m.became[who] = "sent"
	case action.IsPermanent(err):
		m.fail(who, err)
	default:
		m.later = errors.Join(m.later, err)
	}
}

// fail writes down that one person will not get it.
func (m *mailing) fail(who string, permanent error) {
	m.became[who], _, _ = strings.Cut(permanent.Error(), ": ")
	m.failed = append(m.failed, failed{who, permanent})
}

// outcome is what the mailing came to: tried again while somebody was refused for now, failed when
// nobody got it, else done, with a word about everybody who did not get it.
func (m *mailing) outcome(call plan.Call) (plan.Outcome, error) {
	if m.later != nil {
		return plan.Outcome{}, m.later
	}
	for i, one := range m.failed {
		if m.sent == 0 && i == 0 {
			continue // is the action's own failure
		}
		event := plan.JournalWarning
		if action.IsUnknown(one.err) {
			event = plan.JournalUnknown
		}
		m.env.Note(event, "%s: %v", one.who, one.err)
	}
	if m.sent == 0 && len(m.failed) > 0 {
		return plan.Outcome{}, m.failed[0].err
	}
	output, err := json.Marshal(map[string]any{"sent_email": call.Key(), "recipients": m.became})
	return plan.Outcome{Output: output, Note: fmt.Sprintf("sent to %d", m.sent)}, err
}
