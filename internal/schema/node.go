// Package schema turns source text into Go values and explains what is wrong with it: it parses YAML
// and JSON into one tree with positions, decodes the tree into tagged structs, and describes those
// structs as JSON Schema and Markdown. It knows nothing of workflows.
package schema

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Kind is the type of a Node.
type Kind int

// Kinds of nodes. A scalar is read as written: `no` is a string, `2027-05-10` too.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Mapping
)

// Pos is a position in a source file. Lines and columns count from 1, columns in runes; the zero Pos
// means that the position is not known.
type Pos struct {
	File   string
	Line   int
	Column int
}

// Node is one value of a source file.
type Node struct {
	Kind   Kind
	Pos    Pos
	Value  string  // of a scalar, as written and unquoted
	Items  []*Node // of a list
	Fields []Field // of a mapping, in source order

	lines    []string // of the source file
	verbatim bool     // Value is the source text itself, from the first column of Pos.Line on
}

// Field is one entry of a mapping.
type Field struct {
	Key   *Node // a String
	Value *Node
}

// Text returns a String for text that stands as it is in a file of another syntax, from the first
// column of a line on: the body of an e-mail.
func Text(file string, line int, text string) *Node {
	return &Node{Kind: String, Pos: Pos{File: file, Line: line, Column: 1}, Value: text, verbatim: true}
}

// Get returns the value under key, or nil.
func (n *Node) Get(key string) *Node {
	for _, field := range n.Fields {
		if field.Key.Value == key {
			return field.Value
		}
	}
	return nil
}

// Keys returns the keys of a mapping in source order.
func (n *Node) Keys() []string {
	keys := make([]string, len(n.Fields))
	for i, field := range n.Fields {
		keys[i] = field.Key.Value
	}
	return keys
}

// IsScalar tells whether n is text, a number or a truth value.
func (n *Node) IsScalar() bool { return n.Kind == String || n.Kind == Number || n.Kind == Bool }

// What says in an author's words what n is, for messages: `the text "x"`, `a list`, …
func (n *Node) What() string {
	switch n.Kind {
	case Null:
		return "nothing"
	case Bool:
		return n.Value
	case Number:
		return "the number " + n.Value
	case List:
		return "a list"
	case Mapping:
		return "a mapping"
	}
	if text := []rune(n.Value); len(text) > 40 {
		return quote(string(text[:40]) + "…")
	}
	return quote(n.Value)
}

// PosAt returns the position of the byte offset in the Value of a scalar, for types with a syntax of
// their own. Where the source does not show the value literally (folded lines, escapes) it is Pos.
func (n *Node) PosAt(offset int) Pos {
	if offset < 0 || offset > len(n.Value) {
		return n.Pos
	}
	before := n.Value[:offset]
	pos := n.Pos
	if n.verbatim {
		pos.Line += strings.Count(before, "\n")
		pos.Column += utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
		return pos
	}
	if pos.Line < 1 || pos.Line > len(n.lines) {
		return n.Pos
	}
	written := afterRunes(n.lines[pos.Line-1], pos.Column-1)
	switch {
	case strings.HasPrefix(written, n.Value) && !strings.Contains(n.Value, "\n"):
		pos.Column += utf8.RuneCountInString(before)
	case len(written) > 0 && (written[0] == '"' || written[0] == '\'') && strings.HasPrefix(written[1:], n.Value):
		pos.Column += 1 + utf8.RuneCountInString(before)
	case strings.HasPrefix(written, "|"):
		start := strings.LastIndexByte(before, '\n') + 1
		pos.Line += 1 + strings.Count(before, "\n")
		row, _, _ := strings.Cut(n.Value[start:], "\n")
		if pos.Line > len(n.lines) || !strings.HasSuffix(n.lines[pos.Line-1], row) {
			return n.Pos
		}
		indent := strings.TrimSuffix(n.lines[pos.Line-1], row)
		pos.Column = utf8.RuneCountInString(indent) + utf8.RuneCountInString(before[start:]) + 1
	}
	return pos
}

// afterRunes cuts count runes off the front of text.
func afterRunes(text string, count int) string {
	for ; count > 0 && text != ""; count-- {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	return text
}

// MarshalJSON writes n as JSON: numbers as written, mappings in source order.
func (n *Node) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	err := n.writeJSON(&out)
	return out.Bytes(), err
}

func (n *Node) writeJSON(out *bytes.Buffer) error {
	switch n.Kind {
	case Null:
		out.WriteString("null")
	case Bool:
		out.WriteString(strings.ToLower(n.Value))
	case Number:
		out.WriteString(jsonNumber(n.Value))
	case String:
		return writeString(out, n.Value)
	case List:
		out.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := item.writeJSON(out); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case Mapping:
		out.WriteByte('{')
		for i, field := range n.Fields {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeString(out, field.Key.Value); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := field.Value.writeJSON(out); err != nil {
				return err
			}
		}
		out.WriteByte('}')
	}
	return nil
}

// writeString writes text as a JSON string that shows < and & as they are.
func writeString(out *bytes.Buffer, text string) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the newline that Encode adds
	return nil
}

// jsonNumber writes a number of the source in the grammar of JSON: no plus sign, a digit before the point.
func jsonNumber(text string) string {
	text = strings.TrimPrefix(text, "+")
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	if strings.HasPrefix(text, ".") {
		text = "0" + text
	}
	return sign + text
}

// quote shows text in a message.
func quote(text string) string { return "\"" + strings.ReplaceAll(text, "\n", "⏎") + "\"" }
