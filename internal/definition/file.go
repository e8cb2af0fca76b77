// Package definition is the language that authors write (language §1 and §2): it reads definitions and
// workspaces, finds what is wrong with them, and compiles definitions into plans. It is told which
// kinds of action there are.
package definition

import (
	"slices"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// File is one decoded definition (language §2).
type File struct {
	Workflow    crm.WorkflowName `json:"workflow" doc:"Stable id: lower-case letters, digits, hyphens." required:"true"`
	Name        string           `json:"name,omitempty" doc:"Name shown to people." max:"200"`
	Description string           `json:"description,omitempty" doc:"What the workflow is for." max:"5000"`
	Object      crm.ObjectName   `json:"object" doc:"Type of the records that enter. It cannot be changed later." required:"true"`
	Center      *Center          `json:"center,omitempty" doc:"The day that the workflow is about; its actions say by at when they run."`
	Enroll      Enroll           `json:"enroll,omitzero" doc:"What enrolls records; without it they are enrolled by hand or by other workflows."`
	Goal        *crm.Filter      `json:"goal,omitempty" doc:"Who meets it is not admitted, and leaves before the next action."`
	Suppress    *crm.Filter      `json:"suppress,omitempty" doc:"Who matches is not admitted, and leaves at once."`
	Settings    Settings         `json:"settings,omitzero" doc:"Time zone, windows, pause dates, rate."`
	Actions     Block            `json:"actions" doc:"What happens, in order." required:"true"`

	name  string
	src   []byte
	node  *schema.Node
	kinds []action.Kind
	sound bool // read without an error
}

// Read decodes a definition. name says where it is from and, by its ending, whether it is YAML or JSON.
// The result is never nil; when there are errors it holds what could be read, for further checks.
func Read(name string, src []byte, kinds []action.Kind) (*File, schema.Diagnostics) {
	file := &File{name: name, src: src, kinds: kinds}
	node, problems := schema.Parse(name, src)
	if node == nil {
		return file, problems
	}
	file.node = node
	problems = append(problems, schema.Decode(node, file)...)
	file.Actions.each(func(act *Action) { act.resolve(kinds, &problems) })
	if schedule := file.Enroll.Schedule; schedule != nil && file.Enroll.If == nil {
		file.Enroll.If, schedule.If = schedule.If, nil
	}
	file.sound = !problems.HasErrors()
	return file, problems
}

// Source returns the definition as its author wrote it.
func (f *File) Source() []byte { return f.src }

// Path returns the name that the definition was read under.
func (f *File) Path() string { return f.name }

// Placeholders are the ids of the actions that were saved without their details.
func (f *File) Placeholders() (ids []string) {
	f.Actions.each(func(act *Action) {
		if act.Placeholder && act.isUse() {
			ids = append(ids, act.ID)
		}
	})
	return ids
}

// pos is where a key of the definition stands, or the definition itself.
func (f *File) pos(keys ...string) schema.Pos {
	node, pos := f.node, schema.Pos{File: f.name, Line: 1, Column: 1}
	for _, key := range keys {
		if node == nil {
			break
		}
		at := slices.IndexFunc(node.Fields, func(field schema.Field) bool { return field.Key.Value == key })
		if at < 0 {
			break
		}
		pos, node = node.Fields[at].Key.Pos, node.Fields[at].Value
	}
	return pos
}

// item is where an item of a list of the definition stands.
func (f *File) item(i int, keys ...string) schema.Pos {
	node := f.node
	for _, key := range keys {
		node = node.Get(key)
	}
	return node.Items[i].Pos
}
