package plan

import (
	"encoding/base64"
	"strings"
)

// EventCallback is the type of the event by which the other side of an asynchronous action completes it. Its source is
// the key of the step that waits; its properties are outputs, typed_outputs, failure_reason and context, as they were sent.
const EventCallback = "callback_completed"

const callbackPrefix = "mr-"

// CallbackID is the id by which the other side of a step names it; key is Call.Key.
func CallbackID(key string) string {
	return callbackPrefix + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// CallbackStep returns the key of the step that a callback id names.
func CallbackStep(id string) (key string, found bool) {
	text, found := strings.CutPrefix(id, callbackPrefix)
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	key = string(decoded)
	return key, found && err == nil && EnrollmentOf(key) != ""
}
