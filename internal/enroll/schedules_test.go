package enroll_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

// comes hands on everybody whom a schedule enrolls at an instant.
func (j *junction) comes(workflow string, at time.Time) []string {
	j.t.Helper()
	bulk := plan.Bulk{Workflow: workflow, At: at}
	for !bulk.Done {
		var err error
		bulk, err = (&enroll.Activities{Store: j.Store}).Page(j.t.Context(), bulk)
		require.NoError(j.t, err)
	}
	j.now = at
	return j.follows()
}

func TestScheduleEnrollsWhoMatchesAtItsTime(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"schedule":{"daily":true,"at":"09:00"},"if":` + customer + `}`)}})
	ada := j.contact("1", "stage=customer")
	j.contact("2")
	require.Empty(t, j.follows())
	tick := time.Date(2027, 5, 10, 9, 0, 0, 0, time.UTC)
	require.Equal(t, []string{"enroll w contact/1 schedule"}, j.comes("w", tick))
	require.Empty(t, j.comes("w", tick), "asked again, nobody is enrolled twice")
	trigger := "schedule 2027-05-10T09:00:00Z"
	require.NotEmpty(t, j.enter("w", ada, trigger).Enrollment)
	j.leave("w", ada, plan.ExitCompleted)
	require.Equal(t, []string{"enroll w contact/1 schedule"}, j.comes("w", tick.AddDate(0, 0, 1)))
	require.NotEmpty(t, j.enter("w", ada, "schedule 2027-05-11T09:00:00Z").Enrollment, "a tick re-enrolls, also where `again` is never")
	require.NoError(t, j.SetSwitch(t.Context(), "w", plan.SwitchOff, j.now))
	require.Empty(t, j.comes("w", tick.AddDate(0, 0, 2)))
}

func TestScheduleByADateProperty(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{
		"once":  {Enroll: raw(`{"schedule":{"property":"renewal","offset":"-3d","at":"09:00"}}`)},
		"years": {Enroll: raw(`{"schedule":{"property":"renewal","every_year":true,"at":"09:00"}}`)},
		"early": {Enroll: raw(`{"schedule":{"property":"renewal","every_year":true,"offset":"-60d","at":"09:00"}}`)},
	})
	j.contact("1", "renewal=2024-02-29")
	j.contact("2", "renewal=2027-05-13")
	j.contact("3")
	day := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 9, 0, 0, 0, time.UTC)
	}
	require.Equal(t, []string{"enroll once contact/2 schedule"}, j.comes("once", day(2027, 5, 10)))
	require.Empty(t, j.comes("once", day(2028, 5, 10)))
	require.Equal(t, []string{"enroll years contact/1 schedule"}, j.comes("years", day(2027, 2, 28)), "29 February in a common year")
	require.Empty(t, j.comes("years", day(2028, 2, 28)))
	require.Equal(t, []string{"enroll years contact/1 schedule"}, j.comes("years", day(2028, 2, 29)))
	require.Equal(t, []string{"enroll early contact/1 schedule"}, j.comes("early", day(2026, 12, 30)), "an offset into the year before")
}

func TestSchedulesGoThroughManyPages(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"schedule":{"daily":true,"at":"09:00"}}`)}})
	for n := range 501 {
		j.contact(fmt.Sprint(n + 1))
	}
	require.Len(t, j.comes("w", now), 501)
}

func TestWebhookFindsItsRecordAndEnrollsItOnce(t *testing.T) {
	t.Parallel()
	j := newJunction(t, map[string]*plan.Rules{"w": {Enroll: raw(`{"webhook":{"match":"code"}}`)}, "other": {Enroll: raw(`{"webhook":{"match":"code"}}`)}, "none": {}})
	people := &enroll.Client{Store: j.Store}
	j.contact("1", "code=a")
	j.contact("2", "code=b")
	j.contact("3", "code=b")
	j.follows()
	call := func(workflow, id string) (duplicate bool) {
		event, err := people.Webhook(t.Context(), workflow, id, map[string]any{"code": "a", "plan": "gold"}, j.now)
		require.NoError(t, err)
		delivered, err := people.Deliver(t.Context(), event, j.now)
		require.NoError(t, err)
		return delivered.Duplicate
	}
	require.False(t, call("w", "call-1"))
	require.True(t, call("w", "call-1"))
	require.Equal(t, []string{"enroll w contact/1 webhook"}, j.follows(), "the other workflow was not called")
	require.False(t, call("other", "call-1"), "an id counts in its workflow")
	require.Equal(t, []string{"enroll other contact/1 webhook"}, j.follows())
	events, err := j.EventsOf(t.Context(), crm.Ref{Object: "contact", ID: "1"}, 1)
	require.NoError(t, err)
	require.Equal(t, "gold", events[0].Properties["plan"])
	for code, wanted := range map[string]error{"z": enroll.ErrNobody, "": enroll.ErrNobody, "b": enroll.ErrSeveral} {
		_, err := people.Webhook(t.Context(), "w", "", map[string]any{"code": code}, j.now)
		require.ErrorIs(t, err, wanted)
	}
	for _, workflow := range []string{"none", "unknown"} {
		_, err := people.Webhook(t.Context(), workflow, "", map[string]any{"code": "a"}, j.now)
		require.ErrorIs(t, err, enroll.ErrNoWebhook)
	}
}
