package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// february is when the month after monday's begins in Rome.
var february = time.Date(2027, 1, 31, 23, 0, 0, 0, time.UTC)

// takeEffect makes what is due at an instant.
func (b *bench) takeEffect(at time.Time) int {
	b.t.Helper()
	made, err := b.store.TakeEffect(b.t.Context(), at)
	require.NoError(b.t, err)
	return made
}

func TestSetMarketingContactStatusToMarketingAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, `set_marketing_contact_status: {status: marketing}`)
	for range 2 {
		require.JSONEq(t, `{"effective_on":"2027-01-04","count":1}`, string(b.ok().Output))
	}
	require.Equal(t, "marketing", b.property(ada, "marketing_status"))
	require.JSONEq(t, `{"effective_on":"2027-01-04","count":0}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output))
}

func TestSetMarketingContactStatusToNonMarketingFromTheNextMonth(t *testing.T) {
	t.Parallel()
	b := newBench(t, `set_marketing_contact_status: {status: non_marketing}`)
	b.set(map[string]string{"marketing_status": "marketing"})
	for range 2 {
		require.JSONEq(t, `{"effective_on":"2027-02-01","count":1}`, string(b.ok().Output))
	}
	require.Equal(t, []string{"non_marketing from 2027-02-01 for 1"}, b.journal(plan.JournalSucceeded))
	require.JSONEq(t, `{"effective_on":"2027-02-01","count":0}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output), "it is noted already")

	require.Zero(t, b.takeEffect(february.Add(-time.Second)))
	require.Equal(t, "marketing", b.property(ada, "marketing_status"))
	require.Equal(t, 1, b.takeEffect(february.Add(72*time.Hour)), "no worker ran at that instant")
	require.Equal(t, "non_marketing", b.property(ada, "marketing_status"))
	versions, err := b.store.History(t.Context(), ada, "marketing_status")
	require.NoError(t, err)
	require.Equal(t, february, versions[0].At.UTC())
	require.Equal(t, b.call.Key(), versions[0].Source)
	require.Zero(t, b.takeEffect(february.Add(72*time.Hour)))
}

func TestSetMarketingContactStatusFromTheRenewalWhenItComesFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, `set_marketing_contact_status: {status: non_marketing}`)
	b.publish(store.Publication{Account: account(t, func(a *crm.Account) { a.Renewal = crm.CalendarDay{Month: time.January, Day: 15} })})
	require.JSONEq(t, `{"effective_on":"2027-01-15","count":1}`, string(b.ok().Output))
	require.Equal(t, 1, b.takeEffect(time.Date(2027, 1, 14, 23, 0, 0, 0, time.UTC)))
}

func TestSetMarketingContactStatusBackBeforeItTookEffect(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(b *bench){
		"by another action": func(b *bench) {
			require.JSONEq(t, `{"effective_on":"2027-01-04","count":1}`, string(b.ok().Output))
		},
		"by an edit": func(b *bench) {
			for _, status := range []string{"non_marketing", "marketing"} {
				require.NoError(t, b.store.Update(t.Context(), ada, map[string]string{"marketing_status": status}, monday.Add(time.Hour), "test"))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, `set_marketing_contact_status: {status: non_marketing}`, `set_marketing_contact_status: {status: marketing}`)
			b.set(map[string]string{"marketing_status": "marketing"})
			b.ok(func(call *plan.Call) { call.Node = "a1" })
			back(b)
			require.Zero(t, b.takeEffect(february))
			require.Equal(t, "marketing", b.property(ada, "marketing_status"))
		})
	}
}

func TestSetMarketingContactStatusOfAssociatedContacts(t *testing.T) {
	t.Parallel()
	b := newBench(t, `set_marketing_contact_status: {to: {associated: contact}, status: marketing}`)
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	grace := crm.Ref{Object: "contact", ID: "52"}
	b.record(grace, nil)
	b.associate(grace, "")
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, "marketing ", b.property(grace, "marketing_status")+" "+b.property(ada, "marketing_status"))
}

func TestSetMarketingContactStatusOfOtherRecordsFails(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"marketing", "non_marketing"} {
		b := newBench(t, `set_marketing_contact_status: {to: {associated: company}, status: `+status+`}`)
		acme := crm.Ref{Object: "company", ID: "7"}
		b.record(acme, nil)
		b.associate(acme, "")
		_, err := b.run()
		requirePermanent(t, err, "invalid-value")
	}
}

func TestSetMarketingContactStatusIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `set_marketing_contact_status: {}`, "missing-key")
	requireProblems(t, `set_marketing_contact_status: {status: subscribed}`, "not-allowed")
}

// TestSetMarketingContactStatusIsMadeByAnotherProcess has nothing but the database of the process that noted the change when
// its day comes.
func TestSetMarketingContactStatusIsMadeByAnotherProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t, `set_marketing_contact_status: {status: non_marketing}`)
	b.set(map[string]string{"marketing_status": "marketing"})
	b.ok()
	again, err := store.Open(t.Context(), b.database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, again.Close()) })
	made, err := again.TakeEffect(t.Context(), february.Add(-time.Second))
	require.NoError(t, err)
	require.Zero(t, made)
	made, err = again.TakeEffect(t.Context(), february)
	require.NoError(t, err)
	require.Equal(t, 1, made)
	record, err := again.Get(t.Context(), ada)
	require.NoError(t, err)
	require.Equal(t, "non_marketing", record.Property("marketing_status"))
}
