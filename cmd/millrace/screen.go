package main

import (
	"context"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// screen is between the user and what a workflow says of its enrollments.
func (a *app) screen(ctx context.Context, books *store.Store, workflow string) (enroll.Screen, error) {
	mayOpen, err := a.mayOpen(ctx, books, a.who)
	if err != nil {
		return enroll.Screen{}, err
	}
	return enroll.NewScreen(ctx, books, workflow, mayOpen)
}

// screened is screen, and notes why something is not shown.
func (a *app) screened(ctx context.Context, books *store.Store, workflow string) (enroll.Screen, error) {
	screen, err := a.screen(ctx, books, workflow)
	a.noteScreen(screen)
	return screen, err
}

func (a *app) noteScreen(screen enroll.Screen) {
	if screen.Because != "" {
		a.note("what could tell values is %s: %s", enroll.NotShown, screen.Because)
	}
}

// screens are those before several workflows.
type screens struct {
	*app
	books      *store.Store
	mayOpen    func(plan.Revision) error
	byWorkflow map[string]enroll.Screen
}

func (a *app) screens(ctx context.Context, books *store.Store) (*screens, error) {
	mayOpen, err := a.mayOpen(ctx, books, a.who)
	return &screens{a, books, mayOpen, map[string]enroll.Screen{}}, err
}

// refusedAttempt begins the name of one, as in enrollment/welcome/contact/51.
var refusedAttempt = strings.TrimRight(plan.WorkflowID("", ""), "/")

// of is the screen before what is told of an enrollment, as in welcome/contact/51/3, or of an attempt that was refused.
func (s *screens) of(ctx context.Context, enrollment string) (screen enroll.Screen, err error) {
	parts := strings.SplitN(enrollment, "/", 3)
	for _, workflow := range parts[:min(2, len(parts))] {
		var known bool
		if screen, known = s.byWorkflow[workflow]; !known {
			if screen, err = enroll.NewScreen(ctx, s.books, workflow, s.mayOpen); err != nil {
				return screen, err
			}
			s.noteScreen(screen)
			s.byWorkflow[workflow] = screen
		}
		if screen.Because != "" || workflow != refusedAttempt {
			break
		}
	}
	return screen, nil
}

func (s *screens) entries(ctx context.Context, entries []plan.Entry) (shown []plan.Entry, err error) {
	for _, entry := range entries {
		screen, err := s.of(ctx, entry.Enrollment)
		if err != nil {
			return nil, err
		}
		shown = append(shown, screen.Entries([]plan.Entry{entry})...)
	}
	return shown, nil
}

// messages are those of the outbox; an address is a value of the property email.
func (s *screens) messages(ctx context.Context, messages []plan.Message) (shown []plan.Message, err error) {
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	addresses := true
	for _, name := range catalog.Objects() {
		property, declared := catalog.Property(name, "email")
		addresses = addresses && (!declared || s.who.Access(property) != crm.AccessNone)
	}
	for _, message := range messages {
		screen, err := s.of(ctx, message.Key)
		if err != nil {
			return nil, err
		}
		message = screen.Message(message)
		if !addresses {
			message.To = enroll.NotShown
		}
		shown = append(shown, message)
	}
	return shown, nil
}

// visibleProperties are those of an object's properties that the user may see.
func (a *app) visibleProperties(catalog *crm.Catalog, object string, names []string) (visible []string) {
	var hidden []string
	for _, name := range names {
		if property, declared := catalog.Property(object, name); declared && a.who.Access(property) == crm.AccessNone {
			hidden = append(hidden, name)
			continue
		}
		visible = append(visible, name)
	}
	if len(hidden) > 0 {
		a.note("%s: %s, which %s may not see", enroll.NotShown, strings.Join(hidden, ", "), a.who.Name)
	}
	return visible
}
