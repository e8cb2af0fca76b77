package importer_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/importer"
	"github.com/stretchr/testify/require"
)

// into imports into a workspace that has files.
func into(files map[string][]byte) importer.Options {
	return importer.Options{Read: func(path string) ([]byte, bool) { content, found := files[path]; return content, found }}
}

func TestSecondImportLeavesWhatTheAuthorDid(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/kinds.json")
	require.NoError(t, err)
	sources := map[string][]byte{"kinds.json": content}
	first, err := importer.Import(sources, importer.Options{})
	require.NoError(t, err)
	files := maps.Clone(first.Files)
	again, err := importer.Import(sources, into(files))
	require.NoError(t, err)
	require.Equal(t, first.Report.Flows, again.Report.Flows, "a stub is still a placeholder")
	require.Empty(t, slices.DeleteFunc(slices.Collect(maps.Keys(again.Files)), func(path string) bool {
		return bytes.Equal(again.Files[path], files[path])
	}))

	definition := first.Report.Flows[0].Workflow
	files["workflows/"+definition+".yaml"] = append([]byte("# Ours.\n"), files["workflows/"+definition+".yaml"]...)
	files["emails/hubspot-400001.md"] = []byte("---\nsubject: Ours\n---\nHello.\n")
	files["objects/contact.yaml"], files["objects/contact-imported.yaml"] = []byte("object: contact\n"), []byte("object: contact\n")
	edited, err := importer.Import(sources, into(files))
	require.NoError(t, err)
	require.Equal(t, []string{"objects/contact-imported-2.yaml"}, edited.Report.Files)
	require.Contains(t, edited.Report.Kept, "workflows/"+definition+".yaml")
	require.Len(t, edited.Report.Flows[0].Placeholders, len(first.Report.Flows[0].Placeholders)-1)
	var report strings.Builder
	require.NoError(t, edited.Report.Print(&report))
	require.Contains(t, report.String(), "kept      workflows/"+definition+".yaml: it differs; import into another folder to see the new one\n")
}

func TestFilesThatAreThereAreKept(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/kinds.json")
	require.NoError(t, err)
	result, err := importer.Import(map[string][]byte{"kinds.json": content}, into(map[string][]byte{
		"millrace.yaml": nil, "users.yaml": nil, "emails/hubspot-400001.html": nil, "objects/contact.yaml": nil,
	}))
	require.NoError(t, err)
	require.Equal(t, []string{"emails/hubspot-400002.md", "objects/contact-imported.yaml", "workflows/every-kind-gru-e-more-501.yaml"}, result.Report.Files)
	require.Equal(t, []string{"millrace.yaml", "users.yaml"}, result.Report.Kept)
	var placeholders []string
	for _, one := range result.Report.Flows[0].Placeholders {
		placeholders = append(placeholders, one.ID)
	}
	require.Equal(t, []string{"email_17"}, placeholders, "an e-mail that is there has content")
}

func TestPropertiesAreDeclaredByTheirUse(t *testing.T) {
	t.Parallel()
	filter := func(property, kind, operator, operand string) string {
		return `{"filterType": "PROPERTY", "property": "` + property + `", "operation": {"operationType": "` + kind + `", "operator": "` + operator + `", ` + operand + `}},`
	}
	edit := func(id, property, value, next string) string {
		return `,{"actionId": "` + id + `", "type": "SINGLE_CONNECTION", "actionTypeId": "0-5", "fields": {"property_name": "` + property + `", "value": {"staticValue": "` + value + `"}}, "connection": {"nextActionId": "` + next + `"}}`
	}
	goal := filter("zip", "NUMBER", "IS_GREATER_THAN", `"value": 5`) + filter("country", "ENUMERATION", "IS_EXACTLY", `"values": ["IT"]`) +
		filter("mixed", "STRING", "CONTAINS", `"value": "x"`) + filter("mixed", "ENUMERATION", "IS_ANY_OF", `"values": ["a"]`) +
		`{"filterType": "PROPERTY", "property": "hs_object_id", "operation": {"operationType": "ALL_PROPERTY", "operator": "IS_KNOWN"}}`
	document := contactFlow(`"goalFilterBranch": {"filterBranchType": "AND", "filters": [`+goal+`]},`,
		`{"actionId": "1", "type": "SINGLE_CONNECTION", "actionTypeId": "0-1", "fields": {"delta": "5", "time_unit": "HOURS"}, "connection": {"nextActionId": "2"}}`+
			edit("2", "both", "1", "3")+edit("3", "both", "one", "4")+edit("4", "flag", "true", "5")+edit("5", "day", "2027-05-10", "6")+edit("6", "lifecyclestage", "own_stage", ""))
	result, _ := importOne(t, document)
	require.Equal(t, `object: contact
properties:
  both: {type: string}
  country: {type: enumeration, multiple: true} # options that are used: IT
  day: {type: date}
  flag: {type: bool}
  lifecycle_stage:
    type: enumeration
    options:
      - subscriber
      - lead
      - marketingqualifiedlead
      - salesqualifiedlead
      - opportunity
      - customer
      - evangelist
      - other
      - own_stage
  mixed: {type: enumeration} # options that are used: a
  zip: {type: number}
`, string(result.Files["objects/contact.yaml"]))
	require.Equal(t, []importer.Renamed{
		{Object: "contact", HubSpot: "hs_object_id", Name: "id"},
		{Object: "contact", HubSpot: "lifecyclestage", Name: "lifecycle_stage"},
	}, result.Report.Renamed)
}

func TestTwoPropertiesDoNotBecomeOne(t *testing.T) {
	t.Parallel()
	edit := func(id, property, next string) string {
		return `{"actionId": "` + id + `", "type": "SINGLE_CONNECTION", "actionTypeId": "0-5", "fields": {"property_name": "` + property + `", "value": {"staticValue": "x"}}, "connection": {"nextActionId": "` + next + `"}}`
	}
	result, _ := importOne(t, contactFlow("", edit("1", "jobtitle", "2")+","+edit("2", "job_title", "3")+","+edit("3", "jobtitle", "")))
	flow := result.Report.Flows[0]
	require.Len(t, flow.Mapped, 2)
	require.Equal(t, "the properties jobtitle and job_title would both be job_title here", flow.Placeholders[0].Reason)
}

// Flows of one import know each other, in whichever file they are.
func TestFlowsReferToEachOther(t *testing.T) {
	t.Parallel()
	first := contactFlow(`"goalFilterBranch": {"filters": [{"filterType": "IN_LIST", "operator": "IN_LIST", "metadata": {"id": "8", "inListType": "WORKFLOWS_GOAL"}}]},`, "")
	result, err := importer.Import(map[string][]byte{
		"a.json": []byte(first),
		"b.json": []byte("\xef\xbb\xbf" + `[{"id": 8, "name": "Ça va", "actions": []}, {"name": "日本", "actions": []}, {"name": "日本", "type": "PLATFORM_FLOW", "actions": []}]`),
	}, importer.Options{})
	require.NoError(t, err)
	require.Empty(t, problems(t, result))
	require.Contains(t, string(result.Files["workflows/f-7.yaml"]), "goal: {workflow: ca-va-8, status: goal_met}")
	require.Equal(t, []string{"millrace.yaml", "workflows/ca-va-8.yaml", "workflows/f-7.yaml", "workflows/flow-2.yaml", "workflows/flow.yaml"}, result.Report.Files)
	require.Equal(t, []string{"the flow does not say which records it is about; contacts are assumed"}, result.Report.Flows[3].Warnings)
}

func TestReportIsDocumentedJSON(t *testing.T) {
	t.Parallel()
	result := importFile(t, "testdata/9003_ticket_closed_email.json")
	got, err := json.Marshal(result.Report)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"runnable": false,
		"flows": [{
			"source": "9003_ticket_closed_email.json", "flow": "9003", "name": "Pipeline is \"Support Pipeline\", Ticket status is \"Closed\"",
			"workflow": "pipeline-is-support-pipeline-ticket-status-is-closed-9003", "object": "ticket", "enabled": true, "runnable": false,
			"mapped": [],
			"placeholders": [{"action": "1", "type": "0-4", "id": "email_1", "kind": "send_email",
				"reason": "the content of the e-mail 400567279818 is not part of a flow: fill in emails/hubspot-400567279818.md"}],
			"left_out": [],
			"needs_mapping": [{"kind": "email", "id": "400567279818", "as": "hubspot-400567279818"}],
			"unused_data_sources": [],
			"warnings": []
		}],
		"files": ["emails/hubspot-400567279818.md", "millrace.yaml", "workflows/pipeline-is-support-pipeline-ticket-status-is-closed-9003.yaml"],
		"renamed": [{"object": "ticket", "hubspot": "hs_pipeline_stage", "name": "status"}, {"object": "ticket", "hubspot": "source_type", "name": "source"}]
	}`, string(got))
}
