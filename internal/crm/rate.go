package crm

import (
	"fmt"

	"github.com/millrace/millrace/internal/schema"
)

// Rate is at most so many in any time of a length.
type Rate struct {
	Limit int    `json:"limit" doc:"So many." required:"true" min:"1" max:"1000000"`
	Per   Period `json:"per" doc:"In this time; a day has 24 hours." required:"true"`
}

// String writes the rate for people.
func (r Rate) String() string { return fmt.Sprintf("%d in %s", r.Limit, r.Per) }

// Period is a duration that is longer than nothing.
type Period struct{ Duration }

// UnmarshalNode reads a duration.
func (p *Period) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	before := len(*d)
	if p.Duration.UnmarshalNode(node, d); len(*d) == before && p.IsZero() {
		d.Errorf(node.Pos, "out-of-range", "the time has to be longer than nothing")
	}
}
