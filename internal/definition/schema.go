package definition

import (
	"reflect"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
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

// Part is a kind of file of a workspace, or a part of one.
type Part struct {
	Name, Doc string
	Type      reflect.Type
}

// Parts are what an author writes, for the reference.
func Parts() []Part {
	return []Part{
		{"A definition", "`workflows/NAME.yaml`, or `.json`.", reflect.TypeFor[File]()},
		{"An action", "An item of `actions`, or of a block in `then`: a kind with its config, and beside it these.", reflect.TypeFor[frame]()},
		{"The workspace", "`" + WorkspaceFile + "`.", reflect.TypeFor[crm.Account]()},
		{"A record type", "`objects/NAME.yaml`. Properties of a built-in type are added to its own.", reflect.TypeFor[crm.Object]()},
		{"A property", "An item of `properties`, or a value under its name.", reflect.TypeFor[crm.Property]()},
		{"A list", "`lists/NAME.yaml`.", reflect.TypeFor[List]()},
		{"A calendar", "`calendars/NAME.yaml`.", reflect.TypeFor[Calendar]()},
		{"A message", "`messages/NAME.yaml`.", reflect.TypeFor[Message]()},
		{"Users", "`users.yaml`.", reflect.TypeFor[people]()},
		{"A connection", "A value in `connections.yaml`, under its name.", reflect.TypeFor[Connection]()},
	}
}
