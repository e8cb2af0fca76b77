package plan

// Usage is what an AI action has used in a month.
type Usage struct {
	Month      string `json:"month"`  // 2027-05, in the account's zone
	Action     string `json:"action"` // WORKFLOW/NODE
	Executions int64  `json:"executions"`
	Input      int64  `json:"input"`  // tokens that were read
	Output     int64  `json:"output"` // tokens that were written
}

// Tokens is how many tokens were read and written.
func (u Usage) Tokens() int64 { return u.Input + u.Output }
