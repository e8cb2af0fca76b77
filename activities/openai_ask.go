package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/schema"
)

type openaiAskConfig struct {
	Model       string       `json:"model" doc:"Model, as its server calls it." required:"true" min:"1"`
	Prompt      crm.Template `json:"prompt" doc:"What to ask, with tokens." required:"true"`
	APIKey      crm.Secret   `json:"api_key,omitzero" doc:"Key, as secret://NAME; that of providers.openai if left out."`
	Effort      string       `json:"reasoning_effort,omitempty" doc:"How long a reasoning model thinks; the model's own choice if left out." enum:"none,minimal,low,medium,high,xhigh,max"`
	Temperature *float64     `json:"temperature,omitempty" doc:"How much answers vary; the model's own choice if left out. Reasoning models take none." min:"0" max:"2"`
	asking
}

var openaiAsk = action.Define(action.Spec[openaiAskConfig]{
	ID:       "openai_ask",
	Category: action.App,
	Summary:  "Ask a model of OpenAI",
	Doc: `Asks by Chat Completions, which many servers of other models speak as well: ` + "`providers.openai.base_url`" + ` in millrace.yaml names
another one, and ` + "`egress`" + ` opens its address when it is not public.` + askingRules + `

Unconfirmed, and so our design: ` + "`max_tokens`" + `, ` + "`data`" + `, ` + "`outputs`" + `, and that an action is one of one workflow where executions are counted.`,
	Example: `openai_ask: {model: gpt-5-mini, prompt: "How does this customer feel?", data: [notes], outputs: {sentiment: {type: enumeration, options: [good, bad]}, score: {type: number}}}`,
	Outputs: []action.Output{responseOutput},
	Channel: "ai",
	Effect:  action.Requests,
	Attempt: askingTime,
	Check:   func(cfg openaiAskConfig, at schema.Pos, problems *schema.Diagnostics) { cfg.check(at, problems) },
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg openaiAskConfig) (plan.Outcome, error) {
		return cfg.ask(ctx, env, call, cfg.question(), cfg.Prompt, cfg.APIKey)
	},
})

func (c openaiAskConfig) question() provider.Question {
	return provider.Question{API: provider.ChatCompletions, Model: c.Model, Effort: c.Effort, Temperature: c.Temperature}
}

// Lacks tells what the settings of the workspace lack for the action, "" when that is nothing.
func (c openaiAskConfig) Lacks(account crm.Account) string {
	return lacks(account, c.question(), c.APIKey)
}
