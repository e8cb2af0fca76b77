package action

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/sandbox"
	"github.com/millrace/millrace/internal/schema"
	"go.temporal.io/sdk/activity"
)

// heartbeatEvery is the gap between heartbeats of a normal activity; the interpreter gives up on a
// worker after four of them.
const heartbeatEvery = 2 * time.Second

// Runtime is what the kinds of one worker run in.
type Runtime struct {
	Store   Store
	Provide func(account crm.Account) (Providers, error) // the ways out that an account has configured
	Enroll  Enroll
	// Wake makes enrollments ask their present action again, by their Temporal workflow ids; nil = nobody waits.
	Wake func(ctx context.Context, workflowIDs []string) error
	Log  *slog.Logger
	// Scripts runs scripts; nil = sandbox.Run, in this process.
	Scripts Scripts
	// Simulated replaces what a simulation has to; nil in production.
	Simulated *Simulated

	kinds   map[string]Kind
	actions sync.Map // plan hash and node → *prepared
}

// Simulated is what differs in a simulation.
type Simulated struct {
	Clock  func() time.Time                               // the skipped time
	Before func(ctx context.Context, now time.Time) error // runs before each attempt: what happens meanwhile
	Fault  func(call plan.Call) error                     // fails attempts on purpose
	Seed   int64                                          // other draws in random splits
	Enroll Enroll                                         // enrolls in another workflow; nil = nobody
}

// prepared is an action of a published plan, ready to run.
type prepared struct {
	config    any
	rules     *rules
	folded    []string // edits that are made in the same call
	published *plan.Plan
}

// Registry is where activities are registered: a Temporal worker or a test environment.
type Registry interface {
	RegisterActivityWithOptions(function any, options activity.RegisterOptions)
}

// Register registers every kind under its id and its earlier ids. Each runs in the same wrapper: guard,
// ledger, Run, journal.
func (rt *Runtime) Register(registry Registry, kinds []Kind) {
	rt.kinds = make(map[string]Kind, len(kinds))
	for _, kind := range kinds {
		rt.kinds[kind.ID] = kind
		execute := func(ctx context.Context, call plan.Call) (plan.Outcome, error) {
			return rt.execute(ctx, kind, call)
		}
		for _, name := range append([]string{kind.ID}, kind.Aliases...) {
			registry.RegisterActivityWithOptions(execute, activity.RegisterOptions{Name: name})
		}
	}
}

// execute is one attempt of one call.
func (rt *Runtime) execute(ctx context.Context, kind Kind, call plan.Call) (plan.Outcome, error) {
	info, outer := activity.GetInfo(ctx), ctx
	now, seed := call.Now, int64(0)
	if !info.IsLocalActivity {
		now = now.Add(max(0, info.StartedTime.Sub(info.ScheduledTime)))
	}
	if rt.Simulated != nil {
		now, seed = rt.Simulated.Clock(), rt.Simulated.Seed
		if err := rt.Simulated.Before(ctx, now); err != nil {
			return plan.Outcome{}, err
		}
	}
	began := now
	if !info.IsLocalActivity {
		began = firstBegan(ctx, call, now)
		var stop func()
		ctx, stop = attend(ctx, began)
		defer stop()
	}
	step := &step{Runtime: rt, kind: kind, env: &Env{
		store: rt.Store, call: call, key: call.Key(), now: now, seed: seed,
		Log: rt.Log.With("enrollment", call.Enrollment, "node", call.Node), Script: rt.Scripts,
	}}
	if step.env.Script == nil {
		step.env.Script = sandbox.Run
	}
	err := step.attempt(crm.WithCause(ctx, call.Key()), now.Sub(began))
	if err == nil {
		err = step.wake(ctx)
	}
	if err == nil {
		step.outcome.Note = ""
		return step.outcome, nil
	}
	var wait time.Duration
	if !info.IsLocalActivity {
		wait = retryDelay(info.Attempt, err)
		if !IsPermanent(err) && step.spent(now.Add(wait).Sub(began)) {
			err = Permanent("gave-up", "%v", err)
		}
		activity.RecordHeartbeat(outer, began)
	}
	step.failed(ctx, info.Attempt, wait, err)
	return plan.Outcome{}, applicationError(err, wait)
}

// firstBegan is when the first attempt of a call began, which each attempt tells the next one by its heartbeats. What
// the call waited for its turn before, in a channel with a limit, is none of its time. Where the first attempts died
// too soon to tell, the time counts from the call.
func firstBegan(ctx context.Context, call plan.Call, now time.Time) time.Time {
	var began time.Time
	switch {
	case activity.GetInfo(ctx).Attempt <= 1: // also after an operator's reset
		return now
	case activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &began) == nil:
		return began
	default:
		return call.Now
	}
}

// spent tells whether an attempt so long after the first one would come later than the node's GiveUp.
func (s *step) spent(passed time.Duration) bool {
	return s.action != nil && passed > cmp.Or(s.action.published.Nodes[s.env.call.Node].GiveUp, plan.GiveUp)
}

// attend heartbeats until stop is called. The context it returns outlives a cancellation: an attempt that
// has begun finishes, and Temporal starts no other (design §5, "Guard").
func attend(ctx context.Context, began time.Time) (context.Context, func()) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if deadline, bounded := ctx.Deadline(); bounded {
		running, cancel = context.WithDeadline(context.WithoutCancel(ctx), deadline)
	}
	ticker := time.NewTicker(heartbeatEvery)
	go func() {
		for {
			select {
			case <-running.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, began)
			}
		}
	}()
	return running, func() { ticker.Stop(); cancel() }
}

// prepare finds the config of a node by plan hash and decodes it once.
func (rt *Runtime) prepare(ctx context.Context, kind Kind, call plan.Call) (*prepared, error) {
	key := call.Plan + "/" + call.Node
	if found, ok := rt.actions.Load(key); ok {
		return found.(*prepared), nil
	}
	published, err := rt.Store.PlanByHash(ctx, call.Plan)
	if err != nil {
		return nil, err
	}
	ready, err := readied(kind, published, call.Node)
	if err == nil {
		rt.actions.Store(key, ready)
	}
	return ready, err
}

// readied is a node of a plan, decoded.
func readied(kind Kind, published *plan.Plan, id string) (*prepared, error) {
	node, found := published.Nodes[id]
	if !found {
		return nil, Permanent("no-action", "plan %s has no action %q", published.Hash, id)
	}
	source, problems := schema.Parse(id+".json", node.Config)
	var config any
	if !problems.HasErrors() {
		config, problems = kind.Decode(source)
	}
	if problems.HasErrors() {
		return nil, Permanent("bad-config", "%s", problems[0].Message)
	}
	rules, err := readRules(published)
	if err != nil {
		return nil, Permanent("bad-rules", "%v", err)
	}
	return &prepared{config: config, rules: rules, folded: node.Folded, published: published}, nil
}
