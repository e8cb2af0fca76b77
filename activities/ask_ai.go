package activities

import (
	"context"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type askAiConfig struct {
	Task   string       `json:"task" doc:"answer the prompt; summarise the data; categorise, into outputs with options; extract, into outputs." enum:"answer,summarise,categorise,extract" default:"answer"`
	Prompt crm.Template `json:"prompt" doc:"What to ask, or what to mind in the task, with tokens." required:"true"`
	Model  string       `json:"model,omitempty" doc:"Another model of the same provider than the workspace's."`
	asking
}

// tasks are what a model is told about each task.
var tasks = map[string]string{
	"summarise":  "Summarise the data of the record in a few sentences. Add nothing that it does not say.",
	"categorise": "Choose the categories that fit the data of the record best.",
	"extract":    "Take the wanted values out of the data of the record. Invent none.",
}

var askAi = action.Define(action.Spec[askAiConfig]{
	ID:       "ask_ai",
	Category: action.AI,
	Summary:  "Ask the workspace's language model",
	Doc: `Asks the model that ` + "`ai.provider`" + ` and ` + "`ai.model`" + ` name in millrace.yaml: with a prompt, or to summarise, categorise or extract from
the properties under ` + "`data`" + `. Neither the internet nor tools are at its hand. Without a model the action fails (` + "`no-provider`" + `).` + askingRules + `

Unconfirmed, and so our design: the tasks, ` + "`max_tokens`" + `, ` + "`outputs`" + ` in place of one output type, and that an action is one of one workflow where
executions are counted.`,
	Example: `ask_ai: {task: categorise, prompt: "What is this about?", data: [notes], outputs: {topic: {type: enumeration, options: [price, support, other]}}}`,
	Outputs: []action.Output{responseOutput},
	Channel: "ai",
	Effect:  action.Requests,
	Attempt: askingTime,
	Check: func(cfg askAiConfig, at schema.Pos, problems *schema.Diagnostics) {
		cfg.check(at, problems)
		if cfg.Task != "answer" && len(cfg.Data) == 0 {
			problems.Errorf(at, "missing-key", "data: %s needs properties to work on", cfg.Task)
		}
		if (cfg.Task == "categorise" || cfg.Task == "extract") && len(cfg.Answers) == 0 {
			problems.Errorf(at, "missing-key", "outputs: %s needs some", cfg.Task)
		}
		for _, output := range cfg.Answers {
			if cfg.Task == "categorise" && output.Type != crm.TypeEnumeration {
				problems.Errorf(at, "wrong-value", "outputs: categorise needs enumerations with options")
			}
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg askAiConfig) (plan.Outcome, error) {
		question := chosen(env.Account, cfg.Model)
		question.Instructions = tasks[cfg.Task]
		return cfg.ask(ctx, env, call, question, cfg.Prompt, crm.Secret{})
	},
})

// Lacks tells what the settings of the workspace lack for the action, "" when that is nothing.
func (c askAiConfig) Lacks(account crm.Account) string {
	return lacks(account, chosen(account, c.Model), crm.Secret{})
}
