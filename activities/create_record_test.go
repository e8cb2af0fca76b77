package activities

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

var firstDeal = crm.Ref{Object: "deal", ID: "1"}

func TestCreateRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_record: {object_type: deal, properties: {name: "{{ contact.first_name }}'s deal", stage: new, amount: "{{ contact.score }}"},
		owner: {owner: hubspot_owner_id}, label: prospect, copy_associations: [{type: company}, {type: contact, label: boss}]}`)
	require.NoError(t, b.store.Tx(t.Context(), func(tx *store.Tx) error {
		return tx.SetUsers(t.Context(), []crm.User{{ID: "bo", Email: "bo@example.com", Active: true}}, nil)
	}))
	b.set(map[string]string{"score": "42", crm.OwnerProperty: "bo"})
	acme, boss, peer := crm.Ref{Object: "company", ID: "7"}, crm.Ref{Object: "contact", ID: "60"}, crm.Ref{Object: "contact", ID: "61"}
	for _, ref := range []crm.Ref{acme, boss, peer} {
		b.record(ref, nil)
	}
	require.NoError(t, b.store.Associate(t.Context(), ada, acme, "employer", true, monday))
	b.associate(boss, "boss")
	b.associate(peer, "peer")

	outcome := b.ok()
	require.JSONEq(t, `{"record": "deal/1", "created": true, "properties": {"name": "Ada's deal", "stage": "new", "amount": 42, "hubspot_owner_id": "bo"}}`, string(outcome.Output))
	require.Equal(t, []string{"created deal/1"}, b.journal(plan.JournalSucceeded))
	deal, err := b.store.Get(t.Context(), firstDeal)
	require.NoError(t, err)
	require.Equal(t, "w/contact/51/1/a1/1", deal.Source)
	labels := map[crm.Ref][]string{}
	for _, object := range []string{"company", "contact"} {
		found, err := b.store.Associated(t.Context(), firstDeal, object)
		require.NoError(t, err)
		for _, one := range found {
			labels[one.Ref] = one.Labels
		}
	}
	require.Equal(t, map[crm.Ref][]string{ada: {"prospect"}, acme: {"employer"}, boss: {"boss"}}, labels)

	require.Equal(t, outcome.Output, b.ok().Output, "an attempt after the effect answers the same")
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	deals, err := b.store.List(t.Context(), "deal", "", 0)
	require.NoError(t, err)
	require.Len(t, deals, 2, "one for each visit")
}

func TestCreateRecordFindsByAUniqueProperty(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_record: {object_type: contact, properties: {email: "{{ contact.notes }}", first_name: New}, dedupe: {property: email}}`)
	bob := crm.Ref{Object: "contact", ID: "52"}
	b.record(bob, map[string]string{"email": "bob@example.com", "first_name": "Bob"})
	b.set(map[string]string{"notes": "BOB@example.com"})
	outcome := b.ok()
	require.JSONEq(t, `{"record": "contact/52", "created": false, "properties": {"email": "bob@example.com", "first_name": "Bob"}}`, string(outcome.Output))
	associated, err := b.store.Associated(t.Context(), bob, "contact")
	require.NoError(t, err)
	require.Len(t, associated, 1)

	b.set(map[string]string{"notes": "carl@example.com"})
	require.Contains(t, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output), `"created":true`)
	b.set(map[string]string{"notes": ""})
	b.ok(func(call *plan.Call) { call.Visit = 3 })
	require.Empty(t, b.property(crm.Ref{Object: "contact", ID: "54"}, "email"), "an empty value is nobody's")
	b.set(map[string]string{"notes": "ada@example.com"})
	require.Contains(t, string(b.ok(func(call *plan.Call) { call.Visit = 4 }).Output), `"contact/51"`, "the enrolled record itself")
}

func TestCreateRecordFails(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ source, reason string }{
		{`create_record: {object_type: contact, properties: {email: ada@example.com}}`, "duplicate-value"},
		{`create_record: {object_type: deal, properties: {name: x, stage: "{{ contact.notes }}"}}`, "missing-value"},
		{`create_record: {object_type: deal, properties: {name: x}}`, "missing-value"},
		{`create_record: {object_type: ship, properties: {name: x}}`, "invalid-value"},
		{`create_record: {object_type: company, properties: {name: x, employees: many}}`, "invalid-value"},
		{`create_record: {object_type: company, properties: {name: x, last_activity_at: "2027-01-01"}}`, "invalid-value"},
		{`create_record: {object_type: company, properties: {wings: 2}}`, "invalid-value"},
		{`create_record: {object_type: contact, properties: {plan: bronze}}`, "invalid-value"},
		{`create_record: {object_type: company, properties: {name: x}, dedupe: {property: name}}`, "invalid-value"},
	} {
		b := newBench(t, one.source)
		_, err := b.run()
		requirePermanent(t, err, one.reason)
		companies, err := b.store.List(t.Context(), "company", "", 0)
		require.NoError(t, err)
		require.Empty(t, companies, one.source)
	}
}

func TestCreateRecordDoesNotMultiply(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_record: {object_type: contact, properties: {first_name: Copy}}`)
	b.ok()
	created := crm.Ref{Object: "contact", ID: "52"}
	_, err := b.store.OpenEnrollment(t.Context(), plan.Enrollment{
		Workflow: "w", Record: created.String(), WorkflowID: plan.WorkflowID("w", created.String()), FirstRun: "run", Revision: 1, Started: monday,
	})
	require.NoError(t, err)
	_, err = b.run(func(call *plan.Call) { call.Enrollment = "w/contact/52/1" })
	requirePermanent(t, err, "infinite-loop")

	b = newBench(t, `create_record: {object_type: company, properties: {name: Acme}}`)
	b.record(created, nil)
	b.ok()
	require.Equal(t, "Acme", b.property(crm.Ref{Object: "company", ID: "1"}, "name"), "another type is no loop")
}

// cutting is a store whose first transaction is cut before it is committed, as when a worker dies.
type cutting struct {
	transacting
	cut *bool
}

func (c cutting) Transact(ctx context.Context, step func(action.Transaction) error) error {
	return c.transacting.Transact(ctx, func(books action.Transaction) error {
		if err := step(books); err != nil || *c.cut {
			return err
		}
		*c.cut = true
		return errors.New("the worker died")
	})
}

func TestKindsThatWriteDoItOnceThoughTheWorkerDies(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`create_record: {object_type: deal, properties: {name: x, stage: new}}`,
		`create_task: {title: x}`,
		`create_note: {body: x}`,
		`adjust_number_property: {property: score, by: 1}`,
		`edit_record: {increment: {score: 1}}`,
		`delete_contact: {}`,
	} {
		b := newBench(t, source)
		var cut bool
		b.runtime.Store = cutting{transacting{b.store}, &cut}
		_, err := b.run()
		require.ErrorContains(t, err, "the worker died", source)
		first := b.ok()
		require.Equal(t, first, b.ok(), source) // what was done and not answered is answered
		count := 0
		for _, object := range []string{"deal", "task", "note"} {
			records, err := b.store.List(t.Context(), object, "", 0)
			require.NoError(t, err)
			count += len(records)
		}
		require.LessOrEqual(t, count, 1, source)
		if record, err := b.store.Get(t.Context(), ada); err == nil && count == 0 {
			require.Equal(t, "1", record.Properties["score"], source)
		}
	}
}

func TestCreateRecordIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `create_record: {properties: {name: x}}`, "missing-key")
	requireProblems(t, `create_record: {object_type: deal, properties: {name: x}, dedupe: {property: email}}`, "missing-key")
	requireProblems(t, `create_record: {object_type: deal, associate_to_enrolled: false, label: x}`, "wrong-value")
	requireProblems(t, `create_record: {object_type: deal, owner: {user: bo, owner: hubspot_owner_id}}`, "wrong-value")
	const definition = "workflow: w\nobject: contact\nactions:\n  - id: a\n    create_record: CONFIG\n"
	for config, code := range map[string]string{
		`{object_type: deal, properties: {name: x, stage: new}}`:               "",
		`{object_type: deal, properties: {name: x}}`:                           "missing-property",
		`{object_type: deal, properties: {name: x, stage: new, amuont: 1}}`:    "unknown-property",
		`{object_type: deal, properties: {name: x, stage: new, amount: many}}`: "wrong-value",
		`{object_type: company, properties: {last_activity_at: "2027-01-01"}}`: "read-only",
		`{object_type: ship}`: "unknown-object",
		`{object_type: company, copy_associations: [{type: ship}]}`:                      "unknown-object",
		`{object_type: company, properties: {name: "{{ contact.nick }}"}}`:               "unknown-property",
		`{object_type: company, properties: {name: x}, owner: {owner: account_manager}}`: "unknown-property",
	} {
		problems := inWorkspace(t, definition, "CONFIG", config)
		if code == "" {
			require.Empty(t, problems, config)
			continue
		}
		require.Len(t, problems, 1, "%s: %v", config, problems)
		require.Equal(t, code, problems[0].Code, config)
	}
}

func TestCreateRecordOutputIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_record: {object_type: company, properties: {name: x, description: "{{ contact.notes }}"}}`)
	b.set(map[string]string{"notes": longText(1001)})
	var output struct{ Properties map[string]any }
	require.NoError(t, json.Unmarshal(b.ok().Output, &output))
	require.Equal(t, map[string]any{"name": "x"}, output.Properties)
}
