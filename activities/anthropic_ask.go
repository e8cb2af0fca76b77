package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/schema"
)

type anthropicAskConfig struct {
	Model       string       `json:"model" doc:"Model, as Anthropic calls it." required:"true" min:"1"`
	Prompt      crm.Template `json:"prompt" doc:"What to ask, with tokens." required:"true"`
	APIKey      crm.Secret   `json:"api_key,omitzero" doc:"Key, as secret://NAME; that of providers.anthropic if left out."`
	Effort      string       `json:"reasoning_effort,omitempty" doc:"How much the model thinks and writes; its own choice if left out. Older models take none." enum:"low,medium,high,xhigh,max"`
	Temperature *float64     `json:"temperature,omitempty" doc:"How much answers vary; the model's own choice if left out." min:"0" max:"1"`
	asking
}

var anthropicAsk = action.Define(action.Spec[anthropicAskConfig]{
	ID:       "anthropic_ask",
	Category: action.App,
	Summary:  "Ask a model of Anthropic",
	Doc: `Asks by Messages; ` + "`providers.anthropic.base_url`" + ` in millrace.yaml names another server that speaks it. Models that take no schema
refuse a question with ` + "`outputs`" + ` (` + "`http-400`" + `).` + askingRules + `

Unconfirmed, and so our design: ` + "`max_tokens`" + `, ` + "`data`" + `, ` + "`outputs`" + `, and that an action is one of one workflow where executions are counted.`,
	Example: `anthropic_ask: {model: claude-haiku-4-5, prompt: "Write one friendly sentence to {{ contact.first_name }}."}`,
	Outputs: []action.Output{responseOutput},
	Channel: "ai",
	Effect:  action.Requests,
	Attempt: askingTime,
	Check:   func(cfg anthropicAskConfig, at schema.Pos, problems *schema.Diagnostics) { cfg.check(at, problems) },
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg anthropicAskConfig) (plan.Outcome, error) {
		return cfg.ask(ctx, env, call, cfg.question(), cfg.Prompt, cfg.APIKey)
	},
})

func (c anthropicAskConfig) question() provider.Question {
	return provider.Question{API: provider.Messages, Model: c.Model, Effort: c.Effort, Temperature: c.Temperature}
}

// Lacks tells what the settings of the workspace lack for the action, "" when that is nothing.
func (c anthropicAskConfig) Lacks(account crm.Account) string {
	return lacks(account, c.question(), c.APIKey)
}
