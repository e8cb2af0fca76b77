package crm

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Calculation says how a property gets its value: by a formula over the other properties of its record, by a rollup
// of associated records, or, as true, by somebody else. The zero Calculation is none.
type Calculation struct{ *computation }

type computation struct {
	formula Formula
	rollup  *Rollup
	pos     schema.Pos
}

// Rollup computes one value from all associated records of a type. Those without a value do not count; without any
// the result of sum and count is 0 and of the others empty.
type Rollup struct {
	Rollup   string       `json:"rollup" doc:"What to compute." enum:"count,sum,average,min,max" required:"true"`
	Of       ObjectName   `json:"of" doc:"Record type of the associated records." required:"true"`
	Property PropertyName `json:"property,omitzero" doc:"Their property; count needs none."`
	Label    string       `json:"label,omitempty" doc:"Only those whose association has this label."`
}

// IsZero tells whether there is no calculation.
func (c Calculation) IsZero() bool { return c.computation == nil }

// Formula returns the formula over the record's own properties; the zero one when there is none.
func (c Calculation) Formula() Formula {
	if c.computation == nil {
		return Formula{}
	}
	return c.formula
}

// Rollup returns what is computed from associated records, or nil.
func (c Calculation) Rollup() *Rollup {
	if c.computation == nil {
		return nil
	}
	return c.rollup
}

// UnmarshalNode reads true, false, a formula or a rollup.
func (c *Calculation) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	read := &computation{pos: node.Pos}
	switch node.Kind {
	case schema.Bool:
		if strings.EqualFold(node.Value, "false") {
			return
		}
	case schema.Mapping:
		read.rollup = &Rollup{}
		found := schema.Decode(node, read.rollup)
		if !found.HasErrors() && (read.rollup.Rollup == "count") != read.rollup.Property.IsZero() {
			found.Errorf(node.Pos, codeWrongValue, "count takes no property, and the other rollups need one")
		}
		*d = append(*d, found...)
	default:
		read.formula.UnmarshalNode(node, d)
	}
	c.computation = read
}

// UnmarshalJSON reads a stored calculation. The error is the first problem.
func (c *Calculation) UnmarshalJSON(data []byte) error {
	node, problems := schema.Parse("calculation.json", data)
	if node != nil && node.Kind != schema.Null {
		c.UnmarshalNode(node, &problems)
	}
	if problems.HasErrors() {
		return invalidf("calculation: %s", problems[0].Message)
	}
	return nil
}

// MarshalJSON writes the source form.
func (c Calculation) MarshalJSON() ([]byte, error) {
	switch {
	case c.computation == nil:
		return []byte("false"), nil
	case c.rollup != nil:
		return json.Marshal(c.rollup)
	case !c.formula.IsZero():
		return c.formula.MarshalJSON()
	}
	return []byte("true"), nil
}

// Describe tells readers about the source form.
func (Calculation) Describe() schema.Description {
	return schema.Description{
		Name: "calculation", Doc: "A formula over the record's own properties, as in round(deal.amount * 1.22, 2); a rollup, as in {rollup: sum, of: deal, property: amount}; or true.",
		Schema: map[string]any{"anyOf": []any{
			map[string]any{"type": "boolean"}, map[string]any{"type": "string"}, schema.JSONSchema(reflect.TypeFor[Rollup]()),
		}},
	}
}

// Value computes the rollup from the values of the associated records, in canonical text, of which empty ones count
// only in count. The result is canonical text.
func (r Rollup) Value(of Property, values []string) string {
	if r.Rollup == "count" {
		return NumberOf(int64(len(values))).String()
	}
	var typed []any
	for _, text := range values {
		value := of.Value(text)
		if _, isText := value.(string); value != nil && !isText { // numbers, dates and times alone are rolled up
			typed = append(typed, value)
		}
	}
	switch {
	case r.Rollup == "sum" || r.Rollup == "average":
		return r.total(typed)
	case len(typed) == 0:
		return ""
	case r.Rollup == "min":
		return Text(slices.MinFunc(typed, compareValues))
	}
	return Text(slices.MaxFunc(typed, compareValues))
}

// total is the sum or the average of numbers.
func (r Rollup) total(values []any) string {
	var sum Number
	count := int64(0)
	for _, value := range values {
		if number, isNumber := value.(Number); isNumber {
			sum = sum.Add(number)
			count++
		}
	}
	if r.Rollup == "sum" {
		return sum.String()
	}
	if count == 0 {
		return ""
	}
	average, err := sum.Div(NumberOf(count))
	if err != nil {
		return ""
	}
	return average.String()
}

// oneRecord is a record store with one record in it, which is all that a formula may read.
type oneRecord struct {
	Records
	record Record
}

func (r oneRecord) Get(context.Context, Ref) (Record, error) { return r.record, nil }

func (oneRecord) Associated(context.Context, Ref, string) ([]Association, error) { return nil, nil }

func (oneRecord) User(context.Context, string) (User, error) { return User{}, ErrNotFound }

// Calculate computes a calculated property of a record by its formula, in canonical text. What cannot be computed,
// such as a quotient by zero, and what is not of the property's type, is empty.
func (c *Catalog) Calculate(ctx context.Context, record Record, property Property) string {
	scope := Scope{Records: oneRecord{record: record}, Ref: record.Ref, Catalog: c}
	value, _, err := property.Calculated.Formula().Resolve(ctx, scope)
	if err != nil {
		return ""
	}
	text, err := property.Canonical(value)
	if err != nil {
		return ""
	}
	return text
}

// Calculations returns the calculated properties of an object that have a formula or a rollup, each after those that
// it is computed from.
func (c *Catalog) Calculations(object string) []Property {
	known, _ := c.Object(object)
	var order []Property
	var visit func(name string, depth int)
	visit = func(name string, depth int) {
		property, _ := known.Property(name)
		calculated := property.Calculated
		done := slices.ContainsFunc(order, func(p Property) bool { return p.Name == name })
		if done || depth > len(known.Properties) || calculated.Formula().IsZero() && calculated.Rollup() == nil {
			return
		}
		for _, token := range calculated.Formula().Tokens() {
			visit(token.Path[len(token.Path)-1], depth+1)
		}
		order = append(order, property)
	}
	for i := range known.Properties {
		if !known.Properties[i].Calculated.IsZero() {
			visit(known.Properties[i].Name, 0)
		}
	}
	return order
}

// SourceCalculated is the source of what is calculated anew though nobody changed the record itself.
const SourceCalculated = "calculated"

// Rollups returns the objects that have a property which is computed from associated records of an object: from one
// of the changed properties, or, when these are nil, from anything of them.
func (c *Catalog) Rollups(of string, changed map[string]string) []string {
	if c == nil {
		return nil
	}
	var objects []string
	for name, object := range c.objects {
		if slices.ContainsFunc(object.Properties, func(p Property) bool {
			rollup := p.Calculated.Rollup()
			if rollup == nil || rollup.Of.Text != of {
				return false
			}
			_, concerned := changed[rollup.Property.Text]
			return concerned || changed == nil
		}) {
			objects = append(objects, name)
		}
	}
	slices.Sort(objects)
	return objects
}

// CheckCalculations reports calculations that name what is not there or what does not fit, and those that go in a
// circle.
func (c *Catalog) CheckCalculations(d *schema.Diagnostics) {
	check := calculationCheck{catalog: c, d: d, state: map[[2]string]int{}}
	for _, object := range slices.Sorted(maps.Keys(c.objects)) {
		for _, property := range c.objects[object].Properties {
			if !property.Calculated.IsZero() {
				check.property(object, property)
			}
		}
	}
	for _, object := range slices.Sorted(maps.Keys(c.objects)) {
		for _, property := range c.objects[object].Properties {
			check.circle(object, property.Name)
		}
	}
}

type calculationCheck struct {
	catalog *Catalog
	d       *schema.Diagnostics
	state   map[[2]string]int // of object and property: 1 = on the way, 2 = done
}

func (k calculationCheck) property(object string, property Property) {
	for _, token := range property.Calculated.Formula().Tokens() {
		if len(token.Path) != 2 || token.Cut || token.Path[0] != object && token.Path[0] != "record" {
			k.d.Errorf(token.Pos, codeWrongValue, "%s: a formula reads the record's own properties, as in %s.name", token, object).
				Hint = "what comes from associated records is a rollup; what depends on the present is a filter"
			continue
		}
		k.exists(object, token.Path[1], token.Pos)
	}
	rollup := property.Calculated.Rollup()
	if rollup == nil {
		return
	}
	if _, declared := k.catalog.Object(rollup.Of.Text); !declared {
		k.d.Errorf(rollup.Of.Pos(), codeWrongValue, "there is no object %q", rollup.Of.Text).Suggest(rollup.Of.Text, k.catalog.Objects())
		return
	}
	of := Property{Type: TypeNumber}
	if rollup.Rollup != "count" {
		var found bool
		if of, found = k.exists(rollup.Of.Text, rollup.Property.Text, rollup.Property.Pos()); !found {
			return
		}
	}
	fits := of.Type == TypeNumber || (rollup.Rollup == "min" || rollup.Rollup == "max") && slices.Contains(timeTypes, of.Type)
	if !fits || property.Type != of.Type {
		k.d.Errorf(property.Calculated.pos, codeWrongValue, "%s is a %s: a %s of %s cannot be kept in it", property.Name, property.Type, rollup.Rollup, of.Type)
	}
}

// exists reports a property that is not declared.
func (k calculationCheck) exists(object, name string, pos schema.Pos) (Property, bool) {
	property, found := k.catalog.Property(object, name)
	if !found {
		known, _ := k.catalog.Object(object)
		names := make([]string, len(known.Properties))
		for i, one := range known.Properties {
			names[i] = one.Name
		}
		k.d.Errorf(pos, codeWrongValue, "%s has no property %q", object, name).Suggest(name, names)
	}
	return property, found
}

// circle reports a calculation that comes back to itself.
func (k calculationCheck) circle(object, name string) {
	at := [2]string{object, name}
	property, _ := k.catalog.Property(object, name)
	if k.state[at] == 1 {
		k.d.Errorf(property.Calculated.pos, "cycle", "%s.%s is computed from itself", object, name)
	}
	if k.state[at] != 0 {
		return
	}
	k.state[at] = 1
	for _, token := range property.Calculated.Formula().Tokens() {
		k.circle(object, token.Path[len(token.Path)-1])
	}
	if rollup := property.Calculated.Rollup(); rollup != nil && !rollup.Property.IsZero() {
		k.circle(rollup.Of.Text, rollup.Property.Text)
	}
	k.state[at] = 2
}
