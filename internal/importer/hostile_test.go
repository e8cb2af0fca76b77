package importer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/importer"
	"github.com/millrace/millrace/internal/schema"
	"github.com/stretchr/testify/require"
)

func TestWhatIsNoFlowIsAnErrorOfOneLine(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		``:                          `reading flow.json: this is not a flow, which is an object with actions`,
		`{`:                         `reading flow.json: unexpected end of JSON input`,
		`[`:                         `reading flow.json: unexpected end of JSON input`,
		`"x"`:                       `reading flow.json: it has a value of a wrong type (string)`,
		`[]`:                        `there is no flow to import`,
		`{"results": []}`:           `there is no flow to import`,
		`[7]`:                       `reading flow.json: this is not a flow, which is an object with actions`,
		`{}`:                        `reading flow.json: this is not a flow, which is an object with actions`,
		`{"results": 7}`:            `reading flow.json: results has a value of a wrong type (number)`,
		`{"id": "5", "name": "x"}`:  `reading flow.json: flow "5" has no actions: a listing leaves them out; export it with GET /automation/v4/flows/{id}`,
		`{"id": {}, "actions": []}`: `reading flow.json: flow "": id has a value of a wrong type (object)`,
		`{"id": "5", "actions": 5}`: `reading flow.json: flow "5": actions has a value of a wrong type (number)`,
		`[{"id": "5", "actions": []}, {"id": "5", "actions": []}]`:                 `flow "5" is there twice, see flow-5`,
		`{"id": "5", "actions": [` + strings.Repeat("1,", 10_000) + `1]}`:          `reading flow.json: flow "5" has 10001 actions; at most 5000 are read`,
		`{"a": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`: `reading flow.json: invalid character '[' exceeded max depth`,
	} {
		_, err := importer.Import(map[string][]byte{"flow.json": []byte(document)}, importer.Options{})
		require.EqualError(t, err, want)
	}
}

// Parts of wrong types cost only themselves.
func TestWrongTypesAreReported(t *testing.T) {
	t.Parallel()
	const action = `{"actionId": "1", "type": "SINGLE_CONNECTION", "actionTypeId": "0-5", "fields": {"property_name": "city", "value": {"staticValue": "x"}}, "connection": {"edgeType": "STANDARD", "nextActionId": "2"}}`
	for _, wrong := range []string{
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-5", "fields": 7}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-1", "fields": {"delta": [1]}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-1", "fields": {"delta": "1e99", "time_unit": "DAYS"}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-1", "fields": {"delta": "-1", "time_unit": "DAYS"}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-1", "fields": {"delta": "-90", "time_unit": "MINUTES"}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-1", "fields": {}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-29", "fields": {"event_filter_branches": [7]}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-29", "fields": {"event_filter_branches": []}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-29", "fields": {"event_filter_branches": [{"eventTypeId": "4-96000"}, {"eventTypeId": "4-666440"}]}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-4", "fields": {}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-8", "fields": {"subject": "s", "body": "b"}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-8", "fields": {"user_ids": ["a b"], "subject": "s", "body": "b"}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-25", "fields": {"source_property": "a", "target_property": "b", "target_object": "SPACESHIP"}}`,
		`{"actionId": "2", "type": "SINGLE_CONNECTION", "actionTypeId": "0-261589386", "fields": {"property_name": "a", "amount": 3}}`,
		`{"actionId": "2", "type": "STATIC_BRANCH", "inputValue": 7, "staticBranches": [{"branchValue": "x"}]}`,
		`{"actionId": "2", "type": "STATIC_BRANCH", "staticBranches": [{"branchValue": "x"}]}`,
		`{"actionId": "2", "type": "LIST_BRANCH", "listBranches": {"a": 1}}`,
		`{"actionId": "2", "type": "LIST_BRANCH"}`,
		`{"actionId": "2", "type": "AB_TEST_BRANCH", "testBranches": [{"percentage": "half"}, {"percentage": 50}]}`,
		`{"actionId": "2", "type": "AB_TEST_BRANCH", "testBranches": [{}]}`,
		`{"actionId": "2", "type": "WEBHOOK", "method": "CONNECT", "webhookUrl": "https://x.example"}`,
		`{"actionId": "2", "type": "WEBHOOK", "method": "GET", "webhookUrl": "http://x.example"}`,
		`{"actionId": "2", "type": "WEBHOOK", "method": "GET", "webhookUrl": "https://x.example", "queryParams": [{"value": {"staticValue": "x"}}]}`,
		`{"actionId": "2", "type": "WEBHOOK", "method": "GET", "webhookUrl": "https://x.example", "authSettings": {"type": "AUTH_KEY", "location": "BODY"}}`,
		`{"actionId": "2", "type": "WEBHOOK", "method": "GET", "webhookUrl": {}, "connection": {"nextActionId": "1"}}`,
		`{"actionId": "2", "type": {}}`,
		`{"actionId": "2"}`,
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			result, _ := importOne(t, contactFlow("", action+","+wrong))
			require.Len(t, result.Report.Flows[0].Placeholders, 1)
			require.NotEmpty(t, result.Report.Flows[0].Placeholders[0].Reason)
			require.Len(t, result.Report.Flows[0].Mapped, 1)
			require.False(t, result.Report.Runnable)
			require.Equal(t, 1, result.Report.Placeholders())
		})
	}
}

func TestHugeListsAreReadInTime(t *testing.T) {
	t.Parallel()
	many := func(format string) string {
		var out strings.Builder
		for i := range 5_000 {
			fmt.Fprintf(&out, format+",", i)
		}
		return strings.TrimSuffix(out.String(), ",")
	}
	for _, document := range []string{
		contactFlow(`"suppressionListIds": [`+many("%d")+`],`, ""),
		contactFlow(`"goalFilterBranch": {"filters": [{"property": "city", "operation": {"operationType": "ENUMERATION", "operator": "IS_ANY_OF", "values": [`+many(`"%d"`)+`]}}]},`, ""),
		contactFlow("", `{"actionId": "1", "listBranches": [`+many(`{"branchName": "same", "filterBranch": {"a": %d}}`)+`]}`),
		contactFlow("", `{"actionId": "1", "staticBranches": [`+many(`{"branchValue": "same %d"}`)+`]}`),
		contactFlow("", `{"actionId": "1", "type": "CUSTOM_CODE", "sourceCode": "`+many("%d")+`", "secretNames": [`+many(`"s%d"`)+`]}`),
		`[` + many(`{"name": "same", "description": "%d", "actions": []}`) + `]`,
	} {
		result, err := importer.Import(map[string][]byte{"flow.json": []byte(document)}, importer.Options{})
		require.NoError(t, err)
		require.NotEmpty(t, result.Files)
	}
	large := contactFlow("", `{"actionId": "1", "type": "CUSTOM_CODE", "sourceCode": "`+strings.Repeat("x", 1<<20)+`"}`)
	result, err := importer.Import(map[string][]byte{"flow.json": []byte(large)}, importer.Options{})
	require.NoError(t, err)
	require.Contains(t, result.Report.Flows[0].LeftOut[0].Reason, "the definition cannot be read: ")
}

// Text from a document may hold anything; the files still read, and say it.
func TestStrangeTextStaysText(t *testing.T) {
	t.Parallel()
	for _, strange := range []string{
		"no", "true", "012", "1e5", "0x1f", "~", "null", "2027-05-10", "- a", "a: b", "# a", "'", `"`, "*a", "&a", "!a", "%a", "@a", "`", "|", ">", "<<",
		"{a}", "[a]", "a,b", " a ", "a\nb", "\ttab", "a\u2028b", "\u0085", "\u0001", "\ufeffa", "é\u200b", "a\r\nb", "😀", strings.Repeat("long ", 400), "---", "a #b", "key:",
	} {
		t.Run(fmt.Sprintf("%.20q", strange), func(t *testing.T) {
			t.Parallel()
			quoted, err := json.Marshal(strange)
			require.NoError(t, err)
			result, yaml := importOne(t, contactFlow(fmt.Sprintf(`"description": %s,`, quoted),
				fmt.Sprintf(`{"actionId": "1", "type": "SINGLE_CONNECTION", "actionTypeId": "0-5", "fields": {"property_name": "note", "value": {"staticValue": %s}}, "connection": {"nextActionId": "2"}},
				{"actionId": "2", "type": %[1]s}`, quoted)))
			tree, problems := schema.Parse("f.yaml", []byte(yaml))
			require.Empty(t, problems)
			require.Equal(t, strange, tree.Get("actions").Items[0].Get("edit_record").Get("set").Get("note").Value)
			if trimmed := strings.TrimSpace(strange); trimmed != "" {
				require.Equal(t, trimmed, tree.Get("description").Value)
			}
			var report bytes.Buffer
			require.NoError(t, result.Report.Print(&report))
			require.NotContains(t, report.String(), "\u0001")
		})
	}
}

// FuzzImport: whatever is imported, there is no panic, errors are of one line, and what is written reads.
func FuzzImport(f *testing.F) {
	inputs, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, input := range inputs {
		content, err := os.ReadFile(input)
		require.NoError(f, err)
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		result, err := importer.Import(map[string][]byte{"flow.json": content}, importer.Options{})
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		for name, file := range result.Files {
			require.True(t, filepath.IsLocal(name), name)
			if strings.HasSuffix(name, ".yaml") && len(file) < 1<<20 {
				_, problems := schema.Parse(name, file)
				require.Empty(t, problems, "%s\n%s", name, file)
			}
		}
		require.NoError(t, result.Report.Print(&bytes.Buffer{}))
		again, err := importer.Import(map[string][]byte{"flow.json": content}, importer.Options{})
		require.NoError(t, err)
		require.Equal(t, result, again)
	})
}
