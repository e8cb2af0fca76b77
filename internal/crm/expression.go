package crm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Templates and formulas share one expression language: Liquid's pipelines (`a.b | default: "x"`),
// functions (`upper(a.b)`), arithmetic and comparisons. Names may contain hyphens, so a minus sign
// between two names needs spaces around it.
type expression interface {
	eval(*rendering) (any, error)
}

type (
	literal   struct{ value any }
	blank     struct{} // the literals `blank` and `empty`: equal to every empty value
	operation struct {
		operator    string
		left, right expression
	}
	negation struct{ operand expression } // not
	span     struct{ from, to expression }
	call     struct {
		name      string
		function  function
		arguments []expression
	}
	variable struct {
		name  string
		steps []step
	}
	// step leads from a value to one within it.
	step struct {
		name  string
		index expression // [index]; then name is empty
	}
)

// syntaxError is a mistake at a byte offset of a template or formula.
type syntaxError struct {
	offset  int
	message string
	hint    string
}

func (e *syntaxError) Error() string { return e.message }

// Unwrap makes the mistake an invalid value for errors.Is.
func (e *syntaxError) Unwrap() error { return ErrInvalid }

// report writes the mistake to the author at its place in the scalar that holds the text.
func (e *syntaxError) report(node *schema.Node, d *schema.Diagnostics) {
	d.Errorf(node.PosAt(e.offset), codeTemplate, "%s", e.message).Hint = e.hint
}

// Limits of a template's source.
const (
	maxNesting = 50   // parentheses and blocks within each other
	maxTokens  = 2000 // of one expression
)

// lexemes of the expression language, in the order in which they are tried.
var lexeme = regexp.MustCompile(`^(?:("[^"]*"|'[^']*')|([0-9]+(?:\.[0-9]+)?)|([A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*\??)|(==|!=|<>|<=|>=|\.\.|[<>+\-*/%|:,.()\[\]=]))`)

type token struct {
	kind   tokenKind
	text   string
	offset int
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenText
	tokenNumber
	tokenName
	tokenSign
)

// tokenize cuts source into tokens; base is the offset of source in the whole text.
func tokenize(source string, base int) ([]token, error) {
	var tokens []token
	for at := 0; ; {
		if len(tokens) > maxTokens {
			return nil, &syntaxError{offset: base + at, message: "the expression is too long"}
		}
		at += len(source[at:]) - len(strings.TrimLeft(source[at:], " \t\r\n"))
		if at == len(source) {
			return append(tokens, token{kind: tokenEnd, offset: base + at}), nil
		}
		groups := lexeme.FindStringSubmatchIndex(source[at:])
		if groups == nil {
			if quote := source[at]; quote == '"' || quote == '\'' {
				return nil, &syntaxError{offset: base + at, message: "the text has no closing quote"}
			}
			return nil, &syntaxError{offset: base + at, message: fmt.Sprintf("unexpected %q", []rune(source[at:])[0])}
		}
		for kind := tokenText; kind <= tokenSign; kind++ {
			if groups[2*kind] >= 0 {
				tokens = append(tokens, token{kind, source[at : at+groups[1]], base + at})
			}
		}
		at += groups[1]
	}
}

// parser reads the expressions and blocks of one template or formula.
type parser struct {
	tokens []token // of the expression at hand
	next   int
	depth  int
	locals []string // names that the template itself defines
	found  []Token
}

// expression reads all of source as one expression.
func (p *parser) expression(source string, base int) (expression, error) {
	if err := p.begin(source, base); err != nil {
		return nil, err
	}
	result, err := p.pipeline()
	if err != nil {
		return nil, err
	}
	return result, p.end()
}

func (p *parser) begin(source string, base int) (err error) {
	p.tokens, err = tokenize(source, base)
	p.next = 0
	return err
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	taken := p.tokens[p.next]
	if taken.kind != tokenEnd {
		p.next++
	}
	return taken
}

// takeName takes the next token, which has to be a name.
func (p *parser) takeName(wanted string) (token, error) {
	if p.peek().kind != tokenName {
		return token{}, p.unexpected(wanted)
	}
	return p.take(), nil
}

// accept takes the next token when it is this sign or word.
func (p *parser) accept(text string) bool {
	if next := p.peek(); next.text != text || next.kind == tokenText {
		return false
	}
	p.take()
	return true
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.unexpected("`" + text + "`")
	}
	return nil
}

func (p *parser) end() error {
	if p.peek().kind != tokenEnd {
		return p.unexpected("nothing more")
	}
	return nil
}

func (p *parser) unexpected(wanted string) error {
	found := "the end"
	if next := p.peek(); next.kind != tokenEnd {
		found = "`" + clip(next.text) + "`"
	}
	return &syntaxError{offset: p.peek().offset, message: fmt.Sprintf("expected %s, found %s", wanted, found)}
}

func (p *parser) pipeline() (expression, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, &syntaxError{offset: p.peek().offset, message: "nested too deep"}
	}
	defer func() { p.depth-- }()
	result, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	for p.accept("|") {
		name, err := p.takeName("the name of a filter")
		if err != nil {
			return nil, err
		}
		arguments := []expression{result}
		if p.accept(":") {
			for more := true; more; more = p.accept(",") {
				argument, err := p.binary(0)
				if err != nil {
					return nil, err
				}
				arguments = append(arguments, argument)
			}
		}
		if result, err = newCall(name, arguments); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// operators by precedence, the loosest first.
var operators = [][]string{
	{"or"},
	{"and"},
	{"==", "!=", "<>", "<=", ">=", "<", ">", "contains"},
	{"+", "-"},
	{"*", "/", "%"},
}

func (p *parser) binary(level int) (expression, error) {
	if level == len(operators) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil && p.peek().kind != tokenText && slices.Contains(operators[level], p.peek().text) {
		operator := p.take().text
		var right expression
		right, err = p.binary(level + 1)
		left = operation{operator, left, right}
	}
	return left, err
}

func (p *parser) unary() (expression, error) {
	switch {
	case p.accept("-"):
		operand, err := p.unary()
		return operation{"-", literal{Number{}}, operand}, err
	case p.peek().kind == tokenName && p.accept("not"):
		operand, err := p.unary()
		return negation{operand}, err
	}
	return p.primary()
}

func (p *parser) primary() (expression, error) {
	switch next := p.peek(); {
	case next.kind == tokenText:
		p.take()
		return literal{next.text[1 : len(next.text)-1]}, nil
	case next.kind == tokenNumber:
		p.take()
		number, err := ParseNumber(next.text)
		if err != nil {
			return nil, &syntaxError{offset: next.offset, message: reason(err)}
		}
		return literal{number}, nil
	case next.kind == tokenName:
		return p.name()
	case p.accept("("):
		inner, err := p.pipeline()
		if err == nil && p.accept("..") {
			var to expression
			to, err = p.pipeline()
			inner = span{inner, to}
		}
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	return nil, p.unexpected("a value")
}

// name reads what starts with a name: a constant, a function or a variable.
func (p *parser) name() (expression, error) {
	name := p.take()
	switch name.text {
	case "true", "false":
		return literal{name.text == "true"}, nil
	case "nil", "null":
		return literal{nil}, nil
	case "blank", "empty":
		return blank{}, nil
	}
	if p.accept("(") {
		return p.function(name)
	}
	return p.variable(name)
}

func (p *parser) function(name token) (expression, error) {
	var arguments []expression
	for !p.accept(")") {
		if len(arguments) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		argument, err := p.pipeline()
		if err != nil {
			return nil, err
		}
		arguments = append(arguments, argument)
	}
	return newCall(name, arguments)
}

func (p *parser) variable(name token) (expression, error) {
	result := variable{name: name.text}
	path, known := []string{name.text}, true
	for {
		switch {
		case p.accept("."):
			member, err := p.takeName("a name")
			if err != nil {
				return nil, err
			}
			result.steps = append(result.steps, step{name: member.text})
			if known {
				path = append(path, member.text)
			}
		case p.accept("["):
			index, err := p.pipeline()
			if err == nil {
				err = p.expect("]")
			}
			if err != nil {
				return nil, err
			}
			text, isText := index.(literal)
			key, isKey := text.value.(string)
			if known = known && isText && isKey; known {
				path = append(path, key)
			}
			result.steps = append(result.steps, step{index: index})
		default:
			if !slices.Contains(p.locals, name.text) {
				p.found = append(p.found, Token{Path: path, Cut: !known, offset: name.offset})
			}
			return result, nil
		}
	}
}

// newCall checks a function's name and the number of its arguments.
func newCall(name token, arguments []expression) (expression, error) {
	known, found := functions[name.text]
	if !found {
		mistake := &syntaxError{offset: name.offset, message: fmt.Sprintf("there is no filter or function %s", name.text)}
		if guess := schema.Suggest(name.text, functionNames()); guess != "" {
			mistake.hint = "did you mean " + guess + "?"
		}
		return nil, mistake
	}
	if len(arguments) < known.least || len(arguments) > known.most {
		wanted := fmt.Sprintf("%d to %d values", known.least, known.most)
		if known.least == known.most {
			wanted = fmt.Sprintf("%d values", known.least)
		}
		return nil, &syntaxError{
			offset:  name.offset,
			message: fmt.Sprintf("%s takes %s, the one before the bar included; found %d", name.text, wanted, len(arguments)),
		}
	}
	return call{name.text, known, arguments}, nil
}
