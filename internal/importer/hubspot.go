package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/crm"
)

// What follows is the document of HubSpot's GET /automation/v4/flows/{id}, as far as an import reads it.
// Parts of it stay raw and are decoded one by one, so that a broken one costs no other.

type flowDocument struct {
	ID                      text              `json:"id"`
	Name                    text              `json:"name"`
	Description             text              `json:"description"`
	Type                    text              `json:"type"`
	ObjectTypeID            text              `json:"objectTypeId"`
	RevisionID              text              `json:"revisionId"`
	IsEnabled               text              `json:"isEnabled"`
	StartActionID           text              `json:"startActionId"`
	Actions                 []json.RawMessage `json:"actions"`
	EnrollmentCriteria      json.RawMessage   `json:"enrollmentCriteria"`
	EnrollmentSchedule      json.RawMessage   `json:"enrollmentSchedule"`
	TimeWindows             json.RawMessage   `json:"timeWindows"`
	BlockedDates            json.RawMessage   `json:"blockedDates"`
	DataSources             json.RawMessage   `json:"dataSources"`
	SuppressionListIDs      json.RawMessage   `json:"suppressionListIds"`
	SuppressionFilterBranch json.RawMessage   `json:"suppressionFilterBranch"`
	GoalFilterBranch        json.RawMessage   `json:"goalFilterBranch"`
	EventAnchor             json.RawMessage   `json:"eventAnchor"`
	UnEnrollmentSetting     json.RawMessage   `json:"unEnrollmentSetting"`
	CanEnrollFromSalesforce text              `json:"canEnrollFromSalesforce"`
}

type criteriaDocument struct {
	Type                 text              `json:"type"`
	ShouldReEnroll       text              `json:"shouldReEnroll"`
	ListFilterBranch     json.RawMessage   `json:"listFilterBranch"`
	UnEnroll             text              `json:"unEnrollObjectsNotMeetingCriteria"`
	ReEnrollmentTriggers []json.RawMessage `json:"reEnrollmentTriggersFilterBranches"`
	EventFilterBranches  []json.RawMessage `json:"eventFilterBranches"`
	ListMembership       []json.RawMessage `json:"listMembershipFilterBranches"`
	RefinementCriteria   json.RawMessage   `json:"refinementCriteria"`
}

type scheduleDocument struct {
	Type         text      `json:"type"`
	TimeOfDay    timeOfDay `json:"timeOfDay"`
	DaysOfWeek   []text    `json:"daysOfWeek"`
	DaysOfMonth  []text    `json:"daysOfMonth"`
	RelativeDays text      `json:"monthlyRelativeDays"`
	Month        text      `json:"month"`
	DayOfMonth   text      `json:"dayOfMonth"`
	DateProperty text      `json:"dateProperty"`
	DaysDelta    text      `json:"daysDelta"`
	Yearly       text      `json:"yearly"`
}

type windowDocument struct {
	Day       text       `json:"day"`
	StartTime *timeOfDay `json:"startTime"`
	EndTime   *timeOfDay `json:"endTime"`
}

type blockedDateDocument struct {
	Month      text `json:"month"`
	DayOfMonth text `json:"dayOfMonth"`
	Year       text `json:"year"`
}

type dataSourceDocument struct {
	Name                text            `json:"name"`
	Type                text            `json:"type"`
	ObjectTypeID        text            `json:"objectTypeId"`
	AssociationTypeID   text            `json:"associationTypeId"`
	AssociationCategory text            `json:"associationCategory"`
	SortBy              json.RawMessage `json:"sortBy"`
}

type connection struct {
	EdgeType     text        `json:"edgeType"`
	NextActionID text        `json:"nextActionId"`
	Wrapped      *connection `json:"connection"` // some tools write a default branch like this
}

// edge returns where a connection leads, with an empty target when it leads nowhere.
func (c *connection) edge() edge {
	switch {
	case c == nil:
		return edge{}
	case c.NextActionID == "" && c.Wrapped != nil:
		return c.Wrapped.edge()
	}
	return edge{to: string(c.NextActionID), jump: c.EdgeType == "GOTO" || c.EdgeType == "GO-TO" || c.EdgeType == "GO_TO"}
}

type actionDocument struct {
	ActionID       text            `json:"actionId"`
	Type           text            `json:"type"`
	ActionTypeID   text            `json:"actionTypeId"`
	Fields         json.RawMessage `json:"fields"`
	Connection     *connection     `json:"connection"`
	InputValue     *valueDocument  `json:"inputValue"`
	StaticBranches []branchEntry   `json:"staticBranches"`
	ListBranches   []branchEntry   `json:"listBranches"`
	TestBranches   []branchEntry   `json:"testBranches"`
	DefaultBranch  *connection     `json:"defaultBranch"`
	SourceCode     text            `json:"sourceCode"`
	Method         text            `json:"method"`
	WebhookURL     text            `json:"webhookUrl"`
	QueryParams    []queryParam    `json:"queryParams"`
	AuthSettings   *authDocument   `json:"authSettings"`

	raw json.RawMessage
}

// branchEntry is one branch of any of the three branching actions. Its connection may stand in the
// entry itself.
type branchEntry struct {
	connection
	BranchName   text            `json:"branchName"`
	BranchValue  text            `json:"branchValue"`
	FilterBranch json.RawMessage `json:"filterBranch"`
	Percentage   text            `json:"percentage"`
}

type queryParam struct {
	Name  text           `json:"name"`
	Value *valueDocument `json:"value"`
}

type authDocument struct {
	Type       text `json:"type"`
	Name       text `json:"name"`
	SecretName text `json:"secretName"`
	Location   text `json:"location"`
	AppID      text `json:"appId"`
}

type valueDocument struct {
	Type                 text       `json:"type"`
	StaticValue          *text      `json:"staticValue"`
	PropertyName         text       `json:"propertyName"`
	ActionID             text       `json:"actionId"`
	DataKey              text       `json:"dataKey"`
	PropertyToken        text       `json:"propertyToken"`
	TimestampType        text       `json:"timestampType"`
	TimeDelay            *delaySpec `json:"timeDelay"`
	IncrementAmount      *text      `json:"incrementAmount"`
	StaticAppendValue    text       `json:"staticAppendValue"`
	AppendPropertyName   text       `json:"appendPropertyName"`
	EnrollmentEventToken text       `json:"enrollmentEventPropertyToken"`
	ActionOutputToken    text       `json:"actionOutputPropertyToken"`
}

type delaySpec struct {
	Delta            text            `json:"delta"`
	TimeUnit         text            `json:"timeUnit"`
	DaysOfWeek       []text          `json:"daysOfWeek"`
	TimeOfDay        *timeOfDay      `json:"timeOfDay"`
	TimeZoneStrategy json.RawMessage `json:"timeZoneStrategy"`
}

type associationDocument struct {
	Category text `json:"associationCategory"`
	TypeID   text `json:"associationTypeId"`
}

type branchDocument struct {
	Type                text             `json:"filterBranchType"`
	BranchOperator      text             `json:"filterBranchOperator"`
	Branches            []branchDocument `json:"filterBranches"`
	Filters             []filterDocument `json:"filters"`
	Operator            text             `json:"operator"`
	EventTypeID         text             `json:"eventTypeId"`
	ObjectTypeID        text             `json:"objectTypeId"`
	AssociationTypeID   text             `json:"associationTypeId"`
	AssociationCategory text             `json:"associationCategory"`
	Pruning             *refineDocument  `json:"pruningRefineBy"`
	Coalescing          *refineDocument  `json:"coalescingRefineBy"`
}

type filterDocument struct {
	Type                text               `json:"filterType"`
	Property            text               `json:"property"`
	Operation           *operationDocument `json:"operation"`
	Operator            text               `json:"operator"`
	ListID              text               `json:"listId"`
	Metadata            *listMetadata      `json:"metadata"`
	FormID              text               `json:"formId"`
	PageURL             text               `json:"pageUrl"`
	EventTypeID         text               `json:"eventTypeId"`
	FilterLines         []filterDocument   `json:"filterLines"`
	AcceptedStatuses    []text             `json:"acceptedStatuses"`
	AcceptedOptStates   []text             `json:"acceptedOptStates"`
	SubscriptionIDs     []text             `json:"subscriptionIds"`
	SubscriptionType    text               `json:"subscriptionType"`
	Channel             text               `json:"channel"`
	AssociationTypeID   text               `json:"associationTypeId"`
	AssociationCategory text               `json:"associationCategory"`
	ToObjectTypeID      text               `json:"toObjectTypeId"`
	Pruning             *refineDocument    `json:"pruningRefineBy"`
	Coalescing          *refineDocument    `json:"coalescingRefineBy"`
}

type listMetadata struct {
	ID   text `json:"id"`
	Type text `json:"inListType"`
}

type operationDocument struct {
	Type                   text       `json:"operationType"`
	Operator               text       `json:"operator"`
	IncludeEmpty           text       `json:"includeObjectsWithNoValueSet"`
	Value                  *text      `json:"value"`
	Values                 []text     `json:"values"`
	LowerBound             text       `json:"lowerBound"`
	UpperBound             text       `json:"upperBound"`
	Timestamp              text       `json:"timestamp"`
	Year                   text       `json:"year"`
	Month                  text       `json:"month"`
	Day                    text       `json:"day"`
	NumberOfDays           text       `json:"numberOfDays"`
	ComparisonPropertyName text       `json:"comparisonPropertyName"`
	DefaultComparisonValue text       `json:"defaultComparisonValue"`
	PropertyParser         text       `json:"propertyParser"`
	TimePoint              *timePoint `json:"timePoint"`
	LowerTimePoint         *timePoint `json:"lowerBoundTimePoint"`
	UpperTimePoint         *timePoint `json:"upperBoundTimePoint"`
	Endpoint               text       `json:"endpointBehavior"`
	TimeUnit               text       `json:"timeUnit"`
	TimeUnitCount          text       `json:"timeUnitCount"`
	UseFiscalYear          text       `json:"useFiscalYear"`
	FiscalYearStart        text       `json:"fiscalYearStart"`
	LowerEndpoint          text       `json:"lowerBoundEndpointBehavior"`
	UpperEndpoint          text       `json:"upperBoundEndpointBehavior"`
}

type timePoint struct {
	TimeType    text            `json:"timeType"`
	ZoneID      text            `json:"zoneId"`
	Year        text            `json:"year"`
	Month       text            `json:"month"`
	Day         text            `json:"day"`
	Hour        text            `json:"hour"`
	Minute      text            `json:"minute"`
	Second      text            `json:"second"`
	Millisecond text            `json:"millisecond"`
	Index       *indexPoint     `json:"indexReference"`
	Offset      map[string]text `json:"offset"`
	Property    text            `json:"property"`
	Reference   text            `json:"referenceType"`
}

type indexPoint struct {
	Type  text `json:"referenceType"`
	Month text `json:"month"`
	Week  text `json:"dayOfWeek"`
	Day   text `json:"day"`
	Hour  text `json:"hour"`
}

type refineDocument struct {
	Type           text        `json:"type"`
	MinOccurrences text        `json:"minOccurrences"`
	MaxOccurrences text        `json:"maxOccurrences"`
	Comparison     text        `json:"comparison"`
	RangeType      text        `json:"rangeType"`
	Offset         *timeOffset `json:"timeOffset"`
	Lower          *timeOffset `json:"lowerBoundOffset"`
	Upper          *timeOffset `json:"upperBoundOffset"`
}

type timeOffset struct {
	Direction text `json:"offsetDirection"`
	Unit      text `json:"timeUnit"`
	Amount    text `json:"amount"`
}

type timeOfDay struct {
	Hour   text `json:"hour"`
	Minute text `json:"minute"`
}

// clock writes a time of day as in 09:05.
func (t timeOfDay) clock() (string, error) {
	hour, hourErr := t.Hour.whole()
	minute, minuteErr := t.Minute.whole()
	if hourErr != nil || minuteErr != nil || hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return "", fmt.Errorf("%s:%s is not a time of day", t.Hour, t.Minute)
	}
	return fmt.Sprintf("%02d:%02d", hour, minute), nil
}

// text is any scalar: HubSpot writes numbers and truth values as text in one place and bare in another.
type text string

// UnmarshalJSON reads a scalar; null is empty.
func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '{', '[':
		return &json.UnmarshalTypeError{Value: map[byte]string{'{': "object", '[': "array"}[data[0]]}
	case 'n':
		return nil
	case '"':
		return json.Unmarshal(data, (*string)(t))
	}
	*t = text(data)
	if number, err := crm.ParseNumber(string(data)); err == nil {
		*t = text(number.String())
	}
	return nil
}

func (t text) yes() bool { return strings.EqualFold(string(t), "true") }

// whole reads a whole number; nothing at all is 0.
func (t text) whole() (int, error) {
	if t == "" {
		return 0, nil
	}
	number, err := crm.ParseNumber(strings.TrimSpace(string(t)))
	if err != nil {
		return 0, fmt.Errorf("%s is not a number", quote(string(t)))
	}
	n, err := strconv.Atoi(number.String())
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number", quote(string(t)))
	}
	return n, nil
}

// decode reads a part of a document. The error says what is wrong in an operator's words.
func decode(raw json.RawMessage, into any) error {
	if isNothing(raw) {
		return nil
	}
	err := json.Unmarshal(raw, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		place := "it"
		if wrong.Field != "" {
			place = wrong.Field
		}
		return fmt.Errorf("%s has a value of a wrong type (%s)", place, wrong.Value)
	}
	return err
}

// isNothing tells whether a part of a document is left out.
func isNothing(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "{}", "[]":
		return true
	}
	return false
}

// quote shows text from a document in a message.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
