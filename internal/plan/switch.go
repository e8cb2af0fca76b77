package plan

import "time"

// Modes of a workflow's switch (semantics §2.10).
const (
	SwitchOn    = "on"    // admits and acts
	SwitchOff   = "off"   // admits nobody; delays and branches go on, actions of people inside are skipped
	SwitchPause = "pause" // admits; everybody is held before the next action or branch, nobody is dropped
	SwitchDrain = "drain" // admits nobody; people inside finish as usual
	SwitchStop  = "stop"  // admits nobody; people inside are taken out
)

// SwitchModes are the modes of a switch.
var SwitchModes = []string{SwitchOn, SwitchOff, SwitchPause, SwitchDrain, SwitchStop}

// Switch is how the switch of a workflow stands, and what it turns to by itself. Who decides something asks At, so
// the turn holds from its instant on, whatever runs then.
type Switch struct {
	Mode    string    `json:"mode"`
	Then    string    `json:"then,omitempty"`   // the mode that it turns to
	Turning time.Time `json:"turning,omitzero"` // when; zero = it stays
}

// At is the mode at an instant.
func (s Switch) At(now time.Time) string {
	if s.Turning.IsZero() || now.Before(s.Turning) {
		return s.Mode
	}
	return s.Then
}

// Refuses is why nobody is admitted at an instant; "" = records are admitted.
func (s Switch) Refuses(now time.Time) string {
	switch s.At(now) {
	case SwitchOff:
		return "the workflow is switched off"
	case SwitchDrain:
		return "the workflow is drained: who is inside finishes, and nobody follows"
	case SwitchStop:
		return "the workflow is stopped"
	}
	return ""
}
