package testsuite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/worker"
	"go.temporal.io/sdk/client"
	handmade "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"
)

const (
	benchWorkflow = "five-webhooks"
	benchQueue    = "by-hand"
	benchTurns    = 20 // of each side
	benchWarm     = 5  // of each side before the clock runs
)

// Bench puts enrollments through five webhooks beside a hand-written workflow of five activities, in turns on the
// same server, in the same process and to the same receiver, which listens on the loopback.
type Bench struct {
	Temporal    client.Client
	Namespace   string
	Store       *store.Store // of its own: the bench publishes into it
	Kinds       []action.Kind
	Enrollments int           // of each side
	InFlight    int           // of one side at once
	Longest     time.Duration // no turn begins later; 0 = any time
}

// Benched is what a bench measured.
type Benched struct {
	Enrollments int     `json:"enrollments"` // of each side
	InFlight    int     `json:"in_flight"`
	Millrace    Pace    `json:"millrace"`
	ByHand      Pace    `json:"by_hand"`
	Ratio       float64 `json:"ratio"`         // of enrollments per second, Millrace's to those written by hand: the median of neighbouring turns
	Histories   float64 `json:"history_ratio"` // of bytes of history, the same way
}

// Pace is how fast one side was.
type Pace struct {
	PerSecond    float64 `json:"per_second"`    // the median of its turns: other programs may disturb some of them
	Seconds      float64 `json:"seconds"`       // all turns together
	HistoryBytes int64   `json:"history_bytes"` // what one of them leaves at the Temporal server
}

// Run runs the bench.
func (b Bench) Run(ctx context.Context) (result Benched, err error) {
	b.InFlight = max(1, min(b.InFlight, b.Enrollments))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return Benched{}, fmt.Errorf("listening for webhooks: %w", err)
	}
	receiver := &webhooks{}
	server := &http.Server{Handler: receiver, ReadHeaderTimeout: time.Minute} //nolint:forbidigo // a receiver on the loopback, for as long as the bench runs
	defer func() { err = errors.Join(err, server.Close()) }()
	go func() { _ = server.Serve(listener) }() // until it is closed
	url := "http://" + listener.Addr().String()
	if err := b.publish(ctx, url+"/millrace"); err != nil {
		return Benched{}, err
	}
	stop, err := b.work(ctx)
	if err != nil {
		return Benched{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	people := &enroll.Client{Temporal: b.Temporal, Store: b.Store}
	millrace := side{run: func(ctx context.Context, n int) (client.WorkflowRun, error) { return b.enroll(ctx, people, n) }}
	byHand := side{run: func(ctx context.Context, _ int) (client.WorkflowRun, error) { return b.byHand(ctx, url+"/by-hand") }}
	sides := []*side{&millrace, &byHand}
	for _, side := range sides {
		if err := side.weigh(ctx, b.Temporal); err != nil {
			return Benched{}, err
		}
		if err := side.turn(ctx, benchWarm-1, b.InFlight); err != nil {
			return Benched{}, err
		}
		side.turns = nil
	}
	began := time.Now()
	for result.Enrollments < b.Enrollments && (result.Enrollments == 0 || b.Longest == 0 || time.Since(began) < b.Longest) {
		n := min(max(b.InFlight, b.Enrollments/benchTurns), b.Enrollments-result.Enrollments)
		for _, side := range sides {
			if err := side.turn(ctx, n, b.InFlight); err != nil {
				return Benched{}, err
			}
		}
		sides[0], sides[1] = sides[1], sides[0] // who goes first changes
		result.Enrollments += n
	}
	if calls := int64(5 * (result.Enrollments + benchWarm)); receiver.millrace.Load() != calls || receiver.byHand.Load() != calls {
		return Benched{}, fmt.Errorf("%d and %d webhooks came instead of %d each", receiver.millrace.Load(), receiver.byHand.Load(), calls)
	}
	result.InFlight, result.Millrace, result.ByHand = b.InFlight, millrace.pace(), byHand.pace()
	result.Ratio = median(ratios(millrace.turns, byHand.turns))
	result.Histories = float64(millrace.bytes) / float64(byHand.bytes)
	return result, nil
}

// side is one of the two that are compared.
type side struct {
	run   func(ctx context.Context, n int) (client.WorkflowRun, error) // one enrollment, from its start to its end
	done  int
	turns []Pace
	bytes int64 // of history that one leaves
}

// weigh runs one enrollment and asks how long its history is.
func (s *side) weigh(ctx context.Context, temporal client.Client) error {
	run, err := s.run(ctx, s.done)
	s.done++
	if err != nil {
		return err
	}
	described, err := temporal.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		return fmt.Errorf("asking how long the history of %s is: %w", run.GetID(), err)
	}
	s.bytes = described.GetWorkflowExecutionInfo().GetHistorySizeBytes()
	return nil
}

// turn runs a number of enrollments, so many at once.
func (s *side) turn(ctx context.Context, n, inFlight int) error {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for range n {
		number := s.done
		s.done++
		group.Go(func() error {
			_, err := s.run(ctx, number)
			return err
		})
	}
	err := group.Wait()
	took := time.Since(began).Seconds()
	s.turns = append(s.turns, Pace{PerSecond: float64(n) / took, Seconds: took})
	return err
}

func (s *side) pace() Pace {
	pace := Pace{HistoryBytes: s.bytes}
	perSecond := make([]float64, len(s.turns))
	for i, turn := range s.turns {
		perSecond[i] = turn.PerSecond
		pace.Seconds += turn.Seconds
	}
	pace.PerSecond = median(perSecond)
	return pace
}

// ratios compares each turn with the one of the other side beside it: what else the machine does disturbs both alike.
func ratios(of, to []Pace) []float64 {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = of[i].PerSecond / to[i].PerSecond
	}
	return ratios
}

func median(numbers []float64) float64 {
	slices.Sort(numbers)
	middle := len(numbers) / 2
	return (numbers[middle] + numbers[(len(numbers)-1)/2]) / 2
}

// publish publishes the workflow, and the contacts that go through it.
func (b Bench) publish(ctx context.Context, url string) error {
	var source strings.Builder
	fmt.Fprintf(&source, "workflow: %s\nobject: contact\nactions:\n", benchWorkflow)
	for i := range 5 {
		fmt.Fprintf(&source, "  - {id: call-%d, send_webhook: {url: %q, body: {step: %d}}}\n", i, url, i)
	}
	file, problems := definition.Read(benchWorkflow+".yaml", []byte(source.String()), b.Kinds)
	problems = append(problems, file.Check(nil)...)
	if problems.HasErrors() {
		return fmt.Errorf("the bench is broken: %s", problems[0].Message)
	}
	publication, _, err := publish.Definition(file, publish.Options{At: time.Now(), By: "bench"})
	if err != nil {
		return err
	}
	account := crm.Account{TimeZone: "UTC", Egress: crm.Egress{Allow: []string{"127.0.0.0/8"}, HTTP: true}}
	if publication.Account, err = json.Marshal(account); err != nil {
		return fmt.Errorf("the bench is broken: %w", err)
	}
	return b.Store.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Publish(ctx, publication); err != nil {
			return err
		}
		for n := range b.Enrollments + benchWarm {
			if _, err := tx.Create(ctx, contact(n), nil, time.Now(), "bench"); err != nil {
				return err
			}
		}
		return nil
	})
}

func contact(n int) crm.Ref { return crm.Ref{Object: "contact", ID: strconv.Itoa(n)} }

// work runs a worker for each side, tuned alike.
func (b Bench) work(ctx context.Context) (stop func() error, err error) {
	tuning, err := worker.Tuned(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ours := make(chan error, 1)
	go func() {
		ours <- worker.Run(ctx, worker.Options{
			Temporal: b.Temporal, Namespace: b.Namespace, Store: b.Store, Kinds: b.Kinds, Log: slog.New(slog.DiscardHandler),
		})
	}()
	theirs := handmade.New(b.Temporal, benchQueue, tuning.Options())
	theirs.RegisterWorkflow(fiveActivities)
	theirs.RegisterActivity(post)
	if err := theirs.Start(); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("starting the worker by hand: %w", err), <-ours)
	}
	return func() error { theirs.Stop(); cancel(); return <-ours }, nil
}

func (b Bench) enroll(ctx context.Context, people *enroll.Client, n int) (client.WorkflowRun, error) {
	started, err := people.Start(ctx, enroll.Request{Workflow: benchWorkflow, Record: contact(n)})
	if err != nil {
		return nil, err
	}
	run := b.Temporal.GetWorkflow(ctx, started.WorkflowID, started.RunID)
	var exit plan.Exit
	if err := run.Get(ctx, &exit); err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", started.WorkflowID, err)
	}
	if exit.Reason != plan.ExitCompleted {
		return nil, fmt.Errorf("%s: %s: %s", started.WorkflowID, exit.Reason, exit.Detail)
	}
	return run, nil
}

func (b Bench) byHand(ctx context.Context, url string) (client.WorkflowRun, error) {
	run, err := b.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: benchQueue}, fiveActivities, url)
	if err == nil {
		err = run.Get(ctx, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("running a workflow written by hand: %w", err)
	}
	return run, nil
}

// fiveActivities is what somebody would write by hand instead of five webhooks in a definition.
func fiveActivities(ctx workflow.Context, url string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second})
	for step := range 5 {
		if err := workflow.ExecuteActivity(ctx, post, url, step).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

var plainHTTP = &http.Client{Timeout: 30 * time.Second}

func post(ctx context.Context, url string, step int) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(fmt.Sprintf(`{"step":%d}`, step)))
	if err != nil {
		return 0, err
	}
	answer, err := plainHTTP.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// webhooks receives webhooks and counts whose they are.
type webhooks struct{ millrace, byHand atomic.Int64 }

func (h *webhooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	if r.URL.Path == "/millrace" {
		h.millrace.Add(1)
	} else {
		h.byHand.Add(1)
	}
	_, _ = io.WriteString(w, `{"ok":true}`)
}
