package importer

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// targetContact is whom an action about contacts is for: nothing for the enrolled contact, and those associated with
// another record.
func (w *workflow) targetContact(reference text) (*yaml.Node, error) {
	if reference == "" || w.object == "contact" && reference == "{{ enrolled_object }}" {
		return w.contacts(), nil
	}
	return nil, fmt.Errorf("its contact %s has no spelling", quote(string(reference)))
}

// marketingStatuses are HubSpot's types of marketing contacts.
var marketingStatuses = map[text]string{"MARKETABLE": "marketing", "NON_MARKETABLE": "non_marketing"}

func (w *workflow) marketingStatus(a *action) ([]step, error) {
	var fields struct {
		Target text `json:"targetContact"`
		Type   text `json:"marketableType"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	status, known := marketingStatuses[fields.Type]
	if !known {
		return nil, fmt.Errorf("the status %s is not known", quote(string(fields.Type)))
	}
	to, err := w.targetContact(fields.Target)
	return one("set_marketing_contact_status", mapping(entry{"to", to}, entry{"status", str(status)})), err
}

// Words of subscriptions.
var (
	channels = map[text]string{"EMAIL": "email", "SMS": "sms", "WHATSAPP": "whatsapp"}
	optedTo  = map[text]string{"OPT_IN": "opt_in", "OPT_OUT": "opt_out"}
)

func (w *workflow) subscribe(a *action) ([]step, error) {
	var fields struct {
		Target         text `json:"targetContact"`
		Channel        text `json:"channel"`
		State          text `json:"optState"`
		SubscriptionID text `json:"subscriptionId"`
		LegalBasis     text `json:"legalBasis"`
		Explanation    text `json:"legalBasisExplanation"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	status, known := optedTo[fields.State]
	if !known {
		return nil, fmt.Errorf("the state %s is not known", quote(string(fields.State)))
	}
	var channel *yaml.Node
	if name, known := channels[fields.Channel]; known && name != "email" {
		channel = str(name)
	} else if !known && fields.Channel != "" {
		return nil, fmt.Errorf("the channel %s is not known", quote(string(fields.Channel)))
	}
	if fields.SubscriptionID == "" {
		return nil, errors.New("it names no subscription type")
	}
	subscription, err := w.named("subscription", fields.SubscriptionID)
	if err != nil {
		return nil, err
	}
	to, err := w.targetContact(fields.Target)
	if err != nil {
		return nil, err
	}
	explanation, err := w.template(string(fields.Explanation))
	return one("manage_communication_subscription", mapping(
		entry{"to", to}, entry{"channel", channel}, entry{"subscription_type", str(subscription)}, entry{"status", str(status)},
		entry{"legal_basis", optional(string(fields.LegalBasis))}, entry{"explanation", optional(explanation.text)})), err
}
