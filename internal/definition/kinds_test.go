package definition

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// The kinds of these tests have the configs that the language documents, and do nothing.

type emailConfig struct {
	Email crm.EmailName `json:"email" doc:"E-mail." required:"true"`
	To    crm.Target    `json:"to,omitzero" doc:"Records to send to."`
}

type messageConfig struct {
	Message crm.MessageName `json:"message" doc:"Message." required:"true"`
}

type delayConfig struct {
	For          crm.Duration `json:"for" doc:"How long." required:"true"`
	BusinessDays bool         `json:"business_days_only" doc:"Count Monday to Friday only."`
}

type eventConfig struct {
	Event   crm.EventType    `json:"event" doc:"Event." required:"true"`
	Where   *crm.EventFilter `json:"where,omitempty" doc:"Filter on it."`
	Source  crm.ActionID     `json:"source,omitzero" doc:"Action it answers."`
	MaxWait crm.Duration     `json:"max_wait,omitzero" doc:"Longest wait."`
}

type dateConfig struct {
	Property crm.PropertyName `json:"property" doc:"Date." required:"true"`
	IfPast   string           `json:"if_past" doc:"What to do then." enum:"continue,end" default:"continue"`
}

type branchesConfig struct {
	Branches []filterBranch `json:"branches" doc:"Branches." required:"true" min:"1" max:"20"`
}

type filterBranch struct {
	Name string     `json:"name" doc:"Port." required:"true"`
	When crm.Filter `json:"when" doc:"Filter." required:"true"`
}

type adjustConfig struct {
	Property crm.PropertyName `json:"property" doc:"Number." required:"true"`
	By       crm.Value        `json:"by" doc:"How much." required:"true"`
}

type editConfig struct {
	Property crm.PropertyName `json:"property" doc:"Property." required:"true"`
	Value    crm.Value        `json:"value" doc:"New value." required:"true"`
	On       crm.Target       `json:"on,omitzero" doc:"Records to change."`
}

func (c editConfig) Properties() []crm.PropertyUse {
	use := crm.PropertyUse{Object: c.On.Associated.Text, Name: c.Property.Text, Operator: crm.Writes, Pos: c.Property.Pos()}
	if literal, known := c.Value.Literal(); known {
		use.Operands = []string{crm.Text(literal)}
	}
	return []crm.PropertyUse{use}
}

type rotateConfig struct {
	Teams []crm.TeamName `json:"teams" doc:"Teams."`
	Users []crm.UserName `json:"users,omitempty" doc:"Users."`
}

type callConfig struct {
	URL     crm.Template      `json:"url" doc:"Where to." required:"true"`
	Secret  *crm.Secret       `json:"secret,omitempty" doc:"Key."`
	Answers map[string]string `json:"outputs,omitempty" doc:"What to take from the answer."`
}

func (c callConfig) Outputs() []action.Output {
	var outputs []action.Output
	for name := range c.Answers {
		outputs = append(outputs, action.Output{Name: name, Type: "string"})
	}
	return outputs
}

type enrollConfig struct {
	Workflow crm.WorkflowName `json:"workflow" doc:"Where to." required:"true"`
}

type staticListConfig struct {
	List crm.StaticListName `json:"list" doc:"List." required:"true"`
	On   crm.Target         `json:"on,omitzero" doc:"Records to add."`
}

// define makes a kind of a spec that says only what a test needs.
func define[C any](spec action.Spec[C]) action.Kind {
	spec.Summary, spec.Example = "Tests", spec.ID+": {}"
	spec.Run = func(context.Context, *action.Env, plan.Call, C) (plan.Outcome, error) { return plan.Outcome{}, nil }
	return action.Define(spec)
}

func testKinds() []action.Kind {
	return []action.Kind{
		define(action.Spec[delayConfig]{ID: "delay_set_amount", Category: action.Delay, Local: true}),
		define(action.Spec[eventConfig]{
			ID: "delay_until_event", Category: action.Delay, Ports: []string{"event", "timeout"}, Local: true,
			Outputs: []action.Output{{Name: "hs_event_criteria_met", Type: "bool"}},
		}),
		define(action.Spec[dateConfig]{
			ID: "delay_until_date_property", Category: action.Delay, Local: true,
			Waits: func(cfg dateConfig) bool { return cfg.IfPast == "end" },
		}),
		define(action.Spec[struct{}]{ID: "delay_until_offset", Category: action.Delay, Ports: []string{"next", "passed"}, Local: true}),
		define(action.Spec[branchesConfig]{
			ID: "branch_and_or", Category: action.Branch, Ports: []string{"none_met"}, Local: true,
			Branches: func(cfg branchesConfig) []string {
				var ports []string
				for _, branch := range cfg.Branches {
					ports = append(ports, branch.Name)
				}
				return ports
			},
		}),
		define(action.Spec[enrollConfig]{ID: "enroll_in_workflow", Category: action.Flow}),
		define(action.Spec[emailConfig]{ID: "send_email", Channel: "email", Aliases: []string{"send_mail"}, Category: action.Communication, Effect: action.Messages, Outputs: []action.Output{{Name: "sent", Type: "number"}}}),
		define(action.Spec[messageConfig]{ID: "send_sms_message", Category: action.Communication, Objects: []string{"contact"}}),
		define(action.Spec[adjustConfig]{ID: "adjust_number_property", Category: action.CRM, Effect: action.Edits, Local: true, Outputs: []action.Output{{Name: "value", Type: "number"}}}),
		define(action.Spec[editConfig]{ID: "edit_record", Category: action.CRM, Effect: action.Edits, Local: true}),
		define(action.Spec[rotateConfig]{ID: "rotate_record_to_owner", Category: action.CRM}),
		define(action.Spec[staticListConfig]{ID: "add_to_static_list", Category: action.Marketing, Effect: action.Edits, Local: true}),
		define(action.Spec[struct{}]{ID: "delete_contact", Category: action.CRM, Objects: []string{"contact"}}),
		define(action.Spec[callConfig]{ID: "send_webhook", Channel: "webhook", Category: action.Data}),
	}
}
