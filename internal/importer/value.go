package importer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

// dated is the shape of a property that holds a time.
var dated = shape{kind: crm.TypeDatetime}

// computed is a value: a literal or a template, and what it tells about the property that gets it.
type computed struct {
	text     string
	template bool
	told     shape
}

// node writes the value.
func (c computed) node() *yaml.Node {
	if c.template {
		return str(c.text)
	}
	return scalar(c.text)
}

// value translates a value that an action reads. The error says what has no spelling.
func (w *workflow) value(v *valueDocument) (computed, error) {
	if v == nil {
		return computed{}, errors.New("there is no value")
	}
	read, known := values[v.kind()]
	if !known {
		return computed{}, fmt.Errorf("values of type %s have no spelling", quote(string(v.kind())))
	}
	return read(w, v)
}

// kind is the type of a value, inferred where it is left out.
func (v *valueDocument) kind() text {
	switch {
	case v.Type != "":
		return v.Type
	case v.StaticValue != nil:
		return "STATIC_VALUE"
	case v.DataKey != "":
		return "FIELD_DATA"
	case v.PropertyToken != "":
		return "FETCHED_OBJECT_PROPERTY"
	case v.TimestampType != "":
		return "TIMESTAMP"
	case v.IncrementAmount != nil:
		return "INCREMENT"
	}
	return "OBJECT_PROPERTY"
}

// values are the types of value that a template or a literal can say. INCREMENT and the two that append
// are ways to edit, see edit.
var values = map[text]func(w *workflow, v *valueDocument) (computed, error){
	"STATIC_VALUE": func(w *workflow, v *valueDocument) (computed, error) {
		if v.StaticValue == nil {
			return computed{}, errors.New("there is no value")
		}
		return w.template(string(*v.StaticValue))
	},
	"OBJECT_PROPERTY": func(w *workflow, v *valueDocument) (computed, error) {
		return w.token("enrolled_object." + string(v.PropertyName))
	},
	"FIELD_DATA": func(w *workflow, v *valueDocument) (computed, error) {
		return w.output(string(v.ActionID), string(v.DataKey))
	},
	"FETCHED_OBJECT_PROPERTY":       func(w *workflow, v *valueDocument) (computed, error) { return w.onlyToken(v.PropertyToken) },
	"ENROLLMENT_EVENT_PROPERTY":     func(w *workflow, v *valueDocument) (computed, error) { return w.onlyToken(v.EnrollmentEventToken) },
	"ACTION_OUTPUT_OBJECT_PROPERTY": func(w *workflow, v *valueDocument) (computed, error) { return w.onlyToken(v.ActionOutputToken) },
	"TIMESTAMP": func(_ *workflow, v *valueDocument) (computed, error) {
		if v.TimestampType != "EXECUTION_TIME" {
			return computed{}, fmt.Errorf("the time %s has no spelling", quote(string(v.TimestampType)))
		}
		return computed{text: "{{ now }}", template: true, told: dated}, nil
	},
	"RELATIVE_DATETIME": func(_ *workflow, v *valueDocument) (computed, error) {
		delay := v.TimeDelay
		if delay == nil || len(delay.DaysOfWeek) > 0 || delay.TimeOfDay != nil || !isNothing(delay.TimeZoneStrategy) {
			return computed{}, errors.New("a time from now on a day of the week, at a time of day or in a time zone has no spelling")
		}
		n, err := delay.Delta.whole()
		unit, known := relativeUnits[delay.TimeUnit]
		if err != nil || !known || max(n, -n) > 1_000_000 {
			return computed{}, fmt.Errorf("%s %s from now has no spelling", delay.Delta, delay.TimeUnit)
		}
		return computed{text: fmt.Sprintf("{{ now | plus_time: %d, %q }}", n, unit), template: true, told: dated}, nil
	},
}

// relativeUnits are the units of times from now.
var relativeUnits = map[text]string{
	"SECONDS": "seconds", "MINUTES": "minutes", "HOURS": "hours", "DAYS": "days", "WEEKS": "weeks", "MONTHS": "months", "YEARS": "years",
}

var (
	tokenPattern    = regexp.MustCompile(`\{\{\s*([^{}|]*?)\s*\}\}`)
	outputPattern   = regexp.MustCompile(`^action_output_(.+)$`)
	objectPattern   = regexp.MustCompile(`^_(\d+)_(\d+)$`)
	identifierStyle = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)
)

// template translates the tokens in a text.
func (w *workflow) template(source string) (computed, error) {
	if strings.ContainsRune(source, 0) {
		return computed{}, errors.New("the text has a NUL character in it")
	}
	if !strings.Contains(source, "{{") && !strings.Contains(source, "{%") {
		return computed{text: source, told: shape{values: []string{source}}}, nil
	}
	var out strings.Builder
	rest := source
	for {
		at := tokenPattern.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		token, err := w.token(rest[at[2]:at[3]])
		if err != nil {
			return computed{}, err
		}
		out.WriteString(rest[:at[0]] + token.text)
		rest = rest[at[1]:]
	}
	out.WriteString(rest)
	if left := tokenPattern.ReplaceAllString(out.String(), ""); strings.Contains(left, "{{") || strings.Contains(left, "{%") {
		return computed{}, errors.New("the text has tokens with more than a name in them")
	}
	return computed{text: out.String(), template: true}, nil
}

// onlyToken translates a text that is one token.
func (w *workflow) onlyToken(source text) (computed, error) {
	match := tokenPattern.FindStringSubmatch(string(source))
	if match == nil || match[0] != strings.TrimSpace(string(source)) {
		return computed{}, fmt.Errorf("%s is not a token", quote(string(source)))
	}
	return w.token(match[1])
}

// token translates the path of a token.
func (w *workflow) token(path string) (computed, error) {
	unknown := fmt.Errorf("the token {{ %s }} has no spelling", path)
	parts := strings.Split(path, ".")
	if len(parts) < 2 {
		return computed{}, unknown
	}
	root, name := parts[0], parts[len(parts)-1]
	switch {
	case root == "enrolled_object" && len(parts) == 2:
		return w.field(w.object, name)
	case root == "fetched_objects" && len(parts) == 3:
		return w.fetched(parts[1], name)
	case root == "action_outputs" && len(parts) == 3 && outputPattern.MatchString(parts[1]):
		return w.output(outputPattern.FindStringSubmatch(parts[1])[1], name)
	case root == "enrollment_events" && len(parts) == 3:
		ours, err := w.property(subject{event: true}, name, shape{})
		return computed{text: "{{ event." + ours + " }}", template: true}, err
	case objectPattern.MatchString(root) && len(parts) == 2:
		id := objectPattern.FindStringSubmatch(root)
		object, _ := w.objectOf(text(id[1] + "-" + id[2]))
		return w.field(object, name)
	case len(parts) == 2:
		if _, isObject := builtin.Object(root); isObject {
			return w.field(root, name)
		}
	}
	return computed{}, unknown
}

// field is the token of a property of the enrolled record or, for another object, of its associated one.
func (w *workflow) field(object, name string) (computed, error) {
	ours, err := w.property(subject{object: object}, name, shape{})
	return computed{text: "{{ " + object + "." + ours + " }}", template: true}, err
}

// fetched is the token of a property of a data source's record.
func (w *workflow) fetched(name, property string) (computed, error) {
	source := w.sources[name]
	if source == nil {
		return computed{}, fmt.Errorf("there is no data source %s", quote(name))
	}
	source.used = true
	known, isKnown := associationTypes[string(source.AssociationTypeID)]
	object, _ := w.objectOf(source.ObjectTypeID)
	if source.Type != "ASSOCIATION" || !isNothing(source.SortBy) || !isKnown || known.object != object || object == w.object {
		return computed{}, fmt.Errorf("the data source %s is not simply an associated record", quote(name))
	}
	return w.field(object, property)
}

// output is the token of what an earlier action left.
func (w *workflow) output(actionID, key string) (computed, error) {
	earlier := w.actions[actionID]
	switch {
	case earlier == nil || !earlier.reachable:
		return computed{}, fmt.Errorf("there is no action %s to read from", quote(actionID))
	case !identifierStyle.MatchString(key):
		return computed{}, fmt.Errorf("%s cannot be the name of an output", quote(key))
	}
	return computed{text: "{{ actions." + earlier.id + "." + key + " }}", template: true}, nil
}
