package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func (b *bench) subscription(ref crm.Ref, name string) string {
	b.t.Helper()
	state, err := b.store.Subscription(b.t.Context(), ref, name)
	require.NoError(b.t, err)
	return state
}

func TestManageCommunicationSubscription(t *testing.T) {
	t.Parallel()
	b := newBench(t, `manage_communication_subscription: {subscription_type: newsletter, status: opt_in, legal_basis: CONSENT_WITH_NOTICE, explanation: "by {{ contact.first_name }}"}`)
	for range 2 {
		require.JSONEq(t, `{"count":1,"status":"opted_in"}`, string(b.ok().Output))
	}
	require.Equal(t, "opted_in", b.subscription(ada, "newsletter"))
	consent, err := b.store.Consent(t.Context(), "email", "ada@example.com", "newsletter")
	require.NoError(t, err)
	require.Equal(t, "CONSENT_WITH_NOTICE: by Ada", consent.LegalBasis+": "+consent.Explanation)
}

func TestManageCommunicationSubscriptionBelongsToTheAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, `manage_communication_subscription: {subscription_type: newsletter, status: opt_out}`)
	b.ok()
	require.NoError(t, b.store.Delete(t.Context(), ada, monday))
	again := crm.Ref{Object: "contact", ID: "52"}
	b.record(again, map[string]string{"email": "ADA@example.com"})
	require.Equal(t, "opted_out", b.subscription(again, "newsletter"), "it outlives the record")
	require.NoError(t, b.store.Update(t.Context(), again, map[string]string{"email": "grace@example.com"}, monday, "test"))
	require.Empty(t, b.subscription(again, "newsletter"), "another address, another word")
	require.NoError(t, b.store.Update(t.Context(), again, map[string]string{"email": "ada@example.com"}, monday, "test"))
	require.Equal(t, "opted_out", b.subscription(again, "newsletter"))
}

func TestManageCommunicationSubscriptionByNumber(t *testing.T) {
	t.Parallel()
	b := newBench(t, `manage_communication_subscription: {channel: sms, subscription_type: offers, status: opt_out}`)
	_, err := b.run()
	requirePermanent(t, err, "no-address")
	b.set(map[string]string{"mobile_phone": "+39 06-1234"})
	other := crm.Ref{Object: "contact", ID: "52"}
	b.record(other, map[string]string{"phone": "+39 06-1234"})
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, "opted_out opted_out", b.subscription(ada, "offers")+" "+b.subscription(other, "offers"))
	consent, err := b.store.Consent(t.Context(), "sms", "+39061234", "offers")
	require.NoError(t, err)
	require.Equal(t, "opted_out", consent.State)
}

func TestManageCommunicationSubscriptionNeedsAReasonToComeBack(t *testing.T) {
	t.Parallel()
	for basis, reason := range map[string]string{"": "opted-out", ", legal_basis: CONSENT_WITH_NOTICE": ""} {
		b := newBench(t, `manage_communication_subscription: {subscription_type: newsletter, status: opt_in`+basis+`}`)
		require.NoError(t, b.store.SetSubscription(t.Context(), ada, "newsletter", "opted_out", monday))
		_, err := b.run()
		if reason == "" {
			require.NoError(t, err)
			require.Equal(t, "opted_in", b.subscription(ada, "newsletter"))
			continue
		}
		requirePermanent(t, err, reason)
		require.Equal(t, "opted_out", b.subscription(ada, "newsletter"))
	}
}

func TestManageCommunicationSubscriptionUnderGDPR(t *testing.T) {
	t.Parallel()
	b := newBench(t, `manage_communication_subscription: {subscription_type: newsletter, status: opt_out}`)
	b.publish(store.Publication{Account: account(t, func(a *crm.Account) { a.GDPR = true })})
	_, err := b.run()
	requirePermanent(t, err, "no-legal-basis")
	require.Empty(t, b.subscription(ada, "newsletter"))
}

func TestManageCommunicationSubscriptionOfAssociatedContacts(t *testing.T) {
	t.Parallel()
	b := newBench(t, `manage_communication_subscription: {to: {associated: contact}, subscription_type: newsletter, status: opt_in}`)
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	grace, nobody := crm.Ref{Object: "contact", ID: "52"}, crm.Ref{Object: "contact", ID: "53"}
	b.record(grace, map[string]string{"email": "grace@example.com"})
	b.record(nobody, nil)
	b.associate(grace, "")
	b.associate(nobody, "")
	require.JSONEq(t, `{"count":1,"status":"opted_in"}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output))
	require.Equal(t, []string{"contact/53: no-address: contact has no address for email"}, b.journal(plan.JournalWarning))
	require.Empty(t, b.subscription(ada, "newsletter"))
}

func TestManageCommunicationSubscriptionIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `manage_communication_subscription: {status: opt_in}`, "missing-key")
	requireProblems(t, `manage_communication_subscription: {subscription_type: x, status: maybe}`, "not-allowed")
	requireProblems(t, `manage_communication_subscription: {subscription_type: x, status: opt_in, legal_basis: MAGIC}`, "not-allowed")
}
