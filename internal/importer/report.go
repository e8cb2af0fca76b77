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
	Kind string `json:"kind"` // user, team, list, email, workflow, association, object, form, subscription, event, extension, secret
	ID   string `json:"id"`   // HubSpot's
	As   string `json:"as"`   // what is written for it here, "" when nothing is
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
	var out page
	for _, flow := range r.Flows {
		flow.print(&out)
	}
	for _, one := range r.Renamed {
		out.line("renamed   %s %s is %s here", one.Object, one.HubSpot, one.Name)
	}
	for _, path := range r.Kept {
		if strings.HasPrefix(path, "workflows/") {
			path += ": it differs; import into another folder to see the new one"
		}
		out.line("kept      %s", path)
	}
	for _, path := range r.Files {
		out.line("wrote     %s", path)
	}
	_, err := io.WriteString(to, out.String())
	return err
}

func (f FlowReport) print(out *page) {
	state := "runnable"
	if !f.Runnable {
		state = "not runnable yet"
	}
	out.line("%s: %s, from %s", f.Workflow, state, f.origin())
	out.line("  mapped       %d of %d actions", len(f.Mapped), len(f.Mapped)+len(f.Placeholders))
	for _, one := range f.Placeholders {
		out.line("  placeholder  %s (%s %s): %s", one.ID, one.Type, one.Kind, one.Reason)
	}
	for _, one := range f.LeftOut {
		out.line("  left out     %s: %s", one.Part, one.Reason)
	}
	for _, one := range f.NeedsMapping {
		if one.As == "" {
			out.line("  map          %s %s", one.Kind, one.ID)
		} else {
			out.line("  map          %s %s, written as %s", one.Kind, one.ID, one.As)
		}
	}
	for _, one := range f.UnusedDataSources {
		out.line("  unused       data source %s", one)
	}
	for _, one := range f.Warnings {
		out.line("  warning      %s", one)
	}
	out.line("")
}

// origin names the flow as its owner knows it.
func (f FlowReport) origin() string {
	if f.Flow == "" {
		return "the flow " + quote(f.Name)
	}
	return "flow " + f.Flow + " " + quote(f.Name)
}

// page is text of lines.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) {
	p.WriteString(plain(fmt.Sprintf(format, args...)) + "\n")
}
