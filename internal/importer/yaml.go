package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
	"go.yaml.in/yaml/v3"
)

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	value *yaml.Node // nil leaves the entry out
}

func mapping(entries ...entry) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, one := range entries {
		if one.value != nil {
			node.Content = append(node.Content, str(one.key), one.value)
		}
	}
	return node
}

func list(items ...*yaml.Node) *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Content: items} }

func str(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func strs[T ~string](texts []T) *yaml.Node {
	node := list()
	for _, one := range texts {
		node.Content = append(node.Content, str(string(one)))
	}
	return node
}

// optional is text, or nothing when it is empty.
func optional(text string) *yaml.Node {
	if text == "" {
		return nil
	}
	return str(text)
}

func boolean(value bool) *yaml.Node { return bare(fmt.Sprint(value)) }

// bare is a scalar that is written without quotes.
func bare(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// scalar writes truth values and numbers in their canonical form bare, and other text as text.
func scalar(text string) *yaml.Node {
	if text == "true" || text == "false" {
		return bare(text)
	}
	if number, err := crm.ParseNumber(text); err == nil && number.String() == text {
		return bare(text)
	}
	return str(text)
}

// lineWidth is how long lists and mappings may be that stand on one line.
const lineWidth = 96

// fold puts the lists and mappings in a node on one line each where they fit.
func fold(node *yaml.Node) (width int) {
	if node.Kind == yaml.ScalarNode {
		if strings.Contains(node.Value, "\n") {
			return lineWidth + 1
		}
		return len([]rune(node.Value)) + 4
	}
	for _, child := range node.Content {
		width += fold(child)
	}
	if width <= lineWidth {
		node.Style = yaml.FlowStyle
	}
	return width
}

// quoteTexts puts texts that cannot stand bare in double quotes, rather than in the single ones that the
// library prefers.
func quoteTexts(node *yaml.Node, inFlow bool) {
	inFlow = inFlow || node.Style == yaml.FlowStyle
	for _, child := range node.Content {
		quoteTexts(child, inFlow)
	}
	odd := strings.ContainsFunc(node.Value, func(r rune) bool { return r != '\n' && isOdd(r) })
	if node.Tag != "!!str" || strings.Contains(node.Value, "\n") && !odd {
		return
	}
	special := odd || strings.Contains(node.Value, ": ") || strings.Contains(node.Value, " #") || strings.HasSuffix(node.Value, ":") ||
		strings.IndexAny(node.Value, "[]{}>|*&!%@`#,?:-\"'") == 0
	if special || inFlow && strings.ContainsAny(node.Value, ":#,[]{}") {
		node.Style = yaml.DoubleQuotedStyle
	}
}

// render writes a YAML file.
func render(node *yaml.Node) ([]byte, error) {
	quoteTexts(node, false)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// comment writes lines as a YAML comment.
func comment(lines ...string) string {
	var out []string
	for _, line := range strings.Split(strings.Join(lines, "\n"), "\n") {
		out = append(out, strings.TrimRight("# "+plain(line), " "))
	}
	return strings.Join(out, "\n")
}

// source shows a part of a document on one line.
func source(raw json.RawMessage) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return string(raw)
	}
	return compact.String()
}

// plain escapes, as JSON does, the characters that a line of a source file must not have.
func plain(line string) string {
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(line, "\uFFFD") {
		if isOdd(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// isOdd tells whether a source file cannot show a character as it is.
func isOdd(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r == '\uFFFE' || r == '\uFFFF'
}

// readable reports what a reader of our language has to say against a part of a definition.
func readable(node *yaml.Node, read func(*schema.Node) schema.Diagnostics) error {
	content, err := render(node)
	if err != nil {
		return err
	}
	tree, problems := schema.Parse("part.yaml", content)
	if !problems.HasErrors() {
		problems = read(tree)
	}
	for _, problem := range problems {
		if problem.Severity == schema.Error {
			return errors.New(problem.Message)
		}
	}
	return nil
}
