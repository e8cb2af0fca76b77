package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
	"go.yaml.in/yaml/v3"
)

// Limits of a source file.
const (
	maxBytes = 1 << 20  // of one file
	maxDepth = 100      // of lists and mappings within each other
	maxNodes = 100_000  // values, those behind an alias counted at every use
	maxExact = 64 << 10 // bytes of a file in which the exact place of a syntax error is looked for
)

const byteOrderMark = "\uFEFF"

// number is a decimal number as people write it. Neither 010 nor 0x1f nor 1e5 is one: they are text.
var number = regexp.MustCompile(`^[+-]?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)$`)

// Parse reads a source file, JSON when its name ends in .json and YAML otherwise. The tree is nil when
// the file cannot be read at all; an empty file is Null. Scalars are read as written: there are no
// timestamps, octal numbers or `yes` for true. Codes: syntax, encoding, duplicate-key, too-large,
// too-deep, documents, alias, tag.
func Parse(file string, src []byte) (*Node, Diagnostics) {
	src = bytes.TrimPrefix(src, []byte(byteOrderMark))
	p := &source{file: file, lines: splitLines(src)}
	isJSON := strings.EqualFold(filepath.Ext(file), ".json")
	if len(src) > maxBytes {
		p.found.Errorf(p.at(1, 1), "too-large", "the file has %d bytes; at most %d are allowed", len(src), maxBytes)
		return nil, p.found
	}
	if p.checkText(string(src), isJSON); p.found.HasErrors() {
		return nil, p.found
	}
	var root *Node
	if isJSON {
		root = p.parseJSON(src)
	} else {
		root = p.parseYAML(src)
	}
	p.found.Sort()
	if p.full {
		return nil, p.found
	}
	return root, p.found
}

// source is a file being parsed.
type source struct {
	file  string
	lines []string
	found Diagnostics
	nodes int  // values so far
	full  bool // enough read: a limit is passed
}

func (p *source) at(line, column int) Pos { return Pos{File: p.file, Line: line, Column: column} }

// node makes a node, and says once when there are too many.
func (p *source) node(kind Kind, pos Pos) *Node {
	p.count(1, pos)
	return &Node{Kind: kind, Pos: pos, lines: p.lines}
}

func (p *source) count(nodes int, pos Pos) {
	p.nodes += nodes
	if p.nodes > maxNodes && !p.full {
		p.full = true
		p.found.Errorf(pos, "too-large", "the file has more than %d values, those behind an alias counted at every use", maxNodes)
	}
}

// tooDeep says once that values stand too deep in each other.
func (p *source) tooDeep(depth int, pos Pos) bool {
	if depth > maxDepth && !p.full {
		p.full = true
		p.found.Errorf(pos, "too-deep", "lists and mappings stand more than %d deep in each other", maxDepth)
	}
	return depth > maxDepth
}

// checkText refuses what is not text, or text whose lines editors and parsers count differently.
func (p *source) checkText(src string, isJSON bool) {
	line, column := 1, 1
	for i, r := range src {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(src[i:], string(utf8.RuneError)):
			p.found.Errorf(p.at(line, column), "encoding", "this is not UTF-8 text")
			return
		case r == '\r' && !strings.HasPrefix(src[i+1:], "\n"),
			unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r',
			(r == '\u2028' || r == '\u2029') && !isJSON,
			r == '\uFEFF' && !isJSON, r == '\uFFFE', r == '\uFFFF':
			p.found.Errorf(p.at(line, column), "encoding", "the character U+%04X is not allowed here", r).
				Hint = fmt.Sprintf(`write it as "\u%04X" in double quotes`, r)
			return
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
}

// addField adds a field to a mapping unless its key was used before.
func (p *source) addField(mapping, key, value *Node, first map[string]*Node) {
	if earlier := first[key.Value]; earlier != nil {
		p.found.Errorf(key.Pos, "duplicate-key", "the key %s is already used in line %d", quote(key.Value), earlier.Pos.Line)
		return
	}
	first[key.Value] = key
	mapping.Fields = append(mapping.Fields, Field{Key: key, Value: value})
}

// YAML

func (p *source) parseYAML(src []byte) *Node {
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return p.node(Null, p.at(1, 1))
	case err != nil:
		p.syntaxError(src, err)
		return nil
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case err == nil:
		p.found.Errorf(p.at(second.Line, second.Column), "documents", "a second document starts here; a file holds one")
		return nil
	case !errors.Is(err, io.EOF):
		p.syntaxError(src, err)
		return nil
	}
	if len(document.Content) == 0 {
		return p.node(Null, p.at(1, 1))
	}
	reader := yamlReader{source: p, anchors: map[*yaml.Node]anchored{}}
	return reader.read(document.Content[0], 1)
}

// yamlReader turns nodes of the YAML library into ours.
type yamlReader struct {
	*source
	anchors map[*yaml.Node]anchored
}

// anchored is a value that aliases may repeat; node is nil while it is being read.
type anchored struct {
	node *Node
	size int
}

func (p *yamlReader) read(from *yaml.Node, depth int) *Node {
	pos := p.at(from.Line, from.Column)
	if p.tooDeep(depth, pos) || p.full {
		return p.node(Null, pos)
	}
	if from.Style&yaml.TaggedStyle != 0 {
		p.found.Errorf(pos, "tag", "the tag %s is not allowed: values are read as written", quote(from.Tag))
	}
	if from.Anchor != "" {
		p.anchors[from] = anchored{}
	}
	before := p.nodes
	var n *Node
	switch from.Kind {
	case yaml.MappingNode:
		n = p.mapping(from, pos, depth)
	case yaml.SequenceNode:
		n = p.node(List, pos)
		for i := 0; i < len(from.Content) && !p.full; i++ {
			n.Items = append(n.Items, p.read(from.Content[i], depth+1))
		}
	case yaml.AliasNode:
		return p.alias(from, pos)
	default:
		n = p.node(scalarKind(from), pos)
		n.Value = from.Value
	}
	if from.Anchor != "" {
		p.anchors[from] = anchored{node: n, size: p.nodes - before}
	}
	return n
}

func (p *yamlReader) mapping(from *yaml.Node, pos Pos, depth int) *Node {
	n := p.node(Mapping, pos)
	first := map[string]*Node{}
	for i := 0; i+1 < len(from.Content) && !p.full; i += 2 {
		name, value := from.Content[i], from.Content[i+1]
		key := p.node(String, p.at(name.Line, name.Column))
		switch {
		case name.Kind == yaml.MappingNode && name.Style&yaml.FlowStyle != 0:
			p.found.Errorf(key.Pos, "syntax", "a key has to be text").Hint = `put text that starts with {{ in quotes: "{{ … }}"`
			continue
		case name.Kind != yaml.ScalarNode:
			p.found.Errorf(key.Pos, "syntax", "a key has to be text")
			continue
		case name.Value == "<<" && name.Style == 0:
			p.found.Errorf(key.Pos, "alias", "merge keys are not supported").Hint = "write the keys out, or use an alias for the whole value"
			continue
		}
		key.Value = name.Value
		p.addField(n, key, p.read(value, depth+1), first)
	}
	return n
}

// alias returns the value that an alias repeats: the same nodes, whose positions are those of the anchor.
func (p *yamlReader) alias(from *yaml.Node, pos Pos) *Node {
	target := p.anchors[from.Alias]
	if target.node == nil {
		p.found.Errorf(pos, "alias", "the alias *%s stands inside the value that it repeats", from.Value)
		return p.node(Null, pos)
	}
	if p.count(target.size, pos); p.full {
		return p.node(Null, pos)
	}
	return target.node
}

// scalarKind tells what a YAML scalar is.
func scalarKind(from *yaml.Node) Kind {
	if from.Style&^yaml.TaggedStyle != 0 { // quoted or a block
		return String
	}
	switch from.Value {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	if number.MatchString(from.Value) {
		return Number
	}
	return String
}

// advice for syntax errors that authors make most.
var advice = []struct{ problem, hint string }{
	{"'\t'", "indent with spaces; YAML allows no tabs there"},
	{"mapping value is not allowed", "put text that contains a colon and a space in quotes"},
	{"is a reserved character", "put text that starts with this character in quotes"},
	{"flow map content", `put text that starts with {{ in quotes: "{{ … }}"`},
	{"value is not allowed in this context", "check the indentation, and put text with special characters in quotes"},
	{"unexpected key name", "write a space after the colon, and check the indentation"},
	{"alphabetic or numeric character", "put text that starts with * or & in quotes"},
	{"block sequence entries", "start a list on a line of its own"},
}

// syntaxError reports why src is not YAML. The library that reads the tree knows at best the line; the
// other one is asked for the exact place.
func (p *source) syntaxError(src []byte, err error) {
	pos, message := p.at(1, 1), strings.TrimPrefix(err.Error(), "yaml: ")
	if _, scanErr := fmt.Sscanf(message, "line %d:", &pos.Line); scanErr == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	pos.Line = max(1, min(pos.Line, len(p.lines)))
	text := p.lines[pos.Line-1]
	pos.Column = 1 + len(text) - len(strings.TrimLeft(text, " "))

	if strings.Contains(message, "exceeded max depth") {
		p.tooDeep(maxDepth+1, pos)
		return
	}
	var exact goccy.Error
	if len(src) <= maxExact && !mayBeDeep(string(src)) { // else the other library takes gigabytes
		_, err = parser.ParseBytes(src, 0)
	}
	if errors.As(err, &exact) && exact.GetToken() != nil {
		if at := exact.GetToken().Position; at.Line >= 1 && at.Line <= len(p.lines) {
			pos.Line, pos.Column = at.Line, max(1, at.Column)
			message = exact.GetMessage()
		}
	}
	var anchor string
	if _, err := fmt.Sscanf(message, "unknown anchor '%s referenced", &anchor); err == nil {
		p.unknownAnchor(strings.TrimSuffix(anchor, "'"))
		return
	}
	hint := ""
	for _, one := range advice {
		if strings.Contains(message, one.problem) {
			hint = one.hint
			break
		}
	}
	p.found.Errorf(pos, "syntax", "%s", message).Hint = hint
}

// mayBeDeep tells whether lists and mappings could stand too deep in each other, as far as brackets and the starts of
// lines show: those in texts and comments count as well.
func mayBeDeep(src string) bool {
	open, lead, starting := 0, 0, true
	for _, r := range src {
		switch r {
		case '\n':
			lead, starting = 0, true
			continue
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		}
		if starting = starting && strings.ContainsRune(" -?:", r); starting {
			lead++
		}
		if open > maxDepth || lead > 2*maxDepth {
			return true
		}
	}
	return false
}

// unknownAnchor reports an alias of nothing at the first place that looks like it.
func (p *source) unknownAnchor(name string) {
	pos := p.at(1, 1)
	for i, line := range p.lines {
		if before, _, found := strings.Cut(line, "*"+name); found {
			pos = p.at(i+1, 1+utf8.RuneCountInString(before))
			break
		}
	}
	p.found.Errorf(pos, "alias", "there is no anchor &%s before this", name).Hint = "put text that starts with * in quotes"
}

// JSON

func (p *source) parseJSON(src []byte) *Node {
	if len(bytes.TrimSpace(src)) == 0 {
		return p.node(Null, p.at(1, 1))
	}
	reader := jsonReader{source: p, src: src, decoder: json.NewDecoder(bytes.NewReader(src)), line: 1, column: 1}
	reader.decoder.UseNumber()
	var valid json.RawMessage
	var wrong *json.SyntaxError
	if err := json.Unmarshal(src, &valid); errors.As(err, &wrong) {
		pos := reader.pos(max(0, int(wrong.Offset)-1))
		p.found.Errorf(pos, "syntax", "%s", wrong.Error())
		return nil
	}
	return reader.read(1)
}

// jsonReader walks the tokens of a valid JSON text. It counts lines and columns as it goes.
type jsonReader struct {
	*source
	src          []byte
	decoder      *json.Decoder
	offset       int // that line and column belong to
	line, column int
}

// pos moves on to offset and returns its position.
func (p *jsonReader) pos(offset int) Pos {
	for p.offset < offset {
		r, size := utf8.DecodeRune(p.src[p.offset:])
		p.offset += size
		p.column++
		if r == '\n' {
			p.line, p.column = p.line+1, 1
		}
	}
	return p.at(p.line, p.column)
}

// token returns the next token and where it starts.
func (p *jsonReader) token() (json.Token, Pos) {
	start := int(p.decoder.InputOffset())
	for start < len(p.src) && strings.IndexByte(" \t\r\n,:", p.src[start]) >= 0 {
		start++
	}
	pos := p.pos(start)
	token, _ := p.decoder.Token() // the text is valid
	return token, pos
}

func (p *jsonReader) read(depth int) *Node {
	token, pos := p.token()
	if p.tooDeep(depth, pos) || p.full {
		return p.node(Null, pos)
	}
	scalar := func(kind Kind, value string) *Node {
		n := p.node(kind, pos)
		n.Value = value
		return n
	}
	switch token := token.(type) {
	case bool:
		return scalar(Bool, fmt.Sprint(token))
	case json.Number:
		return scalar(Number, token.String())
	case string:
		return scalar(String, token)
	case json.Delim:
		if token == '[' {
			return p.list(pos, depth)
		}
		return p.mapping(pos, depth)
	}
	return p.node(Null, pos)
}

func (p *jsonReader) list(pos Pos, depth int) *Node {
	n := p.node(List, pos)
	for !p.full && p.decoder.More() {
		n.Items = append(n.Items, p.read(depth+1))
	}
	p.token()
	return n
}

func (p *jsonReader) mapping(pos Pos, depth int) *Node {
	n := p.node(Mapping, pos)
	first := map[string]*Node{}
	for !p.full && p.decoder.More() {
		name, at := p.token()
		key := p.node(String, at)
		key.Value, _ = name.(string)
		p.addField(n, key, p.read(depth+1), first)
	}
	p.token()
	return n
}
