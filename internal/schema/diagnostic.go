package schema

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

// Errorf adds an error at pos.
func (d *Diagnostics) Errorf(pos Pos, code, format string, args ...any) *Diagnostic {
	return d.add(Error, pos, code, format, args...)
}

// Warningf adds a warning at pos.
func (d *Diagnostics) Warningf(pos Pos, code, format string, args ...any) *Diagnostic {
	return d.add(Warning, pos, code, format, args...)
}
