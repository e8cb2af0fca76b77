package testsuite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// Mistakes is what is wrong with the planned entries of a simulation, a line for each.
type Mistakes []string

func (m Mistakes) Error() string { return strings.Join(m, "\n") }

// httpError are the statuses that an action can be made to fail with.
var httpError = regexp.MustCompile(`^[45][0-9][0-9]$`)

// read gives an entry its instant and the values that it writes, and tells what is wrong with it.
func (s *simulation) read(catalog *crm.Catalog, entry Planned) (*planned, []string) {
	read, wrong := &planned{Planned: entry, values: map[string]string{}}, []string{}
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	switch {
	case (entry.After == "") == (entry.At == ""):
		note("write either `after` or `at`")
	case entry.After != "":
		after, err := crm.ParseDuration(entry.After)
		if err != nil {
			note("after: %v", err)
		} else if after.Negative() {
			note("after: %q is before the start", entry.After)
		}
		read.at = after.After(s.Start, time.UTC, false)
	default:
		at, err := time.Parse(time.RFC3339, entry.At)
		if err != nil {
			note("at: %q is not an instant: write it as in 2027-05-10T09:00:00Z", entry.At)
		}
		read.at = at.UTC()
	}
	kinds := 0
	for _, given := range []bool{entry.Type != "", entry.Set != nil, entry.Fail != "", entry.Answer != "", entry.Publish != nil, entry.Operate != "", entry.Switch != ""} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		note("write exactly one of `type`, `set`, `fail`, `answer` and `switch`")
	}
	if entry.Type != "" {
		for _, problem := range nameProblems(entry.Type) {
			note("type: %s", problem.Message)
		}
	} else if entry.Properties != nil {
		note("`properties` belongs to `type`; to write properties of the record use `set`")
	}
	for _, name := range slices.Sorted(maps.Keys(entry.Set)) {
		var err error
		if read.values[name], err = catalog.Canonical(s.ref.Object, name, entry.Set[name]); err != nil {
			note("set: %v", err)
		}
	}
	if entry.Switch != "" && !slices.Contains(plan.SwitchModes, entry.Switch) {
		note("switch: %q is no mode: write %s", entry.Switch, strings.Join(plan.SwitchModes, ", "))
	}
	s.checkFail(entry, note)
	read.text = s.checkAnswer(entry, note)
	switch {
	case entry.Times != 0 && entry.Fail == "" && entry.Answer == "":
		note("`times` belongs to `fail` and `answer`")
	case entry.Times < 0:
		note("times: %d is negative", entry.Times)
	}
	return read, wrong
}

// checkFail tells what is wrong with an entry that fails an action.
func (s *simulation) checkFail(entry Planned, note func(format string, args ...any)) {
	switch {
	case entry.Fail == "" && entry.Error != "":
		note("`error` belongs to `fail`")
	case entry.Fail == "":
	case s.kindOf(entry.Fail) == "":
		note("fail: %s", s.unknown(entry.Fail))
	case !httpError.MatchString(entry.Error):
		note("error: %q is not an HTTP status of a failure: write 400 to 599", entry.Error)
	}
}

// checkAnswer tells what is wrong with an entry that answers an action, and returns the answer.
func (s *simulation) checkAnswer(entry Planned, note func(format string, args ...any)) (text string) {
	kind := s.kindOf(entry.Answer)
	switch {
	case entry.Answer == "" && entry.With != nil:
		note("`with` belongs to `answer`")
	case entry.Answer == "":
	case kind == "":
		note("answer: %s", s.unknown(entry.Answer))
	case !asks(kind):
		note("answer: %s asks nobody, being of the kind %s", entry.Answer, kind)
	case entry.With == nil || string(entry.With) == "null":
		note("answer: write `with`, a text or JSON")
	case json.Unmarshal(entry.With, &text) != nil: // it is no text
		return string(entry.With)
	}
	return text
}

// asks tells whether actions of a kind ask somebody who answers.
func asks(kind string) bool {
	return slices.ContainsFunc(activities.Kinds(), func(one action.Kind) bool {
		return one.ID == kind && one.Effect == action.Requests && one.Channel != "ads"
	})
}

// kindOf is the kind of an action of the definition, "" when there is none.
func (s *simulation) kindOf(node string) string { return s.nodes()[node].Kind }

// unknown says that there is no such action.
func (s *simulation) unknown(node string) string {
	text := fmt.Sprintf("no action %q runs in %s", node, s.Workflow)
	if hint := schema.Suggest(node, slices.Collect(maps.Keys(s.nodes()))); hint != "" {
		text += fmt.Sprintf(": did you mean %q?", hint)
	}
	return text
}

// nameProblems tells what is wrong with the type of an event.
func nameProblems(name string) schema.Diagnostics {
	node, problems := schema.Parse("", []byte(strconv.Quote(name)))
	if problems.HasErrors() {
		return problems
	}
	var event crm.EventType
	return schema.Decode(node, &event)
}

// nodes are the actions of the definition.
func (s *simulation) nodes() map[string]plan.Node {
	i := slices.IndexFunc(s.Workspace.Definitions, func(one plan.Revision) bool { return one.Workflow == s.Workflow })
	if i < 0 {
		return nil
	}
	return s.Workspace.Definitions[i].Plan.Nodes
}

// ParseRecord reads the file of `simulate --record`.
func ParseRecord(text []byte) (record SimulatedRecord, err error) {
	return record, unmarshal(text, &record)
}

// ParseEvents reads the file of `simulate --events`. What is wrong with its entries is Mistakes.
func ParseEvents(text []byte) ([]Planned, error) {
	var entries []json.RawMessage
	if err := unmarshal(text, &entries); err != nil {
		return nil, err
	}
	events := make([]Planned, len(entries))
	var mistakes Mistakes
	for i, entry := range entries {
		if err := unmarshal(entry, &events[i]); err != nil {
			mistakes = append(mistakes, fmt.Sprintf("entry %d: %v", i+1, err))
		}
	}
	if mistakes != nil {
		return nil, mistakes
	}
	return events, nil
}

// unmarshal reads JSON that an author wrote.
func unmarshal(text []byte, into any) error {
	if strings.TrimSpace(string(text)) == "null" {
		return fmt.Errorf("null says nothing: write %s", inWords(reflect.TypeOf(into).Elem()))
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return forAuthors(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text behind the end of the JSON value")
	}
	return nil
}

// forAuthors says what is wrong with JSON without words of Go.
func forAuthors(err error) error {
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("there is no JSON value")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON value has no end")
	case errors.As(err, &wrongType):
		field := ""
		if wrongType.Field != "" {
			field = wrongType.Field + ": "
		}
		return fmt.Errorf("%swrite %s, not %s", field, inWords(wrongType.Type), jsonWords(wrongType.Value))
	}
	unknown, found := strings.CutPrefix(err.Error(), "json: unknown field ")
	if found {
		return fmt.Errorf("unknown key %s", unknown)
	}
	return fmt.Errorf("this is not JSON: %w", err)
}

// inWords names the JSON that a type is written as.
func inWords(wanted reflect.Type) string {
	switch wanted.Kind() {
	case reflect.String:
		return `text as in "…"`
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "a list […]"
	default:
		return "an object {…}"
	}
}

// jsonWords names what was found, as encoding/json calls it.
func jsonWords(found string) string {
	switch found {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "number":
		return "a number"
	default: // as in `number 1.5`
		return strings.TrimPrefix(found, "number ")
	}
}
