package definition

import (
	"reflect"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/schema"
)

// JSONSchema describes definitions for editors, as JSON Schema 2020-12.
func JSONSchema(kinds []action.Kind) map[string]any {
	act := schema.JSONSchema(reflect.TypeFor[frame]())
	properties := act["properties"].(map[string]any)
	for _, kind := range kinds {
		config := schema.JSONSchema(kind.Config)
		config["description"] = kind.Summary
		properties[kind.ID] = config
	}
	root := schema.JSONSchema(reflect.TypeFor[File]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Millrace workflow"
	root["$defs"] = map[string]any{"action": act}
	return root
}
