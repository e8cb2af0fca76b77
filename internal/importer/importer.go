// Package importer turns HubSpot automation v4 flows into a workspace. What has no counterpart becomes
// a placeholder, or is left out, and the report says so: nothing is dropped in silence.
package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Limits of an import.
const (
	maxFile    = 64 << 20 // bytes of one file
	maxActions = 5_000    // of one flow
)

// Options say what is there already.
type Options struct {
	// Read returns a file of the workspace that the import goes to, if it has one; nil = an empty workspace. Such
	// a file is kept. An e-mail that somebody filled in is no placeholder, and an object that is declared gets
	// another file for what it lacks.
	Read func(path string) (content []byte, found bool)
}

// Result is an imported workspace.
type Result struct {
	Files  map[string][]byte // by path within the workspace, with slashes
	Report Report
}

// Import reads flows, by the name of the file that each comes from: documents of
// GET /automation/v4/flows/{id}, lists of them, or {"results": […]}. The error names the first document
// that is no flow.
func Import(sources map[string][]byte, options Options) (Result, error) {
	space := newWorkspace(options.Read)
	var flows []*workflow
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		found, err := read(name, sources[name])
		if err != nil {
			return Result{}, fmt.Errorf("reading %s: %w", name, err)
		}
		flows = append(flows, found...)
	}
	if len(flows) == 0 {
		return Result{}, fmt.Errorf("there is no flow to import")
	}
	if err := space.name(flows); err != nil {
		return Result{}, err
	}
	result := Result{Files: map[string][]byte{}, Report: Report{Runnable: true}}
	for _, flow := range flows {
		content, err := flow.translate(space)
		if err != nil {
			return Result{}, fmt.Errorf("writing flow %s: %w", flow.report.Flow, err)
		}
		path := "workflows/" + flow.report.Workflow + ".yaml"
		if there, found := space.read(path); found && !bytes.Equal(there, content) {
			space.kept = append(space.kept, path)
		} else {
			result.Files[path] = content
		}
		result.Report.Flows = append(result.Report.Flows, flow.report)
		result.Report.Runnable = result.Report.Runnable && flow.report.Runnable
	}
	if err := space.files(result.Files); err != nil {
		return Result{}, fmt.Errorf("writing the workspace: %w", err)
	}
	slices.Sort(space.kept)
	result.Report.Files = slices.Sorted(maps.Keys(result.Files))
	result.Report.Kept, result.Report.Renamed = space.kept, slices.SortedFunc(slices.Values(space.renamed.items), Renamed.compare)
	return result, nil
}

// read returns the flows in a file.
func read(name string, content []byte) ([]*workflow, error) {
	if len(content) > maxFile {
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", len(content), maxFile)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	var documents []json.RawMessage
	if trimmed := bytes.TrimSpace(content); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := decode(content, &documents); err != nil {
			return nil, err
		}
	} else {
		var page struct {
			Results *[]json.RawMessage `json:"results"`
		}
		if err := decode(content, &page); err != nil {
			return nil, err
		}
		if documents = []json.RawMessage{content}; page.Results != nil {
			documents = *page.Results
		}
	}
	var flows []*workflow
	for _, raw := range documents {
		flow, err := readFlow(name, raw)
		if err != nil {
			return nil, err
		}
		flows = append(flows, flow)
	}
	return flows, nil
}

// readFlow reads one document.
func readFlow(name string, raw json.RawMessage) (*workflow, error) {
	var keys map[string]json.RawMessage
	if err := decode(raw, &keys); err != nil || keys == nil {
		return nil, fmt.Errorf("this is not a flow, which is an object with actions")
	}
	document := flowDocument{}
	if err := decode(raw, &document); err != nil {
		return nil, fmt.Errorf("flow %s: %w", quote(string(document.ID)), err)
	}
	if _, has := keys["actions"]; !has {
		return nil, fmt.Errorf("flow %s has no actions: a listing leaves them out; export it with GET /automation/v4/flows/{id}",
			quote(cmp.Or(string(document.ID), string(document.Name))))
	}
	if len(document.Actions) > maxActions {
		return nil, fmt.Errorf("flow %s has %d actions; at most %d are read", quote(string(document.ID)), len(document.Actions), maxActions)
	}
	return newWorkflow(name, document), nil
}

// name gives every flow the id that it has here.
func (s *workspace) name(flows []*workflow) error {
	names := unique{}
	for _, flow := range flows {
		id := string(flow.document.ID)
		if earlier, twice := s.flows[id]; twice && id != "" {
			return fmt.Errorf("flow %s is there twice, see %s", quote(id), earlier)
		}
		base := cmp.Or(slug(string(flow.document.Name), 60), "flow")
		if key := slug(id, 30); key != "" {
			base += "-" + key
		}
		flow.report.Workflow = names.name(base, "-")
		if id != "" {
			s.flows[id] = flow.report.Workflow
		}
	}
	return nil
}
