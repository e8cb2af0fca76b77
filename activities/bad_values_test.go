package activities

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func longText(characters int) string { return strings.Repeat("x", characters) }

// TestBadValuesFailForGood gives every kind that writes values that do not fit, by the event that enrolled: the action
// fails with a reason, and nobody is stuck.
func TestBadValuesFailForGood(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"5 MB": longText(5 << 20), "NUL": "a\x00b", "not UTF-8": "a\xffb",
		"right to left": "שלום עולם", "emoji": "👩‍👩‍👧 🇮🇹", "RTL override": "a\u202eb", "empty": "",
	}
	fitsText := map[string]bool{"right to left": true, "emoji": true, "RTL override": true}
	for _, kind := range []struct {
		source string
		typed  bool   // takes no text, or only some
		empty  string // reason of an empty value; "" = it is fine
	}{
		{source: `edit_record: {set: {notes: "{{ event.text }}"}}`},
		{source: `edit_record: {set: {score: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {set: {plan: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {set: {renewal: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {set: {seen: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {set: {vip: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {append: {interests: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {remove: {interests: "{{ event.text }}"}}`, typed: true},
		{source: `edit_record: {increment: {score: "{{ event.text }}"}}`, typed: true, empty: "invalid-value"},
		{source: `adjust_number_property: {property: score, by: "{{ event.text }}"}`, typed: true, empty: "invalid-value"},
		{source: `create_record: {object_type: company, properties: {name: "{{ event.text }}"}}`},
		{source: `create_record: {object_type: company, properties: {employees: "{{ event.text }}"}}`, typed: true},
		{source: `create_record: {object_type: deal, properties: {name: "{{ event.text }}", stage: new}}`, empty: "missing-value"},
		{source: `create_task: {title: "{{ event.text }}"}`, empty: "no-title"},
		{source: `create_task: {title: x, notes: "{{ event.text }}"}`},
		{source: `create_note: {body: "{{ event.text }}"}`, empty: "no-body"},
		{source: `manage_communication_subscription: {subscription_type: newsletter, status: opt_in, explanation: "{{ event.text }}"}`},
		{source: `format_data: {formula: "upper(event.text)"}`},
		{source: `format_data: {formula: "event.text * 2"}`, typed: true},
		{source: `format_data: {function: trim, values: ["{{ event.text }}"]}`},
	} {
		for name, value := range values {
			t.Run(kind.source+" "+name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, kind.source)
				b.enrolledBy(value)
				_, err := b.run(func(call *plan.Call) { call.Enrollment = "w/contact/60/1" })
				switch {
				case name == "empty" && kind.empty == "", fitsText[name] && !kind.typed:
					require.NoError(t, err)
				case name == "empty":
					requirePermanent(t, err, kind.empty)
				case name == "not UTF-8" && !kind.typed: // mended where the event is kept, as JSON
					require.NoError(t, err)
				default:
					require.NotContains(t, requirePermanent(t, err, "invalid-value").Error(), "xxxxx", "histories hold no values")
				}
			})
		}
	}
}

// enrolledBy enrolls contact/60 by an event with a text.
func (b *bench) enrolledBy(text string) {
	b.t.Helper()
	ref := crm.Ref{Object: "contact", ID: "60"}
	b.record(ref, map[string]string{"email": "eve@example.com"})
	_, err := b.store.OpenEnrollment(b.t.Context(), plan.Enrollment{
		Workflow: "w", Record: ref.String(), WorkflowID: plan.WorkflowID("w", ref.String()), FirstRun: "run", Revision: 1, Started: monday,
		Event: &plan.Event{ID: "e", Type: "form", Record: ref.String(), At: monday, Properties: map[string]any{"text": text}},
	})
	require.NoError(b.t, err)
}

// TestRecordsThatAreGoneFailForGood deletes what an action is to write between its being found and its being written.
func TestRecordsThatAreGoneFailForGood(t *testing.T) {
	t.Parallel()
	require.Contains(t, failure(crm.ErrNotFound).Error(), "no-record")
	require.Contains(t, failure(crm.ErrDeleted).Error(), "no-record")
	require.Contains(t, failure(&crm.MergedError{Into: ada}).Error(), "no-record")
	require.Contains(t, failure(crm.ErrTaken).Error(), "duplicate-value")
	require.Equal(t, store.ErrExists, failure(store.ErrExists), "everything else is tried again")
}
