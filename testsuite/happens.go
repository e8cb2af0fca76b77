package testsuite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// happening is a scenario about who enters and leaves: the same router and the same admission as in production decide, and
// nobody goes through the actions. It shows a line for everybody who enters, is refused or leaves.
type happening struct {
	books  *store.Store
	router enroll.Router
	now    time.Time
	runs   int
	shown  strings.Builder

	workspace store.Publication
	later     []string // workflows that a line pushes
}

// happens plays what happens, a line for each thing, and returns what follows.
func happens(ctx context.Context, workspace store.Publication, start time.Time, script string) (follows string, err error) {
	books, err := store.Open(ctx, "sqlite://:memory:")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	h := &happening{books: books, now: start}
	h.router = enroll.Router{Client: enroll.Client{Store: books}, Now: func() time.Time { return h.now }}
	h.workspace = workspace
	for _, line := range strings.Split(script, "\n") {
		if words := strings.Fields(line); len(words) > 3 && words[3] == "pushed" {
			h.later = append(h.later, strings.TrimPrefix(words[2], aboutWorkflow))
		}
	}
	if err := h.publish(ctx, false); err != nil {
		return "", err
	}
	for number, line := range strings.Split(script, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := h.play(ctx, line); err != nil {
			return "", fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	return h.shown.String(), nil
}

// aboutWorkflow begins what a line is about that is not about a record.
const aboutWorkflow = "workflow/"

// publish publishes the workspace as far as no later line pushes it.
func (h *happening) publish(ctx context.Context, existing bool) error {
	publication := h.workspace
	publication.At, publication.EnrollExisting = h.now, existing
	publication.Definitions = slices.DeleteFunc(slices.Clone(publication.Definitions), func(one plan.Revision) bool {
		return slices.Contains(h.later, one.Workflow)
	})
	_, err := h.books.Publish(ctx, publication)
	return err
}

// howToWrite is told to authors whose line is none.
const howToWrite = "write it as in\n  2027-03-01 09:00 contact/1 is {\"city\": \"Rome\"}\n  2027-03-01 09:00 contact/1 did page_viewed {\"url\": \"/\"}\n" +
	"  2027-03-01 09:00 contact/1 joins vip\nalso: yesterday EVENT, quits LIST, enters WORKFLOW, completes WORKFLOW, associated RECORD, merged into RECORD, deleted, restored, waits;\n" +
	"of workflow/ID: pushed, pushed with existing, turns on, turns off, ticks, called {\"email\": \"ada@example.com\"}, counted"

func (h *happening) play(ctx context.Context, line string) error {
	words := strings.Fields(line)
	if len(words) < 4 {
		return fmt.Errorf("%q says too little: %s", line, howToWrite)
	}
	at, err := time.Parse(minute, words[0]+" "+words[1])
	if err != nil || at.Before(h.now) {
		return fmt.Errorf("%q does not begin with a time, in UTC, that comes after the one before: %s", line, howToWrite)
	}
	ref, err := crm.ParseRef(words[2])
	if err != nil {
		return err
	}
	for { // what comes by itself until then
		look, err := h.books.NextLook(ctx)
		if err != nil {
			return err
		}
		if look.IsZero() || look.After(at) {
			break
		}
		h.now = look
		if err := h.follow(ctx); err != nil {
			return err
		}
	}
	h.now = at
	happen := h.happen
	if strings.HasPrefix(words[2], aboutWorkflow) {
		happen = h.operate
	}
	if err := happen(ctx, ref, words[3], strings.Join(words[4:], " ")); err != nil {
		return err
	}
	return h.follow(ctx)
}

// operate does what a line says of a workflow.
func (h *happening) operate(ctx context.Context, ref crm.Ref, verb, rest string) error {
	workflow := ref.ID
	switch verb {
	case "pushed":
		h.later = slices.DeleteFunc(h.later, func(one string) bool { return one == workflow })
		return h.publish(ctx, rest == "with existing")
	case "turns":
		return h.books.SetSwitch(ctx, workflow, rest, h.now)
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
		var payload map[string]any
		if err := unmarshal([]byte(rest), &payload); err != nil {
			return err
		}
		_, err := h.router.Webhook(ctx, workflow, "", payload, h.now)
		if errors.Is(err, enroll.ErrNobody) || errors.Is(err, enroll.ErrSeveral) {
			h.show(ref.String(), "enrolls nobody", err.Error())
			return nil
		}
		return err
	case "counted":
		enrolled, converted, err := h.books.Conversions(ctx, workflow)
		h.show(ref.String(), "met the goal", fmt.Sprintf("%d of %d", converted, enrolled))
		return err
	}
	return fmt.Errorf("nothing is called %q: %s", verb, howToWrite)
}

func (h *happening) happen(ctx context.Context, ref crm.Ref, verb, rest string) error {
	switch verb {
	case "is":
		return h.write(ctx, ref, rest)
	case "did", "yesterday": // told now, it happened a day before
		kind, data, _ := strings.Cut(rest, " ")
		event := plan.Event{Type: kind, Record: ref.String(), At: h.now}
		if verb == "yesterday" {
			event.At = h.now.AddDate(0, 0, -1)
		}
		if data != "" {
			if err := unmarshal([]byte(data), &event.Properties); err != nil {
				return err
			}
		}
		_, _, err := h.books.AddEvent(ctx, event)
		return err
	case "joins":
		_, err := h.books.AddToList(ctx, rest, ref, h.now)
		return err
	case "quits":
		_, err := h.books.RemoveFromList(ctx, rest, ref)
		return err
	case "enters":
		return h.enter(ctx, plan.Intent{Workflow: rest, Record: ref.String(), Way: "by hand"})
	case "completes":
		return h.leave(ctx, rest, ref, plan.ExitCompleted)
	case "associated", "merged":
		other, err := crm.ParseRef(strings.TrimPrefix(rest, "into "))
		if err != nil {
			return err
		}
		if verb == "merged" {
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
	return fmt.Errorf("nothing is called %q: %s", verb, howToWrite)
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
		if decided+len(intents) == 0 {
			return nil
		}
		var done []store.Done
		for _, intent := range intents {
			switch intent.Act {
			case plan.ActEnroll:
				err = h.enter(ctx, intent)
			case plan.ActUnenroll:
				var ref crm.Ref
				if ref, err = crm.ParseRef(intent.Record); err == nil {
					err = h.leave(ctx, intent.Workflow, ref, intent.Reason)
				}
			}
			if err != nil {
				return err
			}
			done = append(done, store.Done{Intent: intent})
		}
		if err := h.books.Finish(ctx, done, h.now); err != nil {
			return err
		}
	}
}

func (h *happening) enter(ctx context.Context, intent plan.Intent) error {
	last, found, err := h.books.LastEnrollment(ctx, intent.Workflow, intent.Record)
	if err != nil {
		return err
	}
	if found && last.Exit == "" {
		h.show(intent.Record, "is in "+intent.Workflow+" already", intent.Way)
		return nil
	}
	h.runs++
	admission, err := (&enroll.Activities{Store: h.books}).Admit(ctx, plan.AdmitRequest{
		WorkflowID: plan.WorkflowID(intent.Workflow, intent.Record), FirstRun: fmt.Sprint(h.runs), Workflow: intent.Workflow, Record: intent.Record,
		Trigger: intent.Trigger, Event: intent.Event, Now: h.now,
	})
	switch {
	case err != nil:
		return err
	case admission.Refused != "":
		h.show(intent.Record, "is refused by "+intent.Workflow, admission.Refused)
	default:
		h.show(intent.Record, "enters "+intent.Workflow, intent.Way)
	}
	return nil
}

func (h *happening) leave(ctx context.Context, workflow string, ref crm.Ref, reason string) error {
	last, found, err := h.books.LastEnrollment(ctx, workflow, ref.String())
	if err != nil {
		return err
	}
	if !found || last.Exit != "" {
		return fmt.Errorf("%s is not in %s", ref, workflow)
	}
	h.show(ref.String(), "leaves "+workflow, reason)
	return h.books.CloseEnrollment(ctx, last.ID, plan.Exit{Reason: reason}, h.now)
}

func (h *happening) show(record, what, why string) {
	fmt.Fprintf(&h.shown, "%s %s %s: %s\n", h.now.UTC().Format(minute), record, what, why)
}
