package workflows_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

// life is a random plan, what happens meanwhile, and an edit of the plan on the way.
type life struct {
	before, after *plan.Plan
	edited        time.Time // when after is published and told; zero = never
	rules         map[string]rule
	later         map[string]time.Duration // the rules' durations in after
	events        []plan.Event
	leaves        time.Time // when somebody takes the record out; zero = never
}

// rule is how a node of a random plan behaves: at once, after a time, or with an event within a time.
type rule struct {
	port  string // of a node that answers at once
	after time.Duration
	event string
}

// step is what a walk and the interpreter are compared by.
type step struct {
	Node, Port string
	At         time.Time
}

// newLife draws a life. Instants are distinct, so that no two things happen at once.
func newLife(seed uint64) life {
	random := rand.New(rand.NewPCG(seed, 51))
	size := 3 + random.IntN(6)
	l := life{rules: map[string]rule{}, later: map[string]time.Duration{}}
	l.before = &plan.Plan{Workflow: "welcome", Hash: "before", Nodes: map[string]plan.Node{}, Start: plan.Edge{To: "n0"}}
	edge := func(i int) plan.Edge {
		switch to := i + 1 + random.IntN(3); {
		case random.IntN(12) == 0:
			return plan.Edge{End: true}
		case i > 0 && random.IntN(4) == 0:
			return plan.Edge{To: fmt.Sprintf("n%d", random.IntN(i)), GoTo: true, MaxVisits: 1 + random.IntN(3), Else: forward(to, size)}
		default:
			return *forward(to, size)
		}
	}
	for i := range size {
		id := fmt.Sprintf("n%d", i)
		node := plan.Node{Kind: "kind", Hash: id, Local: true, Attempt: time.Minute, GiveUp: time.Hour, Next: edge(i), Edges: map[string]plan.Edge{}}
		span := time.Duration(1+random.IntN(100))*time.Hour + time.Duration(i)*time.Second
		switch random.IntN(3) {
		case 0:
			l.rules[id] = rule{port: []string{"next", "left", "right"}[random.IntN(3)]}
			node.Edges["left"], node.Edges["right"] = edge(i), edge(i)
		case 1:
			l.rules[id] = rule{after: span}
		case 2:
			l.rules[id] = rule{after: span, event: []string{"opened", "clicked"}[random.IntN(2)]}
			node.Edges["event"] = edge(i)
		}
		l.later[id] = l.rules[id].after
		l.before.Nodes[id] = node
	}
	for i := range random.IntN(8) {
		l.events = append(l.events, plan.Event{
			ID: fmt.Sprint(i), Type: []string{"opened", "clicked"}[random.IntN(2)],
			At: start.Add(time.Duration(random.IntN(300))*time.Hour + time.Duration(20+i)*time.Second),
		})
	}
	slices.SortFunc(l.events, func(a, b plan.Event) int { return a.At.Compare(b.At) })
	l.after = l.before
	if random.IntN(2) == 0 {
		l.edit(random)
	}
	if random.IntN(5) == 0 {
		l.leaves = start.Add(time.Duration(random.IntN(300))*time.Hour + 50*time.Second)
	}
	return l
}

func forward(to, size int) *plan.Edge {
	if to >= size {
		return &plan.Edge{}
	}
	return &plan.Edge{To: fmt.Sprintf("n%d", to)}
}

// edit publishes other durations, and perhaps without one of the nodes.
func (l *life) edit(random *rand.Rand) {
	l.edited = start.Add(time.Duration(random.IntN(300))*time.Hour + 40*time.Second)
	l.after = &plan.Plan{Workflow: "welcome", Hash: "after", Start: l.before.Start, Nodes: map[string]plan.Node{}, Moved: map[string]string{}}
	gone := ""
	if random.IntN(2) == 0 {
		gone = fmt.Sprintf("n%d", random.IntN(len(l.before.Nodes)))
	}
	for i := range len(l.before.Nodes) {
		id := fmt.Sprintf("n%d", i)
		node := l.before.Nodes[id]
		if l.rules[id].after > 0 && random.IntN(2) == 0 {
			l.later[id] = time.Duration(1+random.IntN(100))*time.Hour + time.Duration(i)*time.Second
			node.Hash += "-edited"
		}
		l.after.Nodes[id] = node
	}
	if gone == "" || gone == "n0" {
		return
	}
	to := ""
	if next := l.after.Nodes[gone].Next; !next.GoTo { // or it would be a circle without an end
		to = next.To
	}
	delete(l.after.Nodes, gone)
	l.after.Moved[gone] = to
	away := func(edge plan.Edge) plan.Edge {
		if edge.Else != nil && edge.Else.To == gone {
			edge.Else = &plan.Edge{To: to}
		}
		if edge.To == gone {
			edge.To = to
		}
		if edge.To == "" {
			return plan.Edge{End: edge.End}
		}
		return edge
	}
	for id, node := range l.after.Nodes {
		node.Next = away(node.Next)
		edges := map[string]plan.Edge{}
		for port, edge := range node.Edges {
			edges[port] = away(edge)
		}
		node.Edges = edges
		l.after.Nodes[id] = node
	}
}

// span is how long a node waits under a plan.
func (l *life) span(hash, node string) time.Duration {
	if hash == "after" {
		return l.later[node]
	}
	return l.rules[node].after
}

// answer is the random plan's kind. It has no event store: what it knows of events it is told.
func (l *life) answer(call plan.Call) (plan.Outcome, error) {
	rule := l.rules[call.Node]
	until := call.Arrived.Add(l.span(call.Plan, call.Node))
	switch {
	case rule.after == 0:
		return plan.Outcome{Port: rule.port}, nil
	case rule.event == "":
		return plan.Outcome{Until: until}, nil
	case call.Event != nil:
		return plan.Outcome{Port: "event", Took: call.Event.ID}, nil
	case call.Due || !until.After(call.Now):
		return plan.Outcome{Port: "timeout"}, nil
	default:
		return plan.Outcome{Event: rule.event, Since: call.Arrived, Until: until, Port: "timeout"}, nil
	}
}

// walk is the reference: what the language promises, without Temporal.
func (l *life) walk() (steps []step, exit string) {
	now, current, visits := start, l.before, map[string]int{}
	edge := current.Start
	for {
		for edge.MaxVisits > 0 && visits[edge.To] >= edge.MaxVisits {
			edge = *edge.Else
		}
		if edge.End {
			return steps, plan.ExitEnded
		}
		if edge.To == "" {
			return steps, plan.ExitCompleted
		}
		node := edge.To
		visits[node]++
		port, end := l.visit(node, current, now)
		if told := l.edited; current != l.after && !told.IsZero() && told.After(now) && told.Before(end) {
			current = l.after // it stood here when the edit came
			if _, kept := current.Nodes[node]; !kept {
				port, end, edge = "", told, plan.Edge{To: current.Moved[node]}
			} else if port, end = l.visit(node, current, now); end.Before(told) {
				end = told
			}
		} else if current != l.after && !told.IsZero() && end.After(now) && !end.Before(told) {
			current = l.after
		}
		if !l.leaves.IsZero() && l.leaves.After(now) && l.leaves.Before(end) {
			return steps, plan.ExitUnenrolled
		}
		if port != "" {
			steps = append(steps, step{node, port, now})
			edge = current.Nodes[node].Edge(port)
		}
		now = end
	}
}

// visit is the port that a node takes and when, if nothing comes between.
func (l *life) visit(node string, current *plan.Plan, arrived time.Time) (port string, end time.Time) {
	rule := l.rules[node]
	if rule.after == 0 {
		return rule.port, arrived
	}
	end = arrived.Add(l.span(current.Hash, node))
	if rule.event == "" {
		return plan.PortNext, end
	}
	for _, event := range l.events {
		if event.Type == rule.event && event.At.After(arrived) && event.At.Before(end) {
			return "event", event.At
		}
	}
	return "timeout", end
}

// TestInterpreterWalksAsTheReferenceDoes compares 1,000 random lives with a walk that knows nothing of Temporal.
func TestInterpreterWalksAsTheReferenceDoes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		l := newLife(seed)
		b := newBench(t, l.before, nil)
		for node := range l.before.Nodes {
			b.answers[node] = l.answer
		}
		for _, event := range l.events {
			for copies := range 1 + seed%3 { // what is told again says nothing new
				late := time.Duration(copies)*7*time.Hour + time.Duration(copies)*time.Millisecond
				b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalEvent, event) }, event.At.Add(late).Sub(start))
			}
		}
		if !l.edited.IsZero() {
			b.env.RegisterDelayedCallback(func() {
				b.publish(l.after)
				b.env.SignalWorkflow(plan.SignalChanged, nil)
			}, l.edited.Sub(start))
		}
		if !l.leaves.IsZero() {
			b.env.RegisterDelayedCallback(func() { b.env.SignalWorkflow(plan.SignalUnenroll, plan.Unenroll{}) }, l.leaves.Sub(start))
		}
		var path []plan.Visited
		exit := b.run(t)
		answer, err := b.env.QueryWorkflow(plan.QueryPath)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&path))
		var walked []step
		for _, visited := range path {
			walked = append(walked, step{visited.Node, visited.Port, visited.At.UTC()})
		}
		want, reason := l.walk()
		require.Equal(t, want, walked, "seed %d", seed)
		require.Equal(t, reason, exit.Reason, "seed %d", seed)
	}
}
