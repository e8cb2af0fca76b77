package worker

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"go.temporal.io/sdk/worker"
)

// Tuning is how much a worker does at once. What it does not reach waits at the Temporal server.
type Tuning struct {
	Cache     int // enrollments kept in memory between their steps; one that was dropped is replayed
	Workflows int // steps of enrollments at once
	Actions   int // calls of actions that reach outside at once
	Local     int // calls of actions that touch only our store at once
	Pollers   int // most requests for work at once, of each kind; the server says how many are worth it
}

const (
	cached     = 40 << 10 // bytes of a cached enrollment that waits, with some of its history
	cacheShare = 8        // the part of the memory that the cache may have
)

// Tune fits a worker to a machine: its processors, and the bytes of memory that it may have.
func Tune(processors int, memory int64) Tuning {
	n := max(1, processors)
	return Tuning{
		Cache:     int(min(int64(min(1250*n, 40_000)), max(100, memory/cacheShare/cached))),
		Workflows: min(50*n, 1000),
		Actions:   min(100*n, 2000),
		Local:     min(50*n, 500),
		Pollers:   min(max(5, 5*n), 100),
	}
}

// Tuned fits a worker to this machine, as far as the environment (os.LookupEnv) does not say otherwise.
func Tuned(environment func(name string) (string, bool)) (Tuning, error) {
	tuning := Tune(runtime.GOMAXPROCS(0), memoryLimit())
	for _, setting := range []struct {
		name  string
		value *int
		least int
	}{
		{"MILLRACE_WORKER_CACHE", &tuning.Cache, 0},
		{"MILLRACE_WORKER_WORKFLOWS", &tuning.Workflows, 2},
		{"MILLRACE_WORKER_ACTIONS", &tuning.Actions, 1},
		{"MILLRACE_WORKER_LOCAL", &tuning.Local, 1},
		{"MILLRACE_WORKER_POLLERS", &tuning.Pollers, 2},
	} {
		text, set := environment(setting.name)
		if !set || text == "" {
			continue
		}
		number, err := strconv.Atoi(text)
		if err != nil || number < setting.least {
			return tuning, fmt.Errorf("%s is %q: write a number of at least %d", setting.name, text, setting.least)
		}
		*setting.value = number
	}
	return tuning, nil
}

// memoryLimit is how many bytes this process may have: by GOMEMLIMIT or by its container.
func memoryLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	content, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return limit // no Linux, or no container
	}
	if ofContainer, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64); err == nil { // not "max"
		limit = min(limit, ofContainer)
	}
	return limit
}

// Options are the tuning in the words of Temporal's SDK. The cache is not among them: it belongs to the process.
func (t Tuning) Options() worker.Options {
	pollers := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: min(5, t.Pollers), MaximumNumberOfPollers: t.Pollers,
	})
	return worker.Options{
		WorkflowTaskPollerBehavior:              pollers,
		ActivityTaskPollerBehavior:              pollers,
		MaxConcurrentWorkflowTaskExecutionSize:  t.Workflows,
		MaxConcurrentActivityExecutionSize:      t.Actions,
		MaxConcurrentLocalActivityExecutionSize: t.Local,
	}
}
