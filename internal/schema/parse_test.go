package schema

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/golden"
	"github.com/stretchr/testify/require"
)

func TestParseReadsScalarsAsWritten(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"a: no":                       `{"a":"no"}`,
		"a: [yes, on, off, y, n]":     `{"a":["yes","on","off","y","n"]}`,
		"a: 2027-05-10":               `{"a":"2027-05-10"}`,
		"a: 12-25":                    `{"a":"12-25"}`,
		"a: 09:00":                    `{"a":"09:00"}`,
		"a: 2001-12-14t21:59:43.10Z":  `{"a":"2001-12-14t21:59:43.10Z"}`,
		"a: [010, 0x1f, 0o7, 1_000]":  `{"a":["010","0x1f","0o7","1_000"]}`,
		"a: [1e5, .inf, .nan, 12.]":   `{"a":["1e5",".inf",".nan","12."]}`,
		"a: [0, -3, +10, 1.50, .5]":   `{"a":[0,-3,10,1.50,0.5]}`,
		"a: 12345678901234567890":     `{"a":12345678901234567890}`,
		`a: ["5", '5', "true", '~']`:  `{"a":["5","5","true","~"]}`,
		"a: [true, False, TRUE]":      `{"a":[true,false,true]}`,
		"a: [null, ~, NULL, nil, '']": `{"a":[null,null,null,"nil",""]}`,
		"a:":                          `{"a":null}`,
		"a: |\n  5\n":                 `{"a":"5\n"}`,
		"a: >-\n  one\n  two\n":       `{"a":"one two"}`,
		"a: one\n  two\n":             `{"a":"one two"}`,
		`a: "\u2028\t/"`:              "{\"a\":\"\\u2028\\t/\"}",
		"12: x\ntrue: y\nno: z\n":     `{"12":"x","true":"y","no":"z"}`,
		"z: 1\na: 2\nm: <b>&\n":       `{"z":1,"a":2,"m":"<b>&"}`,
		"\uFEFFa: 1":                  `{"a":1}`,
		"a: &x [1, 2]\nb: *x\n":       `{"a":[1,2],"b":[1,2]}`,
		"--- # one\na: 1\n...\n":      `{"a":1}`,
		"a: 1\r\nb: 2\r\n":            `{"a":1,"b":2}`,
		"":                            `null`,
		"# only this\n":               `null`,
		"---\n":                       `null`,
	} {
		node, problems := Parse("a.yaml", []byte(source))
		require.Empty(t, problems, source)
		text, err := node.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, want, string(text), source)
	}
}

func TestParseReadsJSON(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`{"z":1,"a":[true,null,"x",-1.5e3],"é":{"b":"\ud83d\ude00\/"}}`, `[]`, `{}`, `"x"`, `3`, `{"":""}`,
	} {
		node, problems := Parse("a.json", []byte(source))
		require.Empty(t, problems, source)
		text, err := node.MarshalJSON()
		require.NoError(t, err)
		require.JSONEq(t, source, string(text))
	}
	node, problems := Parse("a.json", []byte(" \n"))
	require.Empty(t, problems)
	require.Equal(t, Null, node.Kind)
}

// TestEveryPositionPointsAtItsText holds the promise of the package for both syntaxes.
func TestEveryPositionPointsAtItsText(t *testing.T) {
	t.Parallel()
	for file, source := range map[string]string{
		"a.yaml": `
# comment
workflow: trial-nurture # it
"quoted key": 'single'
größe: "日本 {{ contact.name }}"
? long
: - a
  - - nested
    - deep
flow: {a: [1, two, "three"], b: {c: d,
  e: f}}
anchor: &here {x: y}
list:
- one
-   two
- key: value
  other: 3
block: |
  first
  second
folded: >
  words
`,
		"a.json": "{\n\t\"key\" : \"日本\", \"größe\":\"x\",\n \"list\": [1, [\"two\"], {\"a\": true}]\r\n, \"e\": -1}",
	} {
		node, problems := Parse(file, []byte(source))
		require.Empty(t, problems)
		lines := splitLines([]byte(source))
		var check func(*Node)
		check = func(n *Node) {
			text := strings.TrimPrefix(afterRunes(lines[n.Pos.Line-1], n.Pos.Column-1), "&here ")
			switch {
			case n.Kind == Mapping && strings.HasPrefix(text, "{"), n.Kind == List && strings.HasPrefix(text, "["), n.Kind == List && strings.HasPrefix(text, "-"):
			case n.Kind == Mapping:
				first := n.Fields[0].Key
				require.True(t, n.Pos == first.Pos || strings.HasPrefix(text, "?"), "%v", n.Pos)
			default:
				require.Contains(t, []string{`"`, `'`, "|", ">", n.Value[:1]}, text[:1], "%v", n.Pos)
				if text[0] == n.Value[0] {
					require.True(t, strings.HasPrefix(text, n.Value), "%v", n.Pos)
				}
			}
			for _, item := range n.Items {
				check(item)
			}
			for _, one := range n.Fields {
				check(one.Key)
				check(one.Value)
			}
		}
		check(node)
	}
}

func TestPosAtFindsAPlaceWithinAScalar(t *testing.T) {
	t.Parallel()
	source := "plain: 日本 token\nquoted: \"日本 token\"\nblock: |\n    one\n    the token\nfolded: >\n  a\n  token\nescaped: \"\\t token\"\n"
	node, problems := Parse("a.yaml", []byte(source))
	require.Empty(t, problems)
	for key, want := range map[string]Pos{
		"plain":   {"a.yaml", 1, 11},
		"quoted":  {"a.yaml", 2, 13},
		"block":   {"a.yaml", 5, 9},
		"folded":  node.Get("folded").Pos,
		"escaped": node.Get("escaped").Pos,
	} {
		scalar := node.Get(key)
		require.Equal(t, want, scalar.PosAt(strings.Index(scalar.Value, "token")), key)
	}
}

func TestPosAtFindsAPlaceWithinAText(t *testing.T) {
	t.Parallel()
	text := Text("a.md", 5, "Hello\n日本 {{ token }}\n")
	require.Equal(t, Pos{"a.md", 6, 7}, text.PosAt(strings.Index(text.Value, "token")))
	require.Equal(t, Pos{"a.md", 5, 1}, text.PosAt(0))
	require.Equal(t, Pos{"a.md", 5, 1}, text.PosAt(99))
}

func TestParseRefusesWhatIsNotText(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"a: \x00":                              "a.yaml:1:4 encoding",
		"a: b\nc: \xff\xfe":                    "a.yaml:2:4 encoding",
		"a: \u2028b":                           "a.yaml:1:4 encoding",
		"a: b\rc: d":                           "a.yaml:1:5 encoding",
		"a: \x1b[31m":                          "a.yaml:1:4 encoding",
		"\xff\xfea\x00":                        "a.yaml:1:1 encoding",
		strings.Repeat("a: b\n", maxBytes/5+1): "a.yaml:1:1 too-large",
	} {
		node, problems := Parse("a.yaml", []byte(source))
		require.Nil(t, node)
		require.Equal(t, []string{want}, short(problems))
	}
}

func TestParseStopsAtItsLimits(t *testing.T) {
	t.Parallel()
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		was, is := string(rune('0'+i)), string(rune('1'+i))
		laughs += "a" + is + ": &a" + is + " [" + strings.TrimSuffix(strings.Repeat("*a"+was+", ", 10), ", ") + "]\n"
	}
	for _, test := range []struct{ file, source, want string }{
		{"a.yaml", laughs, "too-large"},
		{"a.yaml", strings.Repeat("[", 500) + strings.Repeat("]", 500), "too-deep"},
		{"a.json", strings.Repeat("[", 500) + strings.Repeat("]", 500), "too-deep"},
		{"a.json", "[" + strings.Repeat("0,", maxNodes) + "0]", "too-large"},
		{"a.yaml", "a: [" + strings.Repeat("0,", maxNodes) + "0]\na: 1\nb: !x 1\n", "too-large"},
	} {
		node, problems := Parse(test.file, []byte(test.source))
		require.Nil(t, node, "nobody should look for more mistakes in a part")
		require.Len(t, problems, 1)
		require.Equal(t, test.want, problems[0].Code)
	}
}

// TestParseRefusesDeepFilesAtOnce reads files that take a library gigabytes.
func TestParseRefusesDeepFilesAtOnce(t *testing.T) { //nolint:paralleltest // it measures memory
	for source, want := range map[string]string{
		strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000): "too-deep",
		strings.Repeat("{a: ", 50_000):                              "too-deep",
		strings.Repeat("- ", 100_000):                               "too-deep",
		strings.Repeat("[", 9_000):                                  "syntax",
		strings.Repeat("- ", 9_000) + "]":                           "syntax",
		strings.Repeat("- [a, b]\n", 20_000) + "]":                  "syntax",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, problems := Parse("a.yaml", []byte(source))
		runtime.ReadMemStats(&after)
		require.Len(t, problems, 1)
		require.Equal(t, want, problems[0].Code)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
	}
}

// TestBadSources prints the diagnostics of every file of testdata/bad beside it.
func TestBadSources(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.[yj]*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		file := filepath.Base(path)
		_, problems := Parse(file, source)
		require.True(t, problems.HasErrors(), file)
		var out strings.Builder
		problems.Print(&out, map[string][]byte{file: source}, false)
		golden.Equal(t, strings.TrimSuffix(path, filepath.Ext(path))+".txt", out.String())
	}
}

// short is place and code of each problem.
func short(problems Diagnostics) []string {
	var all []string
	for _, one := range problems {
		all = append(all, one.place()+" "+one.Code)
	}
	return all
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: 1\nb: [x, {y: z}]\n", "a: &x [*x]", "a: |\n x\n", "{\"a\":[1,true,null]}", "? {a: b}\n: c", "a: *b", "--- !x\n", "\t", "a: \"\\x\"", "- - -\n"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, source string, isJSON bool) {
		file := "a.yaml"
		if isJSON {
			file = "a.json"
		}
		node, problems := Parse(file, []byte(source))
		lines := splitLines([]byte(source))
		for _, one := range problems {
			require.NotEmpty(t, one.Message)
			require.True(t, one.Line >= 1 && one.Line <= len(lines) && one.Column >= 1, "%v", one)
		}
		var out strings.Builder
		problems.Print(&out, map[string][]byte{file: []byte(source)}, true)
		if node == nil {
			require.True(t, problems.HasErrors())
			return
		}
		text, err := node.MarshalJSON()
		require.NoError(t, err)
		require.True(t, json.Valid(text), "%s", text)
		if problems.HasErrors() {
			return
		}
		again, problems := Parse("again.json", text)
		require.Empty(t, problems)
		same, err := again.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, string(text), string(same))
	})
}
