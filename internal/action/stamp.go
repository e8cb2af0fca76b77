package action

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/provider"
)

// stampedMail puts the business time on every mail, so that no kind has to remember it.
type stampedMail struct {
	provider.Mail
	now time.Time
}

func (s stampedMail) Send(ctx context.Context, mail provider.Email) error {
	mail.At = s.now
	return s.Mail.Send(ctx, mail)
}

// stampedAI does the same for questions.
type stampedAI struct {
	provider.Models
	now time.Time
}

func (s stampedAI) Ask(ctx context.Context, question provider.Question) (provider.Answer, error) {
	question.At = s.now
	return s.Models.Ask(ctx, question)
}

// stampedHTTP does the same for calls.
type stampedHTTP struct {
	provider.HTTP
	now time.Time
}

func (s stampedHTTP) Do(ctx context.Context, request provider.Request) (provider.Response, error) {
	request.At = s.now
	return s.HTTP.Do(ctx, request)
}
