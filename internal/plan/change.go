package plan

import "time"

// EventChanged is the type of event that a change of a property is. Nobody sends it, since the history of the
// properties holds such events; who waits for one is sent the signal `changed`, and looks there.
const EventChanged = "property_changed"

// ChangeOf is the type of event that a change of one property is. A wait that follows a property of its record
// names it as the event that it waits for, so that only who follows a property is told of its changes.
func ChangeOf(property string) string { return EventChanged + ":" + property }

// Change is something that happened to a record and that may enroll it, wake it or take it out. The store keeps changes
// in order until it is decided what follows from them.
type Change struct {
	Seq    int64             `json:"seq"`
	Record string            `json:"record,omitempty"` // "" = a publication
	What   string            `json:"what"`             // one of the constants below
	Name   string            `json:"name,omitempty"`   // of the event, list, object type, subscription or workflow
	Detail string            `json:"detail,omitempty"` // the event's id, the other record, the exit's reason
	Values map[string]string `json:"values,omitempty"` // of the properties that changed; "" = cleared
	At     time.Time         `json:"at"`
	Cause  string            `json:"cause,omitempty"` // key of the step that did it
}

// What a Change is about.
const (
	ChangeCreated      = "created"
	ChangeSet          = "set" // of properties
	ChangeEvent        = "event"
	ChangeList         = "list"        // on or off
	ChangeAssociation  = "association" // made, relabelled or removed; Name is the other's type
	ChangeSubscription = "subscription"
	ChangeEntered      = "entered" // a workflow
	ChangeLeft         = "left"    // a workflow
	ChangeDeleted      = "deleted"
	ChangeMerged       = "merged" // into the record in Detail; it is deleted as well
	ChangeRestored     = "restored"
	ChangePublished    = "published" // Name is a workflow whose triggers or switch are new
)
