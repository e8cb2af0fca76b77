package enroll

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// Types of events that nobody sends: what happened stands elsewhere in the books.
const (
	EventCreated    = "record_created"
	EventEnrolled   = "workflow_enrolled"
	EventUnenrolled = "workflow_unenrolled"
	EventCompleted  = "workflow_completed"
	EventGoalMet    = "workflow_goal_met"
	EventWebhook    = "webhook_received" // its source is the workflow that it was sent to
)

// A chain of enrollments that set each other off is cut after so many, each of them begun soon after the one before: two
// workflows that undo each other's work would never end. Slower loops are their author's.
const (
	maxDepth = 16
	soon     = time.Hour
)

// deciding works out what follows from some changes, on a snapshot.
type deciding struct {
	*index
	view     *store.View
	now      time.Time
	decision store.Decision

	matches  map[string]plan.Match       // by workflow, filter and record, as they will be
	truths   map[string]crm.Truth        // likewise
	last     map[string]*plan.Enrollment // by workflow and record
	entering map[string]bool             // by workflow and record
	leaving  map[string]int              // by enrollment: its intent
}

// occurrence is why a filter is asked, or what an event trigger answers to.
type occurrence struct {
	trigger  string    // ends the name of what enrolls
	at       time.Time // zero = now
	seq      int64     // of the change; 0 = time came
	cause    string
	happened crm.Happening // to the very record that is asked about
	silent   bool          // nobody enters because of it
	entered  bool          // it is that the record has entered the very workflow
}

// noticed is when it happened, as far as anybody said.
func (o occurrence) noticed(now time.Time) time.Time {
	if o.at.IsZero() || o.at.After(now) {
		return now
	}
	return o.at
}

func decide(ctx context.Context, view *store.View, x *index, changes []plan.Change, due []plan.Match, now time.Time) (store.Decision, error) {
	d := &deciding{
		index: x, view: view, now: now, matches: map[string]plan.Match{}, truths: map[string]crm.Truth{},
		last: map[string]*plan.Enrollment{}, entering: map[string]bool{}, leaving: map[string]int{},
		decision: store.Decision{Catalog: x.catalog},
	}
	for _, change := range changes {
		d.decision.Changes = append(d.decision.Changes, change.Seq)
		if change.Record == "" {
			continue
		}
		if err := d.change(ctx, change); err != nil {
			return store.Decision{}, fmt.Errorf("deciding what follows from change %d of %s: %w", change.Seq, change.Record, err)
		}
	}
	for _, match := range due {
		if err := d.look(ctx, match); err != nil {
			return store.Decision{}, fmt.Errorf("looking at %s in %s again: %w", match.Record, match.Workflow, err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.matches)) {
		d.decision.Matches = append(d.decision.Matches, d.matches[key])
	}
	return d.decision, nil
}

// change works out what follows from one change.
func (d *deciding) change(ctx context.Context, change plan.Change) error {
	ref, err := crm.ParseRef(change.Record)
	if err != nil {
		return nil //nolint:nilerr // an event may be of something that is no record of ours
	}
	event, err := d.event(ctx, ref, change)
	if err != nil {
		return err
	}
	why := occurrence{
		trigger: strconv.FormatInt(change.Seq, 10), at: change.At, seq: change.Seq, cause: change.Cause,
		silent:   change.Cause == crm.CauseMerge || change.What == plan.ChangeRestored,
		happened: crm.Happening{Event: event, Values: change.Values},
	}
	switch change.What {
	case plan.ChangeDeleted, plan.ChangeMerged:
		if err := d.gone(ctx, change); err != nil {
			return err
		}
	case plan.ChangeEntered:
		if err := d.entered(ctx, ref, change); err != nil {
			return err
		}
	}
	if err := d.wake(ctx, change, event); err != nil {
		return err
	}
	if !why.silent {
		if err := d.occurred(ctx, ref, change, event, why); err != nil {
			return err
		}
	}
	for _, one := range d.concerned(ref.Object, change) {
		about, refs := why, []crm.Ref{ref}
		if len(one.through) > 0 {
			about.happened = crm.Happening{}
			if refs, err = d.view.Seeing(ctx, ref, one.Revision.Plan.Object, one.through); err != nil {
				return err
			}
		}
		for _, asked := range refs {
			if err := d.ask(ctx, one.watch, asked, about); err != nil {
				return err
			}
		}
	}
	return nil
}

// event is the event that a change is.
func (d *deciding) event(ctx context.Context, ref crm.Ref, change plan.Change) (*crm.Event, error) {
	if change.What != plan.ChangeEvent {
		return nil, nil
	}
	event, err := d.view.Event(ctx, ref, change.Detail)
	if errors.Is(err, crm.ErrNotFound) { // erased meanwhile
		return nil, nil
	}
	return &event, err
}

// gone takes a deleted record out of every workflow.
func (d *deciding) gone(ctx context.Context, change plan.Change) error {
	open, err := d.view.Enrollments(ctx, store.EnrollmentFilter{Record: change.Record, OpenOnly: true})
	if err != nil {
		return err
	}
	leave := plan.Unenroll{Reason: plan.ExitDeleted}
	if change.What == plan.ChangeMerged {
		leave = plan.Unenroll{Reason: plan.ExitMerged, Detail: "into " + change.Detail}
	}
	for _, enrollment := range open {
		d.leave(enrollment, leave)
	}
	d.decision.Gone = append(d.decision.Gone, change.Record)
	maps.DeleteFunc(d.matches, func(_ string, match plan.Match) bool { return match.Record == change.Record })
	return nil
}

// entered takes a record out of the workflows that the one it has entered names, and begins to watch whether it leaves.
func (d *deciding) entered(ctx context.Context, ref crm.Ref, change plan.Change) error {
	l := d.workflows[change.Name]
	if l == nil {
		return nil
	}
	if l.removesAll || len(l.removes) > 0 {
		open, err := d.view.Enrollments(ctx, store.EnrollmentFilter{Record: change.Record, OpenOnly: true})
		if err != nil {
			return err
		}
		for _, enrollment := range open {
			if enrollment.Workflow != l.Workflow && (l.removesAll || slices.Contains(l.removes, enrollment.Workflow)) {
				d.leave(enrollment, plan.Unenroll{Reason: plan.ExitRemoved, Detail: "enrolled in " + l.Workflow})
			}
		}
	}
	for _, w := range l.watches {
		if w.goal != nil || w.suppress != nil || w.leave != nil {
			if err := d.ask(ctx, w, ref, occurrence{trigger: strconv.FormatInt(change.Seq, 10), at: change.At, silent: true, entered: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

// wake tells those who wait for a change. A step has told them itself.
func (d *deciding) wake(ctx context.Context, change plan.Change, event *crm.Event) error {
	if change.What != plan.ChangeSet && event == nil || plan.EnrollmentOf(change.Cause) != "" {
		return nil
	}
	waits, err := d.view.Waits(ctx, change.Record)
	if err != nil {
		return err
	}
	for _, wait := range waits {
		intent := plan.Intent{Workflow: wait.Workflow, Record: change.Record, Enrollment: wait.Enrollment, At: d.now}
		switch {
		case event != nil && wait.Awaits == event.Type:
			intent.Act, intent.Event = plan.ActEvent, written(*event)
		case event == nil && (wait.Awaits == plan.EventChanged || changes(change, wait.Awaits)):
			intent.Act = plan.ActChanged
		default:
			continue
		}
		d.decision.Intents = append(d.decision.Intents, intent)
	}
	return nil
}

func changes(change plan.Change, awaits string) bool {
	for name := range change.Values {
		if plan.ChangeOf(name) == awaits {
			return true
		}
	}
	return false
}

// written is an event as enrollments are told of it.
func written(event crm.Event) *plan.Event {
	return &plan.Event{ID: event.ID, Type: event.Type, At: event.At, Record: event.Record.String(), Source: event.Source, Properties: event.Properties}
}

// occurred enrolls by events.
func (d *deciding) occurred(ctx context.Context, ref crm.Ref, change plan.Change, event *crm.Event, why occurrence) error {
	for _, one := range happenings(ref, change, event) {
		for _, l := range d.events[ref.Object+"\x00"+one.Type] {
			if !l.admits(why.noticed(d.now), change.Seq) {
				continue
			}
			for _, trigger := range l.on {
				if trigger.event != one.Type {
					continue
				}
				if entered, err := d.triggered(ctx, l, trigger, ref, one, why); err != nil {
					return err
				} else if entered {
					break
				}
			}
		}
	}
	return nil
}

// happenings are the events that a change is, those that nobody sends among them.
func happenings(ref crm.Ref, change plan.Change, event *crm.Event) (events []crm.Event) {
	if event != nil {
		return []crm.Event{*event}
	}
	add := func(kind string, properties map[string]any) {
		events = append(events, crm.Event{
			ID: fmt.Sprintf("%s/%d/%d", kind, change.Seq, len(events)), Type: kind, Record: ref, At: change.At, Source: change.Cause, Properties: properties,
		})
	}
	switch change.What {
	case plan.ChangeCreated:
		add(EventCreated, nil)
	case plan.ChangeEntered:
		add(EventEnrolled, map[string]any{"workflow": change.Name})
	case plan.ChangeLeft:
		kinds := map[string]string{plan.ExitCompleted: EventCompleted, plan.ExitEnded: EventCompleted, plan.ExitGoalMet: EventGoalMet}
		if kind, named := kinds[change.Detail]; named {
			add(kind, map[string]any{"workflow": change.Name})
		} else {
			add(EventUnenrolled, map[string]any{"workflow": change.Name, "reason": change.Detail})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(change.Values)) {
		properties := map[string]any{"name": name, "value": change.Values[name]}
		add(plan.ChangeOf(name), properties)
		add(plan.EventChanged, properties)
	}
	return events
}

// triggered enrolls a record by an event, when trigger and condition hold at this instant (semantics §2.2).
func (d *deciding) triggered(ctx context.Context, l *live, trigger eventTrigger, ref crm.Ref, event crm.Event, why occurrence) (bool, error) {
	if trigger.source != "" && trigger.source != event.Source {
		return false, nil
	}
	record, err := d.view.Get(ctx, ref)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if event.At.Before(record.Created) && trigger.way == plan.WayEvent {
		return false, nil // the record has to be there before the event
	}
	env := d.env(l, ref)
	if trigger.where != nil {
		about := env
		about.Event = &event
		if truth, err := trigger.where.Match(ctx, about); err != nil || truth != crm.Yes {
			return false, err
		}
	}
	if l.condition != nil {
		if truth, err := l.condition.Match(ctx, env); err != nil || truth != crm.Yes {
			return false, err
		}
	}
	last, err := d.lastOf(ctx, l.Workflow, ref)
	if err != nil || last != nil && (last.Exit == "" || !l.eachEvent) {
		return false, err
	}
	why.trigger = event.Type + " " + why.trigger
	return true, d.enter(ctx, l, ref, trigger.way, why, written(event))
}

// ask puts a filter to a record and works out what follows from its answer.
func (d *deciding) ask(ctx context.Context, w *watch, ref crm.Ref, why occurrence) error {
	edge := w.enrolls || w.again
	last, err := d.lastOf(ctx, w.Workflow, ref)
	if err != nil || !edge && last == nil {
		return err
	}
	inside := last != nil && last.Exit == ""
	through := last != nil && (last.Exit == plan.ExitCompleted || last.Exit == plan.ExitEnded)
	if !edge && !inside && !(w.goal != nil && through && last.Converted.IsZero()) {
		return nil
	}
	key := w.Workflow + "\x00" + w.key + "\x00" + ref.String()
	truth, before, err := d.answer(ctx, w, ref, key)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case inside && w.suppress.has(last) && truth == crm.Yes:
		d.leave(*last, plan.Unenroll{Reason: plan.ExitSuppressed})
	case inside && w.goal.has(last) && truth == crm.Yes:
		d.leave(*last, plan.Unenroll{Reason: plan.ExitGoalMet})
	case inside && w.leave.has(last) && truth != crm.Yes && (before || why.entered): // who ceased to match before the workflow said so stays
		d.leave(*last, plan.Unenroll{Reason: plan.ExitUnenrolled, Detail: "no longer matches what enrolled it"})
	case through && w.goal.has(last) && truth == crm.Yes && last.Converted.IsZero():
		d.decision.Converted = append(d.decision.Converted, store.Conversion{Enrollment: last.ID, At: d.now})
	}
	if !edge || why.silent || inside || !w.admits(why.noticed(d.now), why.seq) {
		return nil
	}
	return d.started(ctx, w, ref, last, truth == crm.Yes && !before, why)
}

// answer is what a filter says of a record now, and whether the record matched before. It is remembered.
func (d *deciding) answer(ctx context.Context, w *watch, ref crm.Ref, key string) (truth crm.Truth, matched bool, err error) {
	if truth, asked := d.truths[key]; asked {
		return truth, truth == crm.Yes, nil
	}
	env := d.env(w.live, ref)
	if truth, err = w.filter.Match(ctx, env); err != nil {
		return crm.No, false, err
	}
	before, err := d.view.Match(ctx, w.Workflow, w.key, ref.String())
	if err != nil {
		return crm.No, false, err
	}
	now := before
	now.Matching = truth == crm.Yes
	if now.Look, err = w.filter.NextChange(ctx, env); err != nil {
		return crm.No, false, err
	}
	if now != before {
		d.matches[key] = now
	}
	d.truths[key] = truth
	return truth, before.Matching, nil
}

// started enrolls a record that starts to match a filter (semantics §2.2, §2.5).
func (d *deciding) started(ctx context.Context, w *watch, ref crm.Ref, last *plan.Enrollment, starts bool, why occurrence) error {
	if last == nil {
		if starts && w.enrolls {
			return d.enter(ctx, w.live, ref, plan.WayFilter, why, nil)
		}
		return nil
	}
	if !w.again {
		return nil
	}
	if !starts {
		anew, err := w.filter.Recurs(ctx, d.env(w.live, ref), why.happened)
		if err != nil || !anew {
			return err
		}
	}
	for _, initial := range []*crm.Filter{w.when, w.condition} {
		if initial == nil || initial == w.filter {
			continue
		}
		if truth, err := initial.Match(ctx, d.env(w.live, ref)); err != nil || truth != crm.Yes {
			return err
		}
	}
	return d.enter(ctx, w.live, ref, plan.WayAgain, why, nil)
}

// look asks a filter again whose answer may have changed although nothing else did.
func (d *deciding) look(ctx context.Context, match plan.Match) error {
	ref, err := crm.ParseRef(match.Record)
	if err != nil {
		return err
	}
	key := match.Workflow + "\x00" + match.Filter + "\x00" + match.Record
	if _, asked := d.truths[key]; asked {
		return nil
	}
	forget := match
	forget.Matching, forget.Look = false, time.Time{}
	if l := d.workflows[match.Workflow]; l != nil {
		for _, w := range l.watches {
			if w.key != match.Filter {
				continue
			}
			if err := d.ask(ctx, w, ref, occurrence{trigger: "at " + match.Look.UTC().Format(time.RFC3339), at: d.now}); err != nil {
				return err
			}
		}
	}
	if _, answered := d.matches[key]; !answered { // nobody wants to know any more
		d.matches[key] = forget
	}
	return nil
}

// enter decides that a record enters a workflow, at most once for what has happened.
func (d *deciding) enter(ctx context.Context, l *live, ref crm.Ref, way string, why occurrence, event *plan.Event) error {
	if key := l.Workflow + "\x00" + ref.String(); !d.entering[key] {
		d.entering[key] = true
	} else {
		return nil
	}
	depth, err := d.depth(ctx, why.cause)
	if err != nil {
		return err
	}
	if event == nil {
		why.trigger = "filter " + why.trigger
	}
	d.decision.Intents = append(d.decision.Intents, plan.Intent{
		Act: plan.ActEnroll, Workflow: l.Workflow, Record: ref.String(), Trigger: why.trigger, Way: way, Event: event, Depth: depth, At: d.now,
	})
	return nil
}

// depth is how many enrollments set each other off before one that a step causes.
func (d *deciding) depth(ctx context.Context, cause string) (int, error) {
	return depth(ctx, d.view, cause, d.now)
}

// enrollments are books in which enrollments are found: a view, or a transaction.
type enrollments interface {
	Enrollment(ctx context.Context, id string) (plan.Enrollment, error)
}

func depth(ctx context.Context, books enrollments, cause string, now time.Time) (int, error) {
	id := plan.EnrollmentOf(cause)
	if id == "" {
		return 0, nil
	}
	enrollment, err := books.Enrollment(ctx, id)
	if errors.Is(err, crm.ErrNotFound) || err == nil && now.Sub(enrollment.Started) > soon {
		return 0, nil
	}
	return enrollment.Depth + 1, err
}

// reasons to leave, the one that counts first: who meets the goal and at once no longer matches has met the goal, and who is
// suppressed has not (semantics §2.3, §2.7).
var reasons = []string{plan.ExitDeleted, plan.ExitMerged, plan.ExitSuppressed, plan.ExitGoalMet, plan.ExitRemoved, plan.ExitUnenrolled}

// leave decides that a record leaves. Of several reasons at once the first counts.
func (d *deciding) leave(enrollment plan.Enrollment, leave plan.Unenroll) {
	if i, leaving := d.leaving[enrollment.ID]; leaving {
		if known := &d.decision.Intents[i]; slices.Index(reasons, leave.Reason) < slices.Index(reasons, known.Reason) {
			known.Reason, known.Detail = leave.Reason, leave.Detail
		}
		return
	}
	d.leaving[enrollment.ID] = len(d.decision.Intents)
	d.decision.Intents = append(d.decision.Intents, plan.Intent{
		Act: plan.ActUnenroll, Workflow: enrollment.Workflow, Record: enrollment.Record, Enrollment: enrollment.ID,
		Reason: leave.Reason, Detail: leave.Detail, At: d.now,
	})
}

// lastOf is the newest enrollment of a record in a workflow, nil when it was never in there.
func (d *deciding) lastOf(ctx context.Context, workflow string, ref crm.Ref) (*plan.Enrollment, error) {
	key := workflow + "\x00" + ref.String()
	if last, known := d.last[key]; known {
		return last, nil
	}
	enrollment, found, err := d.view.LastEnrollment(ctx, workflow, ref.String())
	if err != nil {
		return nil, err
	}
	d.last[key] = nil
	if found {
		d.last[key] = &enrollment
	}
	return d.last[key], nil
}

// missing tells whether a record is not there, or no longer.
func missing(err error) bool {
	return errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrDeleted)
}

func (d *deciding) env(l *live, ref crm.Ref) crm.FilterEnv {
	return crm.FilterEnv{Records: d.view, Ref: ref, Now: d.now, Zone: l.zone, Catalog: d.catalog}
}
