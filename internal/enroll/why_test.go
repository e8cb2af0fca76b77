package enroll_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
)

var contact51 = crm.Ref{Object: "contact", ID: "51"}

func (d *desk) why() enroll.Why {
	d.t.Helper()
	people := enroll.Client{Store: d.Store, Now: func() time.Time { return now.Add(time.Hour) }}
	why, err := people.Why(d.t.Context(), "welcome", contact51)
	require.NoError(d.t, err)
	return why
}

func TestWhySaysWhichFiltersKeepARecordOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t, &plan.Rules{
		Enroll:   json.RawMessage(`{"when":{"all":[{"property":"country","is":"FR"},{"property":"country","known":true}]}}`),
		Suppress: json.RawMessage(`{"property":"country","is":"IT"}`),
		Goal:     json.RawMessage(`{"property":"country","is":"DE"}`),
	})
	why := d.why()
	require.Equal(t, "never", why.State)
	require.Equal(t, plan.SwitchOn, why.Switch)
	require.Equal(t, []enroll.Obstacle{
		{Rule: "when", Test: `{"property":"country","is":"FR"}`, Answer: "no"},
		{Rule: "when", Test: `{"property":"country","known":true}`, Answer: "yes"},
		{Rule: "suppress", Test: `{"property":"country","is":"IT"}`, Answer: "yes"},
	}, why.Obstacles)
}

func TestWhySaysSinceWhenAndWhyARecordWasRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, &plan.Rules{Suppress: json.RawMessage(`{"property":"country","is":"IT"}`)})
	d.admit("contact/51", "run-1")
	why := d.why()
	require.Equal(t, plan.ExitRefused, why.State)
	require.Equal(t, now, why.Arrived)
	require.Contains(t, why.Reason, "suppressed")
	require.Len(t, why.Obstacles, 1)
}

func TestWhySaysHowAnEnrollmentEndedAndWhetherAnotherMayFollow(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	admission := d.admit("contact/51", "run-1")
	require.NoError(t, d.Close(t.Context(), plan.CloseRequest{Enrollment: admission.Enrollment, Exit: plan.Exit{Reason: plan.ExitCompleted, Node: "last"}, Now: now.Add(time.Minute)}))
	why := d.why()
	require.Equal(t, plan.ExitCompleted, why.State)
	require.Equal(t, now, why.Enrolled)
	require.Equal(t, now.Add(time.Minute), why.Closed)
	require.Equal(t, "last", why.Node)
	require.Contains(t, why.Next, "`again` is `never`")
	d.admit("contact/51", "run-2")
	require.Contains(t, d.why().Reason, "refused at 2027-03-01T09:00:00Z: enrolled-before")
}

func TestWhySaysThatARecordIsComing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	require.NoError(t, d.Store.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddIntent(t.Context(), plan.Intent{Act: plan.ActEnroll, Workflow: "welcome", Record: "contact/51", Trigger: "signed_up 1", At: now})
		return err
	}))
	why := d.why()
	require.Equal(t, "coming", why.State)
	require.Equal(t, "signed_up 1", why.Cause)
	require.Equal(t, now, why.Arrived)
}

func TestWhySaysThatNobodyIsAdmitted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	require.NoError(t, d.Store.SetSwitch(t.Context(), "welcome", plan.SwitchDrain, now))
	why := d.why()
	require.Equal(t, plan.SwitchDrain, why.Switch)
	require.Contains(t, why.Next, "drained")
	require.NoError(t, d.Store.Delete(t.Context(), contact51, now))
	require.Equal(t, "there is no record contact/51", d.why().Next)
}
