package activities

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
)

// knowing is a provider of enrichment, which checks that it is asked as it wants to be.
type knowing struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	header http.Header
	raw    string         // the whole body, instead of an answer
	known  map[string]any // properties
	during func()         // what happens while it is asked
	keys   []string
	bodies []string
}

const enrichContact = `enrich_record: {by: [email], properties: [job_title, city, score, plan]}`

// withEnrichment is a bench for an action that asks a provider which knows so much.
func withEnrichment(t *testing.T, source string, known map[string]any) (*bench, *knowing) {
	t.Helper()
	server := &knowing{status: http.StatusOK, known: known, during: func() {}}
	server.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { server.serve(t, w, request) }))
	t.Cleanup(server.Close)
	b := newBench(t, source)
	web, err := provider.NewHTTP(provider.Egress{Allow: []string{"127.0.0.0/8"}, HTTP: true})
	require.NoError(t, err)
	b.ways.Enrichment = provider.HTTPEnrichment{HTTP: web, URL: server.URL + "/v1", APIKey: func() (string, error) { return b.secret("secret://crm") }}
	b.settle(func(account *crm.Account) { account.Providers.Enrichment = &crm.Enrichment{URL: server.URL + "/v1"} })
	return b, server
}

func (k *knowing) serve(t *testing.T, w http.ResponseWriter, request *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if got := request.Method + " " + request.URL.Path; got != "POST /v1" {
		t.Errorf("%s is not asked for", got)
	}
	for name, value := range map[string]string{"Authorization": "Bearer hush", "Content-Type": "application/json", "Accept": "application/json"} {
		if request.Header.Get(name) != value {
			t.Errorf("%s is %q", name, request.Header.Get(name))
		}
	}
	body, _ := io.ReadAll(request.Body)
	k.keys, k.bodies = append(k.keys, request.Header.Get("Idempotency-Key")), append(k.bodies, string(body))
	k.during()
	for name, values := range k.header {
		w.Header()[name] = values
	}
	w.WriteHeader(k.status)
	if k.raw != "" {
		_, _ = io.WriteString(w, k.raw)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"properties": k.known})
}

func (k *knowing) asked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys)
}

func TestEnrichRecord(t *testing.T) {
	t.Parallel()
	b, server := withEnrichment(t, enrichContact, map[string]any{"job_title": "Engineer", "city": "Rome", "score": 7.50, "plan": nil, "last_name": "Lovelace"})
	b.set(map[string]string{"city": "Turin", "notes": "canary-1", "phone": "+390612345678"})
	require.JSONEq(t, `{"properties": ["job_title", "score"], "updated_ids": ["contact/51"]}`, string(b.ok().Output))
	require.JSONEq(t, `{"object": "contact", "by": {"email": "ada@example.com"}, "wanted": ["job_title", "city", "score", "plan"]}`, server.bodies[0])
	require.Equal(t, "Engineer", b.property(ada, "job_title"))
	require.Equal(t, "7.5", b.property(ada, "score"))
	require.Equal(t, "Turin", b.property(ada, "city"), "what is there stays")
	require.Empty(t, b.property(ada, "last_name"), "nobody asked for it")
	require.Equal(t, "w/a1 1 0 0", b.usage())
	versions, err := b.store.History(t.Context(), ada, "job_title")
	require.NoError(t, err)
	require.Equal(t, b.call.Key(), versions[0].Source)

	b.ok()
	require.Equal(t, 1, server.asked(), "once done it is not asked again")
}

func TestEnrichRecordOverwrites(t *testing.T) {
	t.Parallel()
	b, _ := withEnrichment(t, `enrich_record: {by: [email], properties: [job_title, city], overwrite: true}`, map[string]any{"job_title": "", "city": "Rome"})
	b.set(map[string]string{"city": "Turin", "job_title": "Poet"})
	require.JSONEq(t, `{"properties": ["city"], "updated_ids": ["contact/51"]}`, string(b.ok().Output))
	require.Equal(t, "Rome", b.property(ada, "city"))
	require.Equal(t, "Poet", b.property(ada, "job_title"), "nothing is ever emptied")
}

func TestEnrichRecordCompletesAssociatedRecords(t *testing.T) {
	t.Parallel()
	b, server := withEnrichment(t, `enrich_record: {by: [domain, name], properties: [industry], on: {associated: company}}`, map[string]any{"industry": "Water"})
	for i, domain := range []string{"one.example", "", "three.example"} {
		ref := crm.Ref{Object: "company", ID: strconv.Itoa(i + 1)}
		b.record(ref, map[string]string{"domain": domain, "city": "canary"})
		b.associate(ref, "")
	}
	require.JSONEq(t, `{"properties": ["industry"], "updated_ids": ["company/1", "company/3"]}`, string(b.ok().Output))
	require.Equal(t, []string{b.call.Key() + "/company/1", b.call.Key() + "/company/3"}, server.keys)
	require.NotContains(t, strings.Join(server.bodies, ""), "canary")
	require.Len(t, b.journal(plan.JournalWarning), 1)
	require.Equal(t, "w/a1 1 0 0", b.usage(), "one visit is one execution")

	b, server = withEnrichment(t, `enrich_record: {by: [domain], properties: [industry], on: {associated: company}}`, map[string]any{})
	require.Nil(t, b.ok().Output)
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	for i := range 12 {
		ref := crm.Ref{Object: "company", ID: strconv.Itoa(i + 1)}
		b.record(ref, map[string]string{"domain": "x.example"})
		b.associate(ref, "")
	}
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, 10, server.asked())
	require.Equal(t, []string{"left out 2 records: 10 are completed at most"}, b.journal(plan.JournalWarning))
}

func TestEnrichRecordLeavesOutWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	b, _ := withEnrichment(t, enrichContact, map[string]any{"job_title": "a\x00b", "city": "רומא 🇮🇹", "score": "seven", "plan": []any{"gold", "lead"}})
	require.JSONEq(t, `{"properties": ["city"], "updated_ids": ["contact/51"]}`, string(b.ok().Output))
	require.Equal(t, "רומא 🇮🇹", b.property(ada, "city"))
	require.Len(t, b.journal(plan.JournalWarning), 3)
	require.NotContains(t, strings.Join(b.journal(plan.JournalWarning), ""), "seven", "histories hold no values")
}

func TestEnrichRecordFails(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]func(*bench, *knowing){
		"http-400":   func(_ *bench, k *knowing) { k.status, k.raw = 400, "ada@example.com hush" },
		"http-402":   func(_ *bench, k *knowing) { k.status = 402 },
		"http-404":   func(_ *bench, k *knowing) { k.status = 404 },
		"bad-answer": func(_ *bench, k *knowing) { k.raw = "<html>ada@example.com" },
		"duplicate-value": func(b *bench, k *knowing) {
			b.record(crm.Ref{Object: "contact", ID: "52"}, map[string]string{"email": "bo@example.com"})
		},
	} {
		source := enrichContact
		if reason == "duplicate-value" {
			source = `enrich_record: {by: [email], properties: [email], overwrite: true}`
		}
		b, server := withEnrichment(t, source, map[string]any{"email": "bo@example.com"})
		change(b, server)
		_, err := b.run()
		failed := requirePermanent(t, err, reason)
		require.NotContains(t, failed.Error(), "example.com")
		require.NotContains(t, failed.Error(), "hush")
		require.Equal(t, 1, server.asked(), reason)
	}
	for name, raw := range map[string]string{"nothing": "{}", "null": "null", "a list": `{"properties": []}`, "1 MB": `{"properties": {"city": "` + longText(1<<20) + `"}}`} {
		b, server := withEnrichment(t, enrichContact, nil)
		server.raw = raw
		_, err := b.run()
		requirePermanent(t, err, "bad-answer")
		require.Equal(t, 1, server.asked(), name)
	}
}

func TestEnrichRecordAsksNobodyInVain(t *testing.T) {
	t.Parallel()
	for reason, test := range map[string]struct {
		source string
		change func(*bench)
	}{
		"no-identifier": {`enrich_record: {by: [phone], properties: [city]}`, func(*bench) {}},
		"invalid-value": {`enrich_record: {by: [email], properties: [grade]}`, func(*bench) {}},
		"no-provider":   {enrichContact, func(b *bench) { b.settle(func(account *crm.Account) { account.Providers.Enrichment = nil }) }},
		"monthly-limit": {enrichContact, func(b *bench) {
			require.NoError(t, b.store.Tx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.AddUsage(t.Context(), plan.Usage{Month: "2027-01", Action: "w/a1", Executions: 3000})
				return err
			}))
		}},
	} {
		b, server := withEnrichment(t, test.source, nil)
		test.change(b)
		_, err := b.run()
		requirePermanent(t, err, reason)
		require.Zero(t, server.asked())
	}
	b, server := withEnrichment(t, enrichContact, nil)
	closed, err := provider.NewHTTP(provider.Egress{})
	require.NoError(t, err)
	b.ways.Enrichment = provider.HTTPEnrichment{HTTP: closed, URL: server.URL, APIKey: func() (string, error) { return "", nil }}
	_, err = b.run()
	requirePermanent(t, err, "egress-denied")
}

func TestEnrichRecordIsTriedAgain(t *testing.T) {
	t.Parallel()
	b, server := withEnrichment(t, enrichContact, map[string]any{"city": "Rome"})
	server.status = http.StatusServiceUnavailable
	_, err := b.run()
	requireRetry(t, err, time.Minute)
	server.status, server.header = http.StatusTooManyRequests, http.Header{"Retry-After": {"90"}}
	_, err = b.run()
	requireRetry(t, err, 90*time.Second)
	server.status, server.header = http.StatusOK, nil
	delete(b.secrets, "secret://crm")
	_, err = b.run()
	requireRetry(t, err, time.Minute)
	b.secrets["secret://crm"] = "hush"
	b.ok()
	require.Equal(t, "Rome", b.property(ada, "city"))
	require.Equal(t, 3, server.asked())
	require.Equal(t, server.keys[0], server.keys[2])
	require.Equal(t, "w/a1 1 0 0", b.usage(), "however often it is tried, it is one execution")

	b, server = withEnrichment(t, enrichContact, nil)
	server.Close()
	_, err = b.run()
	requireRetry(t, err, time.Minute)
}

// TestEnrichRecordThatIsCutWritesOneAnswer cuts the attempt between the answer and its being written, and between that and the
// worker's word of it.
func TestEnrichRecordThatIsCutWritesOneAnswer(t *testing.T) {
	t.Parallel()
	b, server := withEnrichment(t, enrichContact, map[string]any{"city": "Rome", "job_title": "Engineer"})
	books := b.runtime.Store
	b.runtime.Store = &losing{transacting: books.(transacting), after: 2} // begin, the execution; then the answer is lost
	_, err := b.run()
	require.Error(t, err)
	require.Equal(t, 1, server.asked())
	require.Empty(t, b.property(ada, "city"))

	b.runtime.Store = books
	server.known = map[string]any{"city": "Milan"}
	first := b.ok()
	require.Equal(t, server.keys[0], server.keys[1], "it is asked again under the same key")
	require.Equal(t, "Milan", b.property(ada, "city"))
	require.Empty(t, b.property(ada, "job_title"))

	b.set(map[string]string{"city": ""})
	require.JSONEq(t, string(first.Output), string(b.ok().Output), "what was written is not written again")
	require.Equal(t, 2, server.asked())
	require.Empty(t, b.property(ada, "city"))
	require.Equal(t, "w/a1 1 0 0", b.usage())
}

// repeating is a store whose transactions are each run twice, of which the second one counts, as when others were in the way.
type repeating struct{ transacting }

func (r repeating) Transact(ctx context.Context, step func(action.Transaction) error) error {
	undone := errors.New("undone")
	if err := r.transacting.Transact(ctx, func(books action.Transaction) error {
		if err := step(books); err != nil {
			return err
		}
		return undone
	}); !errors.Is(err, undone) {
		return err
	}
	return r.transacting.Transact(ctx, step)
}

func TestEnrichRecordTellsOnceThoughItsTransactionIsRepeated(t *testing.T) {
	t.Parallel()
	b, server := withEnrichment(t, `enrich_record: {by: [domain], properties: [industry], on: {associated: company}}`, map[string]any{"industry": "Water"})
	gone := crm.Ref{Object: "company", ID: "1"}
	b.record(gone, map[string]string{"domain": "x.example"})
	b.associate(gone, "")
	server.during = func() {
		if err := b.store.Delete(t.Context(), gone, monday); err != nil {
			t.Error(err)
		}
	}
	b.runtime.Store = repeating{b.runtime.Store.(transacting)}
	require.JSONEq(t, `{"properties": [], "updated_ids": []}`, string(b.ok().Output))
	require.Equal(t, []string{"company/1 is gone"}, b.journal(plan.JournalWarning))
	require.Equal(t, 1, server.asked())
	require.Equal(t, "w/a1 1 0 0", b.usage())
}

func TestEnrichRecordReadsAgainBeforeItWrites(t *testing.T) {
	t.Parallel()
	b, server := withEnrichment(t, enrichContact, map[string]any{"city": "Rome", "job_title": "Engineer"})
	server.during = func() {
		if err := b.store.Update(t.Context(), ada, map[string]string{"city": "Turin"}, monday, "test"); err != nil {
			t.Error(err)
		}
	}
	require.JSONEq(t, `{"properties": ["job_title"], "updated_ids": ["contact/51"]}`, string(b.ok().Output))
	require.Equal(t, "Turin", b.property(ada, "city"), "who was quicker than the provider is not overwritten")

	b, server = withEnrichment(t, `enrich_record: {by: [domain], properties: [industry], on: {associated: company}}`, map[string]any{"industry": "Water"})
	gone, there := crm.Ref{Object: "company", ID: "1"}, crm.Ref{Object: "company", ID: "2"}
	for _, ref := range []crm.Ref{gone, there} {
		b.record(ref, map[string]string{"domain": "x.example"})
		b.associate(ref, "")
	}
	server.during = func() {
		if len(server.keys) == 2 {
			if err := b.store.Delete(t.Context(), gone, monday); err != nil {
				t.Error(err)
			}
		}
	}
	require.JSONEq(t, `{"properties": ["industry"], "updated_ids": ["company/2"]}`, string(b.ok().Output))
}

func TestEnrichRecordOfWhomThereIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, enrichContact)
	b.settle(func(account *crm.Account) {
		account.Providers.Enrichment = &crm.Enrichment{URL: "https://enrichment.example.com"}
	})
	require.JSONEq(t, `{"properties": [], "updated_ids": []}`, string(b.ok().Output))
	require.Equal(t, []string{"ada@example.com: job_title, city, score, plan"}, b.sent())
}

func TestEnrichRecordIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `enrich_record: {by: [email], properties: [city], on: {associated: deal}}`, "wrong-object")
	requireProblems(t, `enrich_record: {by: [email], properties: [city, city]}`, "duplicate-property")
	requireProblems(t, `enrich_record: {by: [], properties: []}`, "out-of-range", "out-of-range")
	const settings = "providers: {enrichment: {url: \"https://enrichment.example.com\"}}\n"
	for _, test := range []struct {
		settings, object, config string
		codes                    []string
	}{
		{settings, "contact", "{by: [email], properties: [job_title]}", nil},
		{settings, "contact", "{by: [domain], properties: [employees], on: {associated: company}}", nil},
		{settings, "contact", "{by: [emial], properties: [email_bounces]}", []string{"unknown-property", "read-only"}},
		{settings, "contact", "{by: [email], properties: [employees]}", []string{"unknown-property"}},
		{settings, "deal", "{by: [name], properties: [currency]}", []string{"wrong-object"}},
		{"", "contact", "{by: [email], properties: [city]}", []string{"no-provider"}},
	} {
		var codes []string
		definition := "workflow: w\nobject: " + test.object + "\nactions:\n  - id: enrich\n    enrich_record: " + test.config + "\n"
		for _, problem := range inWorkspaceWith(t, map[string]string{"millrace.yaml": test.settings}, definition) {
			codes = append(codes, problem.Code)
		}
		require.Equal(t, test.codes, codes, test.config)
	}
}
