package testsuite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
)

// happening is a scenario about who enters and leaves: the same router and the same admission as in production decide. It
// shows a line for everybody who enters, is refused or leaves. Nobody goes through the actions, but who enters the workflow
// that the scenario names while nobody else does: that is a walk.
type happening struct {
	journey Simulation // what the scenario is about, and where
	edited  func(edit string, options publish.Options) (store.Publication, error)

	books  *store.Store
	router enroll.Router
	now    time.Time
	runs   int
	lines  []line   // still to be played
	later  []string // workflows that a line pushes

	arriving *arrival    // who goes through the actions next
	walk     *simulation // who does so now
	arranged []*planned  // what comes of actions
	over     bool        // the time of the scenario

	shown    strings.Builder
	journeys []Simulated
}

// line is one thing that happens.
type line struct {
	number     int
	at         time.Time
	ref        crm.Ref
	verb, rest string
}

// arrival is the admission of the one who goes through the actions.
type arrival struct {
	intent    plan.Intent
	admission plan.Admission
}

// play plays what happens, a line for each thing.
func (h *happening) play(ctx context.Context, script string) (err error) {
	books, err := store.Open(ctx, "sqlite://:memory:")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	h.books, h.now = books, h.journey.Start
	h.router = enroll.Router{Client: enroll.Client{Store: books, Now: func() time.Time { return h.now }}}
	if err := h.read(script); err != nil {
		return err
	}
	if _, err := h.publish(ctx, h.journey.Workspace, false); err != nil {
		return err
	}
	for len(h.lines) > 0 && !h.over {
		next := h.lines[0]
		if err := h.pass(ctx, next.at); err != nil {
			return err
		}
		if h.arriving == nil {
			h.lines = h.lines[1:]
			if err := h.do(ctx, next); err != nil {
				return err
			}
		}
		for h.arriving != nil && !h.over {
			if err := h.goThrough(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// howToWrite is told to authors whose line is none.
const howToWrite = "write it as in\n  2027-03-01 09:00 contact/1 is {\"city\": \"Rome\"}\n  2027-03-01 09:00 contact/1 did page_viewed {\"url\": \"/\"}\n" +
	"  2027-03-01 09:00 contact/1 joins vip\nalso: yesterday EVENT, quits LIST, enters WORKFLOW, leaves WORKFLOW, completes WORKFLOW, associated RECORD,\n" +
	"merged into RECORD, deleted, restored, waits; who goes through the actions: answers ACTION by EVENT, paused in WORKFLOW,\n" +
	"resumed in WORKFLOW, skips its wait in WORKFLOW, moved to ACTION in WORKFLOW;\n" +
	"of workflow/ID: pushed, pushed with existing, becomes EDIT, becomes EDIT with existing, turns on, turns off, ticks,\n" +
	"called {\"email\": \"ada@example.com\"}, fails at ACTION with 503, fails at ACTION with 503 4 times,\n" +
	"answers at ACTION with {\"tier\": \"gold\"}, counted"

// aboutWorkflow begins what a line is about that is not about a record.
const aboutWorkflow = "workflow/"

// read reads the lines of a script. Those that are empty, or begin with #, say nothing.
func (h *happening) read(script string) error {
	before := h.now
	for i, text := range strings.Split(script, "\n") {
		if text = strings.TrimSpace(text); text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		words := strings.Fields(text)
		if len(words) < 4 {
			return fmt.Errorf("line %d: %q says too little: %s", i+1, text, howToWrite)
		}
		one := line{number: i + 1, verb: words[3], rest: strings.Join(words[4:], " ")}
		var err error
		if one.at, err = time.Parse(minute, words[0]+" "+words[1]); err != nil || one.at.Before(before) {
			return fmt.Errorf("line %d: %q does not begin with a time, in UTC, that comes after the one before: %s", i+1, text, howToWrite)
		}
		if one.ref, err = crm.ParseRef(words[2]); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if one.verb == "pushed" {
			h.later = append(h.later, one.ref.ID)
		}
		before, h.lines = one.at, append(h.lines, one)
	}
	return nil
}

// publish publishes a workspace as far as no later line pushes it, and returns which workflows have a new revision.
func (h *happening) publish(ctx context.Context, publication store.Publication, existing bool) (revised []string, err error) {
	publication.At, publication.EnrollExisting = h.now, existing
	publication.Definitions = slices.DeleteFunc(slices.Clone(publication.Definitions), func(one plan.Revision) bool {
		return slices.Contains(h.later, one.Workflow)
	})
	published, err := h.books.Publish(ctx, publication)
	for _, revision := range published.Revisions {
		revised = append(revised, revision.Workflow)
	}
	return revised, err
}

// pass lets time pass, and what comes by itself until then happen. It stops where somebody arrives who goes through the
// actions.
func (h *happening) pass(ctx context.Context, until time.Time) error {
	for {
		look, err := h.books.NextLook(ctx)
		if err != nil {
			return err
		}
		if look.IsZero() || look.After(until) {
			break
		}
		if look.After(h.now) {
			h.now = look
		}
		if err := h.follow(ctx); err != nil || h.arriving != nil {
			return err
		}
	}
	if until.After(h.now) {
		h.now = until
	}
	return nil
}

// do makes a line true, and what follows from it.
func (h *happening) do(ctx context.Context, one line) error {
	act := h.happen
	if one.ref.Object+"/" == aboutWorkflow {
		act = h.operate
	}
	err := act(ctx, one)
	if err == nil {
		err = h.follow(ctx)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", one.number, err)
	}
	return nil
}

// operate does what a line says of a workflow.
func (h *happening) operate(ctx context.Context, one line) error {
	workflow := one.ref.ID
	switch one.verb {
	case "pushed":
		h.later = slices.DeleteFunc(h.later, func(later string) bool { return later == workflow })
		_, err := h.publish(ctx, h.journey.Workspace, one.rest == "with existing")
		return err
	case "becomes":
		return h.edit(ctx, one.rest)
	case "turns":
		if err := h.books.SetSwitch(ctx, workflow, one.rest, h.now); err != nil {
			return err
		}
		h.tellSwitched(workflow, one.rest)
		return nil
	case "ticks": // the time of its schedule comes
		bulk := plan.Bulk{Workflow: workflow, At: h.now}
		for !bulk.Done {
			var err error
			if bulk, err = (&enroll.Activities{Store: h.books}).Page(ctx, bulk); err != nil {
				return err
			}
		}
		return nil
	case "called":
		return h.call(ctx, one)
	case "fails", "answers":
		if workflow != h.journey.Workflow {
			return fmt.Errorf("nobody goes through the actions of %s: only those of the workflow in the head are gone through", workflow)
		}
		if one.verb == "fails" {
			return h.fail(one.rest)
		}
		return h.answer(one.rest)
	case "counted":
		enrolled, converted, err := h.books.Conversions(ctx, workflow)
		h.show(one.ref.String(), "met the goal", fmt.Sprintf("%d of %d", converted, enrolled))
		return err
	}
	return unknown(one.verb)
}

func unknown(verb string) error {
	return fmt.Errorf("nothing is called %q: %s", verb, howToWrite)
}

// edit publishes the workspace with the files of an edit.
func (h *happening) edit(ctx context.Context, what string) error {
	name, existing := strings.CutSuffix(what, " with existing")
	publication, err := h.edited(name, publish.Options{Latest: func(workflow string) (*plan.Plan, error) {
		latest, _, err := h.books.LatestRevision(ctx, workflow)
		return latest.Plan, err
	}})
	if err != nil {
		return err
	}
	revised, err := h.publish(ctx, publication, existing)
	if slices.Contains(revised, h.journey.Workflow) {
		h.tell(plan.SignalChanged, nil)
	}
	return err
}

func (h *happening) call(ctx context.Context, one line) error {
	var payload map[string]any
	if err := unmarshal([]byte(one.rest), &payload); err != nil {
		return err
	}
	event, err := h.router.Webhook(ctx, one.ref.ID, "", payload, h.now)
	if errors.Is(err, enroll.ErrNobody) || errors.Is(err, enroll.ErrSeveral) {
		h.show(one.ref.String(), "enrolls nobody", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	_, err = h.router.Deliver(ctx, event, h.now)
	return err
}

// fail lets an action of those who go through fail from now on.
func (h *happening) fail(how string) error {
	var failure Planned
	words := strings.Fields(how)
	if len(words) == 6 && words[5] == "times" {
		failure.Times, _ = strconv.Atoi(words[4])
		words = words[:4]
	}
	if len(words) != 4 || words[0] != "at" || words[2] != "with" {
		return fmt.Errorf("%q is not as in `fails at ACTION with 503 4 times`", "fails "+how)
	}
	failure.Fail, failure.Error = words[1], words[3]
	return h.arrange(failure)
}

// answer is what an action of those who go through is answered from now on.
func (h *happening) answer(how string) error {
	action, with, found := strings.Cut(strings.TrimPrefix(how, "at "), " with ")
	if !found || !json.Valid([]byte(with)) {
		return fmt.Errorf("%q is not as in `answers at ACTION with \"yes\"`, or with other JSON", "answers "+how)
	}
	return h.arrange(Planned{Answer: action, With: json.RawMessage(with)})
}

// arrange lets something come of an action from now on.
func (h *happening) arrange(what Planned) error {
	var mistakes Mistakes
	note := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	checking := &simulation{Simulation: h.journey}
	checking.checkFail(what, note)
	entry := &planned{Planned: what, text: checking.checkAnswer(what, note), at: h.now, applied: true, came: true}
	if mistakes != nil {
		return mistakes
	}
	h.arranged = append(h.arranged, entry)
	if h.walk != nil {
		h.walk.planned = append(h.walk.planned, entry)
	}
	return nil
}

// happen does what a line says of a record.
func (h *happening) happen(ctx context.Context, one line) error {
	ref, rest := one.ref, one.rest
	switch one.verb {
	case "is":
		return h.write(ctx, ref, rest)
	case "did", "yesterday", "answers":
		return h.tellEvent(ctx, one)
	case "joins":
		_, err := h.books.AddToList(ctx, rest, ref, h.now)
		return err
	case "quits":
		_, err := h.books.RemoveFromList(ctx, rest, ref)
		return err
	case "enters":
		return h.enter(ctx, plan.Intent{Workflow: rest, Record: ref.String(), Way: "by hand"})
	case "leaves":
		return h.leave(ctx, rest, ref, plan.Unenroll{Detail: "by hand"})
	case "completes":
		return h.leave(ctx, rest, ref, plan.Unenroll{Reason: plan.ExitCompleted})
	case "paused", "resumed", "skips", "moved":
		return h.operateOn(one)
	case "associated", "merged":
		other, err := crm.ParseRef(strings.TrimPrefix(rest, "into "))
		if err != nil {
			return err
		}
		if one.verb == "merged" {
			return h.books.Merge(ctx, other, ref, h.now, "scenario")
		}
		return h.books.Associate(ctx, ref, other, "", false, h.now)
	case "deleted":
		return h.books.Delete(ctx, ref, h.now)
	case "restored":
		return h.books.Restore(ctx, ref)
	case "waits":
		return nil
	}
	return unknown(one.verb)
}

func (h *happening) tellEvent(ctx context.Context, one line) error {
	event := plan.Event{Record: one.ref.String(), At: h.now}
	rest := one.rest
	switch one.verb {
	case "yesterday": // told now, it happened a day before
		event.At = h.now.AddDate(0, 0, -1)
	case "answers":
		step, by, found := strings.Cut(rest, " by ")
		if !found || h.walk == nil {
			return fmt.Errorf("%q is not as in `answers welcome by email_opened`, of who goes through the actions", "answers "+rest)
		}
		event.Source, rest = plan.Call{Enrollment: h.walk.admission.Enrollment, Node: step, Visit: 1}.Key(), by
	}
	kind, data, _ := strings.Cut(rest, " ")
	event.Type = kind
	if data != "" {
		if err := unmarshal([]byte(data), &event.Properties); err != nil {
			return err
		}
	}
	_, _, err := h.books.AddEvent(ctx, event)
	return err
}

func (h *happening) write(ctx context.Context, ref crm.Ref, data string) error {
	var values map[string]any
	if err := unmarshal([]byte(data), &values); err != nil {
		return err
	}
	catalog, err := h.books.Catalog(ctx)
	if err != nil {
		return err
	}
	texts := map[string]string{}
	for name, value := range values {
		if texts[name], err = catalog.Canonical(ref.Object, name, value); err != nil {
			return err
		}
	}
	_, _, err = h.books.Upsert(ctx, ref, texts, h.now, "scenario")
	return err
}

// follow lets the router decide and does what it decides, until nothing follows any more.
func (h *happening) follow(ctx context.Context) error {
	for {
		decided, err := h.router.Decide(ctx)
		if err != nil {
			return err
		}
		intents, err := h.books.Intents(ctx, h.now, 1000)
		if err != nil {
			return err
		}
		many, err := h.books.Many(ctx, 0, 0, h.now, 1000)
		if err != nil {
			return err
		}
		intents = append(intents, many...)
		if decided+len(intents) == 0 {
			return nil
		}
		var done []store.Done
		for _, intent := range intents {
			if err := h.carry(ctx, intent); err != nil {
				return err
			}
			done = append(done, store.Done{Intent: intent})
		}
		if err := h.books.Finish(ctx, done, h.now); err != nil {
			return err
		}
	}
}

// carry does what the router decided.
func (h *happening) carry(ctx context.Context, intent plan.Intent) error {
	switch intent.Act {
	case plan.ActEnroll:
		return h.enter(ctx, intent)
	case plan.ActUnenroll:
		ref, err := crm.ParseRef(intent.Record)
		if err != nil {
			return err
		}
		return h.leave(ctx, intent.Workflow, ref, plan.Unenroll{Reason: intent.Reason, Detail: intent.Detail})
	case plan.ActEvent:
		if h.walking(intent.Workflow, intent.Record) {
			h.tell(plan.SignalEvent, intent.Event)
		}
	case plan.ActChanged:
		if h.walking(intent.Workflow, intent.Record) {
			h.tell(plan.SignalChanged, nil)
		}
	}
	return nil
}

func (h *happening) enter(ctx context.Context, intent plan.Intent) error {
	inside, err := h.inside(ctx, intent.Workflow, intent.Record)
	if err != nil {
		return err
	}
	if inside {
		h.show(intent.Record, "is in "+intent.Workflow+" already", intent.Way)
		return nil
	}
	_, err = h.admit(ctx, intent)
	return err
}

func (h *happening) inside(ctx context.Context, workflow, record string) (bool, error) {
	last, found, err := h.books.LastEnrollment(ctx, workflow, record)
	return found && last.Exit == "", err
}

// admit lets a record in, or shows why not.
func (h *happening) admit(ctx context.Context, intent plan.Intent) (plan.Admission, error) {
	h.runs++
	admission, err := (&enroll.Activities{Store: h.books}).Admit(ctx, plan.AdmitRequest{
		WorkflowID: plan.WorkflowID(intent.Workflow, intent.Record), FirstRun: fmt.Sprint(h.runs), Workflow: intent.Workflow, Record: intent.Record,
		Trigger: intent.Trigger, Event: intent.Event, Now: h.now,
	})
	switch {
	case err != nil:
		return admission, err
	case admission.Refused != "":
		h.show(intent.Record, "is refused by "+intent.Workflow, admission.Refused)
		return admission, nil
	}
	h.show(intent.Record, "enters "+intent.Workflow, intent.Way)
	if intent.Workflow == h.journey.Workflow && h.walk == nil && h.arriving == nil {
		h.arriving = &arrival{intent, admission}
	}
	return admission, nil
}

// enrollFor enrolls a record for a step of the one who goes through.
func (h *happening) enrollFor(ctx context.Context, request action.EnrollRequest) (enrollment string, err error) {
	prepared, err := h.router.Prepare(ctx, enroll.Step(request))
	if err != nil {
		return "", err
	}
	record := prepared.Record.String()
	inside, err := h.inside(ctx, prepared.Workflow, record)
	if err != nil {
		return "", err
	}
	if inside {
		return "", action.Permanent("already-enrolled", "%s is already in the workflow %s", record, prepared.Workflow)
	}
	h.now = request.Now
	admission, err := h.admit(ctx, plan.Intent{Workflow: prepared.Workflow, Record: record, Trigger: prepared.Trigger, Way: "by " + h.journey.Workflow})
	if err == nil && admission.Refused != "" {
		err = action.Permanent(admission.Refused, "%s", admission.Detail)
	}
	return admission.Enrollment, err
}

func (h *happening) leave(ctx context.Context, workflow string, ref crm.Ref, leave plan.Unenroll) error {
	if h.walking(workflow, ref.String()) {
		if leave.Reason == plan.ExitCompleted {
			return fmt.Errorf("%s goes through the actions of %s, and completes it by itself", ref, workflow)
		}
		h.tell(plan.SignalUnenroll, leave)
		return nil
	}
	last, found, err := h.books.LastEnrollment(ctx, workflow, ref.String())
	if err != nil {
		return err
	}
	if !found || last.Exit != "" {
		return fmt.Errorf("%s is not in %s", ref, workflow)
	}
	if leave.Reason == "" {
		leave.Reason = plan.ExitUnenrolled
	}
	h.show(ref.String(), "leaves "+workflow, leave.Reason)
	return h.books.CloseEnrollment(ctx, last.ID, plan.Exit{Reason: leave.Reason, Detail: leave.Detail}, h.now)
}

func (h *happening) show(record, what, why string) {
	fmt.Fprintf(&h.shown, "%s %s %s: %s\n", h.now.UTC().Format(minute), record, what, why)
}
