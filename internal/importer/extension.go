package importer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

// extension is an action of an app, which runs here once its definition is in the workspace.
func (w *workflow) extension(a *action) ([]step, error) {
	id := strings.TrimPrefix(a.typeKey(), "1-")
	name := "hubspot-" + slug(id, 60)
	var fields map[string]json.RawMessage
	if !isNothing(a.Fields) {
		if err := decode(a.Fields, &fields); err != nil {
			return nil, err
		}
	}
	w.need("extension", id, name)
	inputs := mapping()
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		value, err := w.input(fields[field])
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", quote(field), err)
		}
		inputs.Content = append(inputs.Content, str(field), value)
	}
	if len(inputs.Content) == 0 {
		inputs = nil
	}
	steps := one("extension_action", mapping(entry{"action", str(name)}, entry{"inputs", inputs}, entry{"signature", str(w.secret("hubspot-app-" + slug(id, 60)))}))
	for _, path := range crm.ExtensionPaths(name) {
		if _, found := w.space.read(path); found {
			return steps, nil
		}
	}
	return steps, fmt.Errorf("the definition of the action %s is not part of a flow: put it into actions/%s.json", a.typeKey(), name)
}

// input is the value of an input field: a text with tokens, or a value with its type.
func (w *workflow) input(raw json.RawMessage) (*yaml.Node, error) {
	if trimmed := strings.TrimSpace(string(raw)); strings.HasPrefix(trimmed, "{") {
		var document valueDocument
		if err := decode(raw, &document); err != nil {
			return nil, err
		}
		value, err := w.value(&document)
		return value.node(), err
	}
	var plain text
	if err := decode(raw, &plain); err != nil {
		return nil, err
	}
	value, err := w.template(string(plain))
	return value.node(), err
}
