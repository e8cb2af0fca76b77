package crm

import (
	"encoding/json"
	"html"
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// function is a filter of templates and a function of formulas: `a | f: b` is `f(a, b)`.
type function struct {
	least, most int // number of values
	call        func(r *rendering, values []any) (any, error)
}

func functionNames() []string { return slices.Sorted(maps.Keys(functions)) }

// functions are the standard filters of Liquid and the format-data functions of HubSpot (semantics
// §3.7). Numbers are exact decimals throughout.
var functions = map[string]function{
	"default": {2, 2, func(_ *rendering, v []any) (any, error) {
		if isEmpty(v[0]) || v[0] == false {
			return v[1], nil
		}
		return v[0], nil
	}},
	"json": {1, 1, func(_ *rendering, v []any) (any, error) {
		encoded, err := json.Marshal(v[0])
		return string(encoded), err
	}},
	"safe": {1, 1, func(_ *rendering, v []any) (any, error) { return safeHTML(Text(v[0])), nil }},

	// numbers
	"abs": numeric(func(n Number) Number {
		if n.Sign() < 0 {
			return n.Neg()
		}
		return n
	}),
	"floor":  numeric(Number.Floor),
	"ceil":   numeric(func(n Number) Number { return n.Neg().Floor().Neg() }),
	"number": numeric(func(n Number) Number { return n }),
	"add":    calculation("+"), "plus": calculation("+"),
	"subtract": calculation("-"), "minus": calculation("-"),
	"multiply": calculation("*"), "times": calculation("*"),
	"divide": calculation("/"), "divided_by": {2, 2, dividedBy},
	"modulo": calculation("%"),
	"divisible": {2, 2, func(_ *rendering, v []any) (any, error) {
		rest, err := arithmetic("%", v[0], v[1])
		return equalValues(rest, Number{}), err
	}},
	"round":        {1, 2, round},
	"root":         {1, 2, root},
	"randomNumber": {2, 2, randomNumber},

	// texts
	"upper": textual(strings.ToUpper), "upcase": textual(strings.ToUpper),
	"lower": textual(strings.ToLower), "downcase": textual(strings.ToLower),
	"capitalize": textual(capitalize),
	"title":      textual(title),
	"trim":       textual(strings.TrimSpace), "strip": textual(strings.TrimSpace),
	"lstrip":    textual(func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }),
	"rstrip":    textual(func(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }),
	"striptags": textual(stripTags), "strip_html": textual(stripTags),
	"strip_newlines": textual(func(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }),
	"url_encode":     textual(url.QueryEscape),
	"url_decode": {1, 1, func(_ *rendering, v []any) (any, error) {
		decoded, err := url.QueryUnescape(Text(v[0]))
		if err != nil {
			return nil, invalidf("%v", err)
		}
		return decoded, nil
	}},
	"escape": {1, 1, func(_ *rendering, v []any) (any, error) { return safeHTML(html.EscapeString(Text(v[0]))), nil }},
	"newline_to_br": {1, 1, func(r *rendering, v []any) (any, error) {
		text := Text(v[0])
		if _, safe := v[0].(safeHTML); r.html && !safe {
			text = html.EscapeString(text)
		}
		return replaceAll(text, "\n", "<br>\n", func(s string) any { return safeHTML(s) })
	}},
	"append":  {2, 2, func(_ *rendering, v []any) (any, error) { return Text(v[0]) + Text(v[1]), nil }},
	"prepend": {2, 2, func(_ *rendering, v []any) (any, error) { return Text(v[1]) + Text(v[0]), nil }},
	"replace": {3, 3, func(_ *rendering, v []any) (any, error) { return replaceAll(Text(v[0]), Text(v[1]), Text(v[2]), asIs) }},
	"replace_first": {3, 3, func(_ *rendering, v []any) (any, error) {
		return strings.Replace(Text(v[0]), Text(v[1]), Text(v[2]), 1), nil
	}},
	"regex_replace": {3, 3, regexReplace},
	"cut":           {2, 2, func(_ *rendering, v []any) (any, error) { return replaceAll(Text(v[0]), Text(v[1]), "", asIs) }},
	"remove":        {2, 2, func(_ *rendering, v []any) (any, error) { return replaceAll(Text(v[0]), Text(v[1]), "", asIs) }},
	"remove_first":  {2, 2, func(_ *rendering, v []any) (any, error) { return strings.Replace(Text(v[0]), Text(v[1]), "", 1), nil }},
	"left":          {2, 2, func(_ *rendering, v []any) (any, error) { return part(v[0], 0, v[1]) }},
	"right":         {2, 2, right},
	"mid":           {3, 3, mid},
	"slice":         {2, 3, slice},
	"truncate":      {1, 3, truncate},
	"truncatewords": {1, 3, truncateWords},
	"split":         {2, 2, splitText},

	// lists, and texts as far as they have a meaning for both
	"length": {1, 1, size}, "size": {1, 1, size},
	"concat":  {1, 20, concat},
	"join":    {1, 2, join},
	"first":   {1, 1, func(_ *rendering, v []any) (any, error) { return memberOfList(itemsOf(v[0]), "first"), nil }},
	"last":    {1, 1, func(_ *rendering, v []any) (any, error) { return memberOfList(itemsOf(v[0]), "last"), nil }},
	"reverse": listed(func(list []any) []any { slices.Reverse(list); return list }),
	"sort":    listed(func(list []any) []any { slices.SortStableFunc(list, compareValues); return list }),
	"compact": listed(func(list []any) []any { return slices.DeleteFunc(list, isEmpty) }),
	"uniq":    {1, 1, unique},
	"map":     {2, 2, mapped},

	// days and times
	"date":            {2, 2, func(r *rendering, v []any) (any, error) { return formatted(r, v[0], v[1:], strftime) }},
	"format_datetime": {1, 4, func(r *rendering, v []any) (any, error) { return formatted(r, v[0], v[1:], formatPattern) }},
	"plus_time":       {3, 3, func(r *rendering, v []any) (any, error) { return plusTime(r, v, 1) }},
	"minus_time":      {3, 3, func(r *rendering, v []any) (any, error) { return plusTime(r, v, -1) }},
	"unixtimestamp": {1, 1, func(r *rendering, v []any) (any, error) {
		at, err := r.instant(v[0])
		if err != nil || at.IsZero() {
			return nil, err
		}
		return NumberOf(at.UnixMilli()), nil
	}},
}

func numeric(f func(Number) Number) function {
	return function{1, 1, func(_ *rendering, v []any) (any, error) {
		if isEmpty(v[0]) {
			return nil, nil
		}
		n, err := operand(v[0])
		return f(n), err
	}}
}

func calculation(operator string) function {
	return function{2, 2, func(_ *rendering, v []any) (any, error) { return arithmetic(operator, v[0], v[1]) }}
}

func textual(f func(string) string) function {
	return function{1, 1, func(_ *rendering, v []any) (any, error) { return f(Text(v[0])), nil }}
}

func listed(f func([]any) []any) function {
	return function{1, 1, func(_ *rendering, v []any) (any, error) { return f(slices.Clone(itemsOf(v[0]))), nil }}
}

// dividedBy is Liquid's division: between whole numbers it is rounded down.
func dividedBy(_ *rendering, v []any) (any, error) {
	result, err := arithmetic("/", v[0], v[1])
	quotient, ok := result.(Number)
	if err != nil || !ok {
		return nil, err
	}
	a, _ := operand(v[0])
	b, _ := operand(v[1])
	if a.scale == 0 && b.scale == 0 {
		return quotient.Floor(), nil
	}
	return quotient, nil
}

func round(_ *rendering, v []any) (any, error) {
	n, err := operand(v[0])
	if err != nil || isEmpty(v[0]) {
		return nil, err
	}
	places := 0
	if len(v) > 1 {
		if places, err = wholeNumber(v[1]); err != nil {
			return nil, err
		}
	}
	return n.Round(max(-maxDigits, min(places, maxDigits))), nil
}

// root is the square root, or another one, to 20 decimals.
func root(_ *rendering, v []any) (any, error) {
	n, err := operand(v[0])
	if err != nil {
		return nil, err
	}
	degree := 2
	if len(v) > 1 {
		if degree, err = wholeNumber(v[1]); err != nil {
			return nil, err
		}
	}
	return n.Root(degree)
}

// randomNumber draws a whole number between two, both included. It depends on the record and on the
// instant alone, so that one and the same attempt always draws the same.
func randomNumber(r *rendering, v []any) (any, error) {
	low, err := wholeNumber(v[0])
	if err != nil {
		return nil, err
	}
	high, err := wholeNumber(v[1])
	if err != nil {
		return nil, err
	}
	if low > high {
		return nil, invalidf("%d is greater than %d", low, high)
	}
	r.random++
	source := rand.New(rand.NewPCG(hash(r.scope.Ref.String()), uint64(r.scope.Now.UnixNano())+uint64(r.random)))
	return NumberOf(int64(low) + source.Int64N(int64(high)-int64(low)+1)), nil
}

// capitalize makes the first letter upper case and all others lower case.
func capitalize(s string) string {
	runes := []rune(strings.ToLower(s))
	if len(runes) > 0 {
		runes[0] = unicode.ToUpper(runes[0])
	}
	return string(runes)
}

// title capitalizes every word.
func title(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r) || (inWord && (r == '\'' || r == '’'))
		if letter && !inWord {
			r = unicode.ToUpper(r)
		} else {
			r = unicode.ToLower(r)
		}
		inWord = letter
		return r
	}, s)
}

var htmlTag = regexp.MustCompile(`(?s)<!--.*?-->|<[A-Za-z/!][^>]*>`)

func stripTags(s string) string { return htmlTag.ReplaceAllString(s, "") }

func asIs(s string) any { return s }

// replaceAll refuses to make a text that would be too long before making it.
func replaceAll(text, old, replacement string, as func(string) any) (any, error) {
	if old == "" {
		return as(text), nil
	}
	if growth := strings.Count(text, old) * (len(replacement) - len(old)); len(text)+growth > maxOutput {
		return nil, errTooLong
	}
	return as(strings.ReplaceAll(text, old, replacement)), nil
}

// regexReplace replaces by an expression of RE2; $1 in the replacement is its first group.
func regexReplace(_ *rendering, v []any) (any, error) {
	text, pattern, replacement := Text(v[0]), Text(v[1]), Text(v[2])
	if len(pattern) > 1000 {
		return nil, invalidf("the regular expression is longer than 1000 bytes")
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, invalidf("%v", err)
	}
	var out strings.Builder
	last := 0
	for _, match := range compiled.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(text[last:match[0]])
		out.Write(compiled.ExpandString(nil, replacement, text, match))
		last = match[1]
		if out.Len() > maxOutput {
			return nil, errTooLong
		}
	}
	out.WriteString(text[last:])
	return out.String(), nil
}

// part returns count characters from a start; what lies beyond the text is left out.
func part(value any, start int, count any) (any, error) {
	runes := []rune(Text(value))
	n, err := wholeNumber(count)
	if err != nil {
		return nil, err
	}
	start = max(0, min(start, len(runes)))
	end := start + max(0, min(n, len(runes)-start))
	return string(runes[start:end]), nil
}

func right(_ *rendering, v []any) (any, error) {
	n, err := wholeNumber(v[1])
	if err != nil {
		return nil, err
	}
	return part(v[0], len([]rune(Text(v[0])))-max(n, 0), v[1])
}

// mid returns characters from a place on, counted from 1.
func mid(_ *rendering, v []any) (any, error) {
	start, err := wholeNumber(v[1])
	if err != nil {
		return nil, err
	}
	return part(v[0], start-1, v[2])
}

// slice is Liquid's: from an index, counted from 0 or, when negative, from the end.
func slice(_ *rendering, v []any) (any, error) {
	start, err := wholeNumber(v[1])
	if err != nil {
		return nil, err
	}
	if start < 0 {
		start += len([]rune(Text(v[0])))
	}
	if start < 0 {
		return "", nil
	}
	if len(v) == 2 {
		return part(v[0], start, NumberOf(1))
	}
	return part(v[0], start, v[2])
}

// truncate shortens a text to a number of characters (50), the ending (...) included.
func truncate(_ *rendering, v []any) (any, error) {
	text, ending := []rune(Text(v[0])), []rune("...")
	length := 50
	if len(v) > 1 {
		var err error
		if length, err = wholeNumber(v[1]); err != nil {
			return nil, err
		}
	}
	if len(v) > 2 {
		ending = []rune(Text(v[2]))
	}
	if len(text) <= length {
		return string(text), nil
	}
	return string(text[:max(0, length-len(ending))]) + string(ending), nil
}

// truncateWords shortens a text to a number of words (15).
func truncateWords(_ *rendering, v []any) (any, error) {
	words, ending, count := strings.Fields(Text(v[0])), "...", 15
	if len(v) > 1 {
		var err error
		if count, err = wholeNumber(v[1]); err != nil {
			return nil, err
		}
	}
	if len(v) > 2 {
		ending = Text(v[2])
	}
	if len(words) <= count {
		return Text(v[0]), nil
	}
	return strings.Join(words[:max(count, 0)], " ") + ending, nil
}

func splitText(_ *rendering, v []any) (any, error) {
	text, separator := Text(v[0]), Text(v[1])
	if text == "" {
		return []any{}, nil
	}
	if strings.Count(text, separator) > maxOutput/64 {
		return nil, errTooLong
	}
	if separator == " " {
		return strings.Fields(text), nil
	}
	return strings.Split(text, separator), nil
}

func size(_ *rendering, v []any) (any, error) {
	switch value := v[0].(type) {
	case []any:
		return NumberOf(int64(len(value))), nil
	case map[string]any:
		return NumberOf(int64(len(value))), nil
	}
	return NumberOf(int64(len([]rune(Text(v[0]))))), nil
}

// concat glues texts together, or lists.
func concat(_ *rendering, v []any) (any, error) {
	if _, isList := v[0].([]any); !isList {
		var out strings.Builder
		for _, value := range v {
			out.WriteString(Text(value))
		}
		return out.String(), nil
	}
	var list []any
	for _, value := range v {
		list = append(list, itemsOf(value)...)
	}
	return list, nil
}

func join(_ *rendering, v []any) (any, error) {
	separator, list := " ", itemsOf(v[0])
	if len(v) > 1 {
		separator = Text(v[1])
	}
	if len(list)*len(separator) > maxOutput {
		return nil, errTooLong
	}
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = Text(item)
	}
	return strings.Join(texts, separator), nil
}

func unique(_ *rendering, v []any) (any, error) {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(itemsOf(v[0])), func(item any) bool {
		key := Text(item)
		repeated := seen[key]
		seen[key] = true
		return repeated
	}), nil
}

// mapped picks one member of every item.
func mapped(r *rendering, v []any) (any, error) {
	items := slices.Clone(itemsOf(v[0]))
	for i, item := range items {
		var err error
		if items[i], err = r.member(item, Text(v[1])); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// instant is a value as an instant; the zero time for an empty one. A day is its start in the zone of
// the rendering; the texts now and today are understood.
func (r *rendering) instant(value any) (time.Time, error) {
	zone := r.scope.zone()
	switch text := Text(value); text {
	case "":
		return time.Time{}, nil
	case "now":
		return r.scope.Now.In(zone), nil
	case "today":
		return DateOf(r.scope.Now, zone).In(zone), nil
	default:
		if date, err := ParseDate(text); err == nil {
			return date.In(zone), nil
		}
		at, ok := asInstant(value)
		if number, isNumber := value.(Number); isNumber {
			at, ok = asInstant(number.String())
		}
		if !ok {
			return time.Time{}, invalidf("%q is not a date or time", clip(text))
		}
		return at.In(zone), nil
	}
}

// formatted writes a day or time by a pattern, in a zone and a language of its own when they are given. Names are
// known in English only.
func formatted(r *rendering, value any, options []any, format func(string, time.Time) (string, error)) (any, error) {
	at, err := r.instant(value)
	if err != nil || at.IsZero() {
		return nil, err
	}
	pattern := "medium"
	if len(options) > 0 {
		pattern = Text(options[0])
	}
	if len(options) > 1 && !isEmpty(options[1]) {
		zone, err := LoadZone(Text(options[1]))
		if err != nil {
			return nil, err
		}
		at = at.In(zone)
	}
	if len(options) > 2 {
		if language := strings.ToLower(Text(options[2])); language != "" && !strings.HasPrefix(language, "en") {
			return nil, invalidf("dates are written in English, not in %q", clip(language))
		}
	}
	return format(pattern, at)
}

// timeUnits of plus_time and minus_time.
var timeUnits = map[string]func(n int) (months int, span Duration){
	"year":   func(n int) (int, Duration) { return 12 * n, Duration{} },
	"month":  func(n int) (int, Duration) { return n, Duration{} },
	"week":   func(n int) (int, Duration) { return 0, Duration{Days: 7 * n} },
	"day":    func(n int) (int, Duration) { return 0, Duration{Days: n} },
	"hour":   func(n int) (int, Duration) { return 0, Duration{Clock: time.Duration(n) * time.Hour} },
	"minute": func(n int) (int, Duration) { return 0, Duration{Clock: time.Duration(n) * time.Minute} },
	"second": func(n int) (int, Duration) { return 0, Duration{Clock: time.Duration(n) * time.Second} },
}

// plusTime moves a day or time by n units; months keep the day or take the last one (semantics §3.7).
// A day moved by days, weeks, months or years stays a day.
func plusTime(r *rendering, v []any, sign int) (any, error) {
	n, err := wholeNumber(v[1])
	if err != nil {
		return nil, err
	}
	unit, known := timeUnits[strings.TrimSuffix(strings.ToLower(Text(v[2])), "s")]
	if !known {
		return nil, invalidf("%q is not a unit: use years, months, weeks, days, hours, minutes or seconds", clip(Text(v[2])))
	}
	if max(n, -n) > 1_000_000 {
		return nil, invalidf("%d is too far", n)
	}
	months, span := unit(sign * n)
	at, err := r.instant(v[0])
	if err != nil || at.IsZero() {
		return nil, err
	}
	zone := at.Location()
	if months != 0 {
		at = wallClock(DateOf(at, zone).AddMonths(months), clockOf(at), zone)
	}
	at = span.After(at, zone, false)
	if at.Year() < 1 || at.Year() > 9999 {
		return nil, invalidf("the year %d is too far", at.Year())
	}
	if _, err := ParseDate(Text(v[0])); err == nil && span.Clock == 0 {
		return DateOf(at, zone), nil
	}
	return at, nil
}
