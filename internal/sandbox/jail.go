package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const (
	grace     = time.Second // is how much longer than the script a process lives that cannot stop it
	maxReport = 16 << 20    // bytes of one message of a process
	exitLate  = 3           // exit code of a process whose script it could not stop
)

// Jail runs scripts in processes of their own, one script after the other in each, and so outlives what the engine does not
// bound: a step within it that nothing interrupts, memory that it does not count, a fault that ends the process. A process has
// nothing of this one's environment, and its memory is limited by the system where that can be done. The zero Jail is
// not usable.
type Jail struct {
	// Program is what a process runs, with its arguments: a program that calls Serve.
	Program []string

	mu     sync.Mutex
	idle   []*cell
	closed bool
}

// order is what a process is told: a script, or the answer to its request.
type order struct {
	Script  *Script   `json:"script,omitempty"`
	Fetches bool      `json:"fetches,omitempty"`
	Answer  *Response `json:"answer,omitempty"`
	Refused string    `json:"refused,omitempty"`
}

// report is what it tells: a request, or what came of the script.
type report struct {
	Request *Request        `json:"request,omitempty"`
	Number  int             `json:"number,omitempty"` // of the request
	Result  json.RawMessage `json:"result,omitempty"`
	Lines   []string        `json:"lines,omitempty"`
	Failure *Error          `json:"failure,omitempty"`
	Broken  string          `json:"broken,omitempty"` // what is not the script's fault
}

// Run is as the package's Run.
func (j *Jail) Run(ctx context.Context, script Script) (result json.RawMessage, lines []string, err error) {
	leave, err := enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	cell, err := j.take()
	if err != nil {
		return nil, nil, err
	}
	script.Time = cmp.Or(script.Time, Time)
	within, cancel := context.WithTimeout(ctx, script.Time+grace)
	defer cancel()
	unwatch := context.AfterFunc(within, cell.kill)
	told, err := cell.run(within, script)
	if spared := unwatch(); err == nil && spared {
		j.give(cell)
	} else {
		cell.kill()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, nil, fmt.Errorf("the script was cut: %w", ctx.Err())
	case err != nil && within.Err() != nil:
		return nil, nil, late(script.Time)
	case err != nil:
		return nil, nil, cell.crash(script, err)
	case told.Failure != nil:
		return nil, told.Lines, told.Failure
	case told.Broken != "":
		return nil, told.Lines, errors.New(told.Broken)
	}
	return told.Result, told.Lines, nil
}

// Close ends the processes that have nothing to do, and lets the others end when they are done.
func (j *Jail) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for _, cell := range j.idle {
		cell.kill()
	}
	j.idle = nil
}

// take returns a process that has nothing to do, or a new one.
func (j *Jail) take() (*cell, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if last := len(j.idle) - 1; last >= 0 {
		cell := j.idle[last]
		j.idle = j.idle[:last]
		return cell, nil
	}
	return newCell(j.Program)
}

// give keeps a process for the next script, if there are not enough.
func (j *Jail) give(cell *cell) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || len(j.idle) >= runtime.GOMAXPROCS(0) {
		cell.kill()
		return
	}
	j.idle = append(j.idle, cell)
}

// cell is one process.
type cell struct {
	command  *exec.Cmd
	orders   io.WriteCloser
	reports  *io.LimitedReader
	decoder  *json.Decoder
	complain *tail
	once     sync.Once
}

func newCell(program []string) (*cell, error) {
	command := exec.CommandContext(context.Background(), program[0], program[1:]...)
	command.Env, command.Dir, command.SysProcAttr = []string{}, os.TempDir(), apart()
	complain := &tail{}
	command.Stderr = complain
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	reports, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	limited := &io.LimitedReader{R: reports}
	return &cell{command: command, orders: orders, reports: limited, decoder: json.NewDecoder(limited), complain: complain}, nil
}

// run has the process run a script, and makes its requests. An error means that the process is of no use any more.
func (c *cell) run(ctx context.Context, script Script) (report, error) {
	next := order{Script: &script, Fetches: script.Fetch != nil}
	for {
		encoded, err := json.Marshal(next)
		if err != nil {
			return report{}, err
		}
		if _, err := c.orders.Write(append(encoded, '\n')); err != nil {
			return report{}, err
		}
		var told report
		c.reports.N = maxReport
		if err := c.decoder.Decode(&told); err != nil {
			return report{}, err
		}
		if told.Request == nil || script.Fetch == nil {
			return told, nil
		}
		told.Request.Number = told.Number
		next = order{}
		response, err := script.Fetch(ctx, *told.Request)
		if next.Answer = &response; err != nil {
			next = order{Refused: err.Error()}
		}
	}
}

// kill ends the process.
func (c *cell) kill() {
	c.once.Do(func() {
		_ = c.command.Process.Kill() // it may have ended by itself
		_ = c.orders.Close()
		_ = c.command.Wait()
	})
}

// crash says why a process ended that was to run a script.
func (c *cell) crash(script Script, cause error) *Error {
	clean := run{Script: script}
	why := c.complain.String()
	switch code := c.command.ProcessState.ExitCode(); {
	case code == exitLate:
		return late(script.Time)
	case strings.Contains(why, "out of memory") || strings.Contains(why, "cannot allocate memory"):
		return tooMuch()
	}
	why, _, _ = strings.Cut(why, "\n")
	return &Error{Reason: "code-crashed", Message: clean.clean(fmt.Sprintf("the process of the script ended: %s (%s, %v)", why, c.command.ProcessState, cause))}
}

// tail keeps the beginning of what a process complains about.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes all and keeps some.
func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(text[:min(len(text), max(0, 4096-t.text.Len()))])
	return len(text), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// Serve is what the processes of a Jail do: it runs the scripts that come in, until nothing comes any more. It limits
// what this process can take of the machine, and ends it when a script cannot be stopped.
func Serve(in io.Reader, out io.Writer) error {
	if err := confine(); err != nil {
		return fmt.Errorf("limiting the process of a sandbox: %w", err)
	}
	debug.SetMemoryLimit(Memory)
	orders, reports := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var told order
		if err := orders.Decode(&told); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a script: %w", err)
		}
		script := *told.Script
		if told.Fetches {
			script.Fetch = func(_ context.Context, request Request) (Response, error) {
				if err := reports.Encode(report{Request: &request, Number: request.Number}); err != nil {
					return Response{}, err
				}
				var told order
				if err := orders.Decode(&told); err != nil {
					return Response{}, err
				}
				if told.Answer == nil {
					return Response{}, errors.New(told.Refused)
				}
				return *told.Answer, nil
			}
		}
		// Whoever gave the order may have died and nobody else end this.
		watch := time.AfterFunc(script.Time+2*grace, func() { os.Exit(exitLate) })
		result, lines, err := Run(context.Background(), script)
		watch.Stop()
		done := report{Result: result, Lines: lines}
		if !errors.As(err, &done.Failure) && err != nil {
			done.Broken = err.Error()
		}
		if err := reports.Encode(done); err != nil {
			return fmt.Errorf("telling what came of a script: %w", err)
		}
	}
}
