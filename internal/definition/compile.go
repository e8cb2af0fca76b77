package definition

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// maxGraph is how many bytes the part of a plan may have that travels through histories.
const maxGraph = 128 << 10

// Compile turns a definition that Read and Check found sound into a plan: links resolved, defaults
// applied, activity, timeouts and everything else that the interpreter needs baked into each node.
// Placeholders are passed over. in is the workspace whose e-mails and messages are sent, nil outside
// of one. The hash covers everything but Revision and Moved, which the publisher sets: equal
// definitions have equal plans. Codes: plan-too-large.
func Compile(file *File, in *Workspace) (*plan.Plan, schema.Diagnostics) {
	compiler := &compiler{file: file, in: in, flow: newFlow(file.Actions)}
	compiled := &plan.Plan{
		Workflow: file.Workflow.Text,
		Object:   file.Object.Text,
		Nodes:    map[string]plan.Node{},
		Rules:    file.rules(in),
	}
	if len(file.Actions) > 0 {
		compiled.Start = compiler.edge(file.Actions[0])
	}
	for _, act := range compiler.flow.all {
		if act.runs() && compiler.flow.byID[act.ID] == act {
			compiled.Nodes[act.ID] = compiler.node(act)
			if act.At != nil {
				compiled.Nodes[act.atNode()] = compiler.moment(act)
			}
		}
	}
	for _, node := range compiled.Nodes {
		for _, id := range node.Reads {
			source := compiled.Nodes[id]
			source.Keep = true
			compiled.Nodes[id] = source
		}
	}
	compiler.fold(compiled)
	compiled.Hash = hashOf(compiled)
	var problems schema.Diagnostics
	if size := len(mustJSON(compiled.Graph())); size > maxGraph {
		problems.Errorf(file.pos("actions"), "plan-too-large", "the plan has %d bytes; at most %d are allowed", size, maxGraph).
			Hint = "move a part of the actions into a workflow of its own"
	}
	return compiled, problems
}

type compiler struct {
	file *File
	in   *Workspace
	flow *flow
}

// edge leads to an action, or to where it passes people on.
func (c *compiler) edge(act *Action) plan.Edge { return c.follow(act, map[*Action]bool{}) }

func (c *compiler) follow(act *Action, passed map[*Action]bool) plan.Edge {
	switch {
	case act == nil:
		return c.last()
	case passed[act]:
		return plan.Edge{}
	case act.End:
		return plan.Edge{End: true}
	case act.Placeholder:
		passed[act] = true
		return c.follow(c.flow.next[act], passed)
	case act.isUse():
		return plan.Edge{To: act.first()}
	}
	edge := c.follow(c.flow.byID[act.GoTo], passed)
	edge.GoTo = true
	if act.MaxVisits > 0 {
		otherwise := c.edge(c.flow.next[act])
		edge.MaxVisits, edge.Else = act.MaxVisits, &otherwise
	}
	return edge
}

func (c *compiler) node(act *Action) plan.Node {
	config := mustJSON(act.Config)
	node := plan.Node{
		Kind:    act.Kind.ID,
		Label:   act.Label,
		Hash:    digest([]byte(act.Kind.ID), config),
		Local:   act.Kind.Local,
		Attempt: act.Kind.Attempt,
		GiveUp:  act.Kind.GiveUp,
		Next:    c.edge(c.flow.next[act]),
		Reads:   c.reads(act),
		Config:  config,
	}
	if _, limited := c.quotas()[act.Kind.Channel]; limited {
		node.Queue = plan.ChannelQueue(act.Kind.Channel)
	}
	for _, branch := range act.Then {
		if node.Edges == nil {
			node.Edges = map[string]plan.Edge{}
		}
		node.Edges[branch.Port] = c.edge(c.flow.entry(act, branch))
	}
	return node
}

// quotas are the limits of channels; there are none outside a workspace.
func (c *compiler) quotas() crm.Quotas {
	if c.in == nil {
		return nil
	}
	return c.in.Account.Quotas
}

// reads returns the actions whose outputs an action needs: those that its tokens name, the tokens of
// what it sends among them, and those that its config refers to.
func (c *compiler) reads(act *Action) []string {
	ids := map[string]bool{}
	addToken := func(token crm.Token) {
		if len(token.Path) > 1 && token.Path[0] == "actions" {
			ids[token.Path[1]] = true
		}
	}
	schema.Walk(act.Config, func(value any) {
		if user, ok := value.(tokenUser); ok {
			for _, token := range user.Tokens() {
				addToken(token)
			}
		}
		reference, ok := value.(crm.Reference)
		if !ok {
			return
		}
		kind, name := reference.Target()
		if kind == "action" {
			ids[name] = true
		}
		for _, token := range c.in.tokens(kind, name) {
			addToken(token)
		}
	})
	var reads []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if source := c.flow.byID[id]; source != nil && source.runs() {
			reads = append(reads, id)
		}
	}
	return reads
}

// rules are the parts of the definition about whole enrollments, in the form of the language.
func (f *File) rules(in *Workspace) *plan.Rules {
	rules := &plan.Rules{
		Name:        f.Name,
		Again:       mustJSON(f.Enroll.Again),
		LeaveOnMiss: f.Enroll.Leave,
		TimeZone:    f.Settings.TimeZone.String(),
		Goal:        filterJSON(f.Goal),
		Suppress:    filterJSON(f.Suppress),
	}
	triggers := f.Enroll
	if triggers.On != nil || triggers.When != nil || triggers.Schedule != nil || triggers.Webhook != nil || !triggers.Removes.IsZero() {
		triggers.Again, triggers.Leave = Again{}, false
		rules.Enroll = mustJSON(triggers)
	}
	if f.Center != nil {
		rules.Needs = f.Center.Property.Text
	}
	if text := mustJSON(gates{f.Settings.opening(in), f.Settings.Rate}); string(text) != "{}" {
		rules.Settings = text
	}
	if off := f.Settings.OffAt; off != nil {
		rules.OffAt = crm.At(off.Date, off.Time, f.zone(in)).UTC()
	}
	return rules
}

// gates is the form in which the settings that hold actions back stand in a plan.
type gates struct {
	crm.Opening
	Rate *crm.Rate `json:"rate,omitempty"`
}

func filterJSON(filter *crm.Filter) json.RawMessage {
	if filter == nil {
		return nil
	}
	return mustJSON(filter)
}

// mustJSON writes a value of types that are all ours; that one of them cannot be written is a
// programmer's mistake.
func mustJSON(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("definition: %T cannot be written as JSON: %v", value, err))
	}
	return text
}

func hashOf(compiled *plan.Plan) string {
	bare := *compiled
	bare.Revision, bare.Hash, bare.Moved = 0, "", nil
	return digest(mustJSON(bare))
}

// digest is a short name of its parts.
func digest(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:", len(part))
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
