package provider

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOutboxRecordsInsteadOfSending(t *testing.T) {
	t.Parallel()
	var sent []Sent
	at := time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)
	letter := letter
	letter.At = at
	outbox := Outbox{Record: func(_ context.Context, one Sent) error {
		sent = append(sent, one)
		return nil
	}}
	require.NoError(t, outbox.Send(t.Context(), letter))
	response, err := outbox.Do(t.Context(), Request{
		Key: "k", Method: "POST", URL: "https://example.com/hook?a=1", Body: []byte(`{"x":1}`), Secret: url.Values{"key": {"hush"}}, At: at,
	})
	require.NoError(t, err)
	require.Equal(t, 200, response.Status)
	require.JSONEq(t, "{}", string(response.Body))
	require.Equal(t, []Sent{
		{Key: letter.Key, At: at, Channel: "email", From: letter.From, To: letter.To, Subject: letter.Subject, Body: letter.Text},
		{Key: "k", At: at, Channel: "webhook", To: "https://example.com/hook?a=1", Subject: "POST", Body: `{"x":1}`},
	}, sent)
}

func TestOutboxThatCannotRecordDidNotSend(t *testing.T) {
	t.Parallel()
	outbox := Outbox{Record: func(context.Context, Sent) error { return errors.New("disk full") }}
	requireRefused(t, outbox.Send(t.Context(), letter), "outbox", true)
	_, err := outbox.Do(t.Context(), Request{})
	requireRefused(t, err, "outbox", true)
}
