package definition

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/crm"
)

// extender is implemented by configs that use an extension.
type extender interface {
	Extends() (name crm.ExtensionName, inputs map[string]crm.Value)
}

// extension checks an action against the definition of the extension that it uses.
func (c *checker) extension(user extender) {
	name, inputs := user.Extends()
	definition := c.in.Extensions[name.Text]
	if definition == nil {
		return // reported where it is named
	}
	if object := c.file.Object.Text; object != "" && !definition.Allows(object) {
		c.found.Errorf(name.Pos(), "wrong-object", "%s is not for a %s: only for %s", name, object, enumerate(definition.Objects))
	}
	names := make([]string, len(definition.Inputs))
	for i, field := range definition.Inputs {
		names[i] = field.Name
		if _, given := inputs[field.Name]; field.Required && !given {
			c.found.Errorf(name.Pos(), "missing-input", "%s needs the input %s", name, field.Name)
		}
	}
	for _, given := range slices.Sorted(maps.Keys(inputs)) {
		value := inputs[given]
		field, known := definition.Input(given)
		if !known {
			c.found.Errorf(value.Pos(), "unknown-input", "%s has no input %q", name, given).Suggest(given, names)
			continue
		}
		if literal, fixed := value.Literal(); fixed {
			if _, err := field.Canonical(literal); err != nil {
				c.found.Errorf(value.Pos(), "wrong-value", "%s: %v", given, err)
			}
		}
	}
}
