package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
	"go.yaml.in/yaml/v3"
)

// maxFilterDepth is how many groups of a filter may stand within each other.
const maxFilterDepth = 10

var errEmptyFilter = errors.New("the filter is empty: it would match everything")

// subject is what a filter is about: records of an object, or an event.
type subject struct {
	object string
	event  bool
}

// filter translates a filter branch about the enrolled record. The error says what has no spelling.
func (w *workflow) filter(raw json.RawMessage) (*yaml.Node, error) {
	var branch branchDocument
	if err := decode(raw, &branch); err != nil {
		return nil, err
	}
	return w.whole(branch)
}

// whole translates a branch that is a filter of its own.
func (w *workflow) whole(branch branchDocument) (*yaml.Node, error) {
	filter, err := w.branch(branch, subject{object: w.object}, 0)
	if err != nil {
		return nil, err
	}
	return sound(filter)
}

// sound returns a filter that our language takes.
func sound(filter *yaml.Node) (*yaml.Node, error) {
	if err := readable(filter, func(node *schema.Node) schema.Diagnostics { return schema.Decode(node, new(crm.Filter)) }); err != nil {
		return nil, err
	}
	return filter, nil
}

// groups are the branches that only combine others.
var groups = map[text]func(tests []*yaml.Node) *yaml.Node{
	"OR":      func(tests []*yaml.Node) *yaml.Node { return group("any", tests) },
	"AND":     func(tests []*yaml.Node) *yaml.Node { return group("all", tests) },
	"NOT_ALL": func(tests []*yaml.Node) *yaml.Node { return not(group("all", tests)) },
	"NOT_ANY": func(tests []*yaml.Node) *yaml.Node { return not(group("any", tests)) },
}

func group(key string, tests []*yaml.Node) *yaml.Node {
	if len(tests) == 1 {
		return tests[0]
	}
	return mapping(entry{key, list(tests...)})
}

func not(test *yaml.Node) *yaml.Node { return mapping(entry{"not", test}) }

// branch translates a branch of a filter.
func (w *workflow) branch(branch branchDocument, about subject, depth int) (*yaml.Node, error) {
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("the filter has more than %d groups within each other", maxFilterDepth)
	}
	kind := branch.kind()
	if about.event && (kind == "UNIFIED_EVENTS" || kind == "ASSOCIATION") {
		return nil, errors.New("an event can only be asked for its own properties")
	}
	within := about
	switch kind {
	case "UNIFIED_EVENTS":
		within = subject{event: true}
	case "ASSOCIATION":
		object, err := w.associatedObject(branch.ObjectTypeID, branch.AssociationTypeID)
		if err != nil {
			return nil, err
		}
		within = subject{object: object}
	}
	tests, err := w.tests(branch, within, depth)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "UNIFIED_EVENTS":
		return w.eventTest(tests, branch)
	case "ASSOCIATION":
		return w.associationTest(within.object, tests, branch)
	}
	combine, known := groups[kind]
	if !known {
		return nil, fmt.Errorf("filters of type %s cannot be evaluated", quote(string(kind)))
	}
	if len(tests) == 0 {
		return nil, errEmptyFilter
	}
	return combine(tests), nil
}

// kind is the type of a branch, inferred where it is left out.
func (b branchDocument) kind() text {
	switch {
	case b.Type != "":
		return b.Type
	case b.EventTypeID != "":
		return "UNIFIED_EVENTS"
	case b.AssociationTypeID != "":
		return "ASSOCIATION"
	case b.BranchOperator != "":
		return b.BranchOperator
	}
	return "AND"
}

// tests translates what stands in a branch.
func (w *workflow) tests(branch branchDocument, about subject, depth int) (tests []*yaml.Node, err error) {
	var problems []error
	for _, one := range branch.Filters {
		if one.Type == "UNIFIED_EVENTS" {
			branch.Branches = append(branch.Branches, one.asBranch())
			continue
		}
		test, err := w.test(one, about)
		tests, problems = append(tests, test), append(problems, err)
	}
	for _, one := range branch.Branches {
		test, err := w.branch(one, about, depth+1)
		tests, problems = append(tests, test), append(problems, err)
	}
	return tests, errors.Join(problems...)
}

// asBranch is a filter about events in the form of a branch.
func (f filterDocument) asBranch() branchDocument {
	return branchDocument{Type: f.Type, EventTypeID: f.EventTypeID, Filters: f.FilterLines, Pruning: f.Pruning, Coalescing: f.Coalescing}
}

// eventTest asks for events of the past.
func (w *workflow) eventTest(tests []*yaml.Node, branch branchDocument) (*yaml.Node, error) {
	if branch.EventTypeID == eventPropertyChanged || branch.EventTypeID == eventObjectCreated {
		return nil, errors.New("changes and creation of the record are not among the events here")
	}
	if branch.EventTypeID == "" {
		return nil, errors.New("it names no event")
	}
	within, atLeast, err := refine(branch.Pruning, branch.Coalescing)
	if err != nil {
		return nil, err
	}
	test := mapping(entry{"event", str(w.eventOf(branch.EventTypeID))}, entry{"where", where(tests)}, entry{"within", within}, entry{"at_least", atLeast})
	return signed(test, branch.Operator, "HAS_COMPLETED", "HAS_NOT_COMPLETED")
}

// where is the filter within another, nil for none.
func where(tests []*yaml.Node) *yaml.Node {
	if len(tests) == 0 {
		return nil
	}
	return group("all", tests)
}

// signed is the test, or its negation, as an operator says. A missing operator means the test.
func signed(test *yaml.Node, operator, yes, no text) (*yaml.Node, error) {
	switch operator {
	case yes, "":
		return test, nil
	case no:
		return not(test), nil
	}
	return nil, fmt.Errorf("the operator %s has no spelling", quote(string(operator)))
}

// associatedObject returns the type of associated records, which the type of the association may tell.
func (w *workflow) associatedObject(objectTypeID, associationTypeID text) (string, error) {
	if known, isKnown := associationTypes[string(associationTypeID)]; isKnown && objectTypeID == "" {
		w.space.declare(known.object)
		return known.object, nil
	}
	if objectTypeID == "" {
		return "", fmt.Errorf("the association type %s is not known", quote(string(associationTypeID)))
	}
	name, _ := w.objectOf(objectTypeID)
	return name, nil
}

// associationTest asks for associated records.
func (w *workflow) associationTest(object string, tests []*yaml.Node, branch branchDocument) (*yaml.Node, error) {
	label := w.label(branch.AssociationTypeID, branch.AssociationCategory)
	test := mapping(entry{"associated", str(object)}, entry{"label", label}, entry{"where", where(tests)})
	return signed(test, branch.Operator, "IN_LIST", "NOT_IN_LIST")
}

// refine translates which events count and how many there have to be.
func refine(pruning, coalescing *refineDocument) (within, atLeast *yaml.Node, err error) {
	if pruning != nil {
		span, err := pruning.past()
		if err != nil {
			return nil, nil, err
		}
		within = span
	}
	if coalescing == nil || coalescing.Type == "ALL_HISTORY" {
		return within, nil, nil
	}
	least, err := coalescing.MinOccurrences.whole()
	if err != nil || coalescing.Type != "NUM_OCCURRENCES" || coalescing.MaxOccurrences != "" || least < 1 {
		return nil, nil, errors.New("this count of occurrences has no spelling")
	}
	return within, bare(fmt.Sprint(least)), nil
}

// past returns the span until now that a refinement selects, nil for the whole past.
func (r refineDocument) past() (*yaml.Node, error) {
	start := r.Offset
	switch {
	case r.Type == "ALL_HISTORY":
		return nil, nil
	case r.Type == "RELATIVE_COMPARATIVE" && r.Comparison == "AFTER":
	case r.Type == "RELATIVE_RANGED" && r.RangeType == "BETWEEN" && (r.Upper == nil || r.Upper.Amount == "0" || r.Upper.Amount == ""):
		start = r.Lower
	default:
		return nil, errors.New("this range of time of a filter has no spelling")
	}
	if start == nil || start.Direction != "PAST" {
		return nil, errors.New("this range of time of a filter has no spelling")
	}
	span, err := spanOf(start.Amount, start.Unit)
	if err != nil {
		return nil, err
	}
	return spanNode(span)
}

// test translates one filter.
func (w *workflow) test(filter filterDocument, about subject) (*yaml.Node, error) {
	kind := filter.Type
	if kind == "" && filter.Operation != nil {
		kind = "PROPERTY"
	}
	if about.event && kind != "PROPERTY" {
		return nil, errors.New("an event can only be asked for its own properties")
	}
	translate, known := filters[kind]
	if !known {
		return nil, fmt.Errorf("filters of type %s have no spelling", quote(string(kind)))
	}
	return translate(w, filter, about)
}

// filters are the types of filter that have a spelling.
var filters = map[text]func(w *workflow, filter filterDocument, about subject) (*yaml.Node, error){
	"PROPERTY":                   (*workflow).propertyTest,
	"IN_LIST":                    (*workflow).listTest,
	"FORM_SUBMISSION":            (*workflow).formTest,
	"PAGE_VIEW":                  (*workflow).pageTest,
	"EMAIL_SUBSCRIPTION":         (*workflow).subscriptionTest,
	"COMMUNICATION_SUBSCRIPTION": (*workflow).subscriptionTest,
	"ASSOCIATION":                (*workflow).associatedListTest,
}

// listStates are the workflow memberships that HubSpot writes as lists.
var listStates = map[text]string{
	"WORKFLOWS_ENROLLMENT": "ever", "WORKFLOWS_ACTIVE": "active", "WORKFLOWS_GOAL": "goal_met", "WORKFLOWS_COMPLETED": "completed",
}

func (w *workflow) listTest(filter filterDocument, about subject) (*yaml.Node, error) {
	if filter.Metadata != nil && filter.Metadata.Type != "" {
		status, known := listStates[filter.Metadata.Type]
		if !known {
			return nil, fmt.Errorf("membership in %s has no spelling", quote(string(filter.Metadata.Type)))
		}
		other, err := w.otherFlow(filter.Metadata.ID)
		if err != nil {
			return nil, err
		}
		return signed(mapping(entry{"workflow", str(other)}, entry{"status", str(status)}), filter.Operator, "IN_LIST", "NOT_IN_LIST")
	}
	if filter.ListID == "" {
		return nil, errors.New("a list filter names no list")
	}
	return signed(mapping(entry{"list", str(w.list(filter.ListID, about.object))}), filter.Operator, "IN_LIST", "NOT_IN_LIST")
}

func (w *workflow) formTest(filter filterDocument, _ subject) (*yaml.Node, error) {
	form := ""
	if filter.FormID != "" {
		var err error
		if form, err = w.named("form", filter.FormID); err != nil {
			return nil, err
		}
	}
	if form != "" && filter.Pruning == nil && filter.Coalescing == nil {
		submitted := map[text]*yaml.Node{"FILLED_OUT": nil, "": nil, "NOT_FILLED_OUT": boolean(false)}
		value, known := submitted[filter.Operator]
		if !known {
			return nil, fmt.Errorf("the operator %s has no spelling", quote(string(filter.Operator)))
		}
		return mapping(entry{"form", str(form)}, entry{"submitted", value}), nil
	}
	within, atLeast, err := refine(filter.Pruning, filter.Coalescing)
	if err != nil {
		return nil, err
	}
	var which *yaml.Node
	if filter.FormID != "" {
		which = mapping(entry{"property", str("form_id")}, entry{"is", str(form)})
	}
	test := mapping(entry{"event", str(crm.EventFormSubmitted)}, entry{"where", which}, entry{"within", within}, entry{"at_least", atLeast})
	return signed(test, filter.Operator, "FILLED_OUT", "NOT_FILLED_OUT")
}

// pageViews are the operators of page views: what the address has to be, and whether the filter is negated.
var pageViews = map[text]struct {
	operator string
	negated  bool
}{
	"HAS_PAGEVIEW_EQ": {"is", false}, "HAS_PAGEVIEW_CONTAINS": {"contains", false},
	"NOT_HAS_PAGEVIEW_EQ": {"is", true}, "NOT_HAS_PAGEVIEW_CONTAINS": {"contains", true},
}

func (w *workflow) pageTest(filter filterDocument, _ subject) (*yaml.Node, error) {
	view, known := pageViews[filter.Operator]
	if !known || filter.Pruning != nil || filter.Coalescing != nil {
		return nil, fmt.Errorf("page views with %s have no spelling", quote(string(filter.Operator)))
	}
	test := mapping(entry{"event", str("page_viewed")}, entry{"where", mapping(entry{"property", str("url")}, entry{view.operator, str(string(filter.PageURL))})})
	w.warn("page views are read from events page_viewed with the property url")
	if view.negated {
		return not(test), nil
	}
	return test, nil
}

// optStates are the states of a subscription.
var optStates = map[text]string{
	"OPT_IN": "opted_in", "OPTED_IN": "opted_in", "SUBSCRIBED": "opted_in", "OPT_OUT": "opted_out", "OPTED_OUT": "opted_out",
	"UNSUBSCRIBED": "opted_out", "NOT_OPTED": "not_specified", "NOT_SPECIFIED": "not_specified", "NOT_OPTED_IN": "not_specified",
}

func (w *workflow) subscriptionTest(filter filterDocument, _ subject) (*yaml.Node, error) {
	accepted := slices.Concat(filter.AcceptedStatuses, filter.AcceptedOptStates)
	individual := slices.Contains([]text{"", "SUBSCRIPTION", "INDIVIDUAL_SUBSCRIPTION"}, filter.SubscriptionType)
	if !individual || len(filter.SubscriptionIDs) == 0 || len(accepted) == 0 || (filter.Channel != "" && filter.Channel != "EMAIL") {
		return nil, errors.New("only the state of single e-mail subscriptions can be asked for")
	}
	var alternatives []*yaml.Node
	for _, id := range filter.SubscriptionIDs {
		name, err := w.named("subscription", id)
		if err != nil {
			return nil, err
		}
		for _, state := range accepted {
			is, known := optStates[state]
			if !known {
				return nil, fmt.Errorf("the subscription state %s has no spelling", quote(string(state)))
			}
			alternatives = append(alternatives, mapping(entry{"subscription", str(name)}, entry{"is", str(is)}))
		}
	}
	return group("any", alternatives), nil
}

func (w *workflow) associatedListTest(filter filterDocument, _ subject) (*yaml.Node, error) {
	object, err := w.associatedObject(filter.ToObjectTypeID, filter.AssociationTypeID)
	if err != nil {
		return nil, err
	}
	if filter.ListID == "" || filter.Coalescing != nil {
		return nil, errors.New("this membership of associated records in a list has no spelling")
	}
	label := w.label(filter.AssociationTypeID, filter.AssociationCategory)
	inner := mapping(entry{"list", str(w.list(filter.ListID, object))})
	test := mapping(entry{"associated", str(object)}, entry{"label", label}, entry{"where", inner})
	return signed(test, filter.Operator, "IN_LIST", "NOT_IN_LIST")
}

// propertyTest translates a test of a property of the record or the event that a filter is about.
func (w *workflow) propertyTest(filter filterDocument, about subject) (*yaml.Node, error) {
	if filter.Operation == nil {
		return nil, errors.New("a filter on a property has no operation")
	}
	test, err := filter.Operation.spell()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filter.Property, err)
	}
	name, err := w.property(about, string(filter.Property), test.shape)
	if err != nil {
		return nil, err
	}
	if test.other != "" {
		other, err := w.property(about, test.other, test.shape)
		if err != nil {
			return nil, err
		}
		test.operand = mapping(entry{"property", str(other)})
	}
	for _, zone := range filter.Operation.zones() {
		w.warn("filters count days in the time zone %s; here they use that of the workflow", quote(string(zone)))
	}
	var empty *yaml.Node
	if filter.Operation.IncludeEmpty.yes() && test.operator != "known" {
		empty = str("match")
	}
	node := mapping(entry{"property", str(name)}, entry{test.operator, test.operand}, entry{"empty", empty})
	if !test.negated {
		return node, nil
	}
	if empty != nil { // an empty value passes the negation of what it fails
		return not(mapping(entry{"property", str(name)}, entry{test.operator, test.operand})), nil
	}
	return mapping(entry{"all", list(mapping(entry{"property", str(name)}, entry{"known", boolean(true)}), not(node))}), nil
}
