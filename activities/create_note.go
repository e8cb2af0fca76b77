package activities

import (
	"context"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type createNoteConfig struct {
	Body crm.Template `json:"body" doc:"Text in HTML or Markdown; values of tokens are escaped." required:"true"`
	Pin  bool         `json:"pin" doc:"Keep the note above the others."`
}

var createNote = action.Define(action.Spec[createNoteConfig]{
	ID:       "create_note",
	Category: action.CRM,
	Summary:  "Create a note about the record",
	Doc: `Creates a record of the type note, associated with the enrolled record. A note without text fails the action (` + "`no-body`" + `), and so does
one of more than 65,536 characters (` + "`invalid-value`" + `).

Unconfirmed, and so our design: the output, and failing.`,
	Example: `create_note: {body: "Asked for a quote on {{ now | date: '%d %B' }}."}`,
	Outputs: []action.Output{{Name: "note", Type: "string", Doc: "Reference of the note, as in note/7."}},
	Local:   true,
	Effect:  action.Edits,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg createNoteConfig) (plan.Outcome, error) {
		body, err := env.RenderHTML(ctx, cfg.Body)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		if strings.TrimSpace(body) == "" {
			return plan.Outcome{}, action.Permanent("no-body", "the note is empty")
		}
		return attach(ctx, env, call, crm.ObjectNote, map[string]string{"body": body, "pinned": strconv.FormatBool(cfg.Pin)})
	},
})
