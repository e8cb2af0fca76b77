package crm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A template is a sequence of blocks: text, {{ output }} and the tags if, unless, case, for, assign,
// capture, comment and raw. There is no include: a template reads nothing but its scope.
type block interface {
	render(r *rendering, out *strings.Builder) error
}

type (
	plainText string
	output    struct {
		expression expression
		source     string
	}
	assignment struct {
		name  string
		value expression
	}
	capture struct {
		name string
		body []block
	}
	// condition is if, unless and case: it renders the first arm whose test holds.
	condition struct{ arms []arm }
	arm       struct {
		test expression // nil = else
		body []block
	}
	loop struct {
		name            string
		list            expression
		limit, offset   expression // nil = none
		reversed        bool
		body, otherwise []block
	}
	jump struct{ out error } // break and continue
)

// chunk is a piece of a template's source.
type chunk struct {
	kind   chunkKind
	name   string  // of a tag
	start  int     // offset of the name, or of text
	text   string  // what stands between the marks, without the name
	offset int     // of text
	trim   [2]bool // white space before, after
}

type chunkKind int

const (
	chunkEnd chunkKind = iota
	chunkText
	chunkOutput
	chunkTag
)

var (
	tagName    = regexp.MustCompile(`^\s*([A-Za-z]\w*|#)`)
	endRaw     = regexp.MustCompile(`\{%-?\s*endraw\s*-?%\}`)
	endComment = regexp.MustCompile(`\{%-?\s*endcomment\s*-?%\}`)
)

// chunksOf cuts a template into chunks.
func chunksOf(source string) ([]chunk, error) {
	var chunks []chunk
	for at := 0; at < len(source); {
		open := indexOfMark(source[at:])
		if open < 0 {
			open = len(source) - at
		}
		if open > 0 {
			chunks = append(chunks, chunk{kind: chunkText, text: source[at : at+open], offset: at})
			at += open
			continue
		}
		one, end, err := mark(source, at)
		if err != nil {
			return nil, err
		}
		at = end
		switch one.name {
		case "raw", "comment":
			pattern := endRaw
			if one.name == "comment" {
				pattern = endComment
			}
			closing := pattern.FindStringIndex(source[at:])
			if closing == nil {
				return nil, &syntaxError{offset: one.start, message: fmt.Sprintf("{%% %s %%} has no {%% end%s %%}", one.name, one.name)}
			}
			if one.name == "raw" {
				chunks = append(chunks, chunk{kind: chunkText, text: source[at : at+closing[0]], offset: at})
			}
			at += closing[1]
		case "#":
		default:
			chunks = append(chunks, one)
		}
	}
	trim(chunks)
	return append(chunks, chunk{offset: len(source)}), nil
}

// indexOfMark returns where the next {{ or {% stands, or -1.
func indexOfMark(source string) int {
	for at := 0; ; at++ {
		next := strings.IndexByte(source[at:], '{')
		if next < 0 {
			return -1
		}
		if at += next; strings.HasPrefix(source[at:], "{{") || strings.HasPrefix(source[at:], "{%") {
			return at
		}
	}
}

// mark reads the output or tag that starts at an offset, and returns the offset after it.
func mark(source string, start int) (chunk, int, error) {
	closing, kind := "}}", chunkOutput
	if source[start+1] == '%' {
		closing, kind = "%}", chunkTag
	}
	length := endOfMark(source[start+2:], closing)
	if length < 0 {
		return chunk{}, 0, &syntaxError{
			offset:  start,
			message: fmt.Sprintf("`%s` has no closing `%s`", source[start:start+2], closing),
		}
	}
	one := chunk{kind: kind, text: source[start+2 : start+2+length], offset: start + 2}
	if strings.HasPrefix(one.text, "-") {
		one.trim[0], one.text, one.offset = true, one.text[1:], one.offset+1
	}
	if strings.HasSuffix(one.text, "-") {
		one.trim[1], one.text = true, one.text[:len(one.text)-1]
	}
	if kind == chunkTag {
		name := tagName.FindStringSubmatchIndex(one.text)
		if name == nil {
			return chunk{}, 0, &syntaxError{offset: one.offset, message: "a tag needs a name, as in {% if … %}"}
		}
		one.name, one.start = one.text[name[2]:name[3]], one.offset+name[2]
		one.text, one.offset = one.text[name[3]:], one.offset+name[3]
	}
	return one, start + 2 + length + 2, nil
}

// endOfMark returns where closing stands in source outside of quotes, or -1.
func endOfMark(source, closing string) int {
	for at := 0; at < len(source); at++ {
		switch source[at] {
		case '"', '\'':
			quoted := strings.IndexByte(source[at+1:], source[at])
			if quoted < 0 {
				return strings.Index(source, closing)
			}
			at += quoted + 1
		case closing[0]:
			if strings.HasPrefix(source[at:], closing) {
				return at
			}
		}
	}
	return -1
}

// trim takes white space off texts beside marks that ask for it: {{- and -}}.
func trim(chunks []chunk) {
	for i := range chunks {
		if chunks[i].kind != chunkText {
			continue
		}
		if i > 0 && chunks[i-1].trim[1] {
			chunks[i].text = strings.TrimLeft(chunks[i].text, " \t\r\n")
		}
		if i+1 < len(chunks) && chunks[i+1].trim[0] {
			chunks[i].text = strings.TrimRight(chunks[i].text, " \t\r\n")
		}
	}
}

// liquid reads the chunks of a template.
type liquid struct {
	parser
	chunks []chunk
	loops  int // around the place at hand
}

func (l *liquid) take() chunk {
	taken := l.chunks[0]
	if taken.kind != chunkEnd {
		l.chunks = l.chunks[1:]
	}
	return taken
}

// blocks reads blocks up to one of the closing tags, which it takes and returns.
func (l *liquid) blocks(opening chunk, closing ...string) ([]block, chunk, error) {
	if l.depth++; l.depth > maxNesting {
		return nil, chunk{}, &syntaxError{offset: opening.start, message: "nested too deep"}
	}
	defer func() { l.depth-- }()
	var blocks []block
	for {
		one := l.take()
		var next block
		var err error
		switch {
		case one.kind == chunkEnd && len(closing) == 0, one.kind == chunkTag && slices.Contains(closing, one.name):
			return blocks, one, nil
		case one.kind == chunkEnd:
			return nil, one, &syntaxError{
				offset:  opening.start,
				message: fmt.Sprintf("{%% %s %%} has no {%% %s %%}", opening.name, closing[len(closing)-1]),
			}
		case one.kind == chunkText:
			next = plainText(one.text)
		case one.kind == chunkOutput:
			var inner expression
			inner, err = l.expression(one.text, one.offset)
			next = output{inner, strings.TrimSpace(one.text)}
		default:
			next, err = l.tag(one)
		}
		if err != nil {
			return nil, one, err
		}
		blocks = append(blocks, next)
	}
}

func (l *liquid) tag(one chunk) (block, error) {
	switch one.name {
	case "if", "unless":
		return l.condition(one)
	case "case":
		return l.choice(one)
	case "for":
		return l.loop(one)
	case "assign":
		return l.assign(one)
	case "capture":
		return l.capture(one)
	case "break", "continue":
		if l.loops == 0 {
			return nil, &syntaxError{offset: one.start, message: fmt.Sprintf("{%% %s %%} stands outside of a loop", one.name)}
		}
		if one.name == "break" {
			return jump{errBreak}, nil
		}
		return jump{errContinue}, nil
	case "include", "render", "layout":
		return nil, &syntaxError{offset: one.start, message: "a template cannot include another"}
	case "else", "elsif", "when", "endif", "endunless", "endcase", "endfor", "endcapture", "endraw", "endcomment":
		return nil, &syntaxError{offset: one.start, message: fmt.Sprintf("{%% %s %%} has nothing to belong to", one.name)}
	}
	return nil, &syntaxError{offset: one.start, message: fmt.Sprintf("there is no tag %s", one.name)}
}

// condition reads if and unless.
func (l *liquid) condition(opening chunk) (block, error) {
	var result condition
	test, err := l.expression(opening.text, opening.offset)
	if opening.name == "unless" {
		test = negation{test}
	}
	for at := opening; err == nil; {
		var body []block
		var closing chunk
		if at.name == "else" {
			body, closing, err = l.blocks(opening, "end"+opening.name)
		} else {
			body, closing, err = l.blocks(opening, "elsif", "else", "end"+opening.name)
		}
		result.arms = append(result.arms, arm{test, body})
		if err != nil || closing.name == "end"+opening.name {
			return result, err
		}
		test = nil
		if at = closing; at.name == "elsif" {
			test, err = l.expression(at.text, at.offset)
		}
	}
	return nil, err
}

// choice reads case.
func (l *liquid) choice(opening chunk) (block, error) {
	subject, err := l.expression(opening.text, opening.offset)
	if err != nil {
		return nil, err
	}
	_, at, err := l.blocks(opening, "when", "else", "endcase") // what stands before the first when is dropped
	var result condition
	for err == nil && at.name != "endcase" {
		var test expression
		if at.name == "when" {
			if test, err = l.when(subject, at); err != nil {
				return nil, err
			}
		}
		var body []block
		var closing chunk
		body, closing, err = l.blocks(opening, "when", "else", "endcase")
		result.arms = append(result.arms, arm{test, body})
		at = closing
	}
	return result, err
}

// when reads the values of one arm of a case.
func (l *liquid) when(subject expression, at chunk) (test expression, err error) {
	if err := l.begin(at.text, at.offset); err != nil {
		return nil, err
	}
	for more := true; more; more = l.accept(",") || l.accept("or") {
		value, err := l.primary()
		if err != nil {
			return nil, err
		}
		var equal expression = operation{"==", subject, value}
		if test != nil {
			equal = operation{"or", test, equal}
		}
		test = equal
	}
	return test, l.end()
}

// loop reads for.
func (l *liquid) loop(opening chunk) (block, error) {
	if err := l.begin(opening.text, opening.offset); err != nil {
		return nil, err
	}
	result, err := l.loopHead()
	if err != nil {
		return nil, err
	}
	l.locals = append(l.locals, result.name, "forloop")
	l.loops++
	body, closing, err := l.blocks(opening, "else", "endfor")
	l.loops--
	l.locals = l.locals[:len(l.locals)-2]
	if result.body = body; err == nil && closing.name == "else" {
		result.otherwise, _, err = l.blocks(opening, "endfor")
	}
	return result, err
}

func (l *liquid) loopHead() (result loop, err error) {
	name, err := l.takeName("a name, as in {% for item in list %}")
	if err != nil {
		return result, err
	}
	result.name = name.text
	if err := l.expect("in"); err != nil {
		return result, err
	}
	if result.list, err = l.pipeline(); err != nil {
		return result, err
	}
	for {
		switch {
		case l.accept("reversed"):
			result.reversed = true
		case l.accept("limit"):
			result.limit, err = l.loopOption()
		case l.accept("offset"):
			result.offset, err = l.loopOption()
		default:
			return result, l.end()
		}
		if err != nil {
			return result, err
		}
	}
}

func (l *liquid) loopOption() (expression, error) {
	if err := l.expect(":"); err != nil {
		return nil, err
	}
	return l.primary()
}

func (l *liquid) assign(opening chunk) (block, error) {
	if err := l.begin(opening.text, opening.offset); err != nil {
		return nil, err
	}
	name, err := l.takeName("a name, as in {% assign total = 3 %}")
	if err != nil {
		return nil, err
	}
	if err := l.expect("="); err != nil {
		return nil, err
	}
	value, err := l.pipeline()
	if err != nil {
		return nil, err
	}
	l.define(name.text)
	return assignment{name.text, value}, l.end()
}

func (l *liquid) capture(opening chunk) (block, error) {
	name := strings.Trim(strings.TrimSpace(opening.text), `"'`)
	if !propertyName.MatchString(name) {
		return nil, &syntaxError{offset: opening.start, message: "capture needs a name, as in {% capture greeting %}"}
	}
	body, _, err := l.blocks(opening, "endcapture")
	l.define(name)
	return capture{name, body}, err
}

// define makes a name the template's own from here to the end of the template.
func (l *liquid) define(name string) { l.locals = append([]string{name}, l.locals...) }
