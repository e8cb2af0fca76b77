// Package enroll keeps ids and policies of enrollments in one place: starting, taking out, delivering events,
// telling why; and the activities with which the interpreter admits, loads and closes.
package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/workflows"
)

// Activities are those that belong to no kind: admit, load, close and failed of the interpreter, and prune.
type Activities struct {
	Store *store.Store
}

// Functions returns the activities by the names under which the interpreter calls them.
func (a *Activities) Functions() map[string]any {
	return map[string]any{
		plan.ActivityAdmit:  a.Admit,
		plan.ActivityLoad:   a.Load,
		plan.ActivityClose:  a.Close,
		plan.ActivityFailed: a.Failed,
		plan.ActivityPage:   a.Page,
		plan.ActivityPrune:  a.Prune,
	}
}

// refusal is why a record may not enter.
type refusal struct{ reason, detail string }

// repeated refuses a start that was made twice, as after a crash. Nobody asked for the second one, so the books, which
// know the first, say nothing of it.
var repeated = &refusal{"enrolled-before", "the record was enrolled by this very trigger"}

// Admit decides whether a record enters, and gives the enrollment its number (semantics §2.3). Asked twice for
// one run it answers the same.
func (a *Activities) Admit(ctx context.Context, request plan.AdmitRequest) (plan.Admission, error) {
	var admission plan.Admission
	err := a.Store.Tx(ctx, func(tx *store.Tx) error {
		admission = plan.Admission{Version: workflows.Version}
		known, found, err := tx.EnrollmentByRun(ctx, request.WorkflowID, request.FirstRun)
		if err != nil {
			return err
		}
		if found && known.Exit == plan.ExitRefused {
			admission.Refused, admission.Detail, _ = strings.Cut(known.Detail, ": ")
			return nil
		}
		var before *plan.Enrollment
		if found {
			before = &known
		}
		by, err := a.enrolledBy(ctx, tx, request)
		if err != nil {
			return err
		}
		revision, refused, err := a.examine(ctx, tx, request, by, before)
		if err != nil {
			return err
		}
		row := plan.Enrollment{
			Workflow: request.Workflow, Record: request.Record, WorkflowID: request.WorkflowID, FirstRun: request.FirstRun,
			Trigger: request.Trigger, Event: request.Event, Started: request.Now, Depth: by.depth,
		}
		if refused != nil {
			admission.Refused, admission.Detail = refused.reason, refused.detail
			if refused == repeated {
				return nil
			}
			row.Exit, row.Detail, row.Closed = plan.ExitRefused, refused.reason+": "+refused.detail, request.Now
			attempt := plan.WorkflowID(request.Workflow, request.Record) + "/" + request.FirstRun // listed with the record, whatever id was tried
			return errors.Join(tx.RefuseEnrollment(ctx, row), tx.WriteJournal(ctx, plan.Entry{
				Enrollment: attempt, Key: attempt, At: request.Now, Event: plan.JournalBlocked, Detail: row.Detail,
			}))
		}
		row.Revision = revision.Number
		if row, err = tx.OpenEnrollment(ctx, row); err != nil {
			return err
		}
		admission.Enrollment, admission.Plan = row.ID, revision.Plan.Graph()
		entry := plan.Entry{Enrollment: row.ID, Key: row.ID, At: request.Now, Event: plan.JournalEnrolled, Detail: cause(request)}
		if row.Number > 1 {
			entry.Event = plan.JournalReEnrolled
		}
		return tx.WriteJournal(ctx, entry)
	})
	return admission, err
}

func cause(request plan.AdmitRequest) string {
	switch {
	case request.Event != nil:
		return "event " + request.Event.Type
	case request.Trigger != "":
		return request.Trigger
	default:
		return "manual"
	}
}

// examine applies the rules of admission in their order. known is this very run's row when it was admitted before:
// then it answers with the revision it was admitted to.
func (a *Activities) examine(ctx context.Context, tx *store.Tx, request plan.AdmitRequest, by enrolledBy, known *plan.Enrollment) (plan.Revision, *refusal, error) {
	refuse := func(reason, format string, args ...any) (plan.Revision, *refusal, error) {
		return plan.Revision{}, &refusal{reason, fmt.Sprintf(format, args...)}, nil
	}
	if want := plan.WorkflowID(request.Workflow, request.Record); request.WorkflowID != want {
		return refuse("wrong-id", "the Temporal workflow id is %q and has to be %q", request.WorkflowID, want)
	}
	ref, err := crm.ParseRef(request.Record)
	if err != nil {
		return refuse("wrong-record", "%v", err)
	}
	if known != nil {
		revision, err := tx.Revision(ctx, request.Workflow, known.Revision)
		return revision, nil, err
	}
	revision, found, err := tx.LatestRevision(ctx, request.Workflow)
	if err != nil {
		return revision, nil, err
	}
	if !found {
		return refuse("no-workflow", "no workflow %q was published", request.Workflow)
	}
	stands, err := tx.Switch(ctx, request.Workflow)
	if err != nil {
		return revision, nil, err
	}
	if why := stands.Refuses(request.Now); why != "" {
		return refuse("off", "%s", why)
	}
	if ref.Object != revision.Plan.Object {
		return refuse("wrong-object", "the workflow is about a %s, not a %s", revision.Plan.Object, ref.Object)
	}
	switch _, err := tx.Get(ctx, ref); {
	case errors.Is(err, crm.ErrNotFound):
		return refuse("no-record", "there is no record %s", ref)
	case errors.Is(err, crm.ErrDeleted):
		return refuse("deleted", "the record %s is deleted", ref)
	case err != nil:
		return revision, nil, err
	}
	if err := tx.CloseLost(ctx, request.WorkflowID, request.FirstRun, request.Now); err != nil {
		return revision, nil, err
	}
	if by.once {
		if before, err := tx.EnrolledBy(ctx, request.Workflow, request.Record, request.Trigger); err != nil {
			return revision, nil, err
		} else if before {
			return revision, repeated, nil
		}
	}
	if by.depth > maxDepth {
		return refuse("loop", "it ends a chain of %d enrollments that set each other off, each within an hour of the one before", by.depth)
	}
	if revision, refused, err := a.rules(ctx, tx, revision, ref, request); err != nil || refused != nil {
		return revision, refused, err
	}
	refused, err := a.anew(ctx, tx, revision, by, request)
	return revision, refused, err
}

// rules applies the filters of the definition: suppression and goal.
func (a *Activities) rules(ctx context.Context, tx *store.Tx, revision plan.Revision, ref crm.Ref, request plan.AdmitRequest) (plan.Revision, *refusal, error) {
	rules := revision.Plan.Rules
	if rules == nil {
		rules = &plan.Rules{}
	}
	env, err := a.filterEnv(ctx, tx, ref, rules, request.Now)
	if err != nil {
		return revision, nil, err
	}
	for _, rule := range []struct {
		filter json.RawMessage
		refusal
	}{
		{rules.Suppress, refusal{"suppressed", "the record matches the suppression filter"}},
		{rules.Goal, refusal{"goal-met", "the record has met the goal already"}},
	} {
		filter, err := crm.ReadFilter(rule.filter)
		if err != nil {
			return revision, nil, fmt.Errorf("%s revision %d: %w", request.Workflow, revision.Number, err)
		}
		if filter == nil {
			continue
		}
		if truth, err := filter.Match(ctx, env); err != nil {
			return revision, nil, err
		} else if truth == crm.Yes {
			return revision, &rule.refusal, nil
		}
	}
	if rules.Needs != "" {
		if record, err := tx.Get(ctx, ref); err != nil {
			return revision, nil, err
		} else if record.Property(rules.Needs) == "" {
			return revision, &refusal{"no-date", fmt.Sprintf("the workflow is about the record's %s, which has no value", rules.Needs)}, nil
		}
	}
	return revision, nil, nil
}

// enrolledBy is what enrolls a record, as far as our books know it: what somebody else says of it is not believed, and who is
// enrolled by hand is enrolled by nothing.
type enrolledBy struct {
	way   string // "" = by hand, or by another workflow
	depth int
	once  bool // by a trigger that is in our books: it enrolls a record once, whoever starts it twice
}

func (a *Activities) enrolledBy(ctx context.Context, tx *store.Tx, request plan.AdmitRequest) (by enrolledBy, err error) {
	intent, found, err := tx.Intent(ctx, request.Workflow, request.Record, request.Trigger)
	if found {
		by = enrolledBy{intent.Way, intent.Depth, true}
	}
	if key, step := strings.CutPrefix(request.Trigger, byStep); step && err == nil {
		by.depth, err = depth(ctx, tx, key, request.Now)
	}
	return by, err
}

// anew refuses who was in the workflow before, unless it re-enrolls (semantics §2.5). A schedule re-enrolls (§2.2), a step
// that says so (§3.2), and by hand everybody does whom the workflow lets in more than once.
func (a *Activities) anew(ctx context.Context, tx *store.Tx, revision plan.Revision, by enrolledBy, request plan.AdmitRequest) (*refusal, error) {
	if by.way == plan.WaySchedule || by.way == plan.WayForce {
		return nil, nil
	}
	before, err := tx.EnrolledBefore(ctx, request.Workflow, request.Record)
	if err != nil || !before {
		return nil, err
	}
	rules := revision.Plan.Rules
	if rules.AgainNever() {
		return &refusal{"enrolled-before", "the record was in this workflow before, and `again` is `never`"}, nil
	}
	filters, err := rules.AgainFilters()
	if err != nil {
		return nil, fmt.Errorf("%s revision %d: %w", request.Workflow, revision.Number, err)
	}
	if len(filters) > 0 && by.way != "" && by.way != plan.WayAgain {
		return &refusal{"enrolled-before", "the record was in this workflow before, and only the filters of `again` let it in anew"}, nil
	}
	return nil, nil
}

func (a *Activities) filterEnv(ctx context.Context, tx *store.Tx, ref crm.Ref, rules *plan.Rules, now time.Time) (crm.FilterEnv, error) {
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return crm.FilterEnv{}, err
	}
	zone, err := tx.Zone(ctx, rules)
	if err != nil {
		return crm.FilterEnv{}, err
	}
	return crm.FilterEnv{Records: tx, Ref: ref, Now: now, Zone: zone, Catalog: catalog}, nil
}

// Load answers which plan to follow. It walks from the revision in hand to the newest: a revision that was
// published with `follow` takes everybody along, one with `migrate` besides as its map says, one with `pin` stops
// here (design §5, "Revisions").
func (a *Activities) Load(ctx context.Context, request plan.LoadRequest) (plan.Loaded, error) {
	loaded := plan.Loaded{Version: workflows.Version}
	newer, err := a.Store.RevisionsAfter(ctx, request.Workflow, request.Revision)
	if err != nil {
		return loaded, err
	}
	switch to := plan.Follow(newer); {
	case to != nil:
		loaded.Plan = to.Graph()
	case !request.Known:
		held, err := a.Store.PlanByHash(ctx, request.Plan)
		if err != nil {
			return loaded, err
		}
		loaded.Plan = held.Graph()
		loaded.Plan.Revision = request.Revision
	}
	return loaded, nil
}

// Close ends an enrollment in our books.
func (a *Activities) Close(ctx context.Context, request plan.CloseRequest) error {
	return a.Store.Tx(ctx, func(tx *store.Tx) error {
		entries := make([]plan.Entry, 0, len(request.Notes)+1)
		for _, note := range request.Notes {
			entries = append(entries, note.Entry(request.Enrollment))
		}
		entries = append(entries, plan.Entry{
			Enrollment: request.Enrollment, Key: request.Enrollment, At: request.Now, Node: request.Exit.Node,
			Event: closing(request.Exit.Reason), Detail: farewell(request.Exit),
		})
		return errors.Join(tx.WriteJournal(ctx, entries...), tx.CloseEnrollment(ctx, request.Enrollment, request.Exit, request.Now))
	})
}

func closing(reason string) string {
	switch reason {
	case plan.ExitCompleted, plan.ExitEnded:
		return plan.JournalCompleted
	case plan.ExitGoalMet:
		return plan.JournalGoalMet
	default:
		return plan.JournalUnenrolled
	}
}

func farewell(exit plan.Exit) string {
	if exit.Detail == "" {
		return exit.Reason
	}
	return exit.Reason + ": " + exit.Detail
}

// Failed writes down that an action failed for good.
func (a *Activities) Failed(ctx context.Context, failure plan.Failure) error {
	call := failure.Call
	entry := plan.Entry{
		Enrollment: call.Enrollment, Key: call.Key(), At: failure.Now, Node: call.Node, Kind: failure.Kind,
		Event: plan.JournalFailed, Port: plan.PortFailed, Detail: failure.Reason + ": " + failure.Message,
	}
	if failure.Reason == "unknown" {
		entry.Event = plan.JournalUnknown
	}
	entries := make([]plan.Entry, 0, len(call.Notes)+1)
	for _, note := range call.Notes {
		entries = append(entries, note.Entry(call.Enrollment))
	}
	return a.Store.Tx(ctx, func(tx *store.Tx) error {
		return errors.Join(tx.WriteJournal(ctx, append(entries, entry)...), tx.Stand(ctx, plan.Standing{
			Enrollment: call.Enrollment, Node: call.Node, Kind: failure.Kind, Arrived: call.Arrived, Plan: call.Plan, LastError: entry.Detail,
		}))
	})
}
