package activities

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type createTaskConfig struct {
	Title    crm.Template `json:"title" doc:"What is to be done." required:"true"`
	Notes    crm.Template `json:"notes,omitzero" doc:"More about it, in HTML or Markdown; values of tokens are escaped."`
	Type     string       `json:"type" doc:"Kind of task." enum:"TODO,CALL,EMAIL" default:"TODO"`
	Priority string       `json:"priority" doc:"How urgent it is." enum:"NONE,LOW,MEDIUM,HIGH" default:"NONE"`
	Assignee assignee     `json:"assignee,omitzero" doc:"Who is to do it; none if left out."`
	Due      *fromNow     `json:"due,omitempty" doc:"When it is due, counted from when the action runs; never if left out."`
	Reminder crm.Duration `json:"reminder,omitzero" doc:"How long before it is due its assignee is to be reminded: kept in reminder_at."`
	Queue    string       `json:"queue,omitempty" doc:"Queue of tasks that it belongs to."`

	Associated []copiedAssociation `json:"copy_associations,omitempty" doc:"Records associated with the enrolled one with which to associate it too."`
}

var createTask = action.Define(action.Spec[createTaskConfig]{
	ID:       "create_task",
	Category: action.CRM,
	Summary:  "Create a task about the record",
	Doc: `Creates a record of the type task, associated with the enrolled record, with the status not_started. When its status becomes
completed, that is the event ` + "`task_completed`" + ` of the task and of the records it is associated with. A ` + "`delay_until_event`" + ` with this action as its
source waits for the completion of this very task.

A task is due ` + "`in`" + ` so long, at the given time of that day, on the first of the given weekdays from then on. What would be before now is on the next of
these days. Nobody is reminded by Millrace: ` + "`reminder_at`" + ` says when somebody may want to.

A task without a title fails the action (` + "`no-title`" + `). Where the owner property is empty, or the user is unknown or deactivated, the task is nobody's, with
a warning in the history.

Unconfirmed, and so our design: the nobody's task, when ` + "`time`" + ` and ` + "`days`" + ` apply, the name of the status and of the event, and failing.`,
	Example: `create_task: {title: "Call {{ contact.first_name }}", type: CALL, assignee: {owner: hubspot_owner_id}, due: {in: 3d, time: "09:00", days: [mon, tue, wed, thu, fri]}}`,
	Outputs: []action.Output{{Name: "task", Type: "string", Doc: "Reference of the task, as in task/7."}},
	Local:   true,
	Effect:  action.Edits,
	Check: func(cfg createTaskConfig, at schema.Pos, problems *schema.Diagnostics) {
		if !cfg.Reminder.IsZero() && cfg.Due == nil {
			problems.Errorf(at, "missing-key", "reminder: due is needed beside it")
		}
	},
	Run: runCreateTask,
})

func runCreateTask(ctx context.Context, env *action.Env, call plan.Call, cfg createTaskConfig) (plan.Outcome, error) {
	title, err := env.Render(ctx, cfg.Title)
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	if strings.TrimSpace(title) == "" {
		return plan.Outcome{}, action.Permanent("no-title", "the title is empty")
	}
	notes, err := env.RenderHTML(ctx, cfg.Notes)
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	user, err := cfg.Assignee.resolve(ctx, env)
	if err != nil {
		return plan.Outcome{}, err
	}
	values := map[string]string{
		"title": title, "notes": notes, "type": cfg.Type, "priority": cfg.Priority,
		"queue": cfg.Queue, crm.TaskStatus: crm.TaskOpen, crm.OwnerProperty: user,
	}
	if cfg.Due != nil {
		zone, err := env.Zone(ctx)
		if err != nil {
			return plan.Outcome{}, err
		}
		due := cfg.Due.after(env.Now(), zone)
		values["due_at"] = crm.Text(due)
		if !cfg.Reminder.IsZero() {
			values["reminder_at"] = crm.Text(cfg.Reminder.Neg().After(due, zone, false))
		}
	}
	return attach(ctx, env, call, crm.ObjectTask, values, cfg.Associated...)
}

// assignee says who is to do a task: nobody, a user, or the user whom a property of the enrolled record names.
type assignee struct {
	User  crm.UserName     `json:"user,omitzero" doc:"User, by id or address."`
	Owner crm.PropertyName `json:"owner,omitzero" doc:"Property of the enrolled record that holds a user."`
}

// UnmarshalNode reads `none`, {user: U} or {owner: PROPERTY}.
func (a *assignee) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	if node.IsScalar() && node.Value == "none" {
		return
	}
	type fields assignee
	found := schema.Decode(node, (*fields)(a))
	if !found.HasErrors() && a.User.IsZero() == a.Owner.IsZero() {
		found.Errorf(node.Pos, "wrong-value", "assignee: none, or either user or owner")
	}
	*problems = append(*problems, found...)
}

// MarshalJSON writes the source form; null for nobody.
func (a assignee) MarshalJSON() ([]byte, error) {
	if a == (assignee{}) {
		return []byte("null"), nil
	}
	type fields assignee
	return json.Marshal(fields(a))
}

// Describe tells readers about the source form.
func (assignee) Describe() schema.Description {
	user := map[string]any{"type": "object", "properties": map[string]any{"user": map[string]any{"type": "string"}}, "required": []any{"user"}, "additionalProperties": false}
	owner := map[string]any{"type": "object", "properties": map[string]any{"owner": map[string]any{"type": "string"}}, "required": []any{"owner"}, "additionalProperties": false}
	return schema.Description{
		Name: "assignee", Doc: "none, {user: U}, or {owner: PROPERTY} for the user whom a property of the enrolled record names.",
		Schema: map[string]any{"anyOf": []any{map[string]any{"const": "none"}, user, owner}},
	}
}

// resolve returns the id of the user, "" for nobody.
func (a assignee) resolve(ctx context.Context, env *action.Env) (string, error) {
	id := a.User.Text
	if !a.Owner.IsZero() {
		record, err := env.Records.Get(ctx, env.Record())
		if err != nil {
			return "", err
		}
		if id = record.Property(a.Owner.Text); id == "" {
			env.Warn("%s has no %s: the task is nobody's", record.Object, a.Owner.Text)
		}
	}
	if id == "" {
		return "", nil
	}
	user, err := env.Records.User(ctx, id)
	switch {
	case errors.Is(err, crm.ErrNotFound) && env.Catalog.IsOpen():
		return id, nil
	case errors.Is(err, crm.ErrNotFound):
		env.Warn("user %s is not known: the task is nobody's", id)
		return "", nil
	case err == nil && !user.Active:
		env.Warn("user %s is deactivated: the task is nobody's", user.ID)
		return "", nil
	}
	return user.ID, err
}
