package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

// rotate spreads records among users or the primary members of teams.
func (w *workflow) rotate(a *action) ([]step, error) {
	var fields struct {
		UserIDs   []text `json:"user_ids"`
		TeamIDs   []text `json:"team_ids"`
		Property  text   `json:"target_property"`
		Overwrite text   `json:"overwrite_current_owner"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	users, teams, err := w.people(fields.UserIDs, fields.TeamIDs)
	if err != nil {
		return nil, err
	}
	var property, overwrite *yaml.Node
	if fields.Property != "" {
		name, err := w.property(subject{object: w.object}, string(fields.Property), shape{})
		if err != nil {
			return nil, err
		}
		property = str(name)
	}
	if fields.Overwrite.yes() {
		overwrite = boolean(true)
	}
	return one("rotate_record_to_owner", mapping(entry{"users", users}, entry{"teams", teams}, entry{"owner_property", property}, entry{"overwrite", overwrite})), nil
}

// staticList is the older action for lists, which both adds and removes.
func (w *workflow) staticList(a *action) ([]step, error) {
	var fields struct {
		Operation text `json:"operation"`
		ListID    text `json:"list_id"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	kind := "add_to_static_list"
	if fields.Operation == "REMOVE" {
		kind = "remove_from_static_list"
	}
	return w.listed(kind, fields.ListID, "")
}

func (w *workflow) addToList(a *action) ([]step, error) { return w.newerList("add_to_static_list", a) }

func (w *workflow) removeFromList(a *action) ([]step, error) {
	return w.newerList("remove_from_static_list", a)
}

func (w *workflow) newerList(kind string, a *action) ([]step, error) {
	var fields struct {
		ListID text `json:"listId"`
		Target text `json:"targetObject"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	return w.listed(kind, fields.ListID, fields.Target)
}

func (w *workflow) listed(kind string, id, target text) ([]step, error) {
	switch {
	case id == "":
		return nil, errors.New("it names no list")
	case target != "" && !strings.Contains(string(target), "enrolled_object"):
		return nil, fmt.Errorf("its record %s has no spelling", quote(string(target)))
	}
	return one(kind, mapping(entry{"list", str(w.list(id, w.object))})), nil
}

// associate associates records whose properties match.
func (w *workflow) associate(a *action) ([]step, error) {
	var fields struct {
		From       text `json:"fromObjectType"`
		To         text `json:"toObjectType"`
		CreateOnly text `json:"createAssociationOnly"`
		Enrolled   text `json:"enrolledObjectPropertyNameToMatch"`
		Associated text `json:"associatedObjectPropertyNameToMatch"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if fields.To == "" || fields.Enrolled == "" || fields.Associated == "" {
		return nil, errors.New("it does not say what has to match")
	}
	from := w.object
	to, _ := w.objectOf(fields.To)
	var fromType, only *yaml.Node
	if fields.From != "" {
		if from, _ = w.objectOf(fields.From); from != w.object {
			fromType = str(from)
		}
	}
	if !fields.CreateOnly.yes() {
		only = boolean(false)
	}
	ours, err := w.property(subject{object: from}, withoutType(fields.Enrolled), shape{})
	if err != nil {
		return nil, err
	}
	theirs, err := w.property(subject{object: to}, withoutType(fields.Associated), shape{})
	if err != nil {
		return nil, err
	}
	match := mapping(entry{"enrolled_property", str(ours)}, entry{"candidate_property", str(theirs)})
	return one("create_association", mapping(entry{"from_type", fromType}, entry{"to_type", str(to)}, entry{"match", match}, entry{"create_only", only})), nil
}

// withoutType is the property of TYPE/PROPERTY.
func withoutType(property text) string {
	_, name, found := strings.Cut(string(property), "/")
	if !found {
		return string(property)
	}
	return name
}

// enrollElsewhere enrolls the record in another flow of the import.
func (w *workflow) enrollElsewhere(a *action) ([]step, error) {
	var fields struct {
		FlowID text `json:"flow_id"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if fields.FlowID == "" {
		return nil, errors.New("it names no flow")
	}
	name, err := w.otherFlow(fields.FlowID)
	if err != nil {
		return nil, err
	}
	return one("enroll_in_workflow", mapping(entry{"workflow", str(name)})), nil
}

func (w *workflow) note(a *action) ([]step, error) {
	var fields struct {
		Body text `json:"note_body"`
		Pin  text `json:"pin_note"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if fields.Body == "" {
		return nil, errors.New("it has no text")
	}
	body, err := w.template(string(fields.Body))
	if err != nil {
		return nil, err
	}
	var pin *yaml.Node
	if fields.Pin.yes() {
		pin = boolean(true)
	}
	return one("create_note", mapping(entry{"body", str(body.text)}, entry{"pin", pin})), nil
}

// create creates a record. Associations with others than the enrolled record have no spelling.
func (w *workflow) create(a *action) ([]step, error) {
	var fields struct {
		ObjectType text `json:"object_type_id"`
		Properties []struct {
			Target text           `json:"targetProperty"`
			Value  *valueDocument `json:"value"`
		} `json:"properties"`
		Associations []struct {
			Value struct {
				Type text `json:"type"`
			} `json:"value"`
		} `json:"associations"`
		Explicit text `json:"use_explicit_associations"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if fields.ObjectType == "" {
		return nil, errors.New("it names no type of record")
	}
	object, _ := w.objectOf(fields.ObjectType)
	var given []string
	var values []entry
	for _, property := range fields.Properties {
		value, err := w.value(property.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", property.Target, err)
		}
		name, err := w.property(subject{object: object}, string(property.Target), value.told)
		if err != nil {
			return nil, err
		}
		given = append(given, name)
		values = append(values, entry{name, value.node()})
	}
	for _, name := range crm.Builtin().Required(object) {
		if !slices.Contains(given, name) {
			return nil, fmt.Errorf("a %s needs a %s, which it does not set", object, name)
		}
	}
	for _, association := range fields.Associations {
		if association.Value.Type != "ENROLLED_OBJECT" {
			return nil, fmt.Errorf("its association with %s has no spelling", quote(string(association.Value.Type)))
		}
	}
	var associate *yaml.Node
	if fields.Explicit.yes() && len(fields.Associations) == 0 {
		associate = boolean(false)
	}
	return one("create_record", mapping(entry{"object_type", str(object)}, entry{"properties", mapping(values...)}, entry{"associate_to_enrolled", associate})), nil
}

// erase deletes the enrolled contact.
func (w *workflow) erase(*action) ([]step, error) {
	if w.object != "contact" {
		return nil, fmt.Errorf("a %s cannot be deleted by a workflow yet", w.object)
	}
	return one("delete_contact", mapping()), nil
}
