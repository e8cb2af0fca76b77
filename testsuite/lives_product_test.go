package testsuite_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/worker"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	executions "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	sdktest "go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// lag is how long it takes in a random world until something that happened is decided about, and until the next
// enrollment is told: one thing after the other, since who is told first is left open where people race. Each takes a little longer than
// the one before, so that nothing falls on the instant at which something happens by itself.
func lag(before int) time.Duration { return 10*time.Second + time.Duration(before)*time.Millisecond }

// product lets a random world happen in the product: store, router, admission, interpreter and kinds as in production, in
// skipped time. The SDK's test environment keeps the clock and runs each enrollment as a child workflow.
type product struct {
	ctx    context.Context
	world  *randomWorld
	env    *sdktest.TestWorkflowEnvironment
	books  *store.Store
	router enroll.Router
	bulk   *enroll.Bulk
	server *server
	lines  []string
	draws  draws

	definitions []*drawn // that are published
	err         error
}

// draws are the instants at which steps were told that they may act: where in 15 minutes is left to chance (§4.12).
type draws map[string][]time.Time

// produce returns the journal of a world, and what was left to chance.
func produce(ctx context.Context, w *randomWorld) (lines []string, _ draws, err error) {
	books, err := store.Open(ctx, "sqlite://:memory:")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	before := w.begins.Add(-time.Second)
	var suite sdktest.WorkflowTestSuite
	suite.SetLogger(silent)
	p := &product{ctx: ctx, world: w, env: suite.NewTestWorkflowEnvironment(), books: books, draws: draws{}}
	p.server = &server{open: map[string]run{}, scheduled: map[string]bool{}}
	p.server.post = func(before int) { p.env.RegisterDelayedCallback(p.next, lag(before)) }
	p.router = enroll.Router{Client: enroll.Client{Temporal: p.server, Store: books, Now: p.env.Now}, Log: slog.New(slog.DiscardHandler)}
	p.bulk = enroll.NewBulk(p.router.Client, p.router.Log)
	p.env.SetStartTime(before)
	p.env.SetTestTimeout(10 * patience)
	p.env.SetWorkerOptions(sdkworker.Options{DeadlockDetectionTimeout: patience})
	worker.Register(p, worker.Options{
		Store: books, Kinds: activities.Kinds(), Temporal: p.server, Log: slog.New(slog.DiscardHandler),
		Provide: func(crm.Account) (action.Providers, error) { return action.Providers{}, nil },
	})
	p.env.RegisterWorkflow(p.everybody)
	p.env.SetOnLocalActivityCompletedListener(func(*activity.Info, converter.EncodedValue, error) { p.server.stir() })
	p.env.SetOnActivityCompletedListener(func(*activity.Info, converter.EncodedValue, error) { p.server.stir() })
	p.definitions = slices.Clone(w.definitions)
	if err := p.publish(publish.Options{At: before}); err != nil {
		return nil, nil, err
	}
	for record := range livesInEach {
		ref := crm.Ref{Object: "contact", ID: fmt.Sprint(record + 1)}
		if _, err := books.Create(ctx, ref, map[string]string{"email": email(record + 1)}, w.begins.AddDate(-1, 0, 0), "test"); err != nil {
			return nil, nil, err
		}
	}
	for i, h := range w.happenings {
		p.env.RegisterDelayedCallback(func() {
			if err := p.happen(h, fmt.Sprintf("happening-%03d", i)); !errors.Is(err, crm.ErrDeleted) { // to who is deleted nothing happens
				p.note(err)
			}
			p.server.stir()
		}, h.at.Sub(p.env.Now()))
	}
	p.env.RegisterDelayedCallback(func() { p.env.SignalWorkflow(signalStart, plan.State{}) }, w.ends.Sub(p.env.Now()))
	p.env.ExecuteWorkflow(p.everybody)
	if err := errors.Join(p.err, p.env.GetWorkflowError(), p.journal()); err != nil {
		return nil, nil, err
	}
	return p.lines, p.draws, nil
}

func (p *product) note(err error) { p.err = errors.Join(p.err, err) }

const signalStart = "start"

// everybody starts enrollments as it is told, until it is told of none.
func (p *product) everybody(ctx workflow.Context) error {
	for {
		var state plan.State
		workflow.GetSignalChannel(ctx, signalStart).Receive(ctx, &state)
		if state.Workflow == "" {
			return nil
		}
		id := plan.WorkflowID(state.Workflow, state.Record)
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID: id, TaskQueue: plan.TaskQueue, ParentClosePolicy: 1, // terminate
		}), plan.WorkflowType, state)
		workflow.Go(ctx, func(ctx workflow.Context) {
			p.note(child.Get(ctx, nil))
			p.server.closed(id)
		})
	}
}

// RegisterActivityWithOptions makes the product a registry, in which admit knows runs by the names that the server gave them.
func (p *product) RegisterActivityWithOptions(function any, options activity.RegisterOptions) {
	if options.Name == plan.ActivityAdmit {
		admit := function.(func(context.Context, plan.AdmitRequest) (plan.Admission, error))
		function = func(ctx context.Context, request plan.AdmitRequest) (plan.Admission, error) {
			request.FirstRun = p.server.runOf(request.WorkflowID)
			return admit(ctx, request)
		}
	}
	p.env.RegisterActivityWithOptions(function, options)
}

// RegisterWorkflowWithOptions makes the product a registry.
func (p *product) RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions) {
	p.env.RegisterWorkflowWithOptions(w, options)
}

// next tells one enrollment of one thing, or lets the router decide what there is to tell.
func (p *product) next() {
	letter, found := p.server.take()
	switch {
	case !found:
		for busy := true; busy; {
			more, err := p.router.Round(p.ctx)
			if err != nil {
				p.note(err)
			}
			busy = more
		}
		p.note(p.bulk.Lane(p.ctx, 0))
		if !p.server.waiting() {
			return
		}
	case letter.signal == signalStart:
		p.env.SignalWorkflow(signalStart, letter.about)
	default:
		p.note(p.env.SignalWorkflowByID(letter.to, letter.signal, letter.about))
	}
	p.server.stir()
}

func (p *product) happen(h happening, id string) error {
	ref, now := crm.Ref{Object: "contact", ID: fmt.Sprint(h.record)}, p.env.Now()
	switch h.verb {
	case "is", "did", "joins", "quits":
		h.parts = []happening{h}
		fallthrough
	case "all":
		return p.books.Tx(p.ctx, func(tx *store.Tx) error {
			for i, part := range h.parts {
				if err := write(p.ctx, tx, ref, part, fmt.Sprintf("%s-%d", id, i), now); err != nil {
					return err
				}
			}
			return nil
		})
	case "calls":
		event, err := p.router.Webhook(p.ctx, h.flow, id, map[string]any{"email": email(h.record)}, now)
		if errors.Is(err, enroll.ErrNoWebhook) || errors.Is(err, enroll.ErrNobody) {
			return nil
		}
		if err == nil {
			_, err = p.router.Deliver(p.ctx, event, now)
		}
		return err
	case "ticks":
		bulk := plan.Bulk{Workflow: h.flow, At: now}
		for !bulk.Done {
			var err error
			if bulk, err = (&enroll.Activities{Store: p.books}).Page(p.ctx, bulk); err != nil {
				return err
			}
		}
		return nil
	case "deleted":
		return p.books.Delete(p.ctx, ref, now)
	case "merged":
		return p.books.Merge(p.ctx, crm.Ref{Object: "contact", ID: fmt.Sprint(h.into)}, ref, now, "test")
	case "restored":
		return p.books.Restore(p.ctx, ref)
	case "enters":
		_, err := p.router.Start(p.ctx, enroll.Request{Workflow: h.what, Record: ref})
		if errors.Is(err, enroll.ErrInside) {
			p.lines = append(p.lines, line(now, ref.String(), h.what, "is inside already"))
			return nil
		}
		return err
	case "turns":
		if !h.later.IsZero() {
			return p.books.TurnSwitch(p.ctx, h.flow, h.what, h.later, now)
		}
		return errors.Join(p.books.SetSwitch(p.ctx, h.flow, h.what, now), p.look(now))
	case "look":
		return p.look(now)
	case "edited":
		i := slices.IndexFunc(p.definitions, func(d *drawn) bool { return d.name == h.flow })
		p.definitions[i] = h.edit
		options := publish.Options{At: now, InFlight: h.policy}
		for from, to := range h.moves {
			options.Map = append(options.Map, h.flow+"/"+from+"="+to)
		}
		if err := p.publish(options); err != nil {
			return err
		}
		_, err := p.router.Published(p.ctx, h.flow, func(int, int) {})
		return err
	}
	return fmt.Errorf("nothing is called %q", h.verb)
}

func email(record int) string { return fmt.Sprintf("%d@example.com", record) }

// write makes one change of a record, or adds an event.
func write(ctx context.Context, tx *store.Tx, ref crm.Ref, part happening, id string, now time.Time) (err error) {
	switch part.verb {
	case "is":
		_, _, err = tx.Upsert(ctx, ref, map[string]string{part.set.name: part.set.value}, now, "test")
	case "did":
		_, _, err = tx.AddEvent(ctx, plan.Event{ID: id, Type: part.what, Record: ref.String(), At: now.Add(-part.ago)})
	case "joins":
		_, err = tx.AddToList(ctx, part.what, ref, now)
	case "quits":
		_, err = tx.RemoveFromList(ctx, part.what, ref)
	}
	return err
}

// publish publishes the definitions.
func (p *product) publish(options publish.Options) error {
	options.Latest = func(workflow string) (*plan.Plan, error) {
		latest, _, err := p.books.LatestRevision(p.ctx, workflow)
		return latest.Plan, err
	}
	published, err := publication(workspaceOf(p.definitions), options)
	if err == nil {
		_, err = p.books.Publish(p.ctx, published)
	}
	return err
}

// look is what the worker does every three seconds.
func (p *product) look(now time.Time) error {
	return p.router.Switches(p.ctx, now, func(context.Context) error { return nil })
}

// line is one of a journal. Of the time it has the seconds.
func line(at time.Time, record, workflow, text string) string {
	return fmt.Sprintf("%s %s %s %s", at.UTC().Format(time.DateTime), record, workflow, text)
}

// journal is what the product wrote down, as far as the reference says it too.
func (p *product) journal() error {
	for _, workflow := range workflowNames {
		for record := range livesInEach {
			ref := fmt.Sprintf("contact/%d", record+1)
			entries, err := p.books.JournalOf(p.ctx, workflow, ref)
			if err != nil {
				return err
			}
			for _, entry := range entries {
				if text := wrote(entry); text != "" {
					p.lines = append(p.lines, line(entry.At, ref, workflow, text))
				}
				if until, held := strings.CutPrefix(entry.Phase, plan.JournalDelayRescheduled+"@"); held {
					seconds, err := strconv.ParseInt(until, 10, 64)
					if err != nil {
						return err
					}
					p.draws[entry.Key] = append(p.draws[entry.Key], time.Unix(seconds, 0))
				}
			}
		}
	}
	open, err := p.books.Enrollments(p.ctx, store.EnrollmentFilter{OpenOnly: true})
	for _, one := range open {
		p.lines = append(p.lines, line(p.world.ends, one.Record, one.Workflow, "is at "+one.Standing.Node))
	}
	return err
}

// wrote is what an entry of the journal says; "" where the reference says nothing.
func wrote(entry plan.Entry) string {
	reason, _, _ := strings.Cut(entry.Detail, ": ")
	first, _, _ := strings.Cut(entry.Detail, " ")
	switch entry.Event {
	case plan.JournalEnrolled, plan.JournalReEnrolled:
		if first == "event" {
			first = entry.Detail
		}
		return "enters: " + first
	case plan.JournalBlocked:
		return "is refused: " + reason
	case plan.JournalUnenrolled, plan.JournalGoalMet, plan.JournalCompleted:
		return "leaves: " + reason
	case plan.JournalSucceeded, plan.JournalBranch, plan.JournalDelayEnded:
		return entry.Node + " -> " + entry.Port
	case plan.JournalFailed:
		return entry.Node + " -> failed: " + reason
	case plan.JournalSkipped:
		return entry.Node + " is skipped"
	case plan.JournalMoved:
		return entry.Node + " is gone"
	}
	return ""
}

// server stands for the Temporal server: it knows who is open, and keeps what enrollments are to be told. It is told
// from many sides at once.
type server struct {
	client.Client // the rest of it, which nobody calls
	post          func(before int)

	mu        sync.Mutex
	open      map[string]run  // by workflow id
	scheduled map[string]bool // by id of the schedule
	runs      int
	letters   []letter
	stirred   bool // next is on its way
	lags      int  // that there were
}

// letter is what an enrollment is to be told.
type letter struct {
	to, signal string
	about      any
}

// run is an open execution.
type run struct {
	client.WorkflowRun
	id, name, trigger string
}

func (r run) GetID() string    { return r.id }
func (r run) GetRunID() string { return r.name }

// order is of letters that are there at once: by enrollment, then by what they say, then by event.
func (l letter) order(other letter) int {
	place := func(one letter) int {
		return slices.Index([]string{signalStart, plan.SignalEvent, plan.SignalChanged, plan.SignalUnenroll}, one.signal)
	}
	event := func(one letter) string {
		if event, is := one.about.(*plan.Event); is {
			return event.ID
		}
		return ""
	}
	return cmp.Or(cmp.Compare(l.to, other.to), cmp.Compare(place(l), place(other)), cmp.Compare(event(l), event(other)))
}

// stir makes the next thing happen after a lag, unless one is to happen already.
func (s *server) stir() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stirring()
}

func (s *server) stirring() {
	if !s.stirred {
		s.stirred = true
		s.post(s.lags)
		s.lags++
	}
}

// take returns the next letter.
func (s *server) take() (next letter, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stirred = false
	if len(s.letters) == 0 {
		return letter{}, false
	}
	next = s.letters[0]
	s.letters = s.letters[1:]
	return next, true
}

func (s *server) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.letters) > 0
}

func (s *server) write(one letter) {
	s.letters = append(s.letters, one)
	slices.SortStableFunc(s.letters, letter.order)
}

func (s *server) closed(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
	s.letters = slices.DeleteFunc(s.letters, func(one letter) bool { return one.to == id })
}

func (s *server) runOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id].name
}

// ExecuteWorkflow starts an enrollment, when its turn comes.
func (s *server) ExecuteWorkflow(_ context.Context, options client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[options.ID]; open {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "")
	}
	s.runs++
	state := args[0].(plan.State)
	s.open[options.ID] = run{id: options.ID, name: fmt.Sprint(s.runs), trigger: state.Trigger}
	s.write(letter{options.ID, signalStart, state})
	s.stirring()
	return s.open[options.ID], nil
}

// DescribeWorkflowExecution tells what started an open enrollment.
func (s *server) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	trigger, err := converter.GetDefaultDataConverter().ToPayload(s.open[id].trigger)
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &executions.WorkflowExecutionInfo{
		FirstRunId: s.open[id].name, SearchAttributes: &common.SearchAttributes{IndexedFields: map[string]*common.Payload{plan.AttributeTrigger: trigger}},
	}}, err
}

// SignalWorkflow tells an enrollment something, when its turn comes.
func (s *server) SignalWorkflow(_ context.Context, id, _, signal string, about any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[id]; !open {
		return serviceerror.NewNotFound("no such workflow")
	}
	s.write(letter{id, signal, about})
	s.stirring()
	return nil
}

// schedules stand for Temporal's: they know which there are.
type schedules struct {
	client.ScheduleClient
	*server
}

type schedule struct {
	client.ScheduleHandle
	*server
	id string
}

// ScheduleClient is the part of the server that keeps schedules.
func (s *server) ScheduleClient() client.ScheduleClient { return schedules{server: s} }

// GetHandle is of a schedule that may be there or not.
func (s schedules) GetHandle(_ context.Context, id string) client.ScheduleHandle {
	return schedule{server: s.server, id: id}
}

// Create makes a schedule.
func (s schedules) Create(ctx context.Context, options client.ScheduleOptions) (client.ScheduleHandle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scheduled[options.ID] {
		return nil, temporal.ErrScheduleAlreadyRunning
	}
	s.scheduled[options.ID] = true
	return schedule{server: s.server, id: options.ID}, nil
}

// Update leaves the schedule where it is.
func (s schedule) Update(context.Context, client.ScheduleUpdateOptions) error { return nil }

// Delete removes the schedule.
func (s schedule) Delete(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.scheduled[s.id] {
		return serviceerror.NewNotFound("no such schedule")
	}
	delete(s.scheduled, s.id)
	return nil
}
