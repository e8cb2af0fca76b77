package importer_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/importer"
	"github.com/stretchr/testify/require"
)

// importOne imports one document and requires that check has nothing to say but what is a placeholder.
func importOne(t *testing.T, document string) (importer.Result, string) {
	t.Helper()
	result, err := importer.Import(map[string][]byte{"flow.json": []byte(document)}, importer.Options{})
	require.NoError(t, err)
	require.Empty(t, problems(t, result))
	return result, string(result.Files["workflows/"+result.Report.Flows[0].Workflow+".yaml"])
}

// contactFlow is a flow of contacts with one more key and some actions.
func contactFlow(more, actions string) string {
	return fmt.Sprintf(`{"id": "7", "name": "f", "type": "CONTACT_FLOW", "objectTypeId": "0-1", "startActionId": "1", %s "actions": [%s]}`, more, actions)
}

// spelled imports a flow with a filter as its goal, and returns our filter, or why there is none.
func spelled(t *testing.T, filterBranch string) string {
	t.Helper()
	result, yaml := importOne(t, contactFlow(`"goalFilterBranch": `+filterBranch+`,`, ""))
	if lost := result.Report.Flows[0].LeftOut; len(lost) > 0 {
		return "no spelling: " + lost[0].Reason
	}
	_, after, found := strings.Cut(yaml, "goal: ")
	if !found {
		_, after, _ = strings.Cut(yaml, "goal:\n")
	}
	filter, _, _ := strings.Cut(after, "\nactions:")
	return strings.Join(strings.Fields(filter), " ")
}

func TestPropertyFilters(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ property, operation, want string }{
		{"city", `"operationType": "STRING", "operator": "IS_EQUAL_TO", "value": "Rome"`, `{property: city, is: Rome}`},
		{"city", `"operationType": "STRING", "operator": "IS_NOT_EQUAL_TO", "value": "12"`, `{property: city, is_not: "12"}`},
		{"city", `"operationType": "STRING", "operator": "DOES_NOT_CONTAIN", "value": "x", "includeObjectsWithNoValueSet": true`, `{property: city, not_contains: x, empty: match}`},
		{"city", `"operationType": "STRING", "operator": "STARTS_WITH", "value": "R"`, `{property: city, starts_with: R}`},
		{"city", `"operationType": "STRING", "operator": "HAS_NEVER_CONTAINED", "value": "x"`, `{property: city, was_never: {contains: x}}`},
		{"city", `"operationType": "STRING", "operator": "IS_EQUAL_TO"`, `no spelling: city: the operation has no value`},
		{"city", `"operationType": "STRING", "operator": "SOUNDS_LIKE", "value": "x"`, `no spelling: city: the operator "SOUNDS_LIKE" of type "STRING" has no spelling`},
		{"city", `"operationType": "MULTISTRING", "operator": "IS_EQUAL_TO", "values": ["Rome"]`, `{property: city, is: Rome}`},
		{"city", `"operationType": "MULTISTRING", "operator": "IS_EQUAL_TO", "values": ["Rome", "Turin"]`, `{property: city, in: [Rome, Turin]}`},
		{"city", `"operationType": "MULTISTRING", "operator": "DOES_NOT_CONTAIN_EXACTLY", "values": ["a", "b"]`, `{property: city, not_contains: [a, b]}`},
		{"city", `"operationType": "MULTISTRING", "operator": "IS_NOT_EQUAL_TO", "values": []`, `no spelling: city: the operation has no values`},
		{"visits", `"operationType": "NUMBER", "operator": "IS_GREATER_THAN_OR_EQUAL_TO", "value": 1.0`, `{property: visits, gte: 1}`},
		{"visits", `"operationType": "NUMBER", "operator": "IS_EQUAL_TO", "value": "2.50"`, `{property: visits, is: 2.5}`},
		{"visits", `"operationType": "NUMBER", "operator": "IS_EQUAL_TO", "value": "many"`, `no spelling: visits: "many" is not a number`},
		{"visits", `"operationType": "NUMBER_RANGED", "operator": "IS_NOT_BETWEEN", "lowerBound": 1, "upperBound": 5`, `{property: visits, not_between: [1, 5]}`},
		{"visits", `"operationType": "NUMBER_RANGED", "operator": "IS_BETWEEN", "lowerBound": 5, "upperBound": 1`, `no spelling: between: 5 is greater than 1`},
		{"vip", `"operationType": "BOOL", "operator": "IS_NOT_EQUAL_TO", "value": true, "includeObjectsWithNoValueSet": true`, `{property: vip, is_not: true, empty: match}`},
		{"vip", `"operationType": "BOOL", "operator": "IS_EQUAL_TO", "value": "maybe"`, `no spelling: vip: "maybe" is neither true nor false`},
		{"vip", `"operationType": "ALL_PROPERTY", "operator": "IS_KNOWN"`, `{property: vip, known: true}`},
		{"vip", `"operationType": "BOOL", "operator": "IS_UNKNOWN", "includeObjectsWithNoValueSet": true`, `{property: vip, known: false}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "IS_ANY_OF", "values": ["gold", "1"]`, `{property: plan, in: [gold, "1"]}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "IS_NONE_OF", "values": ["gold"]`, `{property: plan, is_not: gold}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "CONTAINS_ALL", "values": ["a", "b"]`, `{property: plan, has_all: [a, b]}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "DOES_NOT_CONTAIN_ALL", "values": ["a"]`, `{all: [{property: plan, known: true}, {not: {property: plan, has_all: [a]}}]}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "DOES_NOT_CONTAIN_ALL", "values": ["a"], "includeObjectsWithNoValueSet": true`, `{not: {property: plan, has_all: [a]}}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "HAS_EVER_BEEN_ANY_OF", "values": ["a", "b"]`, `{property: plan, was_ever: [a, b]}`},
		{"plan", `"operationType": "ENUMERATION", "operator": "HAS_NEVER_BEEN_EXACTLY", "values": ["a"]`, `{property: plan, was_never: {is_exactly: [a]}}`},
		{"lifecyclestage", `"operationType": "ENUMERATION", "operator": "IS_ANY_OF", "values": ["customer"]`, `{property: lifecycle_stage, is: customer}`},
		{"signed", `"operationType": "DATETIME", "operator": "IS_AFTER", "timestamp": 1719446400000`, `{property: signed, after: "2024-06-27T00:00:00Z"}`},
		{"signed", `"operationType": "DATE", "operator": "IS_BEFORE_DATE", "year": 2027, "month": "MAY", "day": 10`, `{property: signed, before: "2027-05-10"}`},
		{"signed", `"operationType": "DATE", "operator": "IS_EQUAL_TO", "year": 2027, "month": "2", "day": 30`, `no spelling: signed: 2027-2-30 is not a date`},
		{"signed", `"operationType": "RANGED_DATE", "operator": "IS_BETWEEN", "lowerBound": 0, "upperBound": 86400000`, `{property: signed, between: ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"]}`},
		{"signed", `"operationType": "ROLLING_DATE_RANGE", "operator": "IS_LESS_THAN_X_DAYS_AGO", "numberOfDays": 3`, `{property: signed, within_last: 3d}`},
		{"signed", `"operationType": "ROLLING_DATE_RANGE", "operator": "IS_MORE_THAN_X_DAYS_FROM_NOW", "numberOfDays": "3"`, `{property: signed, more_than_ahead: 3d}`},
		{"signed", `"operationType": "ROLLING_PROPERTY_UPDATED", "operator": "NOT_UPDATED_IN_LAST_X_DAYS", "numberOfDays": 30`, `{property: signed, not_updated_within: 30d}`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_THIS_TIME_UNIT", "timeUnit": "MONTH"`, `{property: signed, is: this_month}`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_LAST_TIME_UNIT", "timeUnit": "DAY", "timeUnitCount": 1`, `{property: signed, is: yesterday}`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_THIS_TIME_UNIT_SO_FAR", "timeUnit": "WEEK"`, `{property: signed, between: [this_week, now]}`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_NEXT_TIME_UNIT", "timeUnit": "QUARTER", "useFiscalYear": true`, `{property: signed, is: next_fiscal_quarter}`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_THIS_TIME_UNIT", "timeUnit": "YEAR", "useFiscalYear": true, "fiscalYearStart": "APRIL"`, `no spelling: signed: say fiscal_year: 4 in millrace.yaml, and write this_fiscal_year here`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_LAST_TIME_UNIT", "timeUnit": "MONTH", "timeUnitCount": 3`, `no spelling: signed: a span of 3 times MONTH has no spelling`},
		{"signed", `"operationType": "CALENDAR_DATE", "operator": "IN_THIS_TIME_UNIT", "timeUnit": "CENTURY"`, `no spelling: signed: the operator "IN_THIS_TIME_UNIT" of "CENTURY" has no spelling`},
		{"signed", `"operationType": "COMPARATIVE_PROPERTY_UPDATED", "operator": "IS_AFTER", "comparisonPropertyName": "closed"`, `{property: signed, updated_after: {property: closed}}`},
		{"signed", `"operationType": "COMPARATIVE_DATE", "operator": "IS_BEFORE", "comparisonPropertyName": "closed"`, `{property: signed, before: {property: closed}}`},
		{"signed", `"operationType": "COMPARATIVE_DATE", "operator": "IS_BEFORE"`, `no spelling: signed: no property to compare with is named`},
		{"not a name", `"operationType": "ALL_PROPERTY", "operator": "IS_KNOWN"`, `no spelling: "not a name" cannot be the name of a property`},
	} {
		filter := fmt.Sprintf(`{"filterBranchType": "OR", "filters": [], "filterBranches": [{"filterBranchType": "AND", "filterBranches": [],
			"filters": [{"filterType": "PROPERTY", "property": %q, "operation": {%s}}]}]}`, test.property, test.operation)
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, spelled(t, filter))
		})
	}
}

func TestFiltersWithPointsInTime(t *testing.T) {
	t.Parallel()
	indexed := func(reference, offset string) string {
		return fmt.Sprintf(`{"timeType": "INDEXED", "timezoneSource": "CUSTOM", "zoneId": "UTC", "indexReference": {"referenceType": %q}, "offset": {%s}}`, reference, offset)
	}
	date := func(year int, clock string) string {
		return fmt.Sprintf(`{"timeType": "DATE", "zoneId": "Europe/Rome", "year": %d, "month": 7, "day": 1%s}`, year, clock)
	}
	point := func(operator, point, more string) string {
		return fmt.Sprintf(`"operationType": "TIME_POINT", "operator": %q, "timePoint": %s%s`, operator, point, more)
	}
	ranged := func(operator, lower, upper, more string) string {
		return fmt.Sprintf(`"operationType": "TIME_RANGED", "operator": %q, "lowerBoundTimePoint": %s, "upperBoundTimePoint": %s%s`, operator, lower, upper, more)
	}
	const updated = `, "propertyParser": "UPDATED_AT"`
	referenced := func(kind string) string {
		return fmt.Sprintf(`{"timeType": "PROPERTY_REFERENCED", "zoneId": "UTC", "property": "closed", "referenceType": %q}`, kind)
	}
	for _, test := range []struct{ operation, want string }{
		{point("IS_AFTER", date(2026, ""), ""), `{property: signed, after: "2026-06-30T22:00:00Z"}`},
		{point("IS_AFTER", date(2026, `, "hour": 9, "minute": 30`), `, "endpointBehavior": "INCLUSIVE"`), `{property: signed, after: "2026-07-01T07:29:59.999Z"}`},
		{point("IS_BEFORE", date(0, ""), ""), `no spelling: signed: 0-7-1 is not a date`},
		{point("IS_BEFORE", referenced("VALUE"), ""), `{property: signed, before: {property: closed}}`},
		{point("IS_BEFORE", referenced("UPDATED_AT"), ""), `no spelling: signed: the time when closed was last changed cannot be compared with`},
		{point("IS_AFTER", referenced("UPDATED_AT"), updated), `{property: signed, updated_after: {property: closed}}`},
		{point("IS_AFTER", referenced("VALUE"), updated), `no spelling: signed: the time of its last change cannot be compared with that`},
		{point("IS_BEFORE", date(2026, ""), updated), `{property: signed, updated_before: "2026-06-30T22:00:00Z"}`},
		{point("IS_BEFORE", indexed("MONTH", ""), updated), `{property: signed, updated_before: this_month}`},
		{point("IS_BEFORE", indexed("NOW", ""), ""), `{property: signed, before: now}`},
		{point("IS_BEFORE", indexed("TODAY", ""), ""), `{property: signed, before: today}`},
		{point("IS_AFTER", indexed("TODAY", ""), ""), `{property: signed, gte: today}`},
		{point("IS_BEFORE", indexed("TODAY", `"days": -3`), ""), `{property: signed, more_than_ago: 3d}`},
		{point("IS_AFTER", indexed("TODAY", `"weeks": 1`), ""), `{property: signed, more_than_ahead: 7d}`},
		{point("IS_BEFORE", indexed("NOW", `"hours": -5`), ""), `{property: signed, more_than_ago: 5h}`},
		{point("IS_BEFORE", indexed("NOW", `"days": -2`), ""), `{property: signed, more_than_ago: 48h}`},
		{point("IS_AFTER", indexed("TODAY", `"days": -3`), ""), `all: [{property: signed, known: true}, {not: {property: signed, more_than_ago: 3d}}]`},
		{point("IS_AFTER", indexed("TODAY", `"months": -3`), ""), `no spelling: signed: "MONTHS" is not a unit of a span`},
		{point("IS_AFTER", indexed("TODAY", `"days": 1, "hours": 2`), ""), `no spelling: signed: this comparison with a point in time has no spelling`},
		{point("IS_AFTER", indexed("QUARTER", ""), ""), `{property: signed, gte: this_quarter}`},
		{point("IS_BEFORE", indexed("FISCAL_YEAR", `"years": 1`), ""), `{property: signed, before: next_fiscal_year}`},
		{point("IS_BEFORE", indexed("MONTH", `"months": -2`), ""), `no spelling: signed: this comparison with a point in time has no spelling`},
		{point("IS_BEFORE", indexed("MONTH", `"days": 1`), ""), `no spelling: signed: this comparison with a point in time has no spelling`},
		{ranged("IS_BETWEEN", indexed("MONTH", `"months": -1`), indexed("NOW", ""), ""), `{property: signed, between: [last_month, now]}`},
		{point("IS_AFTER", indexed("TODAY", `"days": -3`), updated), `{property: signed, updated_within: 3d}`},
		{point("IS_BEFORE", indexed("TODAY", `"days": -3`), updated), `{property: signed, not_updated_within: 3d}`},
		{ranged("IS_BETWEEN", indexed("TODAY", `"days": -3`), indexed("NOW", ""), ""), `{property: signed, within_last: 3d}`},
		{ranged("IS_NOT_BETWEEN", indexed("TODAY", `"days": -3`), indexed("NOW", ""), ""), `{property: signed, not_within_last: 3d}`},
		{ranged("IS_BETWEEN", indexed("NOW", `"hours": -12`), indexed("NOW", ""), ""), `{property: signed, within_last: 12h}`},
		{ranged("IS_BETWEEN", indexed("NOW", ""), indexed("TODAY", `"days": 7`), ""), `{property: signed, within_next: 7d}`},
		{ranged("IS_BETWEEN", indexed("TODAY", `"days": -7`), indexed("TODAY", `"days": -3`), ""), `no spelling: signed: this comparison with a point in time has no spelling`},
		{ranged("IS_BETWEEN", indexed("TODAY", `"days": -7`), indexed("NOW", ""), updated), `{property: signed, updated_within: 7d}`},
		{ranged("IS_BETWEEN", date(2026, ""), date(2027, ""), ""), `{property: signed, between: ["2026-06-30T22:00:00Z", "2027-06-30T22:00:00Z"]}`},
		{ranged("IS_BETWEEN", date(2027, ""), date(2026, ""), ""), `no spelling: signed: this comparison with a point in time has no spelling`},
	} {
		t.Run(test.operation, func(t *testing.T) {
			t.Parallel()
			filter := `{"filterBranchType": "AND", "filters": [{"filterType": "PROPERTY", "property": "signed", "operation": {` + test.operation + `}}]}`
			require.Equal(t, test.want, spelled(t, filter))
		})
	}
}

func TestOtherFilters(t *testing.T) {
	t.Parallel()
	const known = `{"filterType": "PROPERTY", "property": "city", "operation": {"operationType": "ALL_PROPERTY", "operator": "IS_KNOWN"}}`
	for _, test := range []struct{ filter, want string }{
		{`{"filters": [` + known + `]}`, `{property: city, known: true}`},
		{`{"filterBranchType": "OR", "filters": [` + known + `, ` + known + `]}`, `{any: [{property: city, known: true}, {property: city, known: true}]}`},
		{`{"filterBranchType": "NOT_ALL", "filters": [` + known + `]}`, `{not: {property: city, known: true}}`},
		{`{"filterBranchType": "NOT_ANY", "filters": [` + known + `, ` + known + `]}`, `{not: {any: [{property: city, known: true}, {property: city, known: true}]}}`},
		{`{"filterBranchType": "AND", "filters": [], "filterBranches": []}`, `no spelling: the filter is empty: it would match everything`},
		{`{"filterBranchType": "RESTRICTED"}`, `no spelling: filters of type "RESTRICTED" cannot be evaluated`},
		{`"x"`, `no spelling: it has a value of a wrong type (string)`},
		{`{"filters": {"a": 1}}`, `no spelling: filters has a value of a wrong type (object)`},
		{`{"filters": [{"filterType": "IN_LIST", "listId": "5", "operator": "IN_LIST"}]}`, `{list: hubspot-5}`},
		{`{"filters": [{"filterType": "IN_LIST", "listId": 5, "operator": "NOT_IN_LIST"}]}`, `{not: {list: hubspot-5}}`},
		{`{"filters": [{"filterType": "IN_LIST", "listId": "5", "operator": "NEAR_LIST"}]}`, `no spelling: the operator "NEAR_LIST" has no spelling`},
		{`{"filters": [{"filterType": "IN_LIST", "operator": "IN_LIST", "metadata": {"id": "7", "inListType": "WORKFLOWS_COMPLETED"}}]}`, `{workflow: f-7, status: completed}`},
		{`{"filters": [{"filterType": "IN_LIST", "operator": "IN_LIST", "metadata": {"id": "8", "inListType": "WORKFLOWS_ACTIVE"}}]}`, `no spelling: the flow "8" is not part of this import`},
		{`{"filters": [{"filterType": "IN_LIST", "operator": "IN_LIST", "metadata": {"id": "8", "inListType": "IMPORT"}}]}`, `no spelling: membership in "IMPORT" has no spelling`},
		{`{"filters": [{"filterType": "FORM_SUBMISSION", "formId": "a-1", "operator": "FILLED_OUT"}]}`, `{form: a-1}`},
		{`{"filters": [{"filterType": "FORM_SUBMISSION", "formId": "a-1", "operator": "NOT_FILLED_OUT"}]}`, `{form: a-1, submitted: false}`},
		{`{"filters": [{"filterType": "FORM_SUBMISSION", "operator": "NOT_FILLED_OUT"}]}`, `{not: {event: form_submitted}}`},
		{`{"filters": [{"filterType": "FORM_SUBMISSION", "formId": "a-1", "operator": "FILLED_OUT", "coalescingRefineBy": {"type": "NUM_OCCURRENCES", "minOccurrences": 2}}]}`, `{event: form_submitted, where: {property: form_id, is: a-1}, at_least: 2}`},
		{`{"filters": [{"filterType": "PAGE_VIEW", "pageUrl": "https://x.example", "operator": "NOT_HAS_PAGEVIEW_CONTAINS"}]}`, `{not: {event: page_viewed, where: {property: url, contains: "https://x.example"}}}`},
		{`{"filters": [{"filterType": "PAGE_VIEW", "pageUrl": "x.*", "operator": "HAS_PAGEVIEW_MATCHES_REGEX"}]}`, `no spelling: page views with "HAS_PAGEVIEW_MATCHES_REGEX" have no spelling`},
		{`{"filters": [{"filterType": "EMAIL_SUBSCRIPTION", "subscriptionIds": ["9"], "acceptedStatuses": ["OPT_IN"], "subscriptionType": "SUBSCRIPTION"}]}`, `{subscription: "9", is: opted_in}`},
		{`{"filters": [{"filterType": "COMMUNICATION_SUBSCRIPTION", "subscriptionIds": ["9"], "acceptedOptStates": ["OPT_IN", "OPT_OUT"], "channel": "EMAIL"}]}`, `{any: [{subscription: "9", is: opted_in}, {subscription: "9", is: opted_out}]}`},
		{`{"filters": [{"filterType": "COMMUNICATION_SUBSCRIPTION", "subscriptionIds": ["9"], "acceptedOptStates": ["OPT_IN"], "channel": "SMS"}]}`, `no spelling: only the state of single e-mail subscriptions can be asked for`},
		{`{"filters": [{"filterType": "CTA", "ctaName": "x"}]}`, `no spelling: filters of type "CTA" have no spelling`},
		{`{"filterBranchType": "UNIFIED_EVENTS", "eventTypeId": "4-96000", "operator": "HAS_COMPLETED", "filters": []}`, `{event: page_viewed}`},
		{`{"eventTypeId": "4-666440", "operator": "HAS_NOT_COMPLETED", "filters": [` + known + `], "pruningRefineBy": {"type": "RELATIVE_COMPARATIVE", "comparison": "AFTER", "timeOffset": {"offsetDirection": "PAST", "timeUnit": "WEEKS", "amount": 2}}}`, `{not: {event: email_opened, where: {property: city, known: true}, within: 14d}}`},
		{`{"filters": [{"filterType": "UNIFIED_EVENTS", "eventTypeId": "6-12", "filterLines": [` + known + `]}]}`, `{event: event_6_12, where: {property: city, known: true}}`},
		{`{"eventTypeId": "4-666440", "operator": "HAS_COMPLETED", "filters": [{"filterType": "IN_LIST", "listId": "1"}]}`, `no spelling: an event can only be asked for its own properties`},
		{`{"eventTypeId": "4-655002", "operator": "HAS_COMPLETED"}`, `no spelling: changes and creation of the record are not among the events here`},
		{`{"filterBranchType": "ASSOCIATION", "objectTypeId": "0-2", "operator": "IN_LIST", "associationTypeId": 279, "associationCategory": "HUBSPOT_DEFINED", "filters": [{"filterType": "PROPERTY", "property": "numberofemployees", "operation": {"operationType": "NUMBER", "operator": "IS_GREATER_THAN", "value": 10}}]}`, `{associated: company, where: {property: employees, gt: 10}}`},
		{`{"filterBranchType": "ASSOCIATION", "objectTypeId": "2-77", "operator": "NOT_IN_LIST", "associationTypeId": 35, "associationCategory": "USER_DEFINED", "filters": []}`, `{not: {associated: object_2_77, label: association-35}}`},
		{`{"filterBranchType": "ASSOCIATION", "operator": "IN_LIST", "associationTypeId": 3}`, `{associated: contact}`},
		{`{"filterBranchType": "ASSOCIATION", "operator": "IN_LIST", "associationTypeId": 999}`, `no spelling: the association type "999" is not known`},
		{`{"filterBranchType": "UNIFIED_EVENTS", "operator": "HAS_COMPLETED"}`, `no spelling: it names no event`},
		{`{"filters": [{"filterType": "ASSOCIATION", "associationTypeId": 4, "operator": "IN_LIST"}]}`, `no spelling: this membership of associated records in a list has no spelling`},
		{`{"filters": [{"filterType": "ASSOCIATION", "associationTypeId": 4, "associationCategory": "HUBSPOT_DEFINED", "listId": "5", "operator": "IN_LIST"}]}`, `{associated: deal, where: {list: hubspot-5}}`},
	} {
		t.Run(test.filter, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, spelled(t, test.filter))
		})
	}
}

var editLine = regexp.MustCompile(`(?m)^    ((?:edit_record|adjust_number_property):.*)$`)

func TestEditsAndValues(t *testing.T) {
	t.Parallel()
	sources := `"dataSources": [
		{"name": "ds_1", "type": "ASSOCIATION", "objectTypeId": "0-2", "associationTypeId": 1, "associationCategory": "HUBSPOT_DEFINED"},
		{"name": "ds_2", "type": "ASSOCIATION", "objectTypeId": "0-3", "associationTypeId": 4, "associationCategory": "HUBSPOT_DEFINED", "sortBy": {"property": "amount", "order": "DESC", "missing": null}}],`
	const company = `, "association": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}`
	for _, test := range []struct{ fields, want string }{
		{`"property_name": "firstname", "value": {"type": "STATIC_VALUE", "staticValue": "Ada"}`, `edit_record: {set: {first_name: Ada}}`},
		{`"property_name": "visits", "value": {"staticValue": "100"}`, `edit_record: {set: {visits: 100}}`},
		{`"property_name": "visits", "value": {"type": "STATIC_VALUE", "staticValue": ""}`, `edit_record: {clear: [visits]}`},
		{`"property_name": "visits", "value": {"type": "STATIC_VALUE"}`, `there is no value`},
		{`"property_name": "visits"`, `there is no value`},
		{`"property_name": "visits", "value": {"type": "INCREMENT", "incrementAmount": -20.0}`, `adjust_number_property: {property: visits, by: -20}`},
		{`"property_name": "visits", "value": {"type": "INCREMENT", "incrementAmount": 5}` + company, `edit_record: {increment: {visits: 5}, on: {associated: company}}`},
		{`"property_name": "visits", "value": {"type": "INCREMENT", "incrementAmount": "x"}`, `"x" is not a number`},
		{`"property_name": "note", "value": {"type": "OBJECT_PROPERTY", "propertyName": "lastname"}`, `edit_record: {copy: {note: last_name}}`},
		{`"property_name": "topics", "value": {"type": "STATIC_APPEND_VALUE", "staticAppendValue": "skiing"}`, `edit_record: {append: {topics: skiing}}`},
		{`"property_name": "topics", "value": {"type": "APPEND_OBJECT_PROPERTY", "appendPropertyName": "city"}`, `edit_record: {append: {topics: "{{ contact.city }}"}}`},
		{`"property_name": "seen", "value": {"type": "TIMESTAMP", "timestampType": "EXECUTION_TIME"}`, `edit_record: {set: {seen: "{{ now }}"}}`},
		{`"property_name": "seen", "value": {"type": "TIMESTAMP", "timestampType": "OTHER"}`, `the time "OTHER" has no spelling`},
		{`"property_name": "seen", "value": {"type": "RELATIVE_DATETIME", "timeDelay": {"delta": 3, "timeUnit": "DAYS", "daysOfWeek": []}}`, `edit_record: {set: {seen: "{{ now | plus_time: 3, \"days\" }}"}}`},
		{`"property_name": "seen", "value": {"type": "RELATIVE_DATETIME", "timeDelay": {"delta": 3, "timeUnit": "DAYS", "timeOfDay": {"hour": 9, "minute": 0}}}`, `a time from now on a day of the week, at a time of day or in a time zone has no spelling`},
		{`"property_name": "company", "value": {"type": "FETCHED_OBJECT_PROPERTY", "propertyToken": "{{ fetched_objects.ds_1.name }}"}`, `edit_record: {set: {company: "{{ company.name }}"}}`},
		{`"property_name": "company", "value": {"type": "FETCHED_OBJECT_PROPERTY", "propertyToken": "{{ fetched_objects.ds_2.dealname }}"}`, `the data source "ds_2" is not simply an associated record`},
		{`"property_name": "company", "value": {"type": "FETCHED_OBJECT_PROPERTY", "propertyToken": "{{ fetched_objects.ds_3.dealname }}"}`, `there is no data source "ds_3"`},
		{`"property_name": "note", "value": {"staticValue": "Hello {{ enrolled_object.firstname }} of {{_0_2.name}}"}`, `edit_record: {set: {note: "Hello {{ contact.first_name }} of {{ company.name }}"}}`},
		{`"property_name": "note", "value": {"staticValue": "{{ enrollment_events.enrollment_event_6_66540117.hs_form_id }}"}`, `edit_record: {set: {note: "{{ event.form_id }}"}}`},
		{`"property_name": "note", "value": {"staticValue": "{{ enrolled_object.firstname|default('x') }}"}`, `the text has tokens with more than a name in them`},
		{`"property_name": "note", "value": {"staticValue": "{% if x %}"}`, `the text has tokens with more than a name in them`},
		{`"property_name": "note", "value": {"staticValue": "{{ content.title }}"}`, `the token {{ content.title }} has no spelling`},
		{`"property_name": "note", "value": {"type": "FIELD_DATA", "actionId": "99", "dataKey": "x"}`, `there is no action "99" to read from`},
		{`"property_name": "note", "value": {"staticValue": "a\u0000"}`, `the text has a NUL character in it`},
		{`"property_name": "note", "value": {"type": "LIST", "values": []}`, `values of type "LIST" have no spelling`},
		{`"property_name": "note", "value": {"staticValue": {"a": 1}}`, `value.staticValue has a value of a wrong type (object)`},
		{`"property_name": "industry", "value": {"staticValue": "X"}, "association": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}`, `edit_record: {set: {industry: X}, on: {associated: company, primary: true}}`},
		{`"property_name": "industry", "value": {"staticValue": "X"}, "association": {"associationCategory": "USER_DEFINED", "associationTypeId": 35}`, `the association type "35" of "USER_DEFINED" is not known`},
	} {
		t.Run(test.fields, func(t *testing.T) {
			t.Parallel()
			result, yaml := importOne(t, contactFlow(sources, `{"actionId": "1", "type": "SINGLE_CONNECTION", "actionTypeId": "0-5", "fields": {`+test.fields+`}}`))
			got := ""
			if reports := result.Report.Flows[0].Placeholders; len(reports) > 0 {
				got = reports[0].Reason
			} else if match := editLine.FindStringSubmatch(yaml); match != nil {
				got = match[1]
			}
			require.Equal(t, test.want, got, yaml)
		})
	}
}

func TestCustomCode(t *testing.T) {
	t.Parallel()
	code := func(runtime, source string) (importer.Result, string) {
		return importOne(t, contactFlow("", `{"actionId": "1", "type": "CUSTOM_CODE", "runtime": "`+runtime+`", "sourceCode": "`+source+`", "secretNames": ["API_KEY"],
  "inputFields": [{"name": "mail", "value": {"type": "OBJECT_PROPERTY", "propertyName": "email"}}], "outputFields": [{"name": "tier", "type": "STRING"}]}`))
	}
	_, yaml := code("NODE20X", "exports.main = () => {}")
	require.Contains(t, strings.Join(strings.Fields(yaml), " "),
		`run_custom_code: source: exports.main = () => {} inputs: {mail: "{{ contact.email }}"} secrets: ["secret://API_KEY"] outputs: {tier: string}`)
	require.NotContains(t, yaml, "placeholder")
	_, yaml = code("NODE20X", "const axios = require('axios')")
	require.Contains(t, yaml, `the code asks for the module "axios", which is not there: use fetch`)
	_, yaml = code("PYTHON39", "def main(event): pass")
	require.Contains(t, yaml, `code for "PYTHON39" does not run here: only JavaScript`)
}
