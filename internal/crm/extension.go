package crm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Extension is the definition of a third-party action: one of HubSpot's custom workflow actions (format §6.1), in the
// form of its API or of a project. What only HubSpot's editor needs is not kept.
type Extension struct {
	URL        string            // where it is called
	ID         string            // of the definition, "" in a project
	Version    string            // of the definition, "" in a project
	Objects    []string          // record types it is for; none = all
	Inputs     []ExtensionField  // what it is given
	Outputs    []ExtensionField  // what it answers
	Properties []string          // of the record, that it is sent
	Functions  map[string]string // sources by their type
	Rules      []ExtensionRule   // what the history says of an answer
}

// ExtensionField is an input or output.
type ExtensionField struct {
	Property
	Required bool
}

// ExtensionRule is a text for the history when all its outputs have one of their values.
type ExtensionRule struct {
	Text   string
	Values map[string][]string
}

// Functions that an extension may have around its call.
const (
	FunctionPre  = "PRE_ACTION_EXECUTION"
	FunctionPost = "POST_ACTION_EXECUTION"
)

// extensionFile is a definition as it is written.
type extensionFile struct {
	Type                 string          `json:"type"`
	Config               *extensionFile  `json:"config"` // of a project
	ID                   json.RawMessage `json:"id"`
	RevisionID           json.RawMessage `json:"revisionId"`
	ActionURL            string          `json:"actionUrl"`
	ObjectTypes          []string        `json:"objectTypes"`
	InputFields          []fieldFile     `json:"inputFields"`
	OutputFields         []fieldFile     `json:"outputFields"`
	ObjectRequestOptions *struct {
		Properties []string `json:"properties"`
	} `json:"objectRequestOptions"`
	Functions []struct {
		Type   string `json:"functionType"`
		Source string `json:"functionSource"`
	} `json:"functions"`
	Labels map[string]struct {
		ExecutionRules map[string]string `json:"executionRules"`
	} `json:"labels"`
	ExecutionRules []struct {
		LabelName  string                     `json:"labelName"`
		Conditions map[string]json.RawMessage `json:"conditions"`
	} `json:"executionRules"`
}

type fieldFile struct {
	TypeDefinition struct {
		Name    string `json:"name"`
		Type    string `json:"type"`
		Options []struct {
			Value json.RawMessage `json:"value"`
		} `json:"options"`
		OptionsURL           string `json:"optionsUrl"`
		ReferencedObjectType string `json:"referencedObjectType"`
	} `json:"typeDefinition"`
	IsRequired bool `json:"isRequired"`
}

// ReadExtension reads a definition. Keys that are not known are left alone, since exports have many.
func ReadExtension(path string, content []byte) (*Extension, schema.Diagnostics) {
	node, problems := schema.Parse(path, content)
	if problems.HasErrors() || node == nil {
		return &Extension{}, problems
	}
	var file extensionFile
	if err := json.Unmarshal(content, &file); err != nil {
		problems.Errorf(node.Pos, codeWrongValue, "this is not a definition of an action: %v", err)
		return &Extension{}, problems
	}
	if file.Config != nil {
		file, node = *file.Config, node.Get("config")
	}
	if scheme, host, _ := strings.Cut(file.ActionURL, "://"); host == "" || scheme != "https" && scheme != "http" {
		problems.Errorf(placeOf(node, "actionUrl"), codeWrongValue, "actionUrl: write a whole URL, as in https://example.com/action")
	}
	extension := &Extension{
		URL: file.ActionURL, ID: plainJSON(file.ID), Version: plainJSON(file.RevisionID), Functions: map[string]string{},
		Inputs: fields(file.InputFields, placeOf(node, "inputFields"), &problems), Outputs: fields(file.OutputFields, placeOf(node, "outputFields"), &problems),
	}
	for _, object := range file.ObjectTypes {
		extension.Objects = append(extension.Objects, extensionObject(object))
	}
	if file.ObjectRequestOptions != nil {
		extension.Properties = file.ObjectRequestOptions.Properties
	}
	for _, function := range file.Functions {
		extension.Functions[function.Type] = function.Source
	}
	for _, rule := range file.ExecutionRules {
		text := file.Labels["en"].ExecutionRules[rule.LabelName]
		if text == "" {
			text = rule.LabelName
		}
		values := map[string][]string{}
		for output, wanted := range rule.Conditions {
			values[output] = severalJSON(wanted)
		}
		extension.Rules = append(extension.Rules, ExtensionRule{text, values})
	}
	return extension, problems
}

// placeOf is where a key's value stands, or the mapping without it.
func placeOf(node *schema.Node, key string) schema.Pos {
	if value := node.Get(key); value != nil {
		return value.Pos
	}
	return node.Pos
}

// extensionTypes are the types of fields that have another name here; those of the same name are left out.
var extensionTypes = map[string]PropertyType{"currency_number": TypeNumber, "object_coordinates": TypeString, "": TypeString}

func fields(files []fieldFile, at schema.Pos, problems *schema.Diagnostics) []ExtensionField {
	known := []PropertyType{TypeString, TypeNumber, TypeBool, TypeEnumeration, TypeDate, TypeDatetime, TypePhoneNumber, TypeJSON}
	var read []ExtensionField
	for _, file := range files {
		kind, other := extensionTypes[file.TypeDefinition.Type]
		if !other {
			kind = PropertyType(file.TypeDefinition.Type)
		}
		name := file.TypeDefinition.Name
		twice := slices.ContainsFunc(read, func(earlier ExtensionField) bool { return earlier.Name == name })
		switch {
		case name == "":
			problems.Errorf(at, codeWrongValue, "a field has no typeDefinition.name")
		case twice:
			problems.Errorf(at, codeWrongValue, "there are two fields %q", clip(name))
		case !slices.Contains(known, kind):
			problems.Errorf(at, codeWrongValue, "the field %s has an unknown type %q", clip(name), clip(string(kind)))
		}
		field := ExtensionField{Property{Name: name, Type: kind, Multiple: true}, file.IsRequired}
		if file.TypeDefinition.OptionsURL == "" && file.TypeDefinition.ReferencedObjectType == "" {
			for _, option := range file.TypeDefinition.Options {
				field.Options = append(field.Options, Option{Value: plainJSON(option.Value)})
			}
		}
		read = append(read, field)
	}
	return read
}

// extensionObjects are HubSpot's ids of record types.
var extensionObjects = map[string]string{"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-14": "quote", "0-136": "lead"}

func extensionObject(name string) string {
	if known, found := extensionObjects[name]; found {
		return known
	}
	return strings.ToLower(name)
}

// plainJSON is a JSON scalar as text.
func plainJSON(raw json.RawMessage) string {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return ""
	}
	value, err := decodeJSON(raw)
	if err != nil {
		return ""
	}
	return Text(value)
}

// severalJSON is a JSON scalar or list as texts.
func severalJSON(raw json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return []string{plainJSON(raw)}
	}
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = plainJSON(one)
	}
	return texts
}

// Input returns the input of a name.
func (e *Extension) Input(name string) (ExtensionField, bool) {
	at := slices.IndexFunc(e.Inputs, func(field ExtensionField) bool { return field.Name == name })
	if at < 0 {
		return ExtensionField{}, false
	}
	return e.Inputs[at], true
}

// Allows tells whether the extension may be used on a record type.
func (e *Extension) Allows(object string) bool {
	return len(e.Objects) == 0 || slices.Contains(e.Objects, object)
}

// Says returns the text of the first rule that the outputs meet, "" when there is none.
func (e *Extension) Says(outputs map[string]string) string {
	for _, rule := range e.Rules {
		met := true
		for output, values := range rule.Values {
			met = met && slices.Contains(values, outputs[output])
		}
		if met {
			return rule.Text
		}
	}
	return ""
}

// ExtensionPaths are the places where the definition of an extension may stand.
func ExtensionPaths(name string) []string {
	return []string{"actions/" + name + ".json", "actions/" + name + "-hsmeta.json"}
}

// ExtensionFile returns the name of the extension whose definition stands at a path.
func ExtensionFile(path string) (name string, is bool) {
	name, inFolder := strings.CutPrefix(path, "actions/")
	name, isJSON := strings.CutSuffix(name, ".json")
	return strings.TrimSuffix(name, "-hsmeta"), inFolder && isJSON && !strings.Contains(name, "/")
}
