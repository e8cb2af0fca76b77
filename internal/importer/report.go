package importer

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Report says what became of an import. Its JSON form is stable.
type Report struct {
	Runnable bool         `json:"runnable"` // whether every flow is
	Flows    []FlowReport `json:"flows"`
	Files    []string     `json:"files"`             // written, by path
	Kept     []string     `json:"kept,omitempty"`    // there already, and left as they are
	Renamed  []Renamed    `json:"renamed,omitempty"` // properties whose name here is another
}

// FlowReport says what became of one flow.
type FlowReport struct {
	Source            string        `json:"source"` // file it was read from
	Flow              string        `json:"flow"`   // HubSpot's id
	Name              string        `json:"name"`
	Workflow          string        `json:"workflow"` // its id here
	Object            string        `json:"object"`
	Enabled           bool          `json:"enabled"`  // whether it was on in HubSpot
	Runnable          bool          `json:"runnable"` // nothing is a placeholder or left out
	Mapped            []Mapped      `json:"mapped"`
	Placeholders      []Placeholder `json:"placeholders"`
	LeftOut           []LeftOut     `json:"left_out"`
	NeedsMapping      []Need        `json:"needs_mapping"`
	UnusedDataSources []string      `json:"unused_data_sources"`
	Warnings          []string      `json:"warnings"`
}

// Mapped is an action that does here what it did there.
type Mapped struct {
	Action string `json:"action"` // HubSpot's id
	Type   string `json:"type"`   // HubSpot's type
	ID     string `json:"id"`     // the id here
	Kind   string `json:"kind"`
}

// Placeholder is an action that is passed over until somebody completes it.
type Placeholder struct {
	Mapped
	Reason string `json:"reason"`
}

// LeftOut is a part of a flow beside its actions that has no counterpart.
type LeftOut struct {
	Part   string `json:"part"`
	Reason string `json:"reason"`
}

// Need is an id of a HubSpot account that stands for something which has to be named here.
type Need struct {
	Kind string `json:"kind"` // user, team, list, email, workflow, association, object, form, subscription, event, secret
	ID   string `json:"id"`   // HubSpot's
	As   string `json:"as"`   // what is written for it here
}

// Renamed is a property that has another name here.
type Renamed struct {
	Object  string `json:"object"`
	HubSpot string `json:"hubspot"`
	Name    string `json:"name"`
}

func (r Renamed) compare(other Renamed) int {
	return cmp.Or(cmp.Compare(r.Object, other.Object), cmp.Compare(r.HubSpot, other.HubSpot))
}

// Placeholders counts what was left as a placeholder or left out.
func (r Report) Placeholders() int {
	count := 0
	for _, flow := range r.Flows {
		count += len(flow.Placeholders) + len(flow.LeftOut)
	}
	return count
}

// Print writes the report for people.
func (r Report) Print(to io.Writer) error {
	var out strings.Builder
	for _, flow := range r.Flows {
		flow.print(&out)
	}
	for _, one := range r.Renamed {
		fmt.Fprintf(&out, "renamed   %s %s is %s here\n", one.Object, one.HubSpot, one.Name)
	}
	for _, path := range r.Kept {
		fmt.Fprintf(&out, "kept      %s\n", path)
	}
	for _, path := range r.Files {
		fmt.Fprintf(&out, "wrote     %s\n", path)
	}
	_, err := io.WriteString(to, out.String())
	return err
}

func (f FlowReport) print(out *strings.Builder) {
	state := "runnable"
	if !f.Runnable {
		state = "not runnable yet"
	}
	fmt.Fprintf(out, "%s: %s, from flow %s %s\n", f.Workflow, state, f.Flow, quote(f.Name))
	fmt.Fprintf(out, "  mapped       %d of %d actions\n", len(f.Mapped), len(f.Mapped)+len(f.Placeholders))
	for _, one := range f.Placeholders {
		fmt.Fprintf(out, "  placeholder  %s (%s %s): %s\n", one.ID, one.Type, one.Kind, plain(one.Reason))
	}
	for _, one := range f.LeftOut {
		fmt.Fprintf(out, "  left out     %s: %s\n", one.Part, plain(one.Reason))
	}
	for _, one := range f.NeedsMapping {
		fmt.Fprintf(out, "  map          %s %s, written as %s\n", one.Kind, plain(one.ID), one.As)
	}
	for _, one := range f.UnusedDataSources {
		fmt.Fprintf(out, "  unused       data source %s\n", plain(one))
	}
	for _, one := range f.Warnings {
		fmt.Fprintf(out, "  warning      %s\n", plain(one))
	}
	out.WriteByte('\n')
}
