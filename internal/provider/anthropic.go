package provider

import (
	"cmp"
	"context"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// claude is where Anthropic answers.
const claude = "https://api.anthropic.com"

// message asks by Messages. The library does not repeat a call: the worker does.
func (m *models) message(ctx context.Context, question Question) (Answer, error) {
	params := anthropic.MessageNewParams{
		Model: question.Model, MaxTokens: int64(question.MaxTokens),
		OutputConfig: anthropic.OutputConfigParam{Effort: anthropic.OutputConfigEffort(question.Effort)},
	}
	if question.Instructions != "" {
		params.System = []anthropic.TextBlockParam{{Text: question.Instructions}}
	}
	for i, turn := range question.Turns {
		if i%2 == 0 {
			params.Messages = append(params.Messages, anthropic.NewUserMessage(anthropic.NewTextBlock(turn)))
		} else {
			params.Messages = append(params.Messages, anthropic.NewAssistantMessage(anthropic.NewTextBlock(turn)))
		}
	}
	if question.Temperature != nil {
		params.Temperature = anthropic.Float(*question.Temperature)
	}
	if question.Schema != nil {
		params.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: question.Schema}
	}
	service := anthropic.NewMessageService(
		option.WithHTTPClient(m.client), option.WithMaxRetries(0),
		option.WithBaseURL(cmp.Or(question.BaseURL, claude)), option.WithAPIKey(question.APIKey),
		option.WithHeader("Idempotency-Key", question.Key),
	)
	answered, err := service.New(ctx, params)
	if err != nil {
		return Answer{}, err
	}
	if answered.StopReason == "" {
		return Answer{}, ErrUnreadable
	}
	var text strings.Builder
	for _, block := range answered.Content {
		text.WriteString(block.Text)
	}
	usage := answered.Usage
	return Answer{
		Text: text.String(), Cut: answered.StopReason == anthropic.StopReasonMaxTokens,
		Refused: answered.StopReason == anthropic.StopReasonRefusal,
		Input:   usage.InputTokens + usage.CacheCreationInputTokens + usage.CacheReadInputTokens, Output: usage.OutputTokens,
	}, nil
}
