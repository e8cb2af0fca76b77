package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/schema"
)

type sendWebhookConfig struct {
	URL     crm.Template             `json:"url" doc:"Where to call: https, or http where millrace.yaml says egress.http." required:"true"`
	Method  string                   `json:"method" doc:"HTTP method." enum:"POST,GET,PUT,PATCH,DELETE" default:"POST"`
	Query   map[string]crm.Value     `json:"query,omitempty" doc:"Query parameters to add to the URL."`
	Body    webhookBody              `json:"body" doc:"all = the record with all its properties; or a mapping of what to send. GET and DELETE send none." default:"all"`
	Auth    *webhookAuth             `json:"auth,omitempty" doc:"How the receiver knows the request."`
	Answers map[string]webhookOutput `json:"outputs,omitempty" doc:"Values to take from a JSON answer, for later tokens."`
}

type webhookAuth struct {
	Key       *webhookKey `json:"key,omitempty" doc:"A secret under a name."`
	Signature crm.Secret  `json:"signature,omitzero" doc:"Secret with which the request is signed as HubSpot does, in versions 2 and 3."`
}

type webhookKey struct {
	Name   string     `json:"name" doc:"Name of the header or query parameter." required:"true" min:"1"`
	In     string     `json:"in" doc:"Where it goes." enum:"header,query" default:"header"`
	Secret crm.Secret `json:"secret" doc:"Its value, as secret://NAME." required:"true"`
}

type webhookOutput struct {
	Path string           `json:"path" doc:"Where it stands in the answer: keys and list positions with dots, as data.items.0.id." required:"true"`
	Type crm.PropertyType `json:"type" doc:"Type of the value." enum:"string,number,bool,enumeration,date,datetime,phone_number,json" default:"string"`
}

var sendWebhook = action.Define(action.Spec[sendWebhookConfig]{
	ID:       "send_webhook",
	Category: action.Data,
	Summary:  "Call a URL",
	Doc: `Sends JSON: with ` + "`body: all`" + ` the record as ` + "`{\"object\", \"id\", \"properties\"}`" + ` with its current values, else the given mapping. A
connection has 3 seconds, the whole answer 30. The header ` + "`Idempotency-Key`" + ` is the same in every attempt of one visit, so that a receiver can
tell a repeated call from a new one.

Answers 2xx are fine. 429, 5xx, timeouts and failed connections are tried again after one minute, then in growing gaps of at most
eight hours, for three days; ` + "`Retry-After`" + ` is honoured, in seconds or as a date. All other answers fail the action (` + "`http-404`" + `). Addresses that
are not on the public internet are refused (` + "`egress-denied`" + `) unless millrace.yaml opens them.

A simulation calls nobody: the answer is 200 with ` + "`{}`" + `, or with what its events say ([` + "`answer`" + `](commands.md#millrace-simulate)).

Up to three redirects are followed; to another host neither the body nor the key goes. Of an answer 64 KiB are read.

HubSpot reads ` + "`Retry-After`" + ` as milliseconds, against the standard; we do not. In workflows for contacts it sends earlier values as well; we send the
current ones. Unconfirmed, and so our design: the form of
the body and of the outputs.`,
	Example: `send_webhook: {url: "https://example.com/leads", body: {email: "{{ contact.email }}"}, outputs: {id: {path: data.id}}}`,
	Outputs: []action.Output{{Name: "status", Type: "number", Doc: "Status of the answer. The outputs of the config stand beside it."}},
	Channel: "webhook",
	Effect:  action.Requests,
	Check:   checkSendWebhook,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg sendWebhookConfig) (plan.Outcome, error) {
		request, err := cfg.request(ctx, env)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		request.Key = call.Key()
		response, err := env.HTTP.Do(ctx, request)
		if err != nil {
			return plan.Outcome{}, failure(err)
		}
		env.Note(plan.JournalWebhook, "%s %d in %d ms", request.Method, response.Status, response.Took.Milliseconds())
		if response.Truncated {
			env.Warn("only the first %d bytes of the answer were read", provider.MaxResponse)
		}
		if err := answered(response, env.Now()); err != nil {
			return plan.Outcome{}, err
		}
		output, err := cfg.answers(env, response)
		return plan.Outcome{Output: output}, err
	},
})

func checkSendWebhook(cfg sendWebhookConfig, at schema.Pos, problems *schema.Diagnostics) {
	scheme, _, found := strings.Cut(cfg.URL.String(), "://")
	if !strings.HasPrefix(scheme, "{") && (!found || scheme != "https" && scheme != "http") {
		problems.Errorf(cfg.URL.Pos(), "wrong-value", "url: write a whole URL, as in https://example.com/leads")
	}
	if cfg.Body.fields != nil && !cfg.hasBody() {
		problems.Errorf(at, "wrong-value", "body: %s sends none, use query", cfg.Method)
	}
	if cfg.Auth != nil && (cfg.Auth.Key == nil) == cfg.Auth.Signature.IsZero() {
		problems.Errorf(at, "wrong-value", "auth: either key or signature")
	}
}

func (c sendWebhookConfig) hasBody() bool {
	return c.Method != http.MethodGet && c.Method != http.MethodDelete
}

// request writes the call with every token filled.
func (c sendWebhookConfig) request(ctx context.Context, env *action.Env) (provider.Request, error) {
	target, err := c.target(ctx, env)
	if err != nil {
		return provider.Request{}, err
	}
	request := provider.Request{Method: c.Method, URL: target, Header: http.Header{"Accept": {"application/json"}}}
	if c.hasBody() {
		if request.Body, err = c.Body.write(ctx, env); err != nil {
			return provider.Request{}, err
		}
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Auth == nil {
		return request, nil
	}
	return request, c.Auth.sign(env, &request)
}

// sign adds what the receiver knows the request by.
func (a webhookAuth) sign(env *action.Env, request *provider.Request) error {
	reference := a.Signature
	if a.Key != nil {
		reference = a.Key.Secret
	}
	secret, err := env.Secret(reference.String())
	switch {
	case err != nil:
		return err
	case a.Key == nil:
		for name, values := range provider.Sign(secret, request.Method, request.URL, request.Body, env.Now()) {
			request.Header[name] = values
		}
	case a.Key.In == "query":
		request.Secret = url.Values{a.Key.Name: {secret}}
	default:
		request.Header.Set(a.Key.Name, secret)
	}
	return nil
}

// target is the URL with its query.
func (c sendWebhookConfig) target(ctx context.Context, env *action.Env) (string, error) {
	text, err := env.Render(ctx, c.URL)
	if err != nil {
		return "", err
	}
	target, err := url.Parse(strings.TrimSpace(text))
	if err != nil || target.Host == "" {
		return "", action.Permanent("invalid-url", "the URL is not one once its tokens are filled")
	}
	if len(c.Query) == 0 {
		return target.String(), nil
	}
	query := url.Values{}
	for name, value := range c.Query {
		resolved, err := env.Value(ctx, value)
		if err != nil {
			return "", err
		}
		query.Set(name, crm.Text(resolved))
	}
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += query.Encode()
	return target.String(), nil
}

// webhookBody is `all` or a mapping of values.
type webhookBody struct {
	fields map[string]crm.Value // nil = all
}

// UnmarshalNode reads `all` or a mapping.
func (b *webhookBody) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	if node.Kind == schema.Mapping {
		*problems = append(*problems, schema.Decode(node, &b.fields)...)
	} else if node.Value != "all" {
		problems.WrongType(node, "body", "all or a mapping of values")
	}
}

// MarshalJSON writes the source form.
func (b webhookBody) MarshalJSON() ([]byte, error) {
	if b.fields == nil {
		return []byte(`"all"`), nil
	}
	return json.Marshal(b.fields)
}

// Describe tells readers about the source form.
func (webhookBody) Describe() schema.Description {
	return schema.Description{
		Name: "body", Doc: "all, or a mapping of values.",
		Schema: map[string]any{"anyOf": []any{map[string]any{"const": "all"}, map[string]any{"type": "object"}}},
	}
}

// Tokens returns the names that the body reads from its scope.
func (b webhookBody) Tokens() []crm.Token {
	var tokens []crm.Token
	for _, name := range slices.Sorted(maps.Keys(b.fields)) {
		tokens = append(tokens, b.fields[name].Tokens()...)
	}
	return tokens
}

func (b webhookBody) write(ctx context.Context, env *action.Env) ([]byte, error) {
	body := map[string]any{}
	for name, value := range b.fields {
		var err error
		if body[name], err = env.Value(ctx, value); err != nil {
			return nil, err
		}
	}
	if b.fields == nil {
		record, err := env.Records.Get(ctx, env.Record())
		if err != nil {
			return nil, err
		}
		properties := make(map[string]any, len(record.Properties))
		for name, text := range record.Properties {
			properties[name] = env.Catalog.Typed(record.Object, name, text)
		}
		body = map[string]any{"object": record.Object, "id": record.ID, "properties": properties}
	}
	return json.Marshal(body)
}

// answered sorts an answer: fine, to be tried again, or a failure for good (semantics §3.7).
func answered(response provider.Response, now time.Time) error {
	status := response.Status
	if status >= 200 && status < 300 {
		return nil
	}
	if status != http.StatusTooManyRequests && status < 500 {
		return action.Permanent(fmt.Sprintf("http-%d", status), "the receiver answered %d %s", status, http.StatusText(status))
	}
	err := fmt.Errorf("the receiver answered %d %s", status, http.StatusText(status))
	if wait, asked := retryAfter(response.Header.Get("Retry-After"), now); asked {
		return action.RetryAfter(wait, err)
	}
	return err
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110).
func retryAfter(header string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseFloat(header, 64); err == nil && seconds >= 0 && seconds < 1e9 {
		return time.Duration(seconds * float64(time.Second)), true
	}
	if at, err := http.ParseTime(header); err == nil {
		return at.Sub(now), true
	}
	return 0, false
}

// Outputs returns the outputs that the config declares beside those of the kind.
func (c sendWebhookConfig) Outputs() []action.Output {
	var outputs []action.Output
	for _, name := range slices.Sorted(maps.Keys(c.Answers)) {
		outputs = append(outputs, action.Output{Name: name, Type: string(c.Answers[name].Type)})
	}
	return outputs
}

// answers takes the declared outputs out of the answer. One that is missing or of another type is left
// out, with a word in the journal.
func (c sendWebhookConfig) answers(env *action.Env, response provider.Response) (json.RawMessage, error) {
	values := map[string]any{"status": response.Status}
	var answer any
	if len(c.Answers) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(response.Body))
		decoder.UseNumber()
		if err := decoder.Decode(&answer); err != nil {
			env.Warn("the answer is not JSON: no outputs")
			return json.Marshal(values)
		}
	}
	for _, output := range c.Outputs() {
		path := c.Answers[output.Name].Path
		property := crm.Property{Name: output.Name, Type: crm.PropertyType(output.Type), Multiple: true}
		text, err := property.Canonical(at(answer, path))
		switch {
		case err != nil:
			env.Warn("output: %v", err)
		case text == "":
			env.Warn("output %s: the answer has nothing at %s", output.Name, path)
		default:
			values[output.Name] = property.Value(text)
		}
	}
	return json.Marshal(values)
}

// at returns what stands at a path of keys and list positions, nil when nothing does.
func at(value any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch inside := value.(type) {
		case map[string]any:
			value = inside[step]
		case []any:
			position, err := strconv.Atoi(step)
			if err != nil || position < 0 || position >= len(inside) {
				return nil
			}
			value = inside[position]
		default:
			return nil
		}
	}
	return value
}
