package crm

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// Object declares a record type: the content of a file in objects/.
type Object struct {
	Name       string     `json:"object" doc:"Internal name, as in vessel." required:"true"`
	Label      string     `json:"label,omitempty" doc:"Name of one record, shown to people."`
	Plural     string     `json:"plural,omitempty" doc:"Name of several records."`
	Doc        string     `json:"description,omitempty" doc:"What the records stand for."`
	Properties Properties `json:"properties,omitempty" doc:"Properties; those of a built-in object are added to its own."`
}

// Properties are the properties of an object. A file may write them as a list with names or as a
// mapping from names.
type Properties []Property

// UnmarshalNode reads a list of properties or a mapping from names.
func (p *Properties) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	items := node.Items
	switch node.Kind {
	case schema.List:
	case schema.Mapping:
		for _, field := range node.Fields {
			items = append(items, named(field))
		}
	default:
		d.WrongType(node, "properties", "a list or a mapping of properties")
	}
	for _, item := range items {
		var property Property
		*d = append(*d, schema.Decode(item, &property)...)
		if property.Name != "" && !propertyName.MatchString(property.Name) {
			d.Errorf(item.Get("name").Pos, codeWrongValue, "%q is not a name of a property: use letters, digits and underscores, not starting with a digit", clip(property.Name))
		}
		if property.Indexed && !property.CanIndex() {
			d.Errorf(item.Get("indexed").Pos, codeWrongValue, "a %s cannot be indexed", property.Type)
		}
		*p = append(*p, property)
	}
}

// named turns an entry of a mapping from names into the property it declares.
func named(field schema.Field) *schema.Node {
	property := *field.Value
	if property.Kind == schema.Null {
		property.Kind = schema.Mapping
	}
	name := schema.Field{Key: &schema.Node{Kind: schema.String, Pos: field.Key.Pos, Value: "name"}, Value: field.Key}
	property.Fields = append([]schema.Field{name}, property.Fields...)
	return &property
}

// Describe tells readers about the source form.
func (Properties) Describe() schema.Description {
	property := schema.JSONSchema(reflect.TypeFor[Property]())
	return schema.Description{
		Name: "properties", Doc: "Properties, as a list or by name.",
		Schema: map[string]any{"anyOf": []any{
			map[string]any{"type": "array", "items": property},
			map[string]any{"type": "object"},
		}},
	}
}

// Property returns a declared property by its name.
func (o Object) Property(name string) (Property, bool) {
	for _, property := range o.Properties {
		if property.Name == name {
			return property, true
		}
	}
	return Property{}, false
}

// Catalog knows the object types and their properties. It must not be changed while it is in use.
type Catalog struct {
	// Open marks a catalog outside a workspace: properties and objects that are not declared exist all
	// the same and take the type that their use suggests.
	Open bool

	// FiscalYear is the month in which fiscal years begin; 0 is January.
	FiscalYear time.Month

	objects map[string]Object
	lists   map[string]ActiveList
}

// NewCatalog returns a catalog of the given objects.
func NewCatalog(objects ...Object) *Catalog {
	catalog := &Catalog{}
	for _, object := range objects {
		catalog.Add(object)
	}
	return catalog
}

// Add declares an object. When it is declared already, its properties are added or replaced.
func (c *Catalog) Add(object Object) {
	if c.objects == nil {
		c.objects = map[string]Object{}
	}
	known, declared := c.objects[object.Name]
	if !declared {
		known = Object{Name: object.Name}
	}
	if object.Label != "" {
		known.Label = object.Label
	}
	if object.Plural != "" {
		known.Plural = object.Plural
	}
	if object.Doc != "" {
		known.Doc = object.Doc
	}
	known.Properties = slices.Clone(known.Properties)
	for _, property := range object.Properties {
		same := func(p Property) bool { return p.Name == property.Name }
		if at := slices.IndexFunc(known.Properties, same); at >= 0 {
			known.Properties[at] = property
		} else {
			known.Properties = append(known.Properties, property)
		}
	}
	c.objects[object.Name] = known
}

func (c *Catalog) fiscalYear() time.Month {
	if c == nil {
		return 0
	}
	return c.FiscalYear
}

// Object returns a declared object.
func (c *Catalog) Object(name string) (Object, bool) {
	if c == nil {
		return Object{}, false
	}
	object, declared := c.objects[name]
	return object, declared
}

// Objects returns the names of the declared objects, sorted.
func (c *Catalog) Objects() []string { return slices.Sorted(maps.Keys(c.objects)) }

// Property returns a declared property.
func (c *Catalog) Property(object, name string) (Property, bool) {
	known, declared := c.Object(object)
	if !declared {
		return Property{}, false
	}
	return known.Property(name)
}

// Uniques returns the names of an object's unique properties.
func (c *Catalog) Uniques(object string) []string {
	return c.named(object, func(p *Property) bool { return p.Unique })
}

// Required returns the names of an object's required properties.
func (c *Catalog) Required(object string) []string {
	return c.named(object, func(p *Property) bool { return p.Required })
}

func (c *Catalog) named(object string, is func(*Property) bool) []string {
	known, _ := c.Object(object)
	var names []string
	for i := range known.Properties {
		if is(&known.Properties[i]) {
			names = append(names, known.Properties[i].Name)
		}
	}
	return names
}

// IsOpen tells whether what is not declared exists all the same. A missing catalog is open.
func (c *Catalog) IsOpen() bool { return c == nil || c.Open }

// Canonical turns a value into the canonical text of a property; see Property.Canonical. In an open
// catalog an undeclared property takes the type that the value suggests.
func (c *Catalog) Canonical(object, name string, value any) (string, error) {
	property, declared := c.Property(object, name)
	if !declared {
		if !c.IsOpen() {
			return "", invalidf("%s has no property %s", object, name)
		}
		property = Property{Name: name, Type: Infer(Text(value))}
		if _, isText := value.(string); isText && property.Type != TypeDatetime {
			property.Type = TypeString // already in the form of its type
		}
	}
	return property.Canonical(value)
}

// Typed turns a property's canonical text into a value; see Property.Value.
func (c *Catalog) Typed(object, name, text string) any {
	property, declared := c.Property(object, name)
	if !declared && c.IsOpen() {
		property.Type = Infer(text)
	}
	return property.Value(text)
}

// Builtin returns the built-in objects with their default properties (language §1).
func Builtin() *Catalog { return NewCatalog(builtinObjects()...) }
