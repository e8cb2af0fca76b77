package importer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/importer"
)

// action imports a flow with one action, and returns it as it is written here, or why it is a placeholder.
func action(t *testing.T, typeID, fields string) string {
	t.Helper()
	result, yaml := importOne(t, contactFlow("", `{"actionId": "1", "type": "SINGLE_CONNECTION", "actionTypeId": "`+typeID+`", "fields": `+fields+`}`))
	if placeholders := result.Report.Flows[0].Placeholders; len(placeholders) > 0 {
		return "placeholder: " + placeholders[0].Reason
	}
	_, written, _ := strings.Cut(yaml, "\nactions:\n")
	_, written, _ = strings.Cut(written, "\n")
	return strings.TrimPrefix(strings.Join(strings.Fields(written), " "), "label: x ")
}

func TestActionsAboutRecords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ typeID, fields, want string }{
		{"0-3", `{"task_type": "CALL", "subject": "Call {{ enrolled_object.firstname }}", "body": "<p>Soon</p>", "priority": "HIGH",
			"owner_assignment": {"type": "CUSTOM", "value": {"type": "OBJECT_PROPERTY", "propertyName": "hubspot_owner_id"}},
			"due_time": {"delta": 3, "timeUnit": "DAYS", "timeOfDay": {"hour": 9, "minute": 0}, "daysOfWeek": ["MONDAY", "TUESDAY"]}, "queue_id": "77",
			"use_explicit_associations": "true", "associations": [
				{"target": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}, "value": {"type": "ENROLLED_OBJECT"}},
				{"target": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}, "value": {"type": "COPY_ASSOCIATION", "sourceSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}}}]}`,
			`create_task: title: Call {{ contact.first_name }} notes: <p>Soon</p> type: CALL priority: HIGH assignee: {owner: hubspot_owner_id} ` +
				`due: {in: 3d, time: "09:00", days: [monday, tuesday]} queue: "77" copy_associations: [{type: company}]`},
		{"0-3", `{"subject": "x", "owner_assignment": {"type": "CUSTOM", "value": {"staticValue": "12"}}, "due_time": {"delta": "0", "timeUnit": "DAYS", "timeOfDay": {"hour": 8}}}`,
			`create_task: {title: x, assignee: {user: "12"}, due: {time: "08:00"}}`},
		{"0-3", `{"subject": "x", "due_time": {"delta": "0", "timeUnit": "DAYS"}}`, "placeholder: a task that is due at once has no spelling"},
		{"0-3", `{"body": "x"}`, "placeholder: it has no subject"},
		{"0-3", `{"subject": "x", "owner_assignment": {"type": "CUSTOM"}}`, "placeholder: its owner has no spelling"},
		{"0-3", `{"subject": "x", "due_time": {"delta": "3", "timeUnit": "ERAS"}}`, `placeholder: "ERAS" is not a unit of a span`},
		{"0-3", `{"subject": "x", "use_explicit_associations": "true"}`, "placeholder: a task that is not associated with the record has no spelling"},
		{"0-3", `{"subject": "x", "associations": [{"value": {"type": "FETCHED_OBJECT"}}]}`, `placeholder: its association with "FETCHED_OBJECT" has no spelling`},
		{"0-31", `{"targetContact": "{{ enrolled_object }}", "marketableType": "NON_MARKETABLE"}`, `set_marketing_contact_status: {status: non_marketing}`},
		{"0-31", `{"targetContact": "{{ fetched_objects.x }}", "marketableType": "MARKETABLE"}`, `placeholder: its contact "{{ fetched_objects.x }}" has no spelling`},
		{"0-31", `{}`, `placeholder: the status "" is not known`},
		{"0-43347357", `{"targetContact": "{{ enrolled_object }}", "channel": "EMAIL", "optState": "OPT_IN", "subscriptionId": 6, "legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "Asked {{ enrolled_object.email }}"}`,
			`manage_communication_subscription: subscription_type: "6" status: opt_in legal_basis: CONSENT_WITH_NOTICE explanation: Asked {{ contact.email }}`},
		{"0-43347357", `{"channel": "SMS", "optState": "OPT_OUT", "subscriptionId": "6"}`, `manage_communication_subscription: {channel: sms, subscription_type: "6", status: opt_out}`},
		{"0-43347357", `{"channel": "PIGEON", "optState": "OPT_OUT", "subscriptionId": "6"}`, `placeholder: the channel "PIGEON" is not known`},
		{"0-43347357", `{"optState": "OPT_OUT"}`, `placeholder: it names no subscription type`},
		{"0-30", `{}`, "placeholder: how HubSpot writes its fields is not known well enough to translate them"},
		{"0-33", `{"template": "x", "locale": "en"}`, "placeholder: how HubSpot writes its fields is not known well enough to translate them"},
		{"1-555", `{"text": "x"}`, "placeholder: the definition of the action 1-555 is not part of a flow: put it into actions/hubspot-555.json"},
		{"1-555", `{"list": ["x"]}`, `placeholder: input "list": `},
	} {
		got := action(t, test.typeID, test.fields)
		require.True(t, strings.HasPrefix(got, test.want), "%s %s: %s", test.typeID, test.fields, got)
	}
}

// TestActionsOfApps run once their definition is in the workspace.
func TestActionsOfApps(t *testing.T) {
	t.Parallel()
	definition := `{"actionUrl": "https://example.com", "published": true, "inputFields": [{"typeDefinition": {"name": "text", "type": "string"}}, {"typeDefinition": {"name": "size", "type": "number"}}]}`
	files := map[string][]byte{"actions/hubspot-555.json": []byte(definition)}
	flow := contactFlow("", `{"actionId": "1", "type": "SINGLE_CONNECTION", "actionTypeId": "1-555", "fields": {
		"text": "for {{ enrolled_object.firstname }}", "size": {"type": "OBJECT_PROPERTY", "propertyName": "score"}}}`)
	result, err := importer.Import(map[string][]byte{"flow.json": []byte(flow)}, into(files))
	require.NoError(t, err)
	require.Empty(t, result.Report.Flows[0].Placeholders)
	result.Files["actions/hubspot-555.json"] = files["actions/hubspot-555.json"]
	require.Empty(t, problems(t, result))
	require.Contains(t, string(result.Files["workflows/f-7.yaml"]), `extension_action:
      action: hubspot-555
      inputs: {size: "{{ contact.score }}", text: "for {{ contact.first_name }}"}
      signature: secret://hubspot-app-555`)
	require.Contains(t, result.Report.Flows[0].NeedsMapping, importer.Need{Kind: "extension", ID: "555", As: "hubspot-555"})
}
