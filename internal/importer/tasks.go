package importer

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// taskAssociation is a record that a task is associated with: the enrolled one, or those that it has.
type taskAssociation struct {
	Value struct {
		Type   text                 `json:"type"`
		Source *associationDocument `json:"sourceSpec"`
	} `json:"value"`
}

func (w *workflow) task(a *action) ([]step, error) {
	var fields struct {
		Type         text              `json:"task_type"`
		Subject      text              `json:"subject"`
		Body         text              `json:"body"`
		Priority     text              `json:"priority"`
		Associations []taskAssociation `json:"associations"`
		Explicit     text              `json:"use_explicit_associations"`
		Owner        *struct {
			Type  text           `json:"type"`
			Value *valueDocument `json:"value"`
		} `json:"owner_assignment"`
		Due   *delaySpec `json:"due_time"`
		Queue text       `json:"queue_id"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if fields.Subject == "" {
		return nil, errors.New("it has no subject")
	}
	title, err := w.template(string(fields.Subject))
	if err != nil {
		return nil, err
	}
	notes, err := w.template(string(fields.Body))
	if err != nil {
		return nil, err
	}
	var owner *yaml.Node
	if fields.Owner != nil {
		if owner, err = w.assignee(fields.Owner.Value); err != nil {
			return nil, err
		}
	}
	due, err := dueIn(fields.Due)
	if err != nil {
		return nil, err
	}
	copies, err := w.copiedAssociations(fields.Associations, fields.Explicit.yes())
	if err != nil {
		return nil, err
	}
	return one("create_task", mapping(
		entry{"title", str(title.text)}, entry{"notes", optional(notes.text)}, entry{"type", optional(string(fields.Type))}, entry{"priority", optional(string(fields.Priority))},
		entry{"assignee", owner}, entry{"due", due}, entry{"queue", optional(string(fields.Queue))}, entry{"copy_associations", copies})), nil
}

// assignee is a user, or the one whom a property of the record names.
func (w *workflow) assignee(value *valueDocument) (*yaml.Node, error) {
	switch {
	case value == nil:
		return nil, errors.New("its owner has no spelling")
	case value.kind() == "OBJECT_PROPERTY":
		name, err := w.property(subject{object: w.object}, string(value.PropertyName), shape{})
		return mapping(entry{"owner", str(name)}), err
	case value.kind() != "STATIC_VALUE" || value.StaticValue == nil:
		return nil, fmt.Errorf("an owner of type %s has no spelling", quote(string(value.kind())))
	}
	users, _, err := w.people([]text{*value.StaticValue}, nil)
	if err != nil {
		return nil, err
	}
	return mapping(entry{"user", users.Content[0]}), nil
}

// dueIn is when a task is due, nil for never.
func dueIn(due *delaySpec) (*yaml.Node, error) {
	if due == nil {
		return nil, nil
	}
	if !isNothing(due.TimeZoneStrategy) {
		return nil, errors.New("a due time in a time zone of its own has no spelling")
	}
	var in, at, days *yaml.Node
	if due.Delta != "" && due.Delta != "0" {
		span, err := spanOf(due.Delta, due.TimeUnit)
		if err != nil {
			return nil, err
		}
		if in, err = spanNode(span); err != nil {
			return nil, err
		}
	}
	if due.TimeOfDay != nil {
		clock, err := due.TimeOfDay.clock()
		if err != nil {
			return nil, err
		}
		at = str(clock)
	}
	if len(due.DaysOfWeek) > 0 {
		var err error
		if days, err = weekdaysOf(due.DaysOfWeek); err != nil {
			return nil, err
		}
	}
	if in == nil && at == nil && days == nil {
		return nil, errors.New("a task that is due at once has no spelling")
	}
	return mapping(entry{"in", in}, entry{"time", at}, entry{"days", days}), nil
}

// copiedAssociations are the types of record that a task is associated with too; nil for none.
func (w *workflow) copiedAssociations(associations []taskAssociation, explicit bool) (*yaml.Node, error) {
	var types []*yaml.Node
	enrolled := !explicit
	for _, one := range associations {
		switch one.Value.Type {
		case "ENROLLED_OBJECT":
			enrolled = true
		case "COPY_ASSOCIATION":
			to, err := w.target(one.Value.Source)
			if err != nil {
				return nil, err
			}
			types = append(types, mapping(entry{"type", str(to.object)}))
		default:
			return nil, fmt.Errorf("its association with %s has no spelling", quote(string(one.Value.Type)))
		}
	}
	if !enrolled {
		return nil, errors.New("a task that is not associated with the record has no spelling")
	}
	return some(types), nil
}
