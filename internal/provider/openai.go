package provider

import (
	"cmp"
	"context"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// openAI is where OpenAI answers.
const openAI = "https://api.openai.com/v1"

// options are what every call to OpenAI's interfaces has. Its library does not repeat a call: the worker does.
func (m *models) options(question Question) []option.RequestOption {
	return []option.RequestOption{
		option.WithHTTPClient(m.client), option.WithMaxRetries(0),
		option.WithBaseURL(cmp.Or(question.BaseURL, openAI)), option.WithAPIKey(question.APIKey),
		option.WithHeader("Idempotency-Key", question.Key),
	}
}

// complete asks by Chat Completions.
func (m *models) complete(ctx context.Context, question Question) (Answer, error) {
	params := openai.ChatCompletionNewParams{
		Model: question.Model, ReasoningEffort: shared.ReasoningEffort(question.Effort),
		MaxCompletionTokens: openai.Int(int64(question.MaxTokens)),
	}
	if question.Instructions != "" {
		params.Messages = append(params.Messages, openai.SystemMessage(question.Instructions))
	}
	for i, turn := range question.Turns {
		if i%2 == 0 {
			params.Messages = append(params.Messages, openai.UserMessage(turn))
		} else {
			params.Messages = append(params.Messages, openai.AssistantMessage(turn))
		}
	}
	if question.Temperature != nil {
		params.Temperature = openai.Float(*question.Temperature)
	}
	if question.Schema != nil {
		params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "answer", Strict: openai.Bool(true), Schema: question.Schema},
		}
	}
	service := openai.NewChatCompletionService(m.options(question)...)
	completion, err := service.New(ctx, params)
	if err != nil {
		return Answer{}, err
	}
	if len(completion.Choices) == 0 {
		return Answer{}, ErrUnreadable
	}
	choice := completion.Choices[0]
	return Answer{
		Text: choice.Message.Content, Cut: choice.FinishReason == "length",
		Refused: choice.Message.Refusal != "" || choice.FinishReason == "content_filter",
		Input:   completion.Usage.PromptTokens, Output: completion.Usage.CompletionTokens,
	}, nil
}

// respond asks by Responses, of which the vendor keeps nothing.
func (m *models) respond(ctx context.Context, question Question) (Answer, error) {
	params := responses.ResponseNewParams{
		Model: question.Model, Store: openai.Bool(false), MaxOutputTokens: openai.Int(int64(question.MaxTokens)),
		Reasoning: shared.ReasoningParam{Effort: shared.ReasoningEffort(question.Effort)},
	}
	if question.Instructions != "" {
		params.Instructions = openai.String(question.Instructions)
	}
	if len(question.VectorStores) > 0 {
		params.Tools = []responses.ToolUnionParam{responses.ToolParamOfFileSearch(question.VectorStores)}
	}
	for i, turn := range question.Turns {
		role := responses.EasyInputMessageRoleUser
		if i%2 == 1 {
			role = responses.EasyInputMessageRoleAssistant
		}
		params.Input.OfInputItemList = append(params.Input.OfInputItemList, responses.ResponseInputItemParamOfMessage(turn, role))
	}
	if question.Temperature != nil {
		params.Temperature = openai.Float(*question.Temperature)
	}
	if question.Schema != nil {
		params.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "answer", Strict: openai.Bool(true), Schema: question.Schema}
	}
	service := responses.NewResponseService(m.options(question)...)
	response, err := service.New(ctx, params)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{
		Text: response.OutputText(), Cut: response.IncompleteDetails.Reason == "max_output_tokens",
		Refused: response.IncompleteDetails.Reason == "content_filter",
		Input:   response.Usage.InputTokens, Output: response.Usage.OutputTokens,
	}
	for _, item := range response.Output {
		for _, part := range item.Content {
			answer.Refused = answer.Refused || part.Type == "refusal"
		}
	}
	if len(response.Output) == 0 && !answer.Cut && !answer.Refused {
		return Answer{}, ErrUnreadable
	}
	answer.Text = strings.TrimSpace(answer.Text)
	return answer, nil
}
