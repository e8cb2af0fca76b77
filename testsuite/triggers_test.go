package testsuite_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

const triggered = `
-- workflows/by-event.yaml --
workflow: by-event
object: contact
enroll:
  on: [{event: page_viewed, where: {property: url, is: /pricing}}]
  again: each_event
actions:
  - {id: noted, edit_record: {set: {first_name: seen}}}
-- workflows/by-filter.yaml --
workflow: by-filter
object: contact
enroll: {when: {property: first_name, is: seen}}
goal: {property: lifecycle_stage, is: customer}
actions:
  - {id: long, delay_set_amount: {for: 30d}}
`

// run returns the run of a record's newest enrollment in a workflow, when it is admitted.
func (s *stage) run(tb testing.TB, workflow, record string) client.WorkflowRun {
	tb.Helper()
	var found plan.Enrollment
	require.Eventually(tb, func() bool {
		last, is, err := s.Books.LastEnrollment(tb.Context(), workflow, record)
		found = last
		return err == nil && is
	}, patience, 10*time.Millisecond, "%s in %s", record, workflow)
	return s.GetWorkflow(tb.Context(), found.WorkflowID, "")
}

func TestTriggersEnrollAndGoalsTakeOut(t *testing.T) {
	t.Parallel()
	s := newStage(t, triggered)
	s.work(t)
	ada := crm.Ref{Object: "contact", ID: "51"}
	_, err := s.Books.Create(t.Context(), ada, nil, time.Now(), "test")
	require.NoError(t, err)
	_, err = s.People.Deliver(t.Context(), plan.Event{Type: "page_viewed", Record: ada.String(), Properties: map[string]any{"url": "/pricing"}}, time.Now())
	require.NoError(t, err)
	var exit plan.Exit
	require.NoError(t, s.run(t, "by-event", ada.String()).Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason)
	inside := s.run(t, "by-filter", ada.String()) // what the first one wrote enrolled her in the second
	last, _, err := s.Books.LastEnrollment(t.Context(), "by-filter", ada.String())
	require.NoError(t, err)
	require.Equal(t, 1, last.Depth)
	require.NoError(t, s.Books.Update(t.Context(), ada, map[string]string{"lifecycle_stage": "customer"}, time.Now(), "test"))
	require.NoError(t, inside.Get(t.Context(), &exit))
	require.Equal(t, plan.ExitGoalMet, exit.Reason)
}

// TestRouterThatIsCutEnrollsOnce goes through the points at which a router can die: before and after it has written what
// it decided, and after the start of the enrollment, before that was written down.
func TestRouterThatIsCutEnrollsOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, triggered)
	ada := crm.Ref{Object: "contact", ID: "51"}
	_, err := s.Books.Create(t.Context(), ada, nil, time.Now(), "test")
	require.NoError(t, err)
	deliver := func(id string) {
		_, err := s.People.Deliver(t.Context(), plan.Event{ID: id, Type: "page_viewed", Record: ada.String(), Properties: map[string]any{"url": "/pricing"}}, time.Now())
		require.NoError(t, err)
	}
	deliver("1")
	deliver("1")
	router := &enroll.Router{Client: *s.People} // dies after it has written its decision
	_, err = router.Decide(t.Context())
	require.NoError(t, err)
	intents, err := s.Books.Intents(t.Context(), time.Now(), 10)
	require.NoError(t, err)
	var intent plan.Intent
	for _, one := range intents {
		if one.Act == plan.ActEnroll {
			require.Empty(t, intent.Trigger, "one enrollment is decided")
			intent = one
		}
	}
	_, err = s.People.Start(t.Context(), enroll.Request{Workflow: intent.Workflow, Record: ada, Trigger: intent.Trigger, Event: intent.Event}) // dies after the start
	require.NoError(t, err)
	s.work(t)
	var exit plan.Exit
	require.NoError(t, s.run(t, "by-event", ada.String()).Get(t.Context(), &exit))
	require.Eventually(t, func() bool {
		undone, _, _, err := s.Books.Undone(t.Context())
		pending, _, more := s.Books.Pending(t.Context())
		return err == nil && more == nil && undone == 0 && pending == 0
	}, patience, 10*time.Millisecond)
	all, err := s.Books.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: "by-event"})
	require.NoError(t, err)
	require.Len(t, all, 1, "refused ones would be here as well")
	deliver("2")
	require.Eventually(t, func() bool {
		last, _, err := s.Books.LastEnrollment(t.Context(), "by-event", ada.String())
		return err == nil && last.Number == 2 && last.Exit == plan.ExitCompleted
	}, patience, 10*time.Millisecond)
}

func TestScheduleOfTemporalEnrolls(t *testing.T) {
	t.Parallel()
	const monthly = `
-- workflows/monthly.yaml --
workflow: monthly
object: contact
enroll: {schedule: {monthly: [31, last_friday], at: "09:30"}, if: {property: first_name, known: true}}
settings: {time_zone: Europe/Rome}
actions:
  - {id: long, delay_set_amount: {for: 30d}}
`
	s := newStage(t, monthly)
	s.work(t)
	for id, name := range map[string]string{"1": "Ada", "2": ""} {
		_, err := s.Books.Create(t.Context(), crm.Ref{Object: "contact", ID: id}, map[string]string{"first_name": name}, time.Now(), "test")
		require.NoError(t, err)
	}
	handle := s.ScheduleClient().GetHandle(t.Context(), enroll.ScheduleID("monthly"))
	var next []time.Time
	require.Eventually(t, func() bool {
		described, err := handle.Describe(t.Context())
		if err == nil {
			next = described.Info.NextActionTimes
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	require.NotEmpty(t, next)
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	for _, at := range next {
		local := at.In(rome)
		require.Equal(t, "09:30", local.Format("15:04"))
		month := local.Month()
		require.True(t, local.AddDate(0, 0, 1).Month() != month || local.Weekday() == time.Friday && local.AddDate(0, 0, 7).Month() != month, local)
	}
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	s.run(t, "monthly", "contact/1")
	_, entered, err := s.Books.LastEnrollment(t.Context(), "monthly", "contact/2")
	require.NoError(t, err)
	require.False(t, entered)
	require.NoError(t, s.Books.SetSwitch(t.Context(), "monthly", plan.SwitchOff, time.Now()))
	require.Eventually(t, func() bool { _, err := handle.Describe(t.Context()); return err != nil }, patience, 10*time.Millisecond)
}

// TestSchedulesOfTemporalComeOnTheirDays reads from the server when it will start workflows by the week and the year.
func TestSchedulesOfTemporalComeOnTheirDays(t *testing.T) {
	t.Parallel()
	const calendars = `
-- workflows/weekly.yaml --
workflow: weekly
object: contact
enroll: {schedule: {weekly: [tuesday, sunday], at: "08:15"}}
settings: {time_zone: Europe/Rome}
actions: [{id: long, delay_set_amount: {for: 30d}}]
-- workflows/yearly.yaml --
workflow: yearly
object: contact
enroll: {schedule: {yearly: [12-25, 02-29], at: "00:30"}}
settings: {time_zone: Pacific/Auckland}
actions: [{id: long, delay_set_amount: {for: 30d}}]
`
	s := newStage(t, calendars)
	s.work(t)
	comes := func(workflow, zone, layout string) (times []string, next []time.Time) {
		where, err := time.LoadLocation(zone)
		require.NoError(t, err)
		handle := s.ScheduleClient().GetHandle(t.Context(), enroll.ScheduleID(workflow))
		require.Eventually(t, func() bool {
			described, err := handle.Describe(t.Context())
			if err == nil {
				next = described.Info.NextActionTimes
			}
			return err == nil
		}, patience, 10*time.Millisecond)
		for i := range next {
			next[i] = next[i].In(where)
			times = append(times, next[i].Format(layout))
		}
		return times, next
	}
	weekly, next := comes("weekly", "Europe/Rome", "Mon 15:04")
	require.GreaterOrEqual(t, len(weekly), 4)
	require.ElementsMatch(t, []string{"Tue 08:15", "Sun 08:15"}, weekly[:2])
	for i := range weekly[2:] {
		require.Equal(t, weekly[i], weekly[i+2])
		require.Equal(t, next[i].AddDate(0, 0, 7), next[i+2], "every week, also when clocks change")
	}
	yearly, next := comes("yearly", "Pacific/Auckland", "01-02 15:04")
	require.GreaterOrEqual(t, len(yearly), 9, "a leap year among them")
	for i, at := range next {
		require.Contains(t, []string{"12-25 00:30", "02-28 00:30", "02-29 00:30"}, yearly[i])
		if at.Month() == time.February {
			require.Equal(t, time.March, at.AddDate(0, 0, 1).Month(), "%s is the last day of February", at)
		}
	}
}
