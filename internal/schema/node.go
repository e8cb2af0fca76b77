// Package schema turns source text into Go values and explains what is wrong with it: it parses YAML
// and JSON into one tree with positions, decodes the tree into tagged structs, and describes those
// structs as JSON Schema and Markdown. It knows nothing of workflows.
package schema

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
}

// Field is one entry of a mapping.
type Field struct {
	Key   *Node // a String
	Value *Node
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
