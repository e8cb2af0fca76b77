// Package sandbox runs JavaScript that nobody vouches for: bounded in time, memory and output, without files, and
// with no network but the fetch that its caller lends it. A Jail does so in processes that can be ended from outside.
package sandbox

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"modernc.org/quickjs"
)

// Limits of one run (semantics §3.7).
const (
	Time      = 20 * time.Second
	Memory    = 128 << 20 // bytes of the script's values
	MaxOutput = 1 << 20   // bytes of the result as JSON, and of a request's body
	MaxLines  = 100       // of the console
	MaxLine   = 1000      // bytes of a line
	maxFrame  = 1000      // bytes around a result or a request's body
)

// Script is a source with what it is given.
type Script struct {
	Source string `json:"source"`
	// Event is the argument of its main, as JSON.
	Event json.RawMessage `json:"event"`
	// Environment is process.env. Its values are taken out of console lines and errors.
	Environment map[string]string `json:"environment"`
	// Fetch makes the requests of the script; nil = there is no network.
	Fetch func(ctx context.Context, request Request) (Response, error) `json:"-"`
	// Time is the longest run; 0 = Time.
	Time time.Duration `json:"time"`
}

// Request is one call of fetch.
type Request struct {
	Method string            `json:"method"`
	URL    string            `json:"url"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
	Number int               `json:"-"` // within the run, from 1
}

// Response is its answer.
type Response struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"` // names in lower case
	Body   string            `json:"body"`
}

// Error is what ended a script that did not come to its result.
type Error struct {
	Reason  string `json:"reason"` // code-error, code-timeout, code-memory, code-output, code-crashed
	Message string `json:"message"`
	Status  int    `json:"status"` // of the HTTP answer that the script stumbled over; 0 = of none
	After   string `json:"after"`  // its Retry-After
}

func (e *Error) Error() string { return e.Reason + ": " + e.Message }

// slots bound how many scripts are in memory at once, whatever the number of activities.
var slots = make(chan struct{}, 2*runtime.GOMAXPROCS(0))

// enter waits until a script may be in memory; leave lets the next one in.
func enter(ctx context.Context) (leave func(), err error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a free sandbox: %w", ctx.Err())
	}
}

//go:embed prelude.js
var prelude string

// Run calls a script's main and returns what it gave to its callback or returned, as JSON (nil for nothing), and the
// lines that it wrote to the console. A failure of the script is an *Error; every other error is the caller's: ctx ended.
// The script runs in this process, where a single step of the engine that goes on for ever cannot be ended: a Jail is for
// scripts that nobody vouches for.
func Run(ctx context.Context, script Script) (result json.RawMessage, lines []string, err error) {
	leave, err := enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	if script.Time == 0 {
		script.Time = Time
	}
	ended := make(chan struct{})
	run := &run{Script: script, ctx: ctx, deadline: time.Now().Add(script.Time)}
	go func() { // of its own: a fault of the engine is a panic in this goroutine alone
		defer close(ended)
		debug.SetPanicOnFault(true)
		err = run.whole()
	}()
	<-ended
	return run.result, run.console(), err
}

// run is one execution.
type run struct {
	Script
	ctx      context.Context
	deadline time.Time
	vm       *quickjs.VM
	requests int
	lines    []string
	dropped  int // lines beyond the limit
	ended    bool
	result   json.RawMessage
	failure  *Error
}

// ending is what the prelude tells when the script has ended.
type ending struct {
	Value  json.RawMessage `json:"value"`
	Error  string          `json:"error"`
	Status int             `json:"status"`
	After  string          `json:"after"`
	Long   bool            `json:"long"` // the value is too large to be told
}

func (r *run) whole() (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			r.result, err = nil, &Error{Reason: "code-crashed", Message: r.clean(fmt.Sprintf("the engine broke: %v", fault))}
		}
	}()
	if r.vm, err = quickjs.NewVM(); err != nil {
		return fmt.Errorf("starting a sandbox: %w", err)
	}
	defer r.vm.Close()
	defer context.AfterFunc(r.ctx, r.vm.Interrupt)()
	r.vm.SetMemoryLimit(Memory)
	if err := r.script(); err != nil {
		return r.sorted(err)
	}
	switch {
	case r.failure != nil:
		return r.failure
	case len(r.result) > MaxOutput:
		r.result = nil
		return tooLong()
	}
	return nil
}

// script runs from the first line until main has ended and nothing is left to do.
func (r *run) script() error {
	for name, function := range map[string]quickjs.HostFunc{"hostLog": r.log, "hostRequest": r.request, "hostFinish": r.finish} {
		if err := r.vm.RegisterHostFunc(name, function); err != nil {
			return err
		}
	}
	environment, err := json.Marshal(r.Environment)
	if err != nil {
		return err
	}
	handles, err := r.vm.EvalValue(prelude, quickjs.EvalGlobal)
	if err != nil {
		return err
	}
	defer handles.Free()
	if _, err := r.call(handles, "start", r.Source, string(r.Event), string(environment), MaxOutput+maxFrame); err != nil {
		return err
	}
	for {
		if err := r.jobs(); err != nil || r.ended {
			return err
		}
		wait, err := r.call(handles, "next")
		if err != nil {
			return err
		}
		if fmt.Sprint(wait) == "-1" {
			return nil
		}
		if err := r.sleep(wait); err != nil {
			return err
		}
		if _, err := r.call(handles, "fire"); err != nil {
			return err
		}
	}
}

// jobs runs what promises have left to do.
func (r *run) jobs() error {
	for !r.ended {
		if err := r.alot(); err != nil {
			return err
		}
		done, err := r.vm.ExecutePendingJobs()
		if err != nil || done == 0 {
			return err
		}
	}
	return nil
}

// call calls one of the prelude's functions.
func (r *run) call(handles quickjs.Value, name string, arguments ...any) (any, error) {
	atom, err := r.vm.NewAtom(name)
	if err != nil {
		return nil, err
	}
	function, err := handles.GetPropertyValue(atom)
	if err != nil {
		return nil, err
	}
	defer function.Free()
	if err := r.alot(); err != nil {
		return nil, err
	}
	return function.Call(quickjs.UndefinedValue, arguments...)
}

// alot gives the engine what is left of the time.
func (r *run) alot() error {
	left := time.Until(r.deadline)
	if left <= 0 || r.ctx.Err() != nil {
		return errTime
	}
	return r.vm.SetEvalTimeout(left)
}

var errTime = errors.New("interrupted")

// sleep waits until the script's next timer, but no longer than it may run.
func (r *run) sleep(wait any) error {
	milliseconds, err := strconv.ParseFloat(fmt.Sprint(wait), 64)
	if err != nil || milliseconds > float64(time.Until(r.deadline).Milliseconds()) {
		return errTime
	}
	select {
	case <-time.After(time.Duration(milliseconds * float64(time.Millisecond))):
		return nil
	case <-r.ctx.Done():
		return errTime
	}
}

// sorted says what an error of the engine means.
func (r *run) sorted(err error) error {
	message := r.clean(err.Error())
	switch {
	case r.ctx.Err() != nil:
		return fmt.Errorf("the script was cut: %w", r.ctx.Err())
	case time.Until(r.deadline) <= 0 || errors.Is(err, errTime):
		return late(r.Time)
	case strings.Contains(message, "out of memory"):
		return tooMuch()
	}
	return &Error{Reason: "code-error", Message: message}
}

func late(limit time.Duration) *Error {
	return &Error{Reason: "code-timeout", Message: fmt.Sprintf("the script ran longer than %s", limit)}
}

func tooLong() *Error {
	return &Error{Reason: "code-output", Message: fmt.Sprintf("the result has more than %d bytes", MaxOutput)}
}

func tooMuch() *Error {
	return &Error{Reason: "code-memory", Message: fmt.Sprintf("the script took more than %d MB", Memory>>20)}
}

// log takes a line of the console.
func (r *run) log(arguments []any) (any, error) {
	if len(r.lines) == MaxLines {
		r.dropped++
		return nil, nil
	}
	r.lines = append(r.lines, r.clean(text(arguments)))
	return nil, nil
}

func (r *run) console() []string {
	if r.dropped > 0 {
		return append(r.lines, fmt.Sprintf("and %d more lines", r.dropped))
	}
	return r.lines
}

// request makes a call of fetch, and answers in JSON.
func (r *run) request(arguments []any) (any, error) {
	var request Request
	if err := json.Unmarshal([]byte(text(arguments)), &request); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	r.requests++
	request.Number = r.requests
	if r.Fetch == nil {
		return `{"error":"there is no network","reason":"no-network"}`, nil
	}
	ctx, cancel := context.WithDeadline(r.ctx, r.deadline)
	defer cancel()
	response, err := r.Fetch(ctx, request)
	var answer any = response
	if err != nil {
		answer = map[string]string{"error": r.clean(err.Error())}
	}
	encoded, err := json.Marshal(answer)
	return string(encoded), err
}

// finish takes the result; the first one counts.
func (r *run) finish(arguments []any) (any, error) {
	var told ending
	if err := json.Unmarshal([]byte(text(arguments)), &told); err != nil {
		told.Error = "the result cannot be written as JSON"
	}
	switch r.ended = true; {
	case told.Long:
		r.failure = tooLong()
	case told.Error == "":
		r.result = told.Value
	case strings.Contains(told.Error, "out of memory"):
		r.failure = tooMuch()
	default:
		r.failure = &Error{Reason: "code-error", Message: r.clean(told.Error), Status: told.Status, After: told.After}
	}
	return nil, nil
}

// clean takes the values of the environment out of a text, and what is too long of it.
func (r *run) clean(text string) string {
	for name, value := range r.Environment {
		if value != "" {
			text = strings.ReplaceAll(text, value, "["+name+"]")
		}
	}
	text = strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(text), "\x00", ""), "�")
	if len(text) <= MaxLine {
		return text
	}
	end := MaxLine
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

func text(arguments []any) string {
	if len(arguments) == 0 {
		return ""
	}
	text, _ := arguments[0].(string)
	return text
}
