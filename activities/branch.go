package activities

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// branchName names a branch, and so a port. It remembers where it stands in the source.
type branchName struct {
	text string
	pos  schema.Pos
}

// UnmarshalNode reads a name.
func (b *branchName) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	*b = branchName{text: node.Value, pos: node.Pos}
	reserved := []string{plan.PortFailed, plan.PortNext, portDefault, portNoneMet}
	switch {
	case node.Kind != schema.String && node.Kind != schema.Number:
		problems.WrongType(node, "name", "a name")
	case slices.Contains(reserved, node.Value):
		problems.Errorf(node.Pos, "reserved-name", "a branch cannot be named %q: that is a port of its own", node.Value)
	case strings.TrimSpace(node.Value) == "" || len(node.Value) > 100 || strings.ContainsFunc(node.Value, func(r rune) bool { return r < ' ' }):
		problems.Errorf(node.Pos, "wrong-value", "a branch needs a name of 1 to 100 characters on one line")
	}
}

// MarshalJSON writes the source form.
func (b branchName) MarshalJSON() ([]byte, error) { return json.Marshal(b.text) }

// Describe tells readers about the source form.
func (branchName) Describe() schema.Description {
	return schema.Description{Name: "name", Doc: "Name of a branch, and of its port.", Schema: map[string]any{"type": "string", "minLength": 1, "maxLength": 100}}
}

// Ports that every branching action of its kind has.
const (
	portDefault = "default"
	portNoneMet = "none_met"
)

// branchOutput is what a branching action leaves.
var branchOutput = []action.Output{{Name: "branch", Type: string(crm.TypeString), Doc: "Name of the branch that was taken."}}

// taken takes a branch.
func taken(name, note string) (plan.Outcome, error) {
	output, err := json.Marshal(map[string]string{"branch": name})
	return plan.Outcome{Port: name, Output: output, Note: note}, err
}

// branch is one branch of a config.
type branch interface{ name() branchName }

// checkNames reports names that occur twice.
func checkNames[B branch](branches []B, problems *schema.Diagnostics) {
	seen := map[string]bool{}
	for _, one := range branches {
		name := one.name()
		if seen[name.text] {
			problems.Errorf(name.pos, "duplicate-branch", "there are two branches named %q", name.text)
		}
		seen[name.text] = true
	}
}

// ports returns the ports of branches: their names.
func ports[B branch](branches []B) []string {
	texts := make([]string, len(branches))
	for i, one := range branches {
		texts[i] = one.name().text
	}
	return texts
}
