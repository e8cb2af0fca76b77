// Package ingest is the door through which events come in, whichever way: it reads what was sent, stores it, and answers
// when it is committed. HTTP (internal/api) and the consumers of NATS and Kafka stand before the same door.
package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/plan"
)

// Limits of what is taken.
const (
	MaxEvent  = 64 << 10 // bytes of one event
	MaxEvents = 1000     // events of one message
)

// Content types of CloudEvents 1.0.
const (
	TypeCloudEvent  = "application/cloudevents+json"
	TypeCloudEvents = "application/cloudevents-batch+json"
)

// Message is what a sender sends at once: a plain event or several, a CloudEvent in structured or binary mode, or a batch
// of them.
type Message struct {
	ContentType string
	Attribute   func(name string) string // of a CloudEvent in binary mode, from its header; "" when it is not there
	Body        []byte
}

// attributes of a CloudEvent in binary mode.
var attributes = []string{"specversion", "id", "source", "type", "subject", "time", "step"}

// header is what tells how the body of a message is read; readers of it find it by messageOf.
func (m Message) header() map[string]string {
	header := map[string]string{}
	if m.ContentType != "" {
		header["content-type"] = m.ContentType
	}
	for _, name := range attributes {
		if m.Attribute == nil {
			break
		}
		if text := m.Attribute(name); text != "" {
			header["ce-"+name] = text
		}
	}
	return header
}

// partHeader is header of a part of a batch.
func (m Message) partHeader() map[string]string {
	if kind, _, _ := mime.ParseMediaType(m.ContentType); kind == TypeCloudEvents {
		return map[string]string{"content-type": TypeCloudEvent}
	}
	return map[string]string{"content-type": "application/json"}
}

// messageOf is the message of a header and a body.
func messageOf(header map[string]string, body []byte) Message {
	return Message{ContentType: header["content-type"], Body: body, Attribute: func(name string) string { return header["ce-"+name] }}
}

// Item is one event of a message, or why it is none.
type Item struct {
	Event    plan.Event
	Rejected *Rejection

	part []byte // of a batch: what it was read from
}

// Rejection says why something cannot be an event.
type Rejection struct {
	Code     string `json:"code" doc:"Why, in a word that does not change." example:"missing-record"`
	Location string `json:"location,omitempty" doc:"The part that is wrong." example:"record"`
	Detail   string `json:"detail" doc:"What is wrong and what to do."`
}

func (r *Rejection) Error() string { return r.Code + ": " + r.Detail }

// told is the rejection as it is kept, with its place.
func (r *Rejection) told() string {
	if r.Location == "" {
		return r.Detail
	}
	return r.Location + ": " + r.Detail
}

func reject(code, location, format string, args ...any) *Rejection {
	return &Rejection{Code: code, Location: location, Detail: fmt.Sprintf(format, args...)}
}

// Decode reads the events of a message, in their order. The rejection is of the message as a whole; several tells
// whether it is a batch.
func Decode(m Message) (items []Item, several bool, rejected *Rejection) {
	kind, _, err := mime.ParseMediaType(m.ContentType)
	if err != nil && m.ContentType != "" {
		return nil, false, reject("wrong-content-type", "", "%q is not a content type", m.ContentType)
	}
	isJSON := kind == "" || kind == "application/json" || strings.HasSuffix(kind, "+json")
	switch {
	case kind == TypeCloudEvents:
		items, rejected = decodeBatch(m.Body, cloudEvent)
		return items, true, rejected
	case kind == TypeCloudEvent:
		return []Item{item(m.Body, cloudEvent)}, false, nil
	case m.Attribute != nil && m.Attribute("specversion") != "":
		return []Item{binaryEvent(m, isJSON)}, false, nil
	case !isJSON:
		return nil, false, reject("wrong-content-type", "", "events are sent as application/json, %s or %s, not as %s", TypeCloudEvent, TypeCloudEvents, kind)
	case bytes.HasPrefix(bytes.TrimLeft(m.Body, " \t\r\n"), []byte("[")):
		items, rejected = decodeBatch(m.Body, eitherEvent)
		return items, true, rejected
	}
	return []Item{item(m.Body, eitherEvent)}, false, nil
}

// DecodeCall reads what a call from elsewhere says: one JSON object. Numbers stay as they were written.
func DecodeCall(contentType string, body []byte) (said map[string]any, rejected *Rejection) {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType != "" && (err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json")):
		return nil, reject("wrong-content-type", "", "a call is sent as application/json, not as %s", clip(contentType))
	case len(body) > MaxEvent:
		return nil, reject("too-large", "", "a call of %d bytes: at most %d are taken", len(body), MaxEvent)
	}
	if rejected = decode(body, false, &said); rejected == nil && said == nil {
		rejected = reject("wrong-type", "", "a null stands where something else is expected")
	}
	return said, rejected
}

func decodeBatch(body []byte, read func([]byte) (plan.Event, *Rejection)) ([]Item, *Rejection) {
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return nil, malformed(err)
	}
	if len(parts) > MaxEvents {
		return nil, reject("too-many", "", "%d events at once: send at most %d", len(parts), MaxEvents)
	}
	items := make([]Item, len(parts))
	for i, part := range parts {
		items[i] = item(part, read)
		items[i].part = part
	}
	return items, nil
}

func item(text []byte, read func([]byte) (plan.Event, *Rejection)) Item {
	if len(text) > MaxEvent {
		return Item{Rejected: reject("too-large", "", "an event of %d bytes: at most %d are taken; send what is large elsewhere and name it", len(text), MaxEvent)}
	}
	event, rejected := read(text)
	return Item{Event: event, Rejected: rejected}
}

func malformed(err error) *Rejection {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return reject("malformed", "", "it is not JSON: %v at byte %d", err, syntax.Offset)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return reject("wrong-type", wrong.Field, "a %s stands where something else is expected", wrong.Value)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return reject("malformed", "", "it is not JSON: it ends too early")
	}
	return reject("malformed", "", "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// decode reads one JSON value; numbers stay as they were written.
func decode(text []byte, strict bool, into any) *Rejection {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if strict {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(into); err != nil {
		return malformed(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return reject("malformed", "", "something follows the event")
	}
	return nil
}

// eitherEvent reads a CloudEvent, which says so, or a plain event.
func eitherEvent(text []byte) (plan.Event, *Rejection) {
	var mark struct {
		SpecVersion *json.RawMessage `json:"specversion"`
	}
	if rejected := decode(text, false, &mark); rejected != nil {
		return plan.Event{}, rejected
	}
	if mark.SpecVersion != nil {
		return cloudEvent(text)
	}
	return plainEvent(text)
}

// Plain is the plain form of an event.
type Plain struct {
	Record     string         `json:"record" doc:"Record that it happened to." example:"contact/51"`
	Type       string         `json:"type" doc:"Type of the event." example:"page_viewed"`
	ID         string         `json:"id,omitempty" doc:"What makes a repetition known as one; without it there is none." example:"a81bc81b"`
	At         string         `json:"at,omitempty" doc:"When it happened, in RFC 3339; without it, when it was received." example:"2027-05-10T09:00:00Z"`
	Source     string         `json:"source,omitempty" doc:"Key of the step that it answers, such as the mail that was opened."`
	Properties map[string]any `json:"properties,omitempty" doc:"What there is to say about it."`
}

func plainEvent(text []byte) (plan.Event, *Rejection) {
	var plain Plain
	if rejected := decode(text, true, &plain); rejected != nil {
		return plan.Event{}, rejected
	}
	at, rejected := instant("at", plain.At)
	return plan.Event{ID: plain.ID, Type: plain.Type, At: at, Record: plain.Record, Source: plain.Source, Properties: plain.Properties}, rejected
}

func instant(location, text string) (time.Time, *Rejection) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		return time.Time{}, reject("wrong-time", location, "%q is not an instant: write it as in 2027-05-10T09:00:00Z", clip(text))
	}
	return at.UTC(), nil
}

// CloudEvent is a CloudEvent 1.0 as it is read here. Other attributes are taken and not kept.
type CloudEvent struct {
	SpecVersion     string         `json:"specversion" doc:"1.0." example:"1.0"`
	ID              string         `json:"id" doc:"With source, what makes a repetition known as one."`
	Source          string         `json:"source" doc:"Where it comes from, a URI or a part of one." example:"/shop"`
	Type            string         `json:"type" doc:"Type of the event." example:"com.example.order.paid"`
	Subject         string         `json:"subject" doc:"Record that it happened to." example:"contact/51"`
	Time            string         `json:"time,omitempty" doc:"When it happened, in RFC 3339; without it, when it was received."`
	DataContentType string         `json:"datacontenttype,omitempty" doc:"application/json, or left out."`
	Data            map[string]any `json:"data,omitempty" doc:"What there is to say about it."`
	Step            string         `json:"step,omitempty" doc:"Extension: key of the step that it answers."`
}

func cloudEvent(text []byte) (plan.Event, *Rejection) {
	var read struct {
		CloudEvent
		Data       json.RawMessage `json:"data"`
		DataBase64 *string         `json:"data_base64"`
	}
	if rejected := decode(text, false, &read); rejected != nil {
		return plan.Event{}, rejected
	}
	data := []byte(read.Data)
	if read.DataBase64 != nil {
		decoded, err := base64.StdEncoding.DecodeString(*read.DataBase64)
		if err != nil {
			return plan.Event{}, reject("malformed", "data_base64", "it is not base64")
		}
		data = decoded
	}
	return read.CloudEvent.event(data)
}

// binaryEvent reads a CloudEvent whose attributes stand in the header, and whose data is the body.
func binaryEvent(m Message, isJSON bool) Item {
	if len(m.Body) > MaxEvent {
		return Item{Rejected: reject("too-large", "", "an event of %d bytes: at most %d are taken; send what is large elsewhere and name it", len(m.Body), MaxEvent)}
	}
	attributes := CloudEvent{
		SpecVersion: m.attribute("specversion"), ID: m.attribute("id"), Source: m.attribute("source"), Type: m.attribute("type"),
		Subject: m.attribute("subject"), Time: m.attribute("time"), Step: m.attribute("step"),
	}
	if !isJSON {
		attributes.DataContentType = m.ContentType
	}
	event, rejected := attributes.event(m.Body)
	return Item{Event: event, Rejected: rejected}
}

// attribute is one of the header, where signs beyond ASCII are written as in a URL.
func (m Message) attribute(name string) string {
	text := m.Attribute(name)
	if decoded, err := url.PathUnescape(text); err == nil {
		return decoded
	}
	return text
}

func (c CloudEvent) event(data []byte) (plan.Event, *Rejection) {
	if c.SpecVersion != "1.0" {
		return plan.Event{}, reject("wrong-version", "specversion", "%q: events of CloudEvents 1.0 are taken", clip(c.SpecVersion))
	}
	for _, one := range []struct{ name, value string }{{"id", c.ID}, {"source", c.Source}, {"type", c.Type}} {
		if one.value == "" {
			return plan.Event{}, reject("missing-"+one.name, one.name, "a CloudEvent has the attribute %s", one.name)
		}
	}
	if c.Subject == "" {
		return plan.Event{}, reject("missing-record", "subject", "the attribute subject names the record, as in contact/51")
	}
	if kind, _, err := mime.ParseMediaType(c.DataContentType); c.DataContentType != "" && (err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json")) {
		return plan.Event{}, reject("wrong-content-type", "datacontenttype", "data is sent as application/json, not as %s", clip(c.DataContentType))
	}
	at, rejected := instant("time", c.Time)
	if rejected != nil {
		return plan.Event{}, rejected
	}
	// An id is unique within its source only.
	event := plan.Event{ID: c.Source + "#" + c.ID, Type: c.Type, At: at, Record: c.Subject, Source: c.Step}
	if len(bytes.TrimSpace(data)) == 0 {
		return event, nil
	}
	if rejected := decode(data, false, &event.Properties); rejected != nil {
		rejected.Location = "data"
		if rejected.Code == "wrong-type" {
			rejected.Detail = "data has to be an object with the properties of the event"
		}
		return plan.Event{}, rejected
	}
	return event, nil
}

// clip shortens text that is quoted in a message.
func clip(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}
