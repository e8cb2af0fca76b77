package crm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
)

// Limits of one rendering, so that no template runs away.
const (
	maxOutput = 1 << 20   // bytes of a text
	maxWork   = 1_000_000 // steps; handling 64 bytes of text counts as one
)

var (
	errTooMuch  = invalidf("the template does too much: it was stopped after %d steps", maxWork)
	errTooLong  = invalidf("the text grew beyond %d bytes", maxOutput)
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// safeHTML is text that is HTML already and must not be escaped again.
type safeHTML string

func (s safeHTML) String() string { return string(s) }

// rendering is the state of one rendering.
type rendering struct {
	ctx      context.Context
	scope    Scope
	html     bool
	locals   map[string]any
	records  map[Ref]*Record // nil = gone
	warnings []Warning
	work     int
	written  int
	random   int // numbers drawn
}

func newRendering(ctx context.Context, scope Scope) *rendering {
	return &rendering{ctx: ctx, scope: scope, locals: map[string]any{}, records: map[Ref]*Record{}}
}

// spend accounts for work and stops when there was too much of it.
func (r *rendering) spend(steps int) error {
	if r.work += steps; r.work > maxWork {
		return errTooMuch
	}
	return r.ctx.Err()
}

// cost is the work of handling values once.
func cost(values ...any) int {
	steps := 1
	for _, value := range values {
		switch value := value.(type) {
		case string:
			steps += len(value) / 64
		case safeHTML:
			steps += len(value) / 64
		case json.RawMessage:
			steps += len(value) / 64
		case []any:
			steps += cost(value...) + len(value)
		}
	}
	return steps
}

func (r *rendering) blocks(blocks []block, out *strings.Builder) error {
	for _, one := range blocks {
		if err := r.spend(1); err != nil {
			return err
		}
		if err := one.render(r, out); err != nil {
			return err
		}
	}
	return nil
}

func (r *rendering) write(text string, out *strings.Builder) error {
	if r.written += len(text); r.written > maxOutput {
		return errTooLong
	}
	out.WriteString(text)
	return r.spend(len(text) / 64)
}

func (t plainText) render(r *rendering, out *strings.Builder) error { return r.write(string(t), out) }

// eval computes the value of a token and warns when it is empty and has no default (semantics §1.5).
func (o output) eval(r *rendering) (any, error) {
	value, err := o.expression.eval(r)
	if err != nil {
		return nil, fmt.Errorf("{{ %s }}: %w", clip(o.source), err)
	}
	if warning := (Warning{Token: o.source}); isEmpty(value) && !hasDefault(o.expression) && !slices.Contains(r.warnings, warning) {
		r.warnings = append(r.warnings, warning)
	}
	return value, nil
}

func hasDefault(e expression) bool {
	filter, ok := e.(call)
	return ok && (filter.name == "default" || hasDefault(filter.arguments[0]))
}

func (o output) render(r *rendering, out *strings.Builder) error {
	value, err := o.eval(r)
	if err != nil {
		return err
	}
	text := Text(value)
	if _, safe := value.(safeHTML); r.html && !safe {
		text = html.EscapeString(text)
	}
	return r.write(text, out)
}

func (a assignment) render(r *rendering, _ *strings.Builder) (err error) {
	r.locals[a.name], err = a.value.eval(r)
	return err
}

func (c capture) render(r *rendering, _ *strings.Builder) error {
	var out strings.Builder
	if err := r.blocks(c.body, &out); err != nil {
		return err
	}
	r.locals[c.name] = out.String()
	if r.html {
		r.locals[c.name] = safeHTML(out.String())
	}
	return nil
}

func (c condition) render(r *rendering, out *strings.Builder) error {
	for _, one := range c.arms {
		if one.test != nil {
			value, err := one.test.eval(r)
			if err != nil {
				return err
			}
			if !isTrue(value) {
				continue
			}
		}
		return r.blocks(one.body, out)
	}
	return nil
}

func (j jump) render(*rendering, *strings.Builder) error { return j.out }

func (l loop) render(r *rendering, out *strings.Builder) error {
	items, err := l.items(r)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return r.blocks(l.otherwise, out)
	}
	outer := maps.Clone(r.locals)
	defer func() {
		for _, name := range []string{l.name, "forloop"} {
			if value, had := outer[name]; had {
				r.locals[name] = value
			} else {
				delete(r.locals, name)
			}
		}
	}()
	for i, item := range items {
		r.locals[l.name] = settled(item)
		r.locals["forloop"] = map[string]any{
			"index": i + 1, "index0": i, "first": i == 0, "last": i == len(items)-1, "length": len(items),
		}
		if err := r.spend(1); err != nil {
			return err
		}
		switch err := r.blocks(l.body, out); {
		case errors.Is(err, errBreak):
			return nil
		case err != nil && !errors.Is(err, errContinue):
			return err
		}
	}
	return nil
}

// items returns what a loop goes through.
func (l loop) items(r *rendering) ([]any, error) {
	value, err := l.list.eval(r)
	if err != nil {
		return nil, err
	}
	items := itemsOf(value)
	if l.offset != nil {
		skip, err := r.count(l.offset)
		if err != nil {
			return nil, err
		}
		items = items[min(skip, len(items)):]
	}
	if l.limit != nil {
		most, err := r.count(l.limit)
		if err != nil {
			return nil, err
		}
		items = items[:min(most, len(items))]
	}
	if l.reversed {
		items = slices.Clone(items)
		slices.Reverse(items)
	}
	return items, nil
}

// itemsOf returns a list's items; a mapping's are pairs of key and value, any other value is one item.
func itemsOf(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	case map[string]any:
		var pairs []any
		for _, key := range slices.Sorted(maps.Keys(value)) {
			pairs = append(pairs, []any{key, value[key]})
		}
		return pairs
	}
	if isEmpty(value) {
		return nil
	}
	return []any{value}
}

// count evaluates an expression to a number of items.
func (r *rendering) count(e expression) (int, error) {
	value, err := e.eval(r)
	if err != nil {
		return 0, err
	}
	n, err := wholeNumber(value)
	return max(n, 0), err
}

func (l literal) eval(*rendering) (any, error) { return l.value, nil }

func (blank) eval(*rendering) (any, error) { return nil, nil }

func (n negation) eval(r *rendering) (any, error) {
	value, err := n.operand.eval(r)
	return !isTrue(value), err
}

func (s span) eval(r *rendering) (any, error) {
	bounds := [2]int{}
	for i, e := range []expression{s.from, s.to} {
		value, err := e.eval(r)
		if err != nil {
			return nil, err
		}
		if bounds[i], err = wholeNumber(value); err != nil {
			return nil, err
		}
	}
	if bounds[1]-bounds[0] >= maxWork {
		return nil, errTooMuch
	}
	var items []any
	for n := bounds[0]; n <= bounds[1]; n++ {
		items = append(items, NumberOf(int64(n)))
	}
	return items, r.spend(len(items))
}

func (c call) eval(r *rendering) (any, error) {
	arguments := make([]any, len(c.arguments))
	for i, argument := range c.arguments {
		var err error
		if arguments[i], err = argument.eval(r); err != nil {
			return nil, err
		}
	}
	if err := r.spend(cost(arguments...)); err != nil {
		return nil, err
	}
	result, err := c.function.call(r, arguments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	result = settledResult(result)
	steps := cost(result)
	if steps > maxOutput/64+1 {
		return nil, errTooLong
	}
	return result, r.spend(steps)
}

// settledResult is settled for what a function returns, which may be safe HTML.
func settledResult(value any) any {
	if safe, ok := value.(safeHTML); ok {
		return safe
	}
	return settled(value)
}

func (v variable) eval(r *rendering) (any, error) {
	value, local := r.locals[v.name]
	if !local {
		var err error
		if value, err = r.root(v.name); err != nil {
			return nil, err
		}
	}
	for _, one := range v.steps {
		if err := r.spend(1); err != nil {
			return nil, err
		}
		var err error
		if value, err = one.from(r, value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

func (s step) from(r *rendering, value any) (any, error) {
	if s.index == nil {
		return r.member(value, s.name)
	}
	index, err := s.index.eval(r)
	if err != nil {
		return nil, err
	}
	list, isList := value.([]any)
	if !isList {
		return r.member(value, Text(index))
	}
	at, err := wholeNumber(index)
	if at < 0 {
		at += len(list)
	}
	if err != nil || at < 0 || at >= len(list) {
		return nil, nil
	}
	return settled(list[at]), nil
}

func (o operation) eval(r *rendering) (any, error) {
	left, err := o.left.eval(r)
	if err != nil {
		return nil, err
	}
	switch {
	case o.operator == "and" && !isTrue(left):
		return false, nil
	case o.operator == "or" && isTrue(left):
		return true, nil
	}
	right, err := o.right.eval(r)
	if err != nil {
		return nil, err
	}
	if err := r.spend(cost(left, right)); err != nil {
		return nil, err
	}
	switch o.operator {
	case "and", "or":
		return isTrue(right), nil
	case "==":
		return o.equal(left, right), nil
	case "!=", "<>":
		return !o.equal(left, right), nil
	case "contains":
		return contains(left, right), nil
	case "<", "<=", ">", ">=":
		return o.ordered(left, right), nil
	}
	return arithmetic(o.operator, left, right)
}

func (o operation) equal(left, right any) bool {
	_, leftBlank := o.left.(blank)
	_, rightBlank := o.right.(blank)
	if leftBlank || rightBlank {
		return isEmpty(left) && isEmpty(right)
	}
	return equalValues(left, right)
}

func (o operation) ordered(left, right any) bool {
	if isEmpty(left) || isEmpty(right) {
		return false
	}
	order := compareValues(left, right)
	switch o.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func contains(value, part any) bool {
	if list, isList := value.([]any); isList {
		return slices.ContainsFunc(list, func(item any) bool { return equalValues(item, part) })
	}
	return value != nil && strings.Contains(Text(value), Text(part))
}

// isTrue tells what if thinks of a value: nil and false are false, all else is true.
func isTrue(value any) bool { return value != nil && value != false }

// isEmpty tells whether a value is nil, an empty text, an empty list or an empty mapping.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case safeHTML:
		return value == ""
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	case outputsValue:
		return len(value) == 0
	}
	return false
}
