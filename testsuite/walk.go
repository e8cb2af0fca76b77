package testsuite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	sdktest "go.temporal.io/sdk/testsuite"
)

// goThrough takes the one who has arrived through the actions, while the other lines are played at their times.
func (h *happening) goThrough(ctx context.Context) error {
	arrived := h.arriving
	h.arriving = nil
	ref, err := crm.ParseRef(arrived.intent.Record)
	if err != nil {
		return err
	}
	journey := h.journey
	journey.Start = h.now
	walk := &simulation{Simulation: journey, books: h.books, ref: ref, life: h, admission: &arrived.admission, planned: slices.Clone(h.arranged)}
	for _, one := range h.lines {
		walk.planned = append(walk.planned, &planned{at: one.at, play: func(ctx context.Context) error {
			h.lines = h.lines[1:]
			if err := h.pass(ctx, one.at); err != nil {
				return err
			}
			return h.do(ctx, one)
		}})
	}
	h.walk = walk
	shown, err := walk.play(ctx)
	h.walk = nil
	if err != nil {
		return err
	}
	h.journeys = append(h.journeys, shown)
	h.now = walk.env.Now()
	if h.over = shown.Exit.Reason == plan.ExitWaiting; h.over {
		return nil
	}
	h.show(ref.String(), "leaves "+h.journey.Workflow, shown.Exit.Reason)
	return h.follow(ctx)
}

// walking tells whether somebody is the one who goes through the actions now.
func (h *happening) walking(workflow, record string) bool {
	return h.walk != nil && workflow == h.journey.Workflow && record == h.walk.ref.String()
}

// tell sends a signal to the one who goes through the actions.
func (h *happening) tell(signal string, argument any) {
	if h.walk != nil {
		h.walk.env.SignalWorkflow(signal, argument)
	}
}

// tellSwitched tells the one who goes through the actions of the workflow's switch, as a worker does.
func (h *happening) tellSwitched(workflow, mode string) {
	switch {
	case workflow != h.journey.Workflow || mode == plan.SwitchPause:
	case mode == plan.SwitchStop:
		h.tell(plan.SignalUnenroll, plan.Unenroll{Detail: "the workflow was stopped"})
	default:
		h.tell(plan.SignalChanged, nil)
	}
}

// operateOn does what an operator says to the one who goes through the actions.
func (h *happening) operateOn(one line) error {
	at := max(0, strings.LastIndex(one.rest, "in "))
	what, workflow := strings.TrimSpace(one.rest[:at]), strings.TrimPrefix(one.rest[at:], "in ")
	if !h.walking(workflow, one.ref.String()) {
		return fmt.Errorf("%s does not go through the actions of %s now", one.ref, cmp.Or(workflow, "a workflow"))
	}
	update, arguments := map[string]string{"paused": plan.UpdatePause, "resumed": plan.UpdateResume, "skips": plan.UpdateSkipWait}[one.verb], []any{}
	if one.verb == "moved" {
		update, arguments = plan.UpdateMove, []any{plan.Move{Node: strings.TrimPrefix(what, "to ")}}
	}
	walk := h.walk
	walk.env.UpdateWorkflow(update, fmt.Sprint("line ", one.number), &sdktest.TestUpdateCallback{
		OnAccept: func() {}, OnComplete: func(any, error) {},
		OnReject: func(err error) { walk.fails(fmt.Errorf("line %d: %w", one.number, err)) },
	}, arguments...)
	return nil
}

// lookAgain lets what comes by itself, and not by a line, happen at its time.
func (s *simulation) lookAgain(ctx context.Context) {
	look, err := s.books.NextLook(ctx)
	if err != nil {
		s.fails(err)
		return
	}
	if at := look.Sub(s.env.Now()); !look.IsZero() && !look.Equal(s.looks) && at > 0 {
		s.looks = look
		s.env.RegisterDelayedCallback(func() {
			s.fails(s.catchUp(ctx, s.env.Now()))
			s.lookAgain(ctx)
		}, at)
	}
}

// fails ends the simulation with an error.
func (s *simulation) fails(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
	s.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{Reason: plan.ExitWaiting, Detail: err.Error()})
}
