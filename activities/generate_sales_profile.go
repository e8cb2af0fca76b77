package activities

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type generateSalesProfileConfig struct {
	Offer     crm.Template       `json:"offer" doc:"What you sell, and what it does for whom, with tokens." required:"true"`
	Data      []crm.PropertyName `json:"data" doc:"Properties of the enrolled record that the profile is written from. The model sees no other." required:"true" min:"1"`
	Model     string             `json:"model,omitempty" doc:"Another model of the same provider than the workspace's."`
	MaxTokens int                `json:"max_tokens" doc:"Longest profile, in tokens; reasoning counts." default:"2048" min:"1" max:"16000"`
}

var generateSalesProfile = action.Define(action.Spec[generateSalesProfileConfig]{
	ID:       "generate_sales_profile",
	Category: action.AI,
	Summary:  "Have the workspace's language model write a profile for prospecting",
	Doc: `Asks the model that ` + "`ai.provider`" + ` and ` + "`ai.model`" + ` name in millrace.yaml who this buyer is, what troubles them, what of the offer answers that, and how a first
message could begin. Nothing is written to the record: an ` + "`edit_record`" + ` behind it keeps what is wanted. Without a model the action fails (` + "`no-provider`" + `).

The model sees the offer and the properties under ` + "`data`" + `, and nothing else of the record. What it answers is checked against the types of the outputs, as for
[ask_ai](#ask_ai), whose rules about limits, repetitions and failures hold here too. An empty offer fails the action (` + "`no-prompt`" + `).

Unconfirmed, and so our design: the inputs and outputs, contacts and companies as the only types, and that an action is one of one workflow where executions are counted.`,
	Example: `generate_sales_profile: {offer: "Water meters that report leaks, for property managers.", data: [job_title, company, industry]}`,
	Objects: []string{"contact", "company"},
	Outputs: append([]action.Output{{Name: "profile", Type: "string", Doc: "All of it as text, under a heading each."}}, asking{Answers: salesProfile}.Outputs()...),
	Channel: "ai",
	Effect:  action.Requests,
	Attempt: askingTime,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg generateSalesProfileConfig) (plan.Outcome, error) {
		question := chosen(env.Account, cfg.Model)
		question.Instructions = "Write a profile of a buyer for a seller who prepares a first conversation. You are told the offer, and what is known of the buyer. " +
			"Say nothing that does not follow from these; what is not known is not guessed."
		answering := asking{Data: cfg.Data, Answers: salesProfile, MaxTokens: cfg.MaxTokens}
		outcome, err := answering.ask(ctx, env, call, question, cfg.Offer, crm.Secret{})
		if err != nil {
			return plan.Outcome{}, err
		}
		outcome.Output, err = withProfile(outcome.Output)
		return outcome, err
	},
})

// Lacks tells what the settings of the workspace lack for the action, "" when that is nothing.
func (c generateSalesProfileConfig) Lacks(account crm.Account) string {
	return lacks(account, chosen(account, c.Model), crm.Secret{})
}

// salesProfile is the declared type of a profile.
var salesProfile = map[string]askedOutput{
	"buyer_persona":      {Type: crm.TypeString, Doc: "Who the buyer is: role, what they answer for, how they decide."},
	"challenges":         {Type: crm.TypeString, Doc: "What troubles such a buyer, as far as the offer has to do with it."},
	"value_propositions": {Type: crm.TypeString, Doc: "What of the offer answers that, and why."},
	"opener":             {Type: crm.TypeString, Doc: "One or two sentences that a first message could begin with."},
}

// withProfile puts the whole profile as text beside its parts, in the place of the answer's JSON.
func withProfile(output json.RawMessage) (json.RawMessage, error) {
	var parts map[string]string
	if err := json.Unmarshal(output, &parts); err != nil {
		return nil, err
	}
	delete(parts, "response")
	var text strings.Builder
	for _, part := range []struct{ heading, name string }{
		{"Buyer persona", "buyer_persona"}, {"Challenges", "challenges"}, {"Value propositions", "value_propositions"}, {"Opener", "opener"},
	} {
		text.WriteString("## " + part.heading + "\n\n" + strings.TrimSpace(parts[part.name]) + "\n\n")
	}
	parts["profile"] = strings.TrimSpace(text.String())
	return json.Marshal(parts)
}
