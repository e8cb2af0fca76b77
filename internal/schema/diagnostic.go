package schema

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Severity of a Diagnostic.
type Severity string

// Severities: an error keeps a definition from being published, a warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one problem in a source file, told to its author.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // stable: unknown-key, unknown-property, …
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // did you mean …?
}

// Diagnostics is a list of problems.
type Diagnostics []Diagnostic

// Errorf adds an error at pos. The returned Diagnostic is valid until the next one is added; set its
// Hint at once.
func (d *Diagnostics) Errorf(pos Pos, code, format string, args ...any) *Diagnostic {
	return d.add(Error, pos, code, format, args...)
}

// Warningf adds a warning at pos, and returns it as Errorf does.
func (d *Diagnostics) Warningf(pos Pos, code, format string, args ...any) *Diagnostic {
	return d.add(Warning, pos, code, format, args...)
}

func (d *Diagnostics) add(severity Severity, pos Pos, code, format string, args ...any) *Diagnostic {
	*d = append(*d, Diagnostic{
		File: pos.File, Line: pos.Line, Column: pos.Column,
		Severity: severity, Code: code, Message: fmt.Sprintf(format, args...),
	})
	return &(*d)[len(*d)-1]
}

// HasErrors tells whether any of the problems is an error.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(one Diagnostic) bool { return one.Severity == Error })
}

// Sort orders the problems by file, line, column and code, and drops repetitions.
func (d *Diagnostics) Sort() {
	slices.SortStableFunc(*d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	*d = slices.Compact(*d)
}

// Print writes the problems for a terminal: position, message and code, then the source line with a
// caret under the mistake, then the hint. Files that sources lacks are printed without their line.
func (d Diagnostics) Print(w io.Writer, sources map[string][]byte, color bool) {
	paint := func(code, text string) string {
		if !color || text == "" {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	var out strings.Builder
	for _, one := range d {
		severity := paint("1;31", "error:")
		if one.Severity == Warning {
			severity = paint("1;33", "warning:")
		}
		fmt.Fprintf(&out, "%s %s %s %s\n", paint("1", one.place()+":"), severity, printable(one.Message), paint("2", "["+one.Code+"]"))
		if line, found := sourceLine(sources[one.File], one.Line); found && one.Column > 0 {
			text, caret := underline(line, one.Column)
			fmt.Fprintf(&out, "    %s\n    %s\n", text, paint("1;32", caret))
		}
		if one.Hint != "" {
			fmt.Fprintf(&out, "    %s %s\n", paint("36", "hint:"), printable(one.Hint))
		}
	}
	_, _ = io.WriteString(w, out.String()) // a terminal that is gone needs no diagnostics
}

// PrintGitHub writes the problems as annotations of a GitHub Actions run.
func (d Diagnostics) PrintGitHub(w io.Writer) {
	message := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, one := range d {
		text := one.Message
		if one.Hint != "" {
			text += "\nhint: " + one.Hint
		}
		fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d,title=%s::%s\n", one.Severity,
			property.Replace(one.File), one.Line, one.Column, property.Replace(one.Code), message.Replace(text))
	}
}

// place is file:line:column, as far as it is known.
func (one Diagnostic) place() string {
	switch {
	case one.Line == 0:
		return one.File
	case one.Column == 0:
		return fmt.Sprintf("%s:%d", one.File, one.Line)
	}
	return fmt.Sprintf("%s:%d:%d", one.File, one.Line, one.Column)
}

// sourceLine returns a line of src, counted from 1.
func sourceLine(src []byte, line int) (string, bool) {
	lines := splitLines(src)
	if line < 1 || line > len(lines) || len(src) == 0 {
		return "", false
	}
	return lines[line-1], true
}

// splitLines cuts src as Parse counts lines; a byte order mark counts for nothing.
func splitLines(src []byte) []string {
	lines := strings.Split(strings.TrimPrefix(string(src), byteOrderMark), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}

// lineWindow is how many runes of a long source line are printed.
const lineWindow = 120

// underline returns the source line as printed, and a caret with a tail below the word at column.
func underline(line string, column int) (text, caret string) {
	runes := []rune(line)
	start := min(column-1, len(runes))
	end := start
	for end < len(runes) && !unicode.IsSpace(runes[end]) && !strings.ContainsRune(",:[]{}", runes[end]) {
		end++
	}
	if len(runes) > lineWindow {
		first := max(0, min(start-lineWindow/2, len(runes)-lineWindow))
		runes, start, end = runes[first:first+lineWindow], start-first, min(end-first, lineWindow)
	}
	var below strings.Builder
	for i, r := range runes[:end] {
		switch {
		case i < start && r == '\t':
			below.WriteRune(r)
		case i < start:
			below.WriteString(strings.Repeat(" ", columns(r)))
		case i == start:
			below.WriteString("^" + strings.Repeat("~", max(0, columns(r)-1)))
		default:
			below.WriteString(strings.Repeat("~", columns(r)))
		}
	}
	if start == end {
		below.WriteString("^")
	}
	return printable(string(runes)), below.String()
}

// columns is how many terminal columns a rune takes.
func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// printable replaces what could steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
