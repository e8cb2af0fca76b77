package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schema"
	"go.yaml.in/yaml/v3"
)

// workflow is one flow on its way to a definition.
type workflow struct {
	document flowDocument
	space    *workspace
	object   string
	sources  map[string]*dataSource
	actions  map[string]*action // by HubSpot's id
	ordered  []*action          // as they stand in the flow
	start    *action
	report   FlowReport
	needs    set[Need]
	warnings set[string]
	lost     []string // lines about what was left out
}

type dataSource struct {
	dataSourceDocument
	used bool
}

func newWorkflow(source string, document flowDocument) *workflow {
	return &workflow{
		document: document, sources: map[string]*dataSource{}, actions: map[string]*action{},
		report: FlowReport{
			Source: source, Flow: string(document.ID), Name: string(document.Name), Enabled: document.IsEnabled.yes(),
			Mapped: []Mapped{}, Placeholders: []Placeholder{}, LeftOut: []LeftOut{}, UnusedDataSources: []string{},
		},
	}
}

// translate writes the definition and completes the report.
func (w *workflow) translate(space *workspace) ([]byte, error) {
	w.space = space
	w.readObject()
	w.readDataSources()
	w.readActions()
	root := mapping(
		entry{"workflow", str(w.report.Workflow)},
		entry{"name", optional(w.clipped("name", w.document.Name, 200))},
		entry{"description", optional(w.clipped("description", w.document.Description, 5000))},
		entry{"object", str(w.object)},
		entry{"enroll", w.enroll()},
		entry{"goal", w.part("goalFilterBranch", w.document.GoalFilterBranch)},
		entry{"suppress", w.suppress()},
		entry{"settings", w.settings()},
		entry{"actions", w.emit()},
	)
	w.leaveOutRest()
	root.HeadComment = comment(append([]string{w.origin()}, w.lost...)...)
	for _, name := range slices.Sorted(maps.Keys(w.sources)) {
		if source := w.sources[name]; !source.used {
			object, _ := objectName(source.ObjectTypeID)
			w.report.UnusedDataSources = append(w.report.UnusedDataSources,
				fmt.Sprintf("%s: %s by %s %s", name, object, strings.ToLower(string(source.Type)), source.AssociationTypeID))
		}
	}
	w.report.Object, w.report.NeedsMapping, w.report.Warnings = w.object, w.needs.all(), w.warnings.all()
	content, err := render(root)
	if _, problems := schema.Parse("definition.yaml", content); problems.HasErrors() { // it is too large
		w.report.LeftOut = append(w.report.LeftOut, LeftOut{Part: "actions", Reason: "the definition cannot be read: " + problems[0].Message})
	}
	w.report.Runnable = len(w.report.Placeholders)+len(w.report.LeftOut) == 0
	return content, err
}

// origin says where the definition is from.
func (w *workflow) origin() string {
	origin := "Imported from HubSpot"
	if w.report.Flow != "" {
		origin += ", flow " + w.report.Flow
	}
	if w.document.RevisionID != "" {
		origin += ", revision " + string(w.document.RevisionID)
	}
	return origin + "."
}

// readObject finds the type of the records that enroll.
func (w *workflow) readObject() {
	id := w.document.ObjectTypeID
	if id == "" {
		if id = "0-1"; w.document.Type == "PLATFORM_FLOW" {
			w.warn("the flow does not say which records it is about; contacts are assumed")
		}
	}
	w.object, _ = w.objectOf(id)
}

// objectOf returns our name of an object type, which is declared, and in the report when it needs a mapping.
func (w *workflow) objectOf(typeID text) (name string, known bool) {
	if name, known = objectName(typeID); !known {
		w.need("object", string(typeID), name)
	}
	w.space.declare(name)
	return name, known
}

func (w *workflow) readDataSources() {
	var documents []json.RawMessage
	if err := decode(w.document.DataSources, &documents); err != nil {
		w.leaveOut("dataSources", err, w.document.DataSources)
	}
	for _, raw := range documents {
		source := &dataSource{}
		if err := decode(raw, &source.dataSourceDocument); err != nil {
			w.leaveOut("dataSources", err, raw)
			continue
		}
		w.sources[string(source.Name)] = source
	}
}

// part translates a filter of the flow, and leaves out what has no spelling.
func (w *workflow) part(name string, raw json.RawMessage) *yaml.Node {
	if isNothing(raw) {
		return nil
	}
	filter, err := w.filter(raw)
	if err != nil {
		w.leaveOut(name, err, raw)
		return nil
	}
	fold(filter)
	return filter
}

func (w *workflow) suppress() *yaml.Node {
	var lists []text
	if err := decode(w.document.SuppressionListIDs, &lists); err != nil {
		w.leaveOut("suppressionListIds", err, w.document.SuppressionListIDs)
	}
	var alternatives []*yaml.Node
	for _, id := range lists {
		alternatives = append(alternatives, mapping(entry{"list", str(w.list(id, w.object))}))
	}
	if filter := w.part("suppressionFilterBranch", w.document.SuppressionFilterBranch); filter != nil {
		alternatives = append(alternatives, filter)
	}
	if len(alternatives) == 0 {
		return nil
	}
	filter := group("any", alternatives)
	fold(filter)
	return filter
}

func (w *workflow) settings() *yaml.Node {
	windows, err := windowsOf(w.document.TimeWindows)
	if err != nil {
		w.leaveOut("timeWindows", err, w.document.TimeWindows)
	}
	dates, err := pauseDatesOf(w.document.BlockedDates)
	if err != nil {
		w.leaveOut("blockedDates", err, w.document.BlockedDates)
	}
	settings := mapping(entry{"windows", windows}, entry{"pause_dates", dates})
	if len(settings.Content) == 0 {
		return nil
	}
	return settings
}

// windowsOf translates time windows; days with the same hours share one.
func windowsOf(raw json.RawMessage) (*yaml.Node, error) {
	var documents []windowDocument
	if err := decode(raw, &documents); err != nil || len(documents) == 0 {
		return nil, err
	}
	days := map[[2]string]*yaml.Node{}
	windows := list()
	for _, one := range documents {
		hours := [2]string{"00:00", "23:59"}
		for i, given := range []*timeOfDay{one.StartTime, one.EndTime} {
			if given == nil {
				continue
			}
			var err error
			if hours[i], err = given.clock(); err != nil {
				return nil, err
			}
		}
		name, err := weekday(one.Day)
		switch {
		case err != nil:
			return nil, err
		case hours[0] >= hours[1]:
			return nil, fmt.Errorf("a window from %s to %s is not on one day", hours[0], hours[1])
		case days[hours] == nil:
			days[hours] = list()
			windows.Content = append(windows.Content, mapping(entry{"days", days[hours]}, entry{"from", str(hours[0])}, entry{"to", str(hours[1])}))
		}
		days[hours].Content = append(days[hours].Content, str(name))
	}
	fold(windows)
	return windows, nil
}

var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

func weekday(day text) (string, error) {
	name := strings.ToLower(string(day))
	if !slices.Contains(weekdays, name) {
		return "", fmt.Errorf("%s is not a day of the week", quote(string(day)))
	}
	return name, nil
}

func pauseDatesOf(raw json.RawMessage) (*yaml.Node, error) {
	var documents []blockedDateDocument
	if err := decode(raw, &documents); err != nil || len(documents) == 0 {
		return nil, err
	}
	dates := list()
	for _, one := range documents {
		date, err := dayOfYear(one.Year, one.Month, one.DayOfMonth)
		if err != nil {
			return nil, err
		}
		dates.Content = append(dates.Content, str(date))
	}
	fold(dates)
	return dates, nil
}

// dayOfYear writes 2027-08-16, or 08-16 for every year.
func dayOfYear(year, month, day text) (string, error) {
	if year != "" {
		date, err := dateOf(year, month, day)
		return date.String(), err
	}
	date, err := dateOf("2024", month, day) // a leap year
	if err != nil {
		return "", fmt.Errorf("%s %s is not a day of the year", month, day)
	}
	return strings.TrimPrefix(date.String(), "2024-"), nil
}

// leaveOutRest reports the parts of a flow that have no counterpart at all.
func (w *workflow) leaveOutRest() {
	if !isNothing(w.document.EventAnchor) {
		w.leaveOut("eventAnchor", errors.New("delays count from the arrival of a record, not from an anchor date"), w.document.EventAnchor)
	}
	if !isNothing(w.document.UnEnrollmentSetting) {
		w.leaveOut("unEnrollmentSetting", errors.New("enrolling here takes nobody out of other workflows"), w.document.UnEnrollmentSetting)
	}
	if w.document.CanEnrollFromSalesforce.yes() {
		w.warn("the flow could be entered from Salesforce")
	}
}

// leaveOut reports a part of the flow that has no counterpart, and keeps it in a comment.
func (w *workflow) leaveOut(part string, reason error, raw json.RawMessage) {
	why := oneLine(reason)
	w.report.LeftOut = append(w.report.LeftOut, LeftOut{Part: part, Reason: why})
	w.lost = append(w.lost, "", fmt.Sprintf("Left out: %s: %s", part, why), source(raw))
}

func (w *workflow) warn(format string, args ...any) {
	w.warnings.add(fmt.Sprintf(format, args...))
}

// maxReasons is how many reasons are told for one part.
const maxReasons = 5

// oneLine writes an error, which may join several, on one line.
func oneLine(err error) string {
	var lines set[string]
	for line := range strings.SplitSeq(err.Error(), "\n") {
		lines.add(line)
	}
	told := lines.items[:min(len(lines.items), maxReasons)]
	if more := len(lines.items) - len(told); more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(told, "; "), more)
	}
	return strings.Join(told, "; ")
}

// clipped shortens a text to what the language takes.
func (w *workflow) clipped(what string, long text, length int) string {
	runes := []rune(strings.TrimSpace(string(long)))
	if len(runes) <= length {
		return string(runes)
	}
	w.warn("the %s is cut to %d characters", what, length)
	return string(runes[:length])
}

// need notes an id of HubSpot's that stands for something which has to be named here.
func (w *workflow) need(kind, id, as string) {
	w.needs.add(Need{Kind: kind, ID: id, As: as})
}

// eventOf returns our name of an event type. One without keeps its id, and needs a mapping.
func (w *workflow) eventOf(typeID text) string {
	if name, known := events[string(typeID)]; known {
		return name
	}
	name := "event_" + underscored(string(typeID))
	w.need("event", string(typeID), name)
	return name
}

// list returns our name of a list.
func (w *workflow) list(id text, object string) string {
	name := "hubspot-" + slug(string(id), 60)
	w.space.lists[name] = listStub{listID: string(id), object: object}
	w.need("list", string(id), name)
	return name
}

// named returns an id that is kept as the name of something.
func (w *workflow) named(kind string, id text) (string, error) {
	if !validName.MatchString(string(id)) {
		return "", fmt.Errorf("%s cannot be the name of a %s", quote(string(id)), kind)
	}
	w.need(kind, string(id), string(id))
	return string(id), nil
}

// otherFlow returns the workflow that another flow of this import becomes.
func (w *workflow) otherFlow(id text) (string, error) {
	name, imported := w.space.flows[string(id)]
	if !imported {
		w.need("workflow", string(id), "")
		return "", fmt.Errorf("the flow %s is not part of this import", quote(string(id)))
	}
	return name, nil
}

// label is what stands for a type of association in a filter: nothing for HubSpot's own, else a label
// that needs a mapping.
func (w *workflow) label(typeID, category text) *yaml.Node {
	known, isKnown := associationTypes[string(typeID)]
	if isKnown && (category == "" || category == "HUBSPOT_DEFINED") {
		if known.primary {
			w.warn("a filter asks for the primary %s; here any associated one counts", known.object)
		}
		return nil
	}
	label := "association-" + slug(string(typeID), 60)
	w.need("association", string(category)+" "+string(typeID), label)
	return str(label)
}

// property returns our name of a property of a record, which is declared, or of an event.
func (w *workflow) property(about subject, name string, told shape) (string, error) {
	ours := eventProperties[name]
	if !about.event {
		ours = propertyName(about.object, name)
	}
	if ours == "" {
		ours = name
	}
	if !validProperty.MatchString(ours) {
		return "", fmt.Errorf("%s cannot be the name of a property", quote(name))
	}
	if about.event {
		return ours, nil
	}
	if other := w.space.taken(about.object, name, ours); other != "" {
		return "", fmt.Errorf("the properties %s and %s would both be %s here", other, name, ours)
	}
	w.space.use(about.object, ours, told)
	return ours, nil
}
