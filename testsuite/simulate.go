// Package testsuite is the product's test bench: simulation, scenarios, replay, end-to-end, chaos.
package testsuite

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/worker"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	sdktest "go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Simulation is one journey to be run in skipped time, with the same interpreter and kinds as in production
// and an outbox instead of providers.
type Simulation struct {
	Workspace store.Publication // what is published; the definition among it
	Workflow  string
	Record    SimulatedRecord
	Events    []Planned
	Start     time.Time
	Seed      int64
	Until     time.Time      // how far the simulation looks; zero = two years
	Scripts   action.Scripts // nil = scripts run in this process
}

// SimulatedRecord is the record that is enrolled, as in `simulate --record`.
type SimulatedRecord struct {
	Object       string            `json:"object"`
	ID           string            `json:"id"`
	Properties   map[string]any    `json:"properties"`
	Associations []SimulatedRecord `json:"associations"`
	Label        string            `json:"label"`   // of an association
	Primary      bool              `json:"primary"` // of an association
}

// Planned is something that happens during a simulation, as in `simulate --events`: an event, an edit of the
// record, an action that fails from then on, what one is answered from then on, or a turn of the workflow's switch; in the
// tests of live edits also a revision or an operator's word.
type Planned struct {
	After      string          `json:"after"` // since the start
	At         string          `json:"at"`    // in RFC 3339
	Type       string          `json:"type"`
	Properties map[string]any  `json:"properties"`
	Set        map[string]any  `json:"set"`
	Fail       string          `json:"fail"`   // an action's id
	Error      string          `json:"error"`  // an HTTP status
	Answer     string          `json:"answer"` // an action's id
	With       json.RawMessage `json:"with"`   // what it is answered: a text, or JSON
	Times      int             `json:"times"`  // 0 = always
	Switch     string          `json:"switch"` // the mode that an operator gives the workflow's switch

	// Publish makes a revision, of which the enrollment is told.
	Publish func(ctx context.Context, books *store.Store, now time.Time) (store.Publication, error) `json:"-"`
	Operate string                                                                                  `json:"-"` // an operator's update without arguments, as in plan.UpdatePause
}

// Simulated is what a simulation shows (language §3).
type Simulated struct {
	Exit    SimulatedExit `json:"exit"`
	Steps   []Step        `json:"steps"`
	Effects []Effect      `json:"effects"`

	record  string
	journal []plan.Entry
}

// SimulatedExit is how the enrollment ended.
type SimulatedExit struct {
	Reason string `json:"reason"`
	Node   string `json:"node"`
	Detail string `json:"detail,omitempty"`
}

// Step is one visit of one action. At is when the record arrived there.
type Step struct {
	At   time.Time `json:"at"`
	Node string    `json:"node"`
	Kind string    `json:"kind"`
	Port string    `json:"port"`
	Note string    `json:"note"`
}

// Effect is something that was delivered to somebody.
type Effect struct {
	At      time.Time `json:"at"`
	Node    string    `json:"node"`
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Summary string    `json:"summary"`
}

// simulation is one run of a Simulation.
type simulation struct {
	Simulation
	env     *sdktest.TestWorkflowEnvironment
	books   *store.Store
	ref     crm.Ref
	planned []*planned

	life      *happening      // of which this is a part; nil = it is all there is
	admission *plan.Admission // that there was; nil = it is decided when the journey begins
	looks     time.Time       // when filters are asked again, as far as it was arranged

	mu      sync.Mutex
	effects []Effect
	err     error // what went wrong meanwhile
}

// planned is an entry with its instant. It applies once: when its time comes, or before the next action that
// starts at or after it.
type planned struct {
	Planned
	at      time.Time
	id      string
	values  map[string]string               // of Set
	play    func(ctx context.Context) error // a line of a scenario; nil = what Planned says
	applied bool
	came    bool   // its time has come, and the enrollment was told
	text    string // of With
	used    int    // attempts that it has failed, or answered
}

const (
	twoYears = 2 * 365 * 24 * time.Hour // bounds a simulation in which something waits for ever
	patience = 10 * time.Minute         // of real time: a guard against an endless journey
)

// Simulate runs a journey to its end.
func Simulate(ctx context.Context, journey Simulation) (Simulated, error) {
	books, err := store.Open(ctx, "sqlite://:memory:")
	if err != nil {
		return Simulated{}, err
	}
	defer books.Close()
	run := &simulation{Simulation: journey, books: books}
	if err := run.prepare(ctx); err != nil {
		return Simulated{}, err
	}
	return run.play(ctx)
}

func (s *simulation) prepare(ctx context.Context) (err error) {
	var mistakes Mistakes
	if _, err := s.books.Publish(ctx, s.Workspace); err != nil {
		return fmt.Errorf("publishing for the simulation: %w", err)
	}
	if s.ref, err = s.create(ctx, s.Record); err != nil {
		return err
	}
	for _, associated := range s.Record.Associations {
		to, err := s.create(ctx, associated)
		if err != nil {
			return err
		}
		if err := s.books.Associate(ctx, s.ref, to, associated.Label, associated.Primary, s.Start); err != nil {
			return fmt.Errorf("associating %s with %s: %w", s.ref, to, err)
		}
	}
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return err
	}
	for i, entry := range s.Events {
		planned, wrong := s.read(catalog, entry)
		for _, one := range wrong {
			mistakes = append(mistakes, fmt.Sprintf("entry %d: %s", i+1, one))
		}
		planned.id = fmt.Sprintf("planned-%d", i+1)
		s.planned = append(s.planned, planned)
	}
	if mistakes != nil {
		return mistakes
	}
	slices.SortStableFunc(s.planned, func(a, b *planned) int { return a.at.Compare(b.at) })
	return nil
}

func (s *simulation) create(ctx context.Context, record SimulatedRecord) (crm.Ref, error) {
	values := map[string]string{}
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return crm.Ref{}, err
	}
	for name, value := range record.Properties {
		if values[name], err = catalog.Canonical(record.Object, name, value); err != nil {
			return crm.Ref{}, fmt.Errorf("record %s/%s: %w", record.Object, record.ID, err)
		}
	}
	created, err := s.books.Create(ctx, crm.Ref{Object: record.Object, ID: record.ID}, values, s.Start, "simulation")
	return created.Ref, err
}

// play runs the enrollment to its end, one run after the other.
func (s *simulation) play(ctx context.Context) (Simulated, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	exit, err := s.run(ctx, s.Start, plan.State{Workflow: s.Workflow, Record: s.ref.String(), Trigger: "simulation"})
	for continued := (*workflow.ContinueAsNewError)(nil); errors.As(err, &continued) && ctx.Err() == nil; {
		var state plan.State
		if err := converter.GetDefaultDataConverter().FromPayloads(continued.Input, &state); err != nil {
			return Simulated{}, fmt.Errorf("continuing the simulation: %w", err)
		}
		exit, err = s.run(ctx, s.env.Now(), state)
	}
	if err = cmp.Or(ctx.Err(), err, s.err); err != nil {
		return Simulated{}, fmt.Errorf("simulating %s for %s: %w", s.Workflow, s.ref, err)
	}
	entries, err := s.books.JournalOf(ctx, s.Workflow, s.ref.String())
	if s.admission != nil { // there may have been others before
		entries = slices.DeleteFunc(entries, func(entry plan.Entry) bool { return entry.Enrollment != s.admission.Enrollment })
	}
	shown := Simulated{
		Exit:  SimulatedExit{Reason: exit.Reason, Node: exit.Node, Detail: exit.Detail},
		Steps: Steps(entries), Effects: append([]Effect{}, s.effects...), record: s.ref.String(), journal: entries,
	}
	if atEnd := exit.Reason == plan.ExitCompleted || exit.Reason == plan.ExitEnded; atEnd && len(shown.Steps) > 0 {
		shown.Exit.Node = shown.Steps[len(shown.Steps)-1].Node // the interpreter names the edit that it is folded into
	}
	return shown, err
}

// run is one run of the interpreter in the SDK's time-skipping environment.
func (s *simulation) run(ctx context.Context, start time.Time, state plan.State) (exit plan.Exit, err error) {
	var suite sdktest.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s.env = suite.NewTestWorkflowEnvironment()
	s.env.SetStartTime(start)
	s.env.SetTestTimeout(patience)
	s.env.SetWorkerOptions(sdkworker.Options{DeadlockDetectionTimeout: patience}) // a slow machine is no deadlock
	workflowID := plan.WorkflowID(s.Workflow, s.ref.String())
	s.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflowID, TaskQueue: plan.TaskQueue})
	if state.Enrollment != "" {
		s.env.SetContinuedExecutionRunID("previous")
	}
	options := worker.Options{
		Store: s.books, Kinds: activities.Kinds(), Provide: s.provide, Scripts: s.Scripts, Log: slog.New(slog.DiscardHandler),
		Simulated: &action.Simulated{Clock: s.env.Now, Before: s.catchUp, Fault: s.fault, Seed: s.Seed},
	}
	if s.life != nil {
		options.Simulated.Enroll = s.life.enrollFor
	}
	worker.Register(s.env, options)
	if s.admission != nil {
		admitted := func(context.Context, plan.AdmitRequest) (plan.Admission, error) { return *s.admission, nil }
		s.env.RegisterActivityWithOptions(admitted, activity.RegisterOptions{Name: plan.ActivityAdmit, DisableAlreadyRegisteredCheck: true})
		s.lookAgain(ctx)
	}
	for _, entry := range s.planned {
		if !entry.came {
			s.env.RegisterDelayedCallback(func() { s.happen(ctx, entry) }, max(0, entry.at.Sub(start)))
		}
	}
	until, detail := s.Until, "nothing more can happen before --until "+s.Until.Format(time.RFC3339)
	if until.IsZero() {
		until, detail = s.Start.Add(twoYears), "nothing more can happen"
	}
	s.env.RegisterDelayedCallback(func() {
		s.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{Reason: plan.ExitWaiting, Detail: detail})
	}, max(0, until.Sub(start)))
	if s.life == nil {
		if err := s.catchUp(ctx, start); err != nil {
			return exit, err
		}
	}
	s.env.ExecuteWorkflow(plan.WorkflowType, state)
	if err := s.env.GetWorkflowError(); err != nil {
		return exit, err
	}
	return exit, s.env.GetWorkflowResult(&exit)
}

// happen makes a planned entry true and tells the enrollment.
func (s *simulation) happen(ctx context.Context, entry *planned) {
	entry.came = true
	if err := s.apply(ctx, entry); err != nil {
		s.fails(err)
		return
	}
	switch {
	case entry.play != nil:
		s.lookAgain(ctx)
	case entry.Type != "":
		s.env.SignalWorkflow(plan.SignalEvent, s.event(entry))
	case entry.Switch == plan.SwitchStop:
		s.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{Reason: plan.ExitUnenrolled, Detail: "the workflow was stopped"})
	case entry.Set != nil || entry.Publish != nil || entry.Switch != "" && entry.Switch != plan.SwitchPause:
		s.env.SignalWorkflow(plan.SignalChanged, nil)
	case entry.Operate != "":
		s.env.UpdateWorkflow(entry.Operate, entry.id, &sdktest.TestUpdateCallback{
			OnAccept: func() {}, OnComplete: func(any, error) {},
			OnReject: s.fails,
		})
	}
}

func (s *simulation) event(entry *planned) plan.Event {
	return plan.Event{ID: entry.id, Type: entry.Type, At: entry.at, Record: s.ref.String(), Properties: entry.Properties}
}

// catchUp applies everything that is due at or before now.
func (s *simulation) catchUp(ctx context.Context, now time.Time) error {
	for _, entry := range s.planned {
		if entry.at.After(now) {
			break
		}
		if err := s.apply(ctx, entry); err != nil {
			return err
		}
	}
	if _, err := s.books.TakeEffect(ctx, now); err != nil || s.life == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.life.pass(ctx, now); err != nil {
		return err
	}
	return s.life.follow(ctx)
}

func (s *simulation) apply(ctx context.Context, entry *planned) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry.applied {
		return nil
	}
	entry.applied = true
	if entry.play != nil {
		return entry.play(ctx)
	}
	if entry.Type != "" {
		_, _, err := s.books.AddEvent(ctx, s.event(entry))
		return err
	}
	if entry.Publish != nil {
		publication, err := entry.Publish(ctx, s.books, entry.at)
		if err == nil {
			_, err = s.books.Publish(ctx, publication)
		}
		return err
	}
	if entry.Switch != "" {
		return s.books.SetSwitch(ctx, s.Workflow, entry.Switch, entry.at)
	}
	if entry.Set == nil {
		return nil
	}
	return s.books.Update(ctx, s.ref, entry.values, entry.at, "simulation")
}

// fault fails the attempts that a planned entry says should fail.
func (s *simulation) fault(call plan.Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.planned {
		if !entry.applied || entry.Fail != call.Node || entry.Times > 0 && entry.used >= entry.Times {
			continue
		}
		entry.used++
		if strings.HasPrefix(entry.Error, "4") && entry.Error != "429" {
			return action.Permanent("http-"+entry.Error, "the simulation answered with status %s", entry.Error)
		}
		return errors.New("the simulation answered with status " + entry.Error)
	}
	return nil
}

// answer is what an action is answered that asks somebody, if a planned entry says so: entries with times come first, and of those
// without the last that has come counts.
func (s *simulation) answer(key string) (text string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var said *planned
	for _, entry := range s.planned {
		if !entry.applied || entry.Answer != worker.NodeOf(key) || entry.Times > 0 && entry.used >= entry.Times {
			continue
		}
		if said = entry; entry.Times > 0 {
			break
		}
	}
	if said == nil {
		return "", false
	}
	said.used++
	return said.text, true
}

func (s *simulation) provide(crm.Account) (action.Providers, error) {
	outbox := provider.Outbox{Answer: s.answer, Record: func(_ context.Context, sent provider.Sent) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.effects = append(s.effects, Effect{At: sent.At.UTC(), Node: worker.NodeOf(sent.Key), Channel: sent.Channel, To: sent.To, Summary: sent.Subject})
		return nil
	}}
	secret := func(name string) (string, error) { return "simulated", nil }
	ads := func(account string) (provider.Ads, error) {
		return provider.OutboxAds{Outbox: outbox, Name: account}, nil
	}
	return action.Providers{Mail: outbox, HTTP: outbox, AI: outbox, Enrichment: outbox, Ads: ads, Secret: secret}, nil
}

// Steps reads a journal: one step for each visit, in the order of arrival.
func Steps(entries []plan.Entry) []Step {
	steps, byKey := []Step{}, map[string]int{}
	for _, entry := range entries {
		if entry.Node == "" || entry.Key == entry.Enrollment {
			continue
		}
		i, known := byKey[entry.Key]
		if !known {
			i = len(steps)
			byKey[entry.Key] = i
			steps = append(steps, Step{At: entry.At.UTC(), Node: entry.Node, Kind: entry.Kind})
		}
		if entry.Port != "" {
			steps[i].Port = entry.Port
		}
		if entry.Detail != "" {
			steps[i].Note = strings.TrimPrefix(steps[i].Note+"; "+entry.Detail, "; ")
		}
	}
	return steps
}
