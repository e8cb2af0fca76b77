package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/schema"
)

type openaiAskAssistantConfig struct {
	Assistant crm.AssistantName `json:"assistant" doc:"Assistant, as millrace.yaml names it in ai.assistants." required:"true"`
	Prompt    crm.Template      `json:"prompt" doc:"What to ask, with tokens." required:"true"`
	asking
}

var openaiAskAssistant = action.Define(action.Spec[openaiAskAssistantConfig]{
	ID:       "openai_ask_assistant",
	Category: action.App,
	Summary:  "Ask an assistant on a model of OpenAI",
	Doc: `OpenAI shut its Assistants interface down on 26 August 2026: the assistants that HubSpot's action names cannot be asked any more, by anybody. Here an
assistant is an entry of ` + "`ai.assistants`" + ` in millrace.yaml, with ` + "`model`, `instructions`" + ` and, when it searches files, the ` + "`vector_stores`" + ` that hold them at OpenAI. Copy
its instructions there. The prompts that OpenAI stores under an id are no way out: they end on 30 November 2026.

It is asked by Responses, at ` + "`providers.openai`" + `. Every visit is a conversation of its own, of which OpenAI is told to keep nothing.` + askingRules + `

An action whose assistant is not in millrace.yaml any more fails (` + "`no-assistant`" + `).

Unconfirmed, and so our design: ` + "`data`, `outputs`, `max_tokens`" + `, that no conversation goes on from visit to visit, and that an action is one of one
workflow where executions are counted.`,
	Example: `openai_ask_assistant: {assistant: support, prompt: "What should {{ contact.first_name }} try next?", data: [notes]}`,
	Outputs: []action.Output{responseOutput},
	Channel: "ai",
	Effect:  action.Requests,
	Attempt: askingTime,
	Check: func(cfg openaiAskAssistantConfig, at schema.Pos, problems *schema.Diagnostics) {
		cfg.check(at, problems)
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg openaiAskAssistantConfig) (plan.Outcome, error) {
		assistant, found := env.Account.AI.Assistants[cfg.Assistant.Text]
		if !found {
			return plan.Outcome{}, action.Permanent("no-assistant", "millrace.yaml has no assistant %q in ai.assistants", cfg.Assistant)
		}
		return cfg.ask(ctx, env, call, questionTo(assistant), cfg.Prompt, crm.Secret{})
	},
})

func questionTo(assistant crm.Assistant) provider.Question {
	return provider.Question{
		API: provider.Responses, Model: assistant.Model, Instructions: assistant.Instructions,
		Effort: assistant.Effort, Temperature: assistant.Temperature, VectorStores: assistant.VectorStores,
	}
}

// Lacks tells what the settings of the workspace lack for the action, "" when that is nothing.
func (c openaiAskAssistantConfig) Lacks(account crm.Account) string {
	assistant, found := account.AI.Assistants[c.Assistant.Text]
	if !found {
		return "" // reported where it is named
	}
	return lacks(account, questionTo(assistant), crm.Secret{})
}
