package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/plan"
)

// Mermaid draws the definition as a Mermaid flowchart.
func (f *File) Mermaid() string {
	g := mermaid{flow: newFlow(f.Actions), names: map[*Action]string{}}
	for _, act := range g.all {
		if act.stands() {
			g.names[act] = fmt.Sprintf("n%d", len(g.names)+1)
		}
	}
	fmt.Fprintf(&g.out, "flowchart TD\n  start([\"%s\"])\n", quoted(f.Object.Text, f.entrance()))
	hollow := ""
	for _, act := range g.all {
		if !act.stands() {
			continue
		}
		frame := frames[act.shape()]
		fmt.Fprintf(&g.out, "  %s%s\"%s\"%s\n", g.names[act], frame[0], quoted(act.title()...), frame[1])
		if act.Placeholder {
			hollow = joined(hollow, g.names[act])
		}
	}
	first := way{}
	if len(f.Actions) > 0 {
		first.to = f.Actions[0]
	}
	g.way("start", first)
	for _, act := range g.all {
		if act.stands() {
			for _, way := range g.ways(act) {
				g.way(g.names[act], way)
			}
		}
	}
	if g.ends {
		g.out.WriteString("  stop([\"end\"])\n")
	}
	if hollow != "" {
		fmt.Fprintf(&g.out, "  classDef placeholder stroke-dasharray: 4 4\n  class %s placeholder\n", hollow)
	}
	return g.out.String()
}

// mermaid writes a flowchart. Its names are its own: an id of an action may be a word of Mermaid's.
type mermaid struct {
	*flow
	names map[*Action]string
	ends  bool // somebody comes to the end
	out   strings.Builder
}

// stands tells whether the action is drawn as a node: a use of a kind, or a jump that falls through some day.
func (a *Action) stands() bool { return a.isUse() || a.MaxVisits > 0 }

// way is one way out of an action.
type way struct {
	port string
	to   *Action // nil = the end
	jump bool
}

// ways are the ways out of an action: what is drawn, then what falls through under its ports' names. An undrawn
// `failed` is not shown.
func (f *flow) ways(act *Action) []way {
	if !act.isUse() {
		return []way{{to: f.byID[act.GoTo], jump: true}, {port: "after that", to: f.next[act]}}
	}
	var ways []way
	for _, branch := range act.Then {
		ways = append(ways, way{port: branch.Port, to: f.entry(act, branch)})
	}
	if rest, falls := act.rest(); falls {
		ways = append(ways, way{port: rest, to: f.next[act]})
	}
	return ways
}

// rest names the ports that fall through, "" when that is all that the action does.
func (a *Action) rest() (ports string, falls bool) {
	if !a.fallsThrough() {
		return "", false
	}
	if a.Placeholder || !a.sound {
		return "", true
	}
	rest := slices.DeleteFunc(slices.Clone(a.Kind.Ports(a.Config)), func(port string) bool {
		return port == plan.PortFailed || slices.ContainsFunc(a.Then, func(branch Branch) bool { return branch.Port == port })
	})
	if len(rest) == 1 && rest[0] == plan.PortNext {
		return "", true
	}
	return strings.Join(rest, ", "), true
}

// way draws an arrow, over jumps to where they lead.
func (g *mermaid) way(from string, w way) {
	for passed := 0; w.to != nil && w.to.GoTo != "" && !w.to.stands() && passed < len(g.all); passed++ {
		w.to, w.jump = g.byID[w.to.GoTo], true
	}
	arrow, to := "-->", "stop"
	if w.jump {
		arrow = "-.->"
	}
	if w.to != nil && w.to.stands() {
		to = g.names[w.to]
	} else {
		g.ends = true
	}
	if w.port != "" {
		arrow += fmt.Sprintf("|\"%s\"|", quoted(w.port))
	}
	fmt.Fprintf(&g.out, "  %s %s %s\n", from, arrow, to)
}

func joined(list, item string) string {
	if list == "" {
		return item
	}
	return list + "," + item
}

// entrance says how records come in.
func (f *File) entrance() string {
	var events []string
	for _, trigger := range f.Enroll.On {
		events = append(events, trigger.Event.Text)
	}
	switch {
	case len(events) > 0:
		return "on " + strings.Join(events, " or ")
	case f.Enroll.When != nil:
		return "when it matches"
	case f.Enroll.Schedule != nil:
		return "on schedule"
	default:
		return "enrolled by hand"
	}
}

// title is what people call the action, and what it is.
func (a *Action) title() []string {
	if !a.isUse() {
		return []string{"go to " + a.GoTo, fmt.Sprintf("up to %d visits", a.MaxVisits)}
	}
	kind := cmp.Or(a.Kind.ID, "placeholder")
	title := []string{a.Label, a.ID + ": " + kind}
	if a.Label == "" {
		title = []string{a.ID, kind}
	}
	if a.At != nil {
		title = append(title, a.At.String())
	}
	return title
}

// Shapes of what is drawn.
const (
	shapeStep = "step"
	shapeWait = "wait"
	shapeFork = "fork" // where ways part
)

// frames are the shapes in Mermaid.
var frames = map[string][2]string{shapeStep: {"[", "]"}, shapeWait: {"([", "])"}, shapeFork: {"{{", "}}"}}

func (a *Action) shape() string {
	switch {
	case !a.isUse() || len(a.Then) > 1 || a.sound && len(a.Kind.Ports(a.Config)) > 2:
		return shapeFork
	case a.Kind.Category == action.Delay:
		return shapeWait
	default:
		return shapeStep
	}
}

// quoted is a text of several lines between Mermaid's quotes.
func quoted(lines ...string) string {
	escape := strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "`", "#96;", "&", "#amp;", "\n", " ")
	for i, line := range lines {
		lines[i] = escape.Replace(line)
	}
	return strings.Join(lines, "<br>")
}
