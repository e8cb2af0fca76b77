package enroll_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/workflows"
	"github.com/stretchr/testify/require"
)

var now = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// desk is where enrollments are admitted: a store with the workflow `welcome`.
type desk struct {
	enroll.Activities
	t *testing.T
}

func newDesk(t *testing.T, rules *plan.Rules) *desk {
	t.Helper()
	books, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, books.Close()) })
	d := &desk{Activities: enroll.Activities{Store: books}, t: t}
	d.publish("first", plan.InFlightFollow, rules)
	_, err = books.Create(t.Context(), crm.Ref{Object: "contact", ID: "51"}, map[string]string{"country": "IT"}, now, "test")
	require.NoError(t, err)
	return d
}

func (d *desk) publish(hash, inFlight string, rules *plan.Rules) {
	d.t.Helper()
	_, err := d.Store.Publish(d.t.Context(), store.Publication{
		At: now, Account: json.RawMessage(`{"time_zone":"Europe/Rome"}`), Catalog: crm.Builtin(),
		Definitions: []plan.Revision{{
			Workflow: "welcome", On: true, InFlight: inFlight, Source: hash,
			Plan: &plan.Plan{Workflow: "welcome", Object: "contact", Hash: hash, Rules: rules},
		}},
	})
	require.NoError(d.t, err)
}

func (d *desk) admit(record, run string) plan.Admission {
	d.t.Helper()
	admission, err := d.Admit(d.t.Context(), plan.AdmitRequest{
		WorkflowID: plan.WorkflowID("welcome", record), FirstRun: run, Workflow: "welcome", Record: record, Now: now,
	})
	require.NoError(d.t, err)
	return admission
}

func TestAdmitAskedTwiceAnswersTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := d.admit("contact/51", "run-1")
	require.Equal(t, "welcome/contact/51/1", first.Enrollment)
	require.Equal(t, "first", first.Plan.Hash)
	require.Equal(t, workflows.Version, first.Version)
	require.Equal(t, first.Enrollment, d.admit("contact/51", "run-1").Enrollment)
}

func TestAdmitAskedTwiceAnswersTheSameRevision(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	require.Equal(t, "first", d.admit("contact/51", "run-1").Plan.Hash)
	d.publish("second", plan.InFlightPin, nil)
	require.Equal(t, "first", d.admit("contact/51", "run-1").Plan.Hash)
}

func TestOnceEverIsOnceEver(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := d.admit("contact/51", "run-1")
	require.NoError(t, d.Close(t.Context(), plan.CloseRequest{Enrollment: first.Enrollment, Exit: plan.Exit{Reason: plan.ExitCompleted}, Now: now}))
	again := d.admit("contact/51", "run-2")
	require.Equal(t, "enrolled-before", again.Refused)
	require.Equal(t, again.Refused, d.admit("contact/51", "run-2").Refused, "asked twice, refused the same")
}

func TestATriggerThatIsKnownEnrollsOnceWhoeverStartsItTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t, &plan.Rules{Again: json.RawMessage(`"each_event"`)})
	job, err := d.Store.AddBulk(t.Context(), store.Bulk{Job: store.Job{Workflow: "welcome", Began: now}, Rate: 1})
	require.NoError(t, err)
	require.NoError(t, d.Store.AddPeople(t.Context(), job, []crm.Ref{{Object: "contact", ID: "51"}}, "", true))
	by := func(run string) plan.Admission {
		admission, err := d.Admit(t.Context(), plan.AdmitRequest{
			WorkflowID: plan.WorkflowID("welcome", "contact/51"), FirstRun: run, Workflow: "welcome", Record: "contact/51", Trigger: job.Trigger(), Now: now,
		})
		require.NoError(t, err)
		return admission
	}
	first := by("run-1")
	require.NoError(t, d.Close(t.Context(), plan.CloseRequest{Enrollment: first.Enrollment, Exit: plan.Exit{Reason: plan.ExitCompleted}, Now: now}))
	require.Equal(t, first.Enrollment, by("run-1").Enrollment)
	require.Equal(t, "enrolled-before", by("run-2").Refused)
	all, err := d.Store.Enrollments(t.Context(), store.EnrollmentFilter{Workflow: "welcome"})
	require.NoError(t, err)
	require.Len(t, all, 1, "the books say nothing of the second start")
	require.Equal(t, "welcome/contact/51/2", d.admit("contact/51", "run-3").Enrollment, "what re-enrolls still does")
}

func TestReEnrollmentCounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t, &plan.Rules{Again: json.RawMessage(`"each_event"`)})
	first := d.admit("contact/51", "run-1")
	require.NoError(t, d.Close(t.Context(), plan.CloseRequest{Enrollment: first.Enrollment, Exit: plan.Exit{Reason: plan.ExitCompleted}, Now: now}))
	require.Equal(t, "welcome/contact/51/2", d.admit("contact/51", "run-2").Enrollment)
}

func TestAdmitRefuses(t *testing.T) {
	t.Parallel()
	italian := json.RawMessage(`{"property":"country","is":"IT"}`)
	for reason, prepare := range map[string]func(*desk) plan.AdmitRequest{
		"wrong-id": func(*desk) plan.AdmitRequest {
			return plan.AdmitRequest{WorkflowID: "mine", Workflow: "welcome", Record: "contact/51"}
		},
		"wrong-record": func(*desk) plan.AdmitRequest {
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/nobody", Workflow: "welcome", Record: "nobody"}
		},
		"no-workflow": func(*desk) plan.AdmitRequest {
			return plan.AdmitRequest{WorkflowID: "enrollment/other/contact/51", Workflow: "other", Record: "contact/51"}
		},
		"wrong-object": func(*desk) plan.AdmitRequest {
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/deal/51", Workflow: "welcome", Record: "deal/51"}
		},
		"no-record": func(*desk) plan.AdmitRequest {
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/contact/52", Workflow: "welcome", Record: "contact/52"}
		},
		"deleted": func(d *desk) plan.AdmitRequest {
			require.NoError(t, d.Store.Delete(d.t.Context(), crm.Ref{Object: "contact", ID: "51"}, now))
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/contact/51", Workflow: "welcome", Record: "contact/51"}
		},
		"off": func(d *desk) plan.AdmitRequest {
			require.NoError(t, d.Store.SetSwitch(d.t.Context(), "welcome", plan.SwitchOff, now))
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/contact/51", Workflow: "welcome", Record: "contact/51"}
		},
		"no-date": func(d *desk) plan.AdmitRequest {
			d.publish("second", plan.InFlightFollow, &plan.Rules{Needs: "renewal_date"})
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/contact/51", Workflow: "welcome", Record: "contact/51"}
		},
		"suppressed": func(d *desk) plan.AdmitRequest {
			d.publish("second", plan.InFlightFollow, &plan.Rules{Suppress: italian})
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/contact/51", Workflow: "welcome", Record: "contact/51"}
		},
		"goal-met": func(d *desk) plan.AdmitRequest {
			d.publish("second", plan.InFlightFollow, &plan.Rules{Goal: italian})
			return plan.AdmitRequest{WorkflowID: "enrollment/welcome/contact/51", Workflow: "welcome", Record: "contact/51"}
		},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, nil)
			request := prepare(d)
			request.FirstRun, request.Now = "run-1", now
			admission, err := d.Admit(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, reason, admission.Refused)
			require.NotEmpty(t, admission.Detail)
			require.Nil(t, admission.Plan)
			if request.Record != "nobody" {
				entries, err := d.Store.JournalOf(t.Context(), request.Workflow, request.Record)
				require.NoError(t, err)
				require.Len(t, entries, 1, "a refusal is listed")
				require.Equal(t, plan.JournalBlocked, entries[0].Event)
			}
		})
	}
}

func TestLoadWalksToTheNewestRevisionThatTakesPeopleAlong(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	load := func(hash string, revision int) plan.Loaded {
		loaded, err := d.Load(t.Context(), plan.LoadRequest{Enrollment: "welcome/contact/51/1", Workflow: "welcome", Plan: hash, Revision: revision, Known: true})
		require.NoError(t, err)
		return loaded
	}
	require.Nil(t, load("first", 1).Plan, "unchanged")
	d.publish("second", plan.InFlightFollow, nil)
	d.publish("third", plan.InFlightFollow, nil)
	require.Equal(t, "third", load("first", 1).Plan.Hash)
	d.publish("fourth", plan.InFlightPin, nil)
	require.Equal(t, "third", load("first", 1).Plan.Hash, "a pinned revision is for new people")
	require.Nil(t, load("third", 3).Plan)
	unknown, err := d.Load(t.Context(), plan.LoadRequest{Workflow: "welcome", Plan: "third", Revision: 3})
	require.NoError(t, err)
	require.Equal(t, "third", unknown.Plan.Hash, "who lost the plan gets it again")
}

func TestFailedWritesTheReasonAndAnUnknownSendIsCalledUnknown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	first := d.admit("contact/51", "run-1")
	for i, reason := range []string{"no-address", "unknown"} {
		call := plan.Call{Enrollment: first.Enrollment, Node: "mail", Visit: i + 1, Now: now}
		failure := plan.Failure{Call: call, Kind: "send_email", Reason: reason, Message: "why", Now: now.Add(time.Hour)}
		require.NoError(t, d.Failed(t.Context(), failure))
		require.NoError(t, d.Failed(t.Context(), failure), "a repeated attempt writes no second line")
	}
	entries, err := d.Store.Journal(t.Context(), first.Enrollment)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	require.Equal(t, plan.JournalFailed, entries[1].Event)
	require.Equal(t, "no-address: why", entries[1].Detail)
	require.Equal(t, now.Add(time.Hour), entries[1].At.UTC(), "when it failed, not when it was asked")
	require.Equal(t, plan.JournalUnknown, entries[2].Event)
}

func TestSwitchAdmits(t *testing.T) {
	t.Parallel()
	for mode, admits := range map[string]bool{
		plan.SwitchOn: true, plan.SwitchPause: true, plan.SwitchOff: false, plan.SwitchDrain: false, plan.SwitchStop: false,
	} {
		d := newDesk(t, nil)
		require.NoError(t, d.Store.SetSwitch(t.Context(), "welcome", mode, now))
		require.Equal(t, admits, d.admit("contact/51", "run-1").Refused == "", mode)

		turning := newDesk(t, nil)
		require.NoError(t, turning.Store.TurnSwitch(t.Context(), "welcome", mode, now, now.Add(-time.Hour)))
		require.Equal(t, admits, turning.admit("contact/51", "run-1").Refused == "", "%s, by itself", mode)
	}
}
