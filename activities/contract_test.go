package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
)

// This file is what every kind keeps to, whatever it does: a kind that is not among uses fails it.

// use is an action that has its effect on the record that enters, by an event with a text.
type use struct {
	source string                      // reads the text wherever its kind takes tokens
	text   string                      // fits; "" = `x`
	empty  string                      // reason of an empty text; "" = it is fine
	enters crm.Ref                     // zero = contact/60
	before func(b *bench, ref crm.Ref) // what there is before it
}

// asset publishes a workspace file that reads the text.
func asset(path, content string) func(*bench, crm.Ref) {
	return func(b *bench, _ crm.Ref) {
		b.publish(store.Publication{Account: account(b.t, nil), Assets: map[string][]byte{path: []byte(content)}})
	}
}

// employed associates the record with a company under the label `employer`.
func employed(b *bench, ref crm.Ref) {
	company := crm.Ref{Object: "company", ID: "7"}
	b.record(company, map[string]string{"name": "Acme", "domain": "acme.example"})
	require.NoError(b.t, b.store.Associate(b.t.Context(), ref, company, "employer", false, monday))
}

func staffed(b *bench, _ crm.Ref) { b.users(service...) }

// modelled names a model, an assistant and a provider of enrichment.
func modelled(b *bench, _ crm.Ref) {
	b.settle(func(account *crm.Account) {
		account.Providers.OpenAI, account.Providers.Anthropic = &crm.Model{APIKey: "secret://crm"}, &crm.Model{APIKey: "secret://crm"}
		account.Providers.Enrichment = &crm.Enrichment{URL: "https://example.com"}
		account.AI.Model, account.AI.Assistants = "m", map[string]crm.Assistant{"a": {Model: "m", Instructions: "Be brief."}}
	})
}

const contractExtension = `{"actionUrl": "https://example.com/{{TEXT}}", "published": true, "objectTypes": ["CONTACT"],
  "inputFields": [{"typeDefinition": {"name": "text", "type": "string"}, "isRequired": true}], "outputFields": [], "labels": {"en": {"actionName": "Widget"}}}`

var uses = []use{
	{source: `delay_set_amount: {for: 3d}`},
	{source: `delay_until_calendar_date: {date: 2027-05-10}`},
	{source: `delay_until_date_property: {property: renewal}`},
	{source: `delay_until_offset: {property: renewal, offset: -3d}`},
	{source: `delay_until_time_of_day: {time: "09:00"}`},
	{source: `delay_until_day_of_week: {days: [thu]}`},
	{source: `delay_until_day_or_time: {days: [thu], time: "09:00"}`},
	{source: `delay_until_event: {event: page_viewed, where: {property: url, is: x}, max_wait: 3d}`},
	{source: `branch_value_equals: {value: "{{ event.text }}", branches: [{name: x, is: x}]}`},
	{source: `branch_and_or: {branches: [{name: x, when: {property: score, gt: 5}}]}`},
	{source: `branch_random_split: {branches: [{name: a, percent: 50}, {name: b, percent: 50}]}`},
	{source: `enroll_in_workflow: {workflow: onboarding}`},
	{source: `send_email: {email: welcome}`, before: asset("emails/welcome.md", "---\nsubject: \"{{ event.text }}\"\n---\n{{ event.text }}\n")},
	{source: `send_internal_email_notification: {users: [ada, bo], subject: "{{ event.text }}", body: "{{ event.text }}"}`, before: staffed},
	{source: `edit_record: {set: {notes: "{{ event.text }}"}, append: {interests: [golf]}, increment: {score: 1}}`},
	{source: `edit_record: {increment: {score: "{{ event.text }}"}, on: {associated: contact}}`, text: "5", empty: "invalid-value", before: func(b *bench, ref crm.Ref) {
		require.NoError(b.t, b.store.Associate(b.t.Context(), ref, ada, "", false, monday))
	}},
	{source: `adjust_number_property: {property: score, by: "{{ event.text }}"}`, text: "5", empty: "invalid-value"},
	{source: `create_record: {object_type: deal, properties: {name: "{{ event.text }}", stage: new}, copy_associations: [{type: company}]}`, empty: "missing-value", before: employed},
	{source: `delete_contact: {}`},
	{source: `create_task: {title: "{{ event.text }}", notes: "{{ event.text }}", due: {in: 3d}}`, empty: "no-title"},
	{source: `create_note: {body: "{{ event.text }}"}`, empty: "no-body"},
	{source: `manage_communication_subscription: {subscription_type: newsletter, status: opt_out, explanation: "{{ event.text }}"}`},
	{source: `rotate_record_to_owner: {users: [ada, bo]}`, before: staffed},
	{source: `assign_conversation_owner: {inbox: "{{ event.text }}", assignee: {users: [ada]}}`, empty: "no-inbox", enters: crm.Ref{Object: "conversation", ID: "9"}, before: staffed},
	{source: `create_association: {to_type: company, match: {enrolled_property: city, candidate_property: name}, create_only: false, label: lives-there}`},
	{source: `apply_association_label: {target_type: company, label: customer}`, before: employed},
	{source: `update_association_label: {target_type: company, old_label: employer, new_label: customer, mode: replace}`, before: employed},
	{source: `remove_association_label: {target_type: company, label: employer}`, before: employed},
	{source: `add_to_static_list: {list: vip}`},
	{source: `remove_from_static_list: {list: vip}`, before: func(b *bench, ref crm.Ref) {
		_, err := b.store.AddToList(b.t.Context(), "vip", ref, monday)
		require.NoError(b.t, err)
	}},
	{source: `set_marketing_contact_status: {status: marketing}`},
	{source: `set_marketing_contact_status: {status: non_marketing}`},
	{source: `add_to_ads_audience: {audience: Trial users, account: meta}`},
	{source: `remove_from_ads_audience: {audience: Trial users, account: meta}`, before: func(b *bench, _ crm.Ref) {
		_, _, err := b.store.ClaimAudience(b.t.Context(), "outbox/meta", "Trial users", "test", monday, monday)
		require.NoError(b.t, errors.Join(err, b.store.KeepAudience(b.t.Context(), "outbox/meta", "Trial users", "77")))
	}},
	{source: `format_data: {formula: "upper(event.text)"}`},
	{source: `format_data: {function: upper, values: ["{{ event.text }}"]}`},
	{source: `run_custom_code: {source: "exports.main = async (event) => { await fetch('https://example.com'); await fetch('https://example.com'); return {outputFields: event.inputFields} }", inputs: {text: "{{ event.text }}"}, outputs: {text: string}}`},
	{source: `send_webhook: {url: "https://example.com/{{ event.text }}", query: {text: "{{ event.text }}"}, body: {text: "{{ event.text }}"}}`},
	{source: `enrich_record: {by: [email], properties: [job_title]}`, before: modelled},
	{source: `ask_ai: {prompt: "{{ event.text }}"}`, empty: "no-prompt", before: modelled},
	{source: `generate_sales_profile: {offer: "{{ event.text }}", data: [city]}`, empty: "no-prompt", before: modelled},
	{source: `openai_ask: {model: m, prompt: "{{ event.text }}"}`, empty: "no-prompt", before: modelled},
	{source: `openai_ask_assistant: {assistant: a, prompt: "{{ event.text }}"}`, empty: "no-prompt", before: modelled},
	{source: `anthropic_ask: {model: m, prompt: "{{ event.text }}"}`, empty: "no-prompt", before: modelled},
	{source: `extension_action: {action: widget, signature: secret://crm, inputs: {text: "{{ event.text }}"}}`, empty: "missing-value",
		before: asset("actions/widget.json", strings.ReplaceAll(contractExtension, "{{TEXT}}", "widgets"))},
}

// reads tells whether the action, or the file that it uses, reads the text.
func (u use) reads() bool {
	return strings.Contains(u.source, "event.text") || u.kind() == "send_email"
}

func (u use) kind() string {
	id, _, _ := strings.Cut(u.source, ":")
	return id
}

// outside is what left the house.
type outside struct{ keys []string }

// tried is a bench for a use whose record has entered with a text. What leaves the house is counted, however often.
func (u use) tried(t *testing.T, text string) (*bench, *outside) {
	t.Helper()
	b := newBench(t, u.source)
	ref := u.enters
	if ref == (crm.Ref{}) {
		ref = crm.Ref{Object: "contact", ID: "60"}
	}
	values := map[string]string{}
	if ref.Object == "contact" {
		values = map[string]string{"email": "grace@example.com", "phone": "+39 06 1", "city": "Rome", "renewal": "2027-05-10"}
	}
	b.record(ref, values)
	_, err := b.store.OpenEnrollment(t.Context(), plan.Enrollment{
		Workflow: "w", Record: ref.String(), WorkflowID: plan.WorkflowID("w", ref.String()), FirstRun: "run", Revision: 1, Started: monday,
		Event: &plan.Event{ID: "e", Type: "form", Record: ref.String(), At: monday, Properties: map[string]any{"text": text}},
	})
	require.NoError(t, err)
	if u.before != nil {
		u.before(b, ref)
	}
	b.call.Enrollment = "w/" + ref.String() + "/1"
	left := &outside{}
	outbox := provider.Outbox{Record: func(_ context.Context, sent provider.Sent) error {
		left.keys = append(left.keys, sent.Key)
		return nil
	}}
	b.ways.Mail, b.ways.HTTP, b.ways.AI, b.ways.Enrichment = outbox, outbox, outbox, clerk{outbox}
	b.ways.Ads = func(account string) (provider.Ads, error) {
		return provider.OutboxAds{Outbox: outbox, Name: account}, nil
	}
	b.runtime.Enroll = func(_ context.Context, request action.EnrollRequest) (string, error) {
		left.keys = append(left.keys, request.Key)
		return request.Workflow + "/" + request.Record.String() + "/1", nil
	}
	return b, left
}

// clerk knows that everybody is one.
type clerk struct{ provider.Outbox }

func (c clerk) Enrich(ctx context.Context, lookup provider.Lookup) (map[string]any, error) {
	_, err := c.Outbox.Enrich(ctx, lookup)
	return map[string]any{"job_title": "clerk"}, err
}

func (u use) fitting() string {
	if u.text == "" {
		return "x"
	}
	return u.text
}

// books is what stands in the store that an action may have changed, as text.
func (b *bench) books() string {
	b.t.Helper()
	var text strings.Builder
	objects := []string{"company", "contact", "conversation", "deal", "note", "task"}
	for _, object := range objects {
		refs, err := b.store.List(b.t.Context(), object, "", 0)
		require.NoError(b.t, err)
		for _, record := range refs {
			encoded, err := json.Marshal(record)
			require.NoError(b.t, err)
			fmt.Fprintf(&text, "%s\n", encoded)
			for _, other := range objects {
				found, err := b.store.Associated(b.t.Context(), record.Ref, other)
				require.NoError(b.t, err)
				fmt.Fprintf(&text, " %v\n", found)
			}
			versions, err := b.store.History(b.t.Context(), record.Ref, "score")
			require.NoError(b.t, err)
			state, err := b.store.Subscription(b.t.Context(), record.Ref, "newsletter")
			require.NoError(b.t, err)
			later, _, err := b.store.Scheduled(b.t.Context(), record.Ref, marketingStatus)
			require.NoError(b.t, err)
			fmt.Fprintf(&text, " score %d times, newsletter %s, later %v\n", len(versions), state, later)
		}
	}
	usage, err := b.store.Usage(b.t.Context(), "2027-01")
	require.NoError(b.t, err)
	fmt.Fprintf(&text, "vip %v, used %v\n", b.members("vip"), usage)
	return text.String()
}

func TestEveryKindIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, use := range uses {
		tried[use.kind()] = true
	}
	for _, kind := range Kinds() {
		require.True(t, tried[kind.ID], "%s is not in uses", kind.ID)
		reads := slices.ContainsFunc(uses, func(use use) bool { return use.kind() == kind.ID && strings.Contains(use.source, "event.text") })
		require.Equal(t, takesTokens(kind.Config, map[reflect.Type]bool{}), reads, "%s: the uses of a kind that takes tokens read one", kind.ID)
	}
	require.Len(t, tried, len(Kinds()))
}

// takesTokens tells whether a config has a place for tokens.
func takesTokens(config reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[config] {
		return false
	}
	seen[config] = true
	reader := reflect.TypeFor[interface{ Tokens() []crm.Token }]()
	if config.Implements(reader) || reflect.PointerTo(config).Implements(reader) {
		return config != reflect.TypeFor[crm.Filter]()
	}
	switch config.Kind() {
	case reflect.Struct:
		for i := range config.NumField() {
			if takesTokens(config.Field(i).Type, seen) {
				return true
			}
		}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return takesTokens(config.Elem(), seen)
	}
	return false
}

// dying is a store whose worker dies at its n-th transaction, before or after it is committed.
type dying struct {
	transacting
	left  int // transactions until then
	after bool
	died  bool
}

var errDied = errors.New("the worker died")

func (d *dying) Transact(ctx context.Context, step func(action.Transaction) error) error {
	d.left--
	dies := d.left == 0
	err := d.transacting.Transact(ctx, func(books action.Transaction) error {
		if err := step(books); err != nil || !dies || d.after {
			return err
		}
		d.died = true
		return errDied
	})
	if err == nil && dies && d.after {
		d.died = true
		return errDied
	}
	return err
}

func (d *dying) PutLedger(ctx context.Context, row plan.LedgerRow) error {
	return d.Transact(ctx, func(books action.Transaction) error { return books.PutLedger(ctx, row) })
}

// TestAnEffectIsHadOnceThoughTheWorkerDies cuts every kind at each of its transactions, in which it says that it begins,
// what it did and what came of it. What then stands in the books is what stands there without a cut. A request is repeated
// under the same key; a message is not repeated, and it is said that nobody knows of it.
func TestAnEffectIsHadOnceThoughTheWorkerDies(t *testing.T) {
	t.Parallel()
	for _, use := range uses {
		kind, _, _ := decode(t, use.source)
		if kind.Effect == action.Reads {
			continue
		}
		t.Run(use.source, func(t *testing.T) {
			t.Parallel()
			whole, wants := use.tried(t, use.fitting())
			wanted := whole.ok()
			require.Equal(t, kind.Effect == action.Edits, len(wants.keys) == 0, "only what edits leaves nothing outside")
			for n := 1; ; n++ {
				cut := false
				for _, after := range []bool{false, true} {
					b, left := use.tried(t, use.fitting())
					store := &dying{transacting: transacting{b.store}, left: n, after: after}
					b.runtime.Store = store
					_, err := b.run()
					if !store.died {
						require.NoError(t, err)
						continue
					}
					cut = true
					require.ErrorContains(t, err, errDied.Error())
					outcome, err := b.run()
					switch {
					case kind.Effect == action.Messages && err != nil:
						requirePermanent(t, err, "unknown")
						require.Len(t, slices.Compact(slices.Sorted(slices.Values(left.keys))), len(left.keys), "nobody gets it twice")
						continue
					case kind.Effect == action.Messages:
						require.Len(t, slices.Compact(slices.Sorted(slices.Values(left.keys))), len(left.keys), "nobody gets it twice")
					default:
						require.NoError(t, err)
						require.Equal(t, wanted, outcome)
					}
					require.Equal(t, whole.books(), b.books(), "cut at %d", n)
					for _, key := range left.keys {
						require.Contains(t, wants.keys, key)
					}
				}
				if !cut {
					require.Greater(t, n, 1)
					return
				}
			}
		})
	}
}

func TestEmptyTokensFailWithAReasonOrAreFine(t *testing.T) {
	t.Parallel()
	for _, use := range uses {
		if !use.reads() {
			continue
		}
		t.Run(use.source, func(t *testing.T) {
			t.Parallel()
			b, _ := use.tried(t, "")
			_, err := b.run()
			if use.empty == "" {
				require.NoError(t, err)
				return
			}
			requirePermanent(t, err, use.empty)
		})
	}
}

// TestNoValueHoldsAnybody gives every kind values that do not fit what they are for: it goes on, or fails for good with
// a reason that does not tell the value. What is tried again for three days holds a record.
func TestNoValueHoldsAnybody(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"5 MB": longText(5 << 20), "NUL": "secret\x00", "not UTF-8": "secret\xff", "people": "שלום 👩‍👩‍👧 \u202e🇮🇹", "token": "{{ contact.email }}",
		"lines": "secret\r\nBcc: eve@example.com", "number": "1e400", "markup": "<script>secret</script>", "URL": "https://169.254.169.254/",
	} {
		for _, use := range uses {
			if !use.reads() {
				continue
			}
			t.Run(name+" "+use.source, func(t *testing.T) {
				t.Parallel()
				b, _ := use.tried(t, value)
				outcome, err := b.run()
				if err == nil {
					require.NotEqual(t, plan.PortFailed, outcome.Port)
					return
				}
				var failure *temporal.ApplicationError
				require.ErrorAs(t, err, &failure)
				require.True(t, failure.NonRetryable(), "%v", err)
				require.Regexp(t, `^[a-z]+(-[a-z0-9]+)*$`, failure.Type())
				require.NotContains(t, failure.Error(), "secret", "histories hold no values")
				require.Less(t, len(failure.Error()), 1000)
			})
		}
	}
}

// TestWhatARecordHoldsHoldsNobody does the same with what stands in the record.
func TestWhatARecordHoldsHoldsNobody(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"long": longText(65_000), "people": "שלום 👩‍👩‍👧 \u202e🇮🇹", "lines": "secret\r\nBcc: eve@example.com", "empty": "",
	} {
		for _, use := range uses {
			t.Run(name+" "+use.source, func(t *testing.T) {
				t.Parallel()
				b, _ := use.tried(t, use.fitting())
				ref, err := crm.ParseRef(strings.TrimSuffix(strings.TrimPrefix(b.call.Enrollment, "w/"), "/1"))
				require.NoError(t, err)
				values := map[string]string{}
				for _, property := range []string{"email", "phone", "mobile_phone", "city", "notes", crm.OwnerProperty, "renewal", "subject", "inbox"} {
					if b.store.Update(t.Context(), ref, map[string]string{property: value}, monday, "test") == nil { // what a record cannot hold is not in it
						values[property] = value
					}
				}
				require.NotEmpty(t, values)
				if _, err := b.run(); err != nil {
					var failure *temporal.ApplicationError
					require.ErrorAs(t, err, &failure)
					require.True(t, failure.NonRetryable(), "%v", err)
					require.NotContains(t, failure.Error(), "secret")
				}
			})
		}
	}
}

// TestOnlyTheObjectsOfAKindAreAllowed checks every kind that is for some types of records in a workflow about another.
func TestOnlyTheObjectsOfAKindAreAllowed(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		if kind.Objects == nil {
			continue
		}
		for _, object := range []string{"contact", "company", "deal", "ticket", "conversation"} {
			source := fmt.Sprintf("workflow: w\nobject: %s\nenroll: {on: [{event: form_submitted}]}\nactions:\n  - id: a\n    %s\n", object, strings.ReplaceAll(strings.TrimSpace(kind.Example), "\n", "\n    "))
			refused := false
			for _, problem := range inWorkspace(t, source) {
				refused = refused || problem.Code == "wrong-object"
			}
			require.Equal(t, !kind.Allows(object), refused, "%s on %s", kind.ID, object)
		}
	}
}

// TestExamplesCompile puts the example of every kind, which its page shows, into a workspace that has what it names.
func TestExamplesCompile(t *testing.T) {
	t.Parallel()
	beside := map[string]string{
		"millrace.yaml": `sender: {email: crm@example.org}
providers:
  ads: {meta: {network: meta, account: "1", token: secret://meta}}
  openai: {api_key: secret://openai}
  anthropic: {api_key: secret://anthropic}
  enrichment: {url: "https://example.com", api_key: secret://enrichment}
ai: {model: m, assistants: {support: {model: m, instructions: Be brief.}}}
`,
		"objects/contact.yaml": `object: contact
properties: [{name: plan}, {name: company}, {name: notes}, {name: renewal_date, type: date}, {name: employees, type: number}, {name: interests, type: enumeration, multiple: true, options: [skiing]}]
`,
		"objects/company.yaml":       "object: company\nproperties: [{name: country}]\n",
		"emails/welcome.md":          "---\nsubject: Hello\n---\nHello.\n",
		"lists/vip.yaml":             "list: vip\nobject: contact\n",
		"users.yaml":                 "users:\n  - {id: ada, email: ada@example.com, team: sales}\n  - {id: grace, email: grace@example.com, team: service}\nteams: [{id: sales}, {id: service}]\n",
		"actions/create-widget.json": `{"actionUrl": "https://example.com", "published": true, "inputFields": [{"typeDefinition": {"name": "name", "type": "string"}}], "labels": {"en": {"actionName": "Widget"}}}`,
		"workflows/onboarding.yaml":  "workflow: onboarding\nobject: contact\nactions: [{id: a, edit_record: {set: {city: Rome}}}]\n",
	}
	for _, kind := range Kinds() {
		object := "contact"
		if !kind.Allows(object) {
			object = kind.Objects[0]
		}
		source := fmt.Sprintf("workflow: w\nobject: %s\nenroll: {on: [{event: form_submitted}]}\nactions:\n  - id: a\n    %s\n", object, strings.ReplaceAll(strings.TrimSpace(kind.Example), "\n", "\n    "))
		source = strings.Replace(source, "source: welcome", "source: before", 1)
		if strings.Contains(source, "source: before") {
			source = strings.Replace(source, "actions:\n", "actions:\n  - {id: before, send_email: {email: welcome}}\n", 1)
		}
		t.Run(kind.ID, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, inWorkspaceWith(t, beside, source), "%s", source)
			file, problems := definition.Read("w.yaml", []byte(source), Kinds())
			require.Empty(t, problems)
			compiled, problems := definition.Compile(file, nil)
			require.Empty(t, problems)
			require.Equal(t, kind.ID, compiled.Nodes["a"].Kind)
		})
	}
}
