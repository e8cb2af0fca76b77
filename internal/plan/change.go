package plan

// EventChanged is the type of event that a change of a property is. Nobody sends it, since the history of the
// properties holds such events; who waits for one is sent the signal `changed`, and looks there.
const EventChanged = "property_changed"

// ChangeOf is the type of event that a change of one property is. A wait that follows a property of its record
// names it as the event that it waits for, so that only who follows a property is told of its changes.
func ChangeOf(property string) string { return EventChanged + ":" + property }
