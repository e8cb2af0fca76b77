package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
)

// monday is the first working day of 2027, nine o'clock in Rome.
var monday = time.Date(2027, 1, 4, 8, 0, 0, 0, time.UTC)

var ada = crm.Ref{Object: "contact", ID: "51"}

// bench runs one action of one enrollment through the production wrapper, on a store of its own.
type bench struct {
	t        *testing.T
	database string
	store    *store.Store
	runtime  *action.Runtime
	ways     action.Providers
	secrets  map[string]string
	call     plan.Call
	kind     string
}

// emptyDatabase is a database in which nothing is but its tables: making them takes longer than most tests.
var emptyDatabase = sync.OnceValue(func() []byte {
	folder, err := os.MkdirTemp("", "millrace")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "empty.db")
	books, err := store.Open(context.Background(), "sqlite://"+path)
	if err != nil {
		panic(err)
	}
	if err := books.Close(); err != nil {
		panic(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return content
})

// newBench publishes a workflow `w` for contacts with the given actions, the last of which is under
// test, and enrolls contact/51, Ada.
func newBench(t *testing.T, actions ...string) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	require.NoError(t, os.WriteFile(path, emptyDatabase(), 0o600))
	database := "sqlite://" + path
	books, err := store.Open(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, books.Close()) })
	b := &bench{t: t, database: database, store: books, secrets: map[string]string{"secret://crm": "hush"}}
	outbox := provider.Outbox{Record: func(ctx context.Context, sent provider.Sent) error {
		return books.AddMessage(ctx, plan.Message{
			Key: sent.Key, At: sent.At, Channel: sent.Channel, From: sent.From, To: sent.To, Subject: sent.Subject, Body: sent.Body,
		})
	}}
	b.ways = action.Providers{Mail: outbox, HTTP: outbox, AI: outbox, Enrichment: outbox, Secret: b.secret, Ads: func(account string) (provider.Ads, error) {
		return provider.OutboxAds{Outbox: outbox, Name: account}, nil
	}}
	b.runtime = &action.Runtime{
		Store: transacting{books}, Log: slog.New(slog.DiscardHandler),
		Provide: func(crm.Account) (action.Providers, error) { return b.ways, nil },
	}
	catalog := crm.Builtin()
	catalog.Add(crm.Object{Name: "contact", Properties: crm.Properties{
		{Name: "plan", Type: crm.TypeEnumeration, Options: []crm.Option{{Value: "gold"}, {Value: "silver"}}},
		{Name: "interests", Type: crm.TypeEnumeration, Multiple: true, Options: []crm.Option{{Value: "skiing"}, {Value: "golf"}, {Value: "chess"}}},
		{Name: "renewal", Type: crm.TypeDate}, {Name: "seen", Type: crm.TypeDatetime}, {Name: "vip", Type: crm.TypeBool},
		{Name: "notes"}, {Name: "grade", Type: crm.TypeString, ReadOnly: true},
	}})
	b.publish(store.Publication{
		Catalog: catalog, Account: account(t, nil),
		Definitions: []plan.Revision{{Plan: b.plan(actions...), On: true}},
	})
	b.record(ada, map[string]string{"email": "ada@example.com", "first_name": "Ada"})
	_, err = books.OpenEnrollment(t.Context(), plan.Enrollment{
		Workflow: "w", Record: ada.String(), WorkflowID: plan.WorkflowID("w", ada.String()), FirstRun: "run", Revision: 1, Started: monday,
	})
	require.NoError(t, err)
	return b
}

// outside makes the store one without a workspace.
func (b *bench) outside() *bench {
	catalog := crm.Builtin()
	catalog.Open = true
	b.publish(store.Publication{Catalog: catalog, Account: json.RawMessage("{}")})
	return b
}

type transacting struct{ *store.Store }

func (b transacting) Transact(ctx context.Context, step func(action.Transaction) error) error {
	return b.Tx(ctx, func(tx *store.Tx) error { return step(tx) })
}

func (b *bench) secret(reference string) (string, error) {
	if value, found := b.secrets[reference]; found {
		return value, nil
	}
	return "", errors.New(reference + " has no value")
}

func account(t *testing.T, change func(*crm.Account)) json.RawMessage {
	t.Helper()
	settings := crm.Account{Name: "Acme", TimeZone: "Europe/Rome", Sender: crm.Sender{Name: "Acme", Email: "crm@example.org"}}
	if change != nil {
		change(&settings)
	}
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	return text
}

func (b *bench) publish(publication store.Publication) {
	b.t.Helper()
	publication.At = monday
	_, err := b.store.Publish(b.t.Context(), publication)
	require.NoError(b.t, err)
}

// plan compiles actions as publishing does: decoded, then written back as JSON. Their ids are a1, a2, ….
func (b *bench) plan(actions ...string) *plan.Plan {
	b.t.Helper()
	compiled := &plan.Plan{Workflow: "w", Object: "contact", Hash: fmt.Sprintf("hash of %s", actions), Nodes: map[string]plan.Node{}}
	for i, source := range actions {
		kind, config, problems := decode(b.t, source)
		require.Empty(b.t, problems, source)
		text, err := json.Marshal(config)
		require.NoError(b.t, err)
		id := fmt.Sprintf("a%d", i+1)
		compiled.Nodes[id] = plan.Node{Kind: kind.ID, Config: text}
		b.kind = kind.ID
		b.call = plan.Call{Enrollment: "w/contact/51/1", Plan: compiled.Hash, Node: id, Visit: 1, Arrived: monday, Now: monday}
	}
	return compiled
}

// decode reads one action of the language.
func decode(t *testing.T, source string) (action.Kind, any, schema.Diagnostics) {
	t.Helper()
	tree, problems := schema.Parse("action.yaml", []byte(source))
	require.Empty(t, problems, source)
	require.Len(t, tree.Fields, 1, source)
	for _, kind := range Kinds() {
		if kind.ID == tree.Fields[0].Key.Value {
			config, problems := kind.Decode(tree.Fields[0].Value)
			return kind, config, problems
		}
	}
	require.Fail(t, "no such kind", source)
	return action.Kind{}, nil, nil
}

// requireProblems demands that checking an action reports exactly these codes.
func requireProblems(t *testing.T, source string, codes ...string) {
	t.Helper()
	_, _, problems := decode(t, source)
	var got []string
	for _, problem := range problems {
		got = append(got, problem.Code)
	}
	require.Equal(t, codes, got, "%s: %v", source, problems)
}

// inWorkspace checks a definition in a workspace that declares nothing of its own, with words replaced in it.
func inWorkspace(t *testing.T, source string, replace ...string) schema.Diagnostics {
	t.Helper()
	return inWorkspaceWith(t, nil, strings.NewReplacer(replace...).Replace(source))
}

// inWorkspaceWith checks a definition beside other files.
func inWorkspaceWith(t *testing.T, files map[string]string, source string) schema.Diagnostics {
	t.Helper()
	workspace := fstest.MapFS{definition.WorkspaceFile: {}, "workflows/w.yaml": {Data: []byte(source)}}
	for path, content := range files {
		workspace[path] = &fstest.MapFile{Data: []byte(content)}
	}
	_, problems, err := definition.ReadWorkspace(workspace, Kinds())
	require.NoError(t, err)
	return problems
}

// run asks the action under test once, as call says; each change alters the call first.
func (b *bench) run(changes ...func(*plan.Call)) (plan.Outcome, error) {
	b.t.Helper()
	call := b.call
	for _, change := range changes {
		change(&call)
	}
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	environment := suite.NewTestActivityEnvironment()
	b.runtime.Register(environment, Kinds())
	value, err := environment.ExecuteActivity(b.kind, call)
	if err != nil {
		return plan.Outcome{}, err
	}
	var outcome plan.Outcome
	require.NoError(b.t, value.Get(&outcome))
	return outcome, nil
}

// ok runs the action and demands an outcome.
func (b *bench) ok(changes ...func(*plan.Call)) plan.Outcome {
	b.t.Helper()
	outcome, err := b.run(changes...)
	require.NoError(b.t, err)
	return outcome
}

// asked makes the call happen at an instant.
func asked(now time.Time) func(*plan.Call) { return func(call *plan.Call) { call.Now = now } }

// arrived makes the record arrive at an instant, and be asked right then.
func arrived(at time.Time) func(*plan.Call) {
	return func(call *plan.Call) { call.Arrived, call.Now = at, at }
}

func edited(at time.Time) func(*plan.Call) {
	return func(call *plan.Call) { call.Edited, call.Now = at, at }
}

// requirePermanent demands a failure for good with a reason.
func requirePermanent(t *testing.T, err error, reason string) *temporal.ApplicationError {
	t.Helper()
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, reason, failure.Type(), "%v", err)
	require.True(t, failure.NonRetryable(), "%v", err)
	return failure
}

// requireRetry demands a failure that is tried again after a time.
func requireRetry(t *testing.T, err error, after time.Duration) {
	t.Helper()
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.NonRetryable(), "%v", err)
	require.Equal(t, after, failure.NextRetryDelay(), "%v", err)
}

func (b *bench) record(ref crm.Ref, values map[string]string) {
	b.t.Helper()
	_, err := b.store.Create(b.t.Context(), ref, values, monday, "test")
	require.NoError(b.t, err)
}

func (b *bench) associate(ref crm.Ref, label string) {
	b.t.Helper()
	require.NoError(b.t, b.store.Associate(b.t.Context(), ada, ref, label, false, monday))
}

func (b *bench) set(values map[string]string) {
	b.t.Helper()
	require.NoError(b.t, b.store.Update(b.t.Context(), ada, values, monday, "test"))
}

func (b *bench) property(ref crm.Ref, name string) string {
	b.t.Helper()
	record, err := b.store.Get(b.t.Context(), ref)
	require.NoError(b.t, err)
	return record.Property(name)
}

// sent returns what is in the outbox, as `to: subject`.
func (b *bench) sent() []string {
	b.t.Helper()
	var lines []string
	for _, message := range b.messages() {
		lines = append(lines, message.To+": "+message.Subject)
	}
	return lines
}

func (b *bench) messages() []plan.Message {
	b.t.Helper()
	messages, err := b.store.Outbox(b.t.Context(), time.Time{}, 0)
	require.NoError(b.t, err)
	return messages
}

// journal returns the entries of one type, as their details.
func (b *bench) journal(event string) []string {
	b.t.Helper()
	entries, err := b.store.Journal(b.t.Context(), b.call.Enrollment)
	require.NoError(b.t, err)
	var details []string
	for _, entry := range entries {
		if entry.Event == event {
			details = append(details, entry.Detail)
		}
	}
	return details
}

func TestNamesFollowTheId(t *testing.T) {
	t.Parallel()
	defining := map[string]bool{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !strings.HasSuffix(file, "_test.go") && strings.Contains(string(text), "action.Define(") {
			defining[strings.TrimSuffix(file, ".go")] = true
		}
	}
	for _, kind := range Kinds() {
		text, err := os.ReadFile(kind.ID + ".go")
		require.NoError(t, err)
		require.FileExists(t, kind.ID+"_test.go")
		name := camel(kind.ID)
		require.Contains(t, string(text), fmt.Sprintf("var %s = action.Define(action.Spec[%sConfig]{\n\tID: ", name, name))
		require.Contains(t, string(text), fmt.Sprintf("type %sConfig struct", name))
		require.Equal(t, name+"Config", kind.Config.Name())
		require.True(t, defining[kind.ID])
		delete(defining, kind.ID)
	}
	require.Empty(t, defining, "kinds that are not in the catalogue")
}

func camel(id string) string {
	words := strings.Split(id, "_")
	for i := range words[1:] {
		words[i+1] = strings.ToUpper(words[i+1][:1]) + words[i+1][1:]
	}
	return strings.Join(words, "")
}

func TestExamplesDecodeAndComeBack(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		found, config, problems := decode(t, kind.Example)
		require.Equal(t, kind.ID, found.ID)
		require.Empty(t, problems, kind.Example)
		require.NotEmpty(t, kind.Doc, kind.ID)
		text, err := json.Marshal(config)
		require.NoError(t, err)
		tree, problems := schema.Parse("config.json", text)
		require.Empty(t, problems)
		again, problems := kind.Decode(tree)
		require.Empty(t, problems, "%s", text)
		repeated, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(text), string(repeated))
		require.Equal(t, kind.Ports(config), kind.Ports(again))
	}
}

// TestTokensReachThePlan puts a token about another action into every place of a config that takes one.
func TestTokensReachThePlan(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		`branch_value_equals: {value: "{{ actions.a.status }}", branches: [{name: x, is: x}]}`,
		`send_internal_email_notification: {users: [ada], subject: "{{ actions.a.status }}", body: "{{ actions.b.status }}"}`,
		`edit_record: {set: {notes: "{{ actions.a.status }}"}, append: {interests: ["{{ actions.b.status }}"]}, remove: {roles: "{{ actions.c.status }}"}, increment: {score: "{{ actions.d.status }}"}}`,
		`adjust_number_property: {property: score, by: "{{ actions.a.status }}"}`,
		`create_task: {title: "{{ actions.a.status }}", notes: "{{ actions.b.status }}"}`,
		`create_note: {body: "{{ actions.a.status }}"}`,
		`create_record: {object_type: company, properties: {name: "{{ actions.a.status }}", city: "{{ actions.b.status }}"}}`,
		`format_data: {formula: "actions.a.status + actions.b.status"}`,
		`format_data: {function: add, values: ["{{ actions.a.status }}", "{{ actions.b.status }}"]}`,
		`ask_ai: {prompt: "{{ actions.a.status }}"}`,
		`openai_ask: {model: m, prompt: "{{ actions.a.status }}"}`,
		`openai_ask_assistant: {assistant: x, prompt: "{{ actions.a.status }}"}`,
		`anthropic_ask: {model: m, prompt: "{{ actions.a.status }}"}`,
		`generate_sales_profile: {data: [email], offer: "{{ actions.a.status }}"}`,
		`extension_action: {action: x, signature: secret://x, inputs: {one: "{{ actions.a.status }}", two: "{{ actions.b.status }}"}}`,
		`run_custom_code: {source: x, inputs: {one: "{{ actions.a.status }}", two: ["{{ actions.b.status }}"]}}`,
		`send_webhook: {url: "https://{{ actions.a.status }}.example", query: {q: "{{ actions.b.status }}"}, body: {n: "{{ actions.c.status }}", deep: [{x: "{{ actions.d.status }}"}]}}`,
	} {
		var wanted []string
		source := "workflow: w\nobject: contact\nactions:\n"
		for _, id := range []string{"a", "b", "c", "d"} {
			source += "  - {id: " + id + ", send_webhook: {url: \"https://example.com\"}}\n"
			if strings.Contains(config, "actions."+id+".") {
				wanted = append(wanted, id)
			}
		}
		file, problems := definition.Read("w.yaml", []byte(source+"  - id: last\n    "+config+"\n"), Kinds())
		require.Empty(t, append(problems, file.Check(nil)...), config)
		compiled, problems := definition.Compile(file, nil)
		require.Empty(t, problems)
		require.Equal(t, wanted, compiled.Nodes["last"].Reads, config)

		broken := strings.ReplaceAll(config, ".status", ".nothing")
		file, problems = definition.Read("w.yaml", []byte(source+"  - id: last\n    "+broken+"\n"), Kinds())
		require.Empty(t, problems)
		problems = file.Check(nil)
		require.Len(t, problems, len(wanted), config)
		for _, problem := range problems {
			require.Equal(t, "unknown-token", problem.Code)
		}
	}
}

func TestGuardComesBeforeEveryKind(t *testing.T) {
	t.Parallel()
	b := newBench(t, "adjust_number_property: {property: score, by: 1}")
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOff, monday))
	b.ok()
	require.Empty(t, b.property(ada, "score"))
	require.NoError(t, b.store.SetSwitch(t.Context(), "w", plan.SwitchOn, monday))
	require.NoError(t, b.store.Delete(t.Context(), ada, monday))
	require.Equal(t, plan.ExitDeleted, b.ok(func(call *plan.Call) { call.Visit = 2 }).End)

	winner := crm.Ref{Object: "contact", ID: "60"}
	b.record(winner, nil)
	require.NoError(t, b.store.Restore(t.Context(), ada))
	require.NoError(t, b.store.Merge(t.Context(), winner, ada, monday, "test"))
	require.Equal(t, plan.ExitMerged, b.ok(func(call *plan.Call) { call.Visit = 2 }).End)
}
