package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/stretchr/testify/require"
)

// pair is a type with a syntax of its own: two words with a slash between them.
type pair struct {
	left, right string
	pos         Pos
}

func (p *pair) UnmarshalNode(n *Node, d *Diagnostics) {
	left, right, found := strings.Cut(n.Value, "/")
	if n.Kind != String || !found {
		d.WrongType(n, "", "two words with a slash")
		return
	}
	*p = pair{left: left, right: right, pos: n.Pos}
}

func (p pair) MarshalJSON() ([]byte, error) {
	if p.left == "" && p.right == "" {
		return []byte("null"), nil
	}
	return json.Marshal(p.left + "/" + p.right)
}

func (pair) Describe() Description {
	return Description{Name: "pair", Doc: "Two words with a slash.", Schema: map[string]any{"type": "string"}}
}

type limits struct {
	Most  int     `json:"most" doc:"Upper bound." default:"10" min:"1" max:"100"`
	Share float64 `json:"share" doc:"Part of all." min:"0" max:"1"`
}

type common struct {
	Comment string `json:"comment" doc:"For readers."`
}

type part struct {
	Name string `json:"name" doc:"What it is called." required:"true" max:"8"`
	When *pair  `json:"when" doc:"Its pair."`
}

type sample struct {
	common
	Title   string            `json:"title" doc:"A title | name." required:"true"`
	Mode    string            `json:"mode" doc:"How it works." enum:"fast,slow"`
	Days    []string          `json:"days" doc:"Weekdays." enum:"mon,tue" default:"[mon]" max:"2"`
	On      bool              `json:"on" doc:"Switched on." default:"true"`
	Pair    pair              `json:"pair" doc:"A pair." default:"a/b"`
	Limits  limits            `json:"limits" doc:"Limits."`
	Parts   []part            `json:"parts" doc:"Parts."`
	ByName  map[string]part   `json:"by_name" doc:"Parts by name."`
	Set     map[string]string `json:"set" doc:"Values."`
	Any     any               `json:"any" doc:"Whatever."`
	Small   int8              `json:"small" doc:"A small number."`
	Ignored string            `json:"-"`
	private string            //nolint:unused // Decode has to leave it alone
}

func decodeSample(t *testing.T, source string) (sample, Diagnostics) {
	t.Helper()
	node, problems := Parse("a.yaml", []byte(source))
	require.Empty(t, problems)
	var into sample
	problems = Decode(node, &into)
	problems.Sort()
	return into, problems
}

func TestDecodeFillsEveryField(t *testing.T) {
	t.Parallel()
	got, problems := decodeSample(t, `
title: 007
comment: 12.50
mode: slow
days: [tue, mon]
on: false
pair: x/y
limits: {most: 3, share: .5}
parts: [{name: one, when: c/d}, {name: two}]
by_name: {k: {name: three}}
set: {a: b, n: 5}
any: {deep: [1, "1", true, null]}
small: -128
`)
	require.Empty(t, problems)
	require.Equal(t, sample{
		common: common{Comment: "12.50"}, Title: "007", Mode: "slow", Days: []string{"tue", "mon"},
		Pair:   pair{"x", "y", Pos{"a.yaml", 7, 7}},
		Limits: limits{Most: 3, Share: 0.5},
		Parts:  []part{{Name: "one", When: &pair{"c", "d", Pos{"a.yaml", 9, 27}}}, {Name: "two"}},
		ByName: map[string]part{"k": {Name: "three"}},
		Set:    map[string]string{"a": "b", "n": "5"},
		Any:    map[string]any{"deep": []any{json.Number("1"), "1", true, nil}},
		Small:  -128,
	}, got)
}

func TestDecodeAppliesDefaultsAndTakesNullAsLeftOut(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"title: x",
		"{title: x, mode: , days: ~, on: null, pair: null, limits: null, parts: null, any: null}",
		"{title: x, mode: '', limits: {}}",
	} {
		got, problems := decodeSample(t, source)
		require.Empty(t, problems)
		require.Equal(t, sample{Title: "x", Days: []string{"mon"}, On: true, Pair: pair{left: "a", right: "b"}, Limits: limits{Most: 10}}, got)
	}
}

func TestDecodeReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, problems := decodeSample(t, `tittle: x
mode: sloow
days: [mon, wed, 3]
on: yes
pair: [x]
limits: {most: "5", share: 2, least: 1}
parts: [{when: x}, text, {name: far too long}]
by_name: [x]
set: {a: true}
small: 200
comment: {}
`)
	var out strings.Builder
	problems.Print(&out, nil, false)
	require.Equal(t, `a.yaml:1:1: error: the key "title" is missing [missing-key]
a.yaml:1:1: error: unknown key "tittle"; allowed: comment, title, mode, days, on, pair, limits, parts, by_name, set, any, small [unknown-key]
    hint: did you mean "title"?
a.yaml:2:7: error: mode: "sloow" is not allowed; allowed: fast, slow [not-allowed]
    hint: did you mean "slow"?
a.yaml:3:7: error: days: at most 2 entries are allowed, found 3 [out-of-range]
a.yaml:3:13: error: days: "wed" is not allowed; allowed: mon, tue [not-allowed]
a.yaml:3:18: error: days: the number 3 is not allowed; allowed: mon, tue [not-allowed]
a.yaml:4:5: error: on: expected true or false, found "yes" [wrong-type]
    hint: write true
a.yaml:5:7: error: expected two words with a slash, found a list [wrong-type]
a.yaml:6:16: error: most: expected a whole number, found "5" [wrong-type]
    hint: take away the quotes
a.yaml:6:28: error: share: 2 is more than 1, the most that is allowed [out-of-range]
a.yaml:6:31: error: unknown key "least"; allowed: most, share [unknown-key]
a.yaml:7:9: error: the key "name" is missing [missing-key]
a.yaml:7:16: error: expected two words with a slash, found "x" [wrong-type]
a.yaml:7:20: error: parts: expected a mapping, found "text" [wrong-type]
a.yaml:7:33: error: name: at most 8 characters are allowed, found 12 [out-of-range]
a.yaml:8:10: error: by_name: expected a mapping, found a list [wrong-type]
a.yaml:9:10: error: a: expected text, found true [wrong-type]
    hint: write "true" in quotes
a.yaml:10:8: error: small: expected a whole number, found the number 200 [wrong-type]
a.yaml:11:10: error: comment: expected text, found a mapping [wrong-type]
`, out.String())
}

func TestDecodeRoundTripsThroughJSON(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"title: x",
		"{title: '', days: [], on: false, pair: x/y, parts: [{name: a, when: b/c}], by_name: {k: {name: ''}}, any: [1, 1.50]}",
	} {
		first, problems := decodeSample(t, source)
		require.Empty(t, problems)
		stored, err := json.Marshal(first)
		require.NoError(t, err)
		node, problems := Parse("stored.json", stored)
		require.Empty(t, problems)
		var again sample
		require.Empty(t, Decode(node, &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(stored), string(twice))
	}
}

func TestDecodeTakesNothingAsAnEmptyMapping(t *testing.T) {
	t.Parallel()
	var into limits
	require.Empty(t, Decode(&Node{}, &into))
	require.Equal(t, limits{Most: 10}, into)
	require.Equal(t, []string{"a.yaml:1:1 missing-key"}, short(Decode(&Node{Pos: Pos{"a.yaml", 1, 1}}, &part{})))
}

func TestCheckTypeRefusesProgrammersMistakes(t *testing.T) {
	t.Parallel()
	type loop struct {
		Again []struct {
			Loop *struct{} `json:"loop" doc:"x"`
		} `json:"again" doc:"x"`
	}
	require.NotPanics(t, func() { CheckType(reflect.TypeFor[sample]()) })
	require.NotPanics(t, func() { CheckType(reflect.TypeFor[loop]()) })
	for want, value := range map[string]any{
		"needs the tags json and doc": struct {
			A string `json:"a"`
		}{},
		"unknown tag yaml": struct {
			A string `json:"a" doc:"x" yaml:"a"`
		}{},
		"the default does not pass": struct {
			A string `json:"a" doc:"x" enum:"b,c" default:"d"`
		}{},
		"cannot be decoded": struct {
			A chan int `json:"a" doc:"x"`
		}{},
		"two fields have the key comment": struct {
			common
			Again string `json:"comment" doc:"x"`
		}{},
		"not on a required field": struct {
			A string `json:"a" doc:"x" required:"true" default:"d"`
		}{},
		"is not a number": struct {
			A int `json:"a" doc:"x" min:"one"`
		}{},
		"add omitzero": struct {
			A int `json:"a" doc:"x" min:"1"`
		}{},
		"omitzero to its json tag": struct {
			A part `json:"a" doc:"x"`
		}{},
		"keys of a map": struct {
			A map[int]string `json:"a" doc:"x"`
		}{},
		"only interface": struct {
			A error `json:"a" doc:"x"`
		}{},
		"contains itself": recursive{},
	} {
		func() {
			defer func() { require.Contains(t, recover(), want) }()
			CheckType(reflect.TypeOf(value))
		}()
	}
}

type recursive struct {
	Inner []recursive `json:"inner" doc:"x"`
}

func TestWalkVisitsTypesWithTheirOwnSyntax(t *testing.T) {
	t.Parallel()
	value := sample{
		Pair:   pair{left: "1"},
		Parts:  []part{{When: &pair{left: "2"}}, {}},
		ByName: map[string]part{"z": {When: &pair{left: "4"}}, "a": {When: &pair{left: "3"}}},
		Any:    []any{&pair{left: "5"}, pair{left: "6"}, nil},
	}
	var seen []string
	Walk(value, func(found any) { seen = append(seen, found.(*pair).left) })
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, seen)
}

func TestMarkdownAndJSONSchemaDescribeTheTags(t *testing.T) {
	t.Parallel()
	schema, err := json.MarshalIndent(JSONSchema(reflect.TypeFor[sample]()), "", "  ")
	require.NoError(t, err)
	golden.Equal(t, "testdata/sample.md", Markdown(reflect.TypeFor[sample]()))
	golden.Equal(t, "testdata/sample.json", string(schema)+"\n")
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"title: x", "title: [", "{title: 1, any: {a: [1]}, limits: {most: 5}}", "title: x\nparts: [{name: y, when: a/b}]\n", "days: mon", "null", "[]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		node, problems := Parse("a.yaml", []byte(source))
		if problems.HasErrors() {
			return
		}
		var first, again sample
		if Decode(node, &first).HasErrors() {
			return
		}
		stored, err := json.Marshal(first)
		require.NoError(t, err)
		stored2, _ := Parse("a.json", stored)
		require.Empty(t, Decode(stored2, &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(stored), string(twice))
	})
}
