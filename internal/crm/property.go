package crm

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/schema"
)

// PropertyType is the type of a property's values (semantics §1.2).
type PropertyType string

// Property types.
const (
	TypeString      PropertyType = "string"
	TypeNumber      PropertyType = "number"
	TypeBool        PropertyType = "bool"
	TypeEnumeration PropertyType = "enumeration"
	TypeDate        PropertyType = "date"
	TypeDatetime    PropertyType = "datetime"
	TypePhoneNumber PropertyType = "phone_number"
	TypeJSON        PropertyType = "json"
)

// MaxValue is the longest value of a property, in characters (semantics §1.2).
const MaxValue = 65_536

// Property declares one property of an object.
type Property struct {
	Name       string       `json:"name" doc:"Internal name: letters, digits and underscores, not starting with a digit." required:"true"`
	Label      string       `json:"label,omitempty" doc:"Name shown to people."`
	Doc        string       `json:"description,omitempty" doc:"What the property says."`
	Type       PropertyType `json:"type,omitempty" doc:"Type of the values." enum:"string,number,bool,enumeration,date,datetime,phone_number,json" default:"string"`
	Options    []Option     `json:"options,omitempty" doc:"Values of an enumeration; none = any value."`
	Multiple   bool         `json:"multiple,omitempty" doc:"An enumeration of which several options may be chosen."`
	Required   bool         `json:"required,omitempty" doc:"Needed by whoever creates a record with create_record or an import, and not emptied by an action."`
	Unique     bool         `json:"unique,omitempty" doc:"No two records of the type have the same value; upper and lower case are the same."`
	ReadOnly   bool         `json:"read_only,omitempty" doc:"May be read and copied from, never written by an action."`
	Calculated Calculation  `json:"calculated,omitzero" doc:"How it is computed: read-only and without history."`
	Indexed    bool         `json:"indexed,omitempty" doc:"Looked up quickly in filters over many records, at a small cost for every change of its value."`
	Access     Access       `json:"access,omitzero" doc:"What people may do with it: authors in workflows, users with records."`
}

// Option is one value of an enumeration. A file may write the value alone.
type Option struct {
	Value string `json:"value" doc:"Internal value, compared exactly." required:"true"`
	Label string `json:"label,omitempty" doc:"Name shown to people."`
}

// UnmarshalNode reads an option: its value, or a mapping with value and label.
func (o *Option) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	if node.IsScalar() {
		o.Value = node.Value
	} else {
		type mapping Option
		*d = append(*d, schema.Decode(node, (*mapping)(o))...)
	}
	if strings.Contains(o.Value, ";") {
		d.Errorf(node.Pos, codeWrongValue, "an option value cannot contain `;`, which separates several")
	}
}

// Describe tells readers about the source form.
func (Option) Describe() schema.Description {
	type mapping Option
	return schema.Description{
		Name: "option", Doc: "A value, or value and label.",
		Schema: map[string]any{"anyOf": []any{map[string]any{"type": []any{"string", "number", "boolean"}}, schema.JSONSchema(reflect.TypeFor[mapping]())}},
	}
}

// Writable tells whether an action may write the property: it is not read-only, and somebody may write such an action
// (semantics §1.2, §3.0.4).
func (p Property) Writable() bool {
	return !p.ReadOnly && p.Calculated.IsZero() && p.Access.anybodyEdits()
}

// UniqueKey is what two records must not share in a unique property: the canonical text without case and space around
// it, or a digest of a long one. The empty value has none.
func UniqueKey(text string) string {
	key := strings.ToLower(strings.TrimSpace(text))
	if len(key) > maxUnique {
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key)))
	}
	return key
}

// maxUnique is how many bytes of a unique value are kept as they are.
const maxUnique = 200

// Canonical turns a value as it comes from JSON, YAML, a template or Go into the canonical text of
// the property's type: numbers in plain decimal, true or false, option values joined by `;`, dates as
// 2027-05-10, datetimes as RFC 3339 in UTC with milliseconds when there are any. nil and "" are the
// empty value. Epoch milliseconds are taken for dates and datetimes; a datetime given to a date
// property counts for the day it was written with. Errors wrap ErrInvalid and name the property.
func (p Property) Canonical(value any) (string, error) {
	text, err := p.canonical(value)
	if err == nil {
		err = storable(text)
	}
	if err != nil {
		return "", fmt.Errorf("property %s: %w", p.Name, err)
	}
	return text, nil
}

func (p Property) canonical(value any) (string, error) {
	if p.Type == TypeJSON {
		return canonicalJSON(value)
	}
	if list, ok := asList(value); ok {
		if p.Type != TypeEnumeration && p.Type != TypeString && p.Type != "" {
			return "", invalidf("a %s takes one value, not a list", p.Type)
		}
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i] = Text(item)
		}
		value = strings.Join(texts, ";")
	}
	if p.Type == TypeDate {
		switch value := value.(type) {
		case Date:
			return value.String(), nil
		case time.Time:
			return dateOfWritten(value).String(), nil
		}
	}
	text := Text(value)
	if err := storable(text); err != nil || strings.TrimSpace(text) == "" {
		return "", err
	}
	switch p.Type {
	case TypeNumber:
		number, err := ParseNumber(strings.TrimSpace(text))
		return number.String(), err
	case TypeBool:
		if text = strings.ToLower(strings.TrimSpace(text)); text != "true" && text != "false" {
			return "", invalidf("%q is neither true nor false", clip(text))
		}
		return text, nil
	case TypeEnumeration:
		return p.options(text)
	case TypeDate:
		return canonicalDate(strings.TrimSpace(text))
	case TypeDatetime:
		at, err := parseInstant(strings.TrimSpace(text))
		if err != nil {
			return "", err
		}
		return Text(at), nil
	case TypePhoneNumber:
		return strings.TrimSpace(text), nil
	default:
		return text, nil
	}
}

// options checks the values of an enumeration and drops repetitions.
func (p Property) options(text string) (string, error) {
	values := SplitOptions(text)
	if !p.Multiple && len(values) > 1 {
		return "", invalidf("takes one option, got %q", clip(text))
	}
	for _, value := range values {
		if len(p.Options) > 0 && !slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == value }) {
			return "", invalidf("%q is not an option", clip(value))
		}
	}
	return strings.Join(values, ";"), nil
}

// SplitOptions returns the option values of an enumeration's canonical text, trimmed and without
// repetitions or empty ones.
func SplitOptions(text string) []string {
	var values []string
	for value := range strings.SplitSeq(text, ";") {
		if value = strings.TrimSpace(value); value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values
}

func canonicalJSON(value any) (string, error) {
	text, isText := value.(string)
	if value == nil || (isText && strings.TrimSpace(text) == "") {
		return "", nil
	}
	if !isText {
		encoded, err := json.Marshal(value)
		if err != nil {
			return "", invalidf("%v", err)
		}
		return string(encoded), nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return "", invalidf("%v", err)
	}
	return compact.String(), nil
}

func canonicalDate(text string) (string, error) {
	if date, err := ParseDate(text); err == nil {
		return date.String(), nil
	}
	at, err := parseInstant(text)
	if err != nil {
		return "", invalidf("%q is not a date such as 2027-05-10", clip(text))
	}
	return dateOfWritten(at).String(), nil
}

// dateOfWritten is the day that a time shows in the offset it was written with.
func dateOfWritten(at time.Time) Date { return DateOf(at, at.Location()) }

// parseInstant reads RFC 3339, an ISO date (its midnight in UTC) or epoch milliseconds.
func parseInstant(text string) (time.Time, error) {
	if date, err := ParseDate(text); err == nil {
		return date.In(time.UTC), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text)); err == nil {
		return at, nil
	}
	if len(text) > 5 {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			if at := time.UnixMilli(ms).UTC(); at.Year() >= 1 && at.Year() <= 9999 {
				return at, nil
			}
		}
	}
	return time.Time{}, invalidf("%q is not a time such as 2027-05-10T09:00:00Z", clip(text))
}

func storable(text string) error {
	switch {
	case !utf8.ValidString(text):
		return invalidf("not valid UTF-8")
	case strings.ContainsRune(text, 0):
		return invalidf("contains a NUL byte")
	case len(text) > MaxValue && utf8.RuneCountInString(text) > MaxValue:
		return invalidf("longer than %d characters", MaxValue)
	}
	return nil
}

// Infer returns the type that the value of an undeclared property suggests: bool, number, date or
// datetime for texts that are already in the canonical form of these types, else string.
func Infer(value string) PropertyType {
	for _, guess := range []PropertyType{TypeBool, TypeNumber, TypeDate} {
		if text, err := (Property{Type: guess}).Canonical(value); err == nil && text == value && value != "" {
			return guess
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, value); err == nil {
		return TypeDatetime
	}
	return TypeString
}

// Value turns canonical text into the value that templates and comparisons work with: Number, bool,
// Date, time.Time, a JSON value, a list for an enumeration with several values, else the text itself.
// The empty text is nil.
func (p Property) Value(text string) any {
	if text == "" {
		return nil
	}
	switch p.Type {
	case TypeNumber:
		if number, err := ParseNumber(text); err == nil {
			return number
		}
	case TypeBool:
		return text == "true"
	case TypeDate:
		if date, err := ParseDate(text); err == nil {
			return date
		}
	case TypeDatetime:
		if at, err := parseInstant(text); err == nil {
			return at.UTC()
		}
	case TypeEnumeration:
		if p.Multiple {
			values, _ := asList(SplitOptions(text))
			return values
		}
	case TypeJSON:
		if value, err := decodeJSON([]byte(text)); err == nil {
			return value
		}
	}
	return text
}

// Text writes a value in its canonical text; see Property.Canonical. Lists are joined by `;`, mappings
// are JSON.
func Text(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case bool:
		return strconv.FormatBool(value)
	case time.Time:
		return value.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
	case json.Number:
		return plain(value.String())
	case float64:
		return plain(strconv.FormatFloat(value, 'g', -1, 64))
	case fmt.Stringer: // Number, Date, TimeOfDay, references
		return value.String()
	}
	if list, ok := asList(value); ok {
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i] = Text(item)
		}
		return strings.Join(texts, ";")
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

func plain(text string) string {
	if number, err := ParseNumber(text); err == nil {
		return number.String()
	}
	return text
}

func asList(value any) ([]any, bool) {
	switch value := value.(type) {
	case []any:
		return value, true
	case []string:
		list := make([]any, len(value))
		for i, item := range value {
			list[i] = item
		}
		return list, true
	}
	return nil, false
}

// decodeJSON reads one JSON value; its numbers become Numbers.
func decodeJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return exact(value), nil
}

// exact replaces the numbers in a decoded JSON value by Numbers.
func exact(value any) any {
	switch value := value.(type) {
	case json.Number:
		if number, err := ParseNumber(value.String()); err == nil {
			return number
		}
		return value.String()
	case []any:
		for i := range value {
			value[i] = exact(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = exact(value[key])
		}
	}
	return value
}

var propertyName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

// clip shortens text that is quoted in a message.
func clip(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}

// Property returns the canonical text of a property, "" when it has no value. `id` is the record's id;
// `created_at` and `updated_at` are known without being stored.
func (r Record) Property(name string) string {
	if text := r.Properties[name]; text != "" {
		return text
	}
	switch {
	case name == "id":
		return r.ID
	case name == "created_at" && !r.Created.IsZero():
		return Text(r.Created)
	case name == "updated_at" && !r.Updated.IsZero():
		return Text(r.Updated)
	}
	return ""
}
