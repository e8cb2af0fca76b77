package activities

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

// receiver is a server that keeps what it got and answers as told.
type receiver struct {
	*httptest.Server
	status   int
	header   http.Header
	answer   string
	requests []*http.Request
	bodies   []string
}

// hook makes the action call a receiver on this machine; HOST in the config stands for its address.
func hook(t *testing.T, config string) (*bench, *receiver) {
	t.Helper()
	r := &receiver{status: http.StatusOK, answer: "{}"}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.requests, r.bodies = append(r.requests, request), append(r.bodies, string(body))
		for name, values := range r.header {
			w.Header()[name] = values
		}
		w.WriteHeader(r.status)
		fmt.Fprint(w, r.answer)
	}))
	t.Cleanup(r.Close)
	b := newBench(t, "send_webhook: "+strings.ReplaceAll(config, "HOST", r.URL))
	web, err := provider.NewHTTP(provider.Egress{Allow: []string{"127.0.0.0/8"}, HTTP: true})
	require.NoError(t, err)
	b.ways.HTTP = web
	return b, r
}

func TestSendWebhookSendsTheRecord(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, "{url: HOST/in}")
	b.set(map[string]string{"score": "1.50", "vip": "true", "renewal": "2027-05-10"})
	require.JSONEq(t, `{"status":200}`, string(b.ok().Output))
	require.Equal(t, "POST", receiver.requests[0].Method)
	require.Equal(t, "application/json", receiver.requests[0].Header.Get("Content-Type"))
	require.Equal(t, "w/contact/51/1/a1/1", receiver.requests[0].Header.Get("Idempotency-Key"))
	require.JSONEq(t, `{"object":"contact","id":"51","properties":{
		"email":"ada@example.com","first_name":"Ada","score":1.5,"vip":true,"renewal":"2027-05-10"}}`, receiver.bodies[0])
	require.Regexp(t, `^POST 200 in \d+ ms$`, b.journal(plan.JournalWebhook)[0])

	b.ok()
	require.Len(t, receiver.requests, 1, "once done it is not called again")
}

func TestSendWebhookSendsAMapping(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, `{url: "HOST/{{ contact.id }}?a=1", method: PUT, query: {b: "x y", n: 2},
  body: {name: "{{ contact.first_name }}", score: "{{ contact.score }}", fixed: 7, nested: {list: ["{{ contact.email }}"]}, none: "{{ contact.city }}"}}`)
	b.set(map[string]string{"score": "3"})
	b.ok()
	require.Equal(t, "PUT /51?a=1&b=x+y&n=2", receiver.requests[0].Method+" "+receiver.requests[0].URL.String())
	require.JSONEq(t, `{"name":"Ada","score":3,"fixed":7,"nested":{"list":["ada@example.com"]},"none":null}`, receiver.bodies[0])
}

func TestSendWebhookWithoutBody(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "DELETE"} {
		b, receiver := hook(t, "{url: HOST/in, method: "+method+"}")
		b.ok()
		require.Equal(t, method, receiver.requests[0].Method)
		require.Empty(t, receiver.bodies[0])
		require.Empty(t, receiver.requests[0].Header.Get("Content-Type"))
	}
}

func TestSendWebhookAuth(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, "{url: HOST/in, auth: {key: {name: X-Key, secret: secret://crm}}}")
	b.ok()
	require.Equal(t, "hush", receiver.requests[0].Header.Get("X-Key"))

	b, receiver = hook(t, "{url: 'HOST/in?a=1', auth: {key: {name: key, in: query, secret: secret://crm}}}")
	b.ok()
	require.Equal(t, "/in?a=1&key=hush", receiver.requests[0].URL.String())

	b, receiver = hook(t, "{url: HOST/in, body: {a: 1}, auth: {signature: secret://crm}}")
	b.ok()
	for name, values := range provider.Sign("hush", "POST", receiver.URL+"/in", []byte(`{"a":1}`), monday) {
		require.Equal(t, values, receiver.requests[0].Header.Values(name), name)
	}
}

func TestSendWebhookSecretsStaySecret(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, "{url: HOST/in, auth: {key: {name: key, in: query, secret: secret://crm}}}")
	receiver.Close()
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	require.NotContains(t, err.Error(), "hush")

	b = newBench(t, "send_webhook: {url: https://example.com/in, auth: {key: {name: key, in: query, secret: secret://crm}}}")
	b.ok()
	require.Equal(t, []string{"https://example.com/in: POST"}, b.sent())

	b = newBench(t, "send_webhook: {url: https://example.com/in, auth: {signature: secret://other}}")
	_, err = b.run()
	requireRetry(t, err, time.Minute) // the operator may set it
	require.ErrorContains(t, err, "secret://other has no value")
}

func TestSendWebhookOutputs(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, `{url: HOST/in, outputs: {id: {path: data.items.1.id}, total: {path: total, type: number}, on: {path: on, type: date},
  raw: {path: data, type: json}, missing: {path: data.nothing.at.all}, wrong: {path: data.items, type: number}}}`)
	receiver.answer = `{"data":{"items":[{"id":1},{"id":"x2"}]},"total":12345678901234567890,"on":"2027-05-10"}`
	require.JSONEq(t, `{"status":200,"id":"x2","total":12345678901234567890,"on":"2027-05-10","raw":{"items":[{"id":1},{"id":"x2"}]}}`, string(b.ok().Output))
	require.Len(t, b.journal(plan.JournalWarning), 2)

	b, receiver = hook(t, "{url: HOST/in, outputs: {id: {path: id}}}")
	receiver.answer = "<html>"
	require.JSONEq(t, `{"status":200}`, string(b.ok().Output))
	require.Equal(t, []string{"the answer is not JSON: no outputs"}, b.journal(plan.JournalWarning))
}

func TestSendWebhookNamesItsOutputs(t *testing.T) {
	t.Parallel()
	_, config, _ := decode(t, "send_webhook: {url: https://example.com, outputs: {b: {path: b, type: number}, a: {path: a}}}")
	outputs := config.(sendWebhookConfig).Outputs()
	require.Equal(t, "a string b number", outputs[0].Name+" "+outputs[0].Type+" "+outputs[1].Name+" "+outputs[1].Type)
}

func TestSendWebhookTruncatedAnswer(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, "{url: HOST/in}")
	receiver.answer = strings.Repeat("x", provider.MaxResponse+1)
	b.ok()
	require.Equal(t, []string{"only the first 65536 bytes of the answer were read"}, b.journal(plan.JournalWarning))
}

func TestSendWebhookAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status     int
		retryAfter string
		reason     string        // of a failure for good
		wait       time.Duration // before the next attempt
	}{
		{status: 201},
		{status: 304, reason: "http-304"},
		{status: 400, reason: "http-400"},
		{status: 404, retryAfter: "5", reason: "http-404"},
		{status: 429, wait: time.Minute},
		{status: 429, retryAfter: "7", wait: 7 * time.Second},
		{status: 429, retryAfter: "Mon, 04 Jan 2027 08:05:00 GMT", wait: 5 * time.Minute},
		{status: 429, retryAfter: "Mon, 04 Jan 2027 07:00:00 GMT", wait: time.Second},
		{status: 429, retryAfter: "soon", wait: time.Minute},
		{status: 500, wait: time.Minute},
		{status: 503, retryAfter: "86400", wait: 8 * time.Hour},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.status, test.retryAfter), func(t *testing.T) {
			t.Parallel()
			b, receiver := hook(t, "{url: HOST/in}")
			receiver.status = test.status
			if test.retryAfter != "" {
				receiver.header = http.Header{"Retry-After": {test.retryAfter}}
			}
			_, err := b.run()
			require.NotEmpty(t, b.journal(plan.JournalWebhook))
			switch {
			case test.reason != "":
				requirePermanent(t, err, test.reason)
			case test.wait != 0:
				requireRetry(t, err, test.wait)
				receiver.status = http.StatusOK
				b.ok()
				require.Equal(t, receiver.requests[0].Header.Get("Idempotency-Key"), receiver.requests[1].Header.Get("Idempotency-Key"))
			default:
				require.NoError(t, err)
			}
		})
	}
}

func TestSendWebhookAfterACrashIsCalledAgain(t *testing.T) {
	t.Parallel()
	b, receiver := hook(t, "{url: HOST/in}")
	require.NoError(t, b.store.PutLedger(t.Context(), plan.LedgerRow{Key: b.call.Key(), State: plan.LedgerStarted, At: monday}))
	b.ok()
	require.Len(t, receiver.requests, 1)
}

func TestSendWebhookDenied(t *testing.T) {
	t.Parallel()
	b := newBench(t, `send_webhook: {url: "{{ contact.website }}"}`)
	web, err := provider.NewHTTP(provider.Egress{})
	require.NoError(t, err)
	b.ways.HTTP = web
	for website, reason := range map[string]string{
		"": "invalid-url", "example.com": "invalid-url", "http://example.com": "egress-denied", "https://127.0.0.1:1/": "egress-denied",
	} {
		b.set(map[string]string{"website": website})
		_, err := b.run()
		requirePermanent(t, err, reason)
	}
}

func TestSendWebhookCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "send_webhook: {}", "missing-key")
	requireProblems(t, "send_webhook: {url: example.com}", "wrong-value")
	requireProblems(t, "send_webhook: {url: ftp://example.com}", "wrong-value")
	requireProblems(t, "send_webhook: {url: https://example.com, method: GET, body: {a: 1}}", "wrong-value")
	requireProblems(t, "send_webhook: {url: https://example.com, method: HEAD}", "not-allowed")
	requireProblems(t, "send_webhook: {url: https://example.com, body: some}", "wrong-type")
	requireProblems(t, "send_webhook: {url: https://example.com, auth: {}}", "wrong-value")
	requireProblems(t, "send_webhook: {url: https://example.com, auth: {key: {name: X, secret: hunter2}}}", "wrong-value")
	requireProblems(t, "send_webhook: {url: https://example.com, outputs: {a: {path: a, type: text}}}", "not-allowed")
	requireProblems(t, `send_webhook: {url: "{{ contact.website }}"}`)
}
