// Package action says what a kind of action is: its spec, what it may touch, and the wrapper that
// every kind runs in, with guard, ledger and journal.
package action

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// Category groups kinds in the catalogue and in the reference.
type Category string

// Categories (semantics §3).
const (
	Delay         Category = "delay"
	Branch        Category = "branch"
	Flow          Category = "flow"
	Communication Category = "communication"
	CRM           Category = "crm"
	AI            Category = "ai"
	Marketing     Category = "marketing"
	Data          Category = "data"
	App           Category = "app"
)

// Effect is what a kind does to the world, and so what a repeated attempt may do.
type Effect int

const (
	// Reads has no effect, and so no ledger row.
	Reads Effect = iota
	// Edits changes our own store: guard, ledger, Run and journal are one transaction.
	Edits
	// Requests calls something outside that takes an idempotency key: a cut call is made again under the same key.
	Requests
	// Messages writes to people: a cut send is unknown and not repeated. Run sends through Env.Once.
	Messages
)

// Output is a value that an action leaves for later tokens.
type Output struct {
	Name string `json:"name"`
	Type string `json:"type"` // a property type
	Doc  string `json:"doc,omitempty"`
}

// Spec declares a kind of action over its config struct C, whose tags (json doc required default enum
// min max) give decoding, validation, JSON Schema and reference pages.
type Spec[C any] struct {
	ID       string
	Aliases  []string // earlier ids
	Category Category
	Summary  string   // one line, imperative
	Doc      string   // Markdown for the reference: rules, and which are unconfirmed
	Example  string   // one action of the language: `delay_set_amount: {for: 3d}`
	Objects  []string // record types it is allowed on; nil = any
	Ports    []string // nil = next; `failed` is always there
	Outputs  []Output
	Local    bool   // quick, and touches nothing but our own store
	Channel  string // the way that its calls leave by, which a quota may limit: email, webhook; "" = they do not leave
	Effect   Effect
	Attempt  time.Duration // longest single attempt; 0 = plan.Attempt
	GiveUp   time.Duration // longest time over all attempts; 0 = plan.GiveUp
	Deletes  bool          // the enrolled record: who publishes it is asked

	// Branches returns the ports that a config names; they come before Ports.
	Branches func(cfg C) []string
	// Waits tells whether every visit of a delay waits, so that nobody runs in a circle with it without a pause; nil = it does.
	Waits func(cfg C) bool
	// Check reports what tags cannot say.
	Check func(cfg C, at schema.Pos, problems *schema.Diagnostics)
	// Run does the action. It reads no clock but env.Now and imports no Temporal package.
	Run func(ctx context.Context, env *Env, call plan.Call, cfg C) (plan.Outcome, error)
}

// Kind is a Spec whose config type is known only to itself.
type Kind struct {
	ID       string
	Aliases  []string
	Category Category
	Summary  string
	Doc      string
	Example  string
	Objects  []string
	Outputs  []Output
	Local    bool
	Channel  string
	Effect   Effect
	Attempt  time.Duration
	GiveUp   time.Duration
	Deletes  bool
	Config   reflect.Type

	static   []string
	decode   func(*schema.Node) (any, schema.Diagnostics)
	branches func(cfg any) []string
	waits    func(cfg any) bool
	run      func(ctx context.Context, env *Env, call plan.Call, cfg any) (plan.Outcome, error)
}

// Define turns a spec into a kind. It panics on a programmer's mistake: a config field without doc, an
// unknown tag, a spec without summary, example or Run.
func Define[C any](spec Spec[C]) Kind {
	config := reflect.TypeFor[C]()
	if spec.ID == "" || spec.Summary == "" || spec.Example == "" || spec.Run == nil {
		panic(fmt.Sprintf("action %q: id, summary, example and run are required", spec.ID))
	}
	schema.CheckType(config)
	return Kind{
		ID: spec.ID, Aliases: spec.Aliases, Category: spec.Category, Summary: spec.Summary, Doc: spec.Doc, Example: spec.Example,
		Objects: spec.Objects, Outputs: spec.Outputs, Local: spec.Local, Channel: spec.Channel, Effect: spec.Effect,
		Attempt: spec.Attempt, GiveUp: spec.GiveUp, Deletes: spec.Deletes, Config: config,
		static: static(spec.Ports),
		decode: func(node *schema.Node) (any, schema.Diagnostics) {
			var cfg C
			problems := schema.Decode(node, &cfg)
			if spec.Check != nil && !problems.HasErrors() {
				spec.Check(cfg, node.Pos, &problems)
			}
			return cfg, problems
		},
		branches: func(cfg any) []string {
			if spec.Branches == nil {
				return nil
			}
			return spec.Branches(cfg.(C))
		},
		waits: func(cfg any) bool {
			return spec.Category == Delay && (spec.Waits == nil || spec.Waits(cfg.(C)))
		},
		run: func(ctx context.Context, env *Env, call plan.Call, cfg any) (plan.Outcome, error) {
			return spec.Run(ctx, env, call, cfg.(C))
		},
	}
}

func static(ports []string) []string {
	if ports == nil {
		return []string{plan.PortNext}
	}
	return ports
}

// Decode reads the config of one action. The value it returns is of type Config.
func (k Kind) Decode(node *schema.Node) (any, schema.Diagnostics) { return k.decode(node) }

// Ports returns the ports of an action with this config, `failed` last.
func (k Kind) Ports(cfg any) []string {
	return append(append(k.branches(cfg), k.static...), plan.PortFailed)
}

// StaticPorts returns the ports that every action of this kind has.
func (k Kind) StaticPorts() []string {
	return append(append([]string(nil), k.static...), plan.PortFailed)
}

// Waits tells whether every visit of an action with this config waits, for a time or for something to happen.
func (k Kind) Waits(cfg any) bool { return k.waits(cfg) }

// Allows tells whether the kind may be used on a record type.
func (k Kind) Allows(object string) bool {
	if k.Objects == nil {
		return true
	}
	for _, allowed := range k.Objects {
		if allowed == object {
			return true
		}
	}
	return false
}

// Acts tells whether the kind is an action in the sense of switches and windows: delays and branches
// go on where actions are held or skipped (semantics §2.10, §4.12).
func (k Kind) Acts() bool { return k.Category != Delay && k.Category != Branch }
