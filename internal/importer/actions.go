package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

// actionType says what a type of HubSpot's actions is here.
type actionType struct {
	kind string
	stem string // of the ids of such actions
	read func(w *workflow, a *action) ([]step, error)
}

var errNotBuilt = errors.New("there is no such action yet")

// step is one use of a kind. An action becomes one or more, of which the last has the ports.
type step struct {
	kind   string
	config *yaml.Node
}

func one(kind string, config *yaml.Node) []step { return []step{{kind, config}} }

// actionTypes are HubSpot's types of action, by their id or structure. Those without read become
// placeholders of their kind.
var actionTypes = map[string]actionType{
	"0-1":           {"delay_set_amount", "delay", (*workflow).delay},
	"0-28":          {"delay_until_day_or_time", "delay", (*workflow).delay},
	"0-35":          {"delay_until_calendar_date", "delay", (*workflow).delayUntilDate},
	"0-29":          {"delay_until_event", "wait", (*workflow).delayUntilEvent},
	"STATIC_BRANCH": {"branch_value_equals", "branch", (*workflow).branchByValue},
	"LIST_BRANCH":   {"branch_and_or", "branch", (*workflow).branchByFilter},

	"AB_TEST_BRANCH": {"branch_random_split", "split", (*workflow).splitAtRandom},
	"0-4":            {"send_email", "email", (*workflow).sendEmail},
	"0-8":            {"send_internal_email_notification", "notify", (*workflow).notify},
	"0-5":            {"edit_record", "edit", (*workflow).edit},
	"0-25":           {"edit_record", "copy", (*workflow).copyProperty},
	"0-261589386":    {"adjust_number_property", "adjust", (*workflow).adjust},
	"WEBHOOK":        {"send_webhook", "webhook", (*workflow).webhook},

	"0-3":         {"create_task", "task", (*workflow).task},
	"0-9":         {kind: "send_in_app_notification", stem: "notify"},
	"0-11":        {"rotate_record_to_owner", "rotate", (*workflow).rotate},
	"0-13":        {"add_to_static_list", "list", (*workflow).staticList},
	"0-14":        {"create_record", "create", (*workflow).create},
	"0-15":        {"enroll_in_workflow", "enroll", (*workflow).enrollElsewhere},
	"0-18":        {kind: "create_salesforce_task", stem: "task"},
	"0-19":        {kind: "set_salesforce_campaign", stem: "campaign"},
	"0-23":        {kind: "send_internal_marketing_email", stem: "email"},
	"0-30":        {kind: "add_to_ads_audience", stem: "audience"},
	"0-31":        {"set_marketing_contact_status", "status", (*workflow).marketingStatus},
	"0-33":        {kind: "format_data", stem: "format"},
	"0-4702372":   {kind: "unenroll_from_sequence", stem: "sequence"},
	"0-18224765":  {"delete_contact", "delete", (*workflow).erase},
	"0-25085031":  {kind: "send_whatsapp_message", stem: "message"},
	"0-230189361": {kind: "send_whatsapp_message", stem: "message"},
	"0-40900952":  {kind: "send_sms_message", stem: "message"},
	"0-43347357":  {"manage_communication_subscription", "subscription", (*workflow).subscribe},
	"0-44475148":  {kind: "assign_conversation_owner", stem: "assign"},
	"0-46510720":  {kind: "enroll_in_sequence", stem: "sequence"},
	"0-61139476":  {kind: "remove_association_label", stem: "label"},
	"0-61139484":  {kind: "update_association_label", stem: "label"},
	"0-63189541":  {"create_association", "associate", (*workflow).associate},
	"0-63809083":  {"add_to_static_list", "list", (*workflow).addToList},
	"0-63863438":  {"remove_from_static_list", "list", (*workflow).removeFromList},
	"0-73444249":  {kind: "apply_association_label", stem: "label"},
	"0-169425243": {"create_note", "note", (*workflow).note},
	"0-172351286": {kind: "ask_ai", stem: "ask"},
	"0-177946906": {kind: "enrich_record", stem: "enrich"},
	"0-195318603": {kind: "ask_ai", stem: "ask"},
	"0-199186210": {kind: "send_survey", stem: "survey"},
	"0-201091202": {kind: "ask_ai", stem: "ask"},
	"0-207702619": {kind: "ask_ai", stem: "ask"},
	"0-216647524": {kind: "ask_ai", stem: "ask"},
	"1-100451":    {kind: "asana_create_task", stem: "task"},
	"1-2796901":   {kind: "google_sheets_add_row", stem: "row"},
	"1-2825058":   {kind: "trello_create_card", stem: "card"},
	"1-9488285":   {kind: "google_sheets_add_row", stem: "row"},
	"1-179507819": {kind: "slack_send_notification", stem: "slack"},
	"CUSTOM_CODE": {"run_custom_code", "code", (*workflow).customCode},
}

// Types that are not in the table: actions of apps, and all others.
var (
	extensionType = actionType{"extension_action", "action", (*workflow).extension}
	otherType     = actionType{kind: "extension_action", stem: "action"}
)

func (w *workflow) delay(a *action) ([]step, error) {
	var fields struct {
		Delta      text       `json:"delta"`
		TimeUnit   text       `json:"time_unit"`
		DaysOfWeek []text     `json:"days_of_week"`
		TimeOfDay  *timeOfDay `json:"time_of_day"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	var steps []step
	if fields.Delta != "" && fields.Delta != "0" {
		span, err := spanOf(fields.Delta, fields.TimeUnit)
		if err != nil {
			return nil, err
		}
		node, err := spanNode(span)
		if err != nil {
			return nil, err
		}
		steps = one("delay_set_amount", mapping(entry{"for", node}))
	}
	var at *yaml.Node
	if fields.TimeOfDay != nil {
		clock, err := fields.TimeOfDay.clock()
		if err != nil {
			return nil, err
		}
		at = str(clock)
	}
	switch {
	case len(fields.DaysOfWeek) > 0:
		days, err := weekdaysOf(fields.DaysOfWeek)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step{"delay_until_day_of_week", mapping(entry{"days", days}, entry{"time", at})})
	case at != nil:
		steps = append(steps, step{"delay_until_time_of_day", mapping(entry{"time", at})})
	case len(steps) == 0:
		return nil, errors.New("it says neither how long to wait nor until when")
	}
	return steps, nil
}

// delayUntilDate is a delay until a date or until that of a property, or, mislabelled, a plain one.
func (w *workflow) delayUntilDate(a *action) ([]step, error) {
	var fields struct {
		Date      json.RawMessage `json:"date"`
		Delta     text            `json:"delta"`
		TimeUnit  text            `json:"time_unit"`
		TimeOfDay *timeOfDay      `json:"time_of_day"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if isNothing(fields.Date) {
		return w.delay(a)
	}
	var date valueDocument
	if err := decode(fields.Date, &date); err != nil {
		return nil, err
	}
	told := dated
	var at, offset *yaml.Node
	if fields.TimeOfDay != nil {
		clock, err := fields.TimeOfDay.clock()
		if err != nil {
			return nil, err
		}
		at, told.kind = str(clock), crm.TypeDate
	}
	if fields.Delta != "" && fields.Delta != "0" {
		span, err := spanOf(fields.Delta, fields.TimeUnit)
		if err != nil {
			return nil, err
		}
		offset = str(span.String())
	}
	switch kind := date.kind(); {
	case kind == "OBJECT_PROPERTY":
		name, err := w.property(subject{object: w.object}, string(date.PropertyName), told)
		return one("delay_until_date_property", mapping(entry{"property", str(name)}, entry{"offset", offset}, entry{"time", at})), err
	case kind != "STATIC_VALUE" || date.StaticValue == nil || offset != nil:
		return nil, errors.New("this date has no spelling")
	}
	day, err := crm.Property{Name: "date", Type: crm.TypeDate}.Canonical(string(*date.StaticValue))
	return one("delay_until_calendar_date", mapping(entry{"date", str(day)}, entry{"time", at})), err
}

func (w *workflow) delayUntilEvent(a *action) ([]step, error) {
	var fields struct {
		Branches   []json.RawMessage `json:"event_filter_branches"`
		Expiration text              `json:"expiration_minutes"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	var event string
	var alternatives []*yaml.Node
	for i, raw := range fields.Branches {
		spec, err := w.event(raw)
		if err != nil {
			return nil, err
		}
		if i > 0 && (spec.name != event || spec.where == nil || alternatives[0] == nil) {
			return nil, errors.New("one action cannot wait for several events")
		}
		event, alternatives = spec.name, append(alternatives, spec.where)
	}
	if event == "" {
		return nil, errors.New("it names no event")
	}
	var longest *yaml.Node
	if fields.Expiration != "" {
		span, err := spanOf(fields.Expiration, "MINUTES")
		if err != nil {
			return nil, err
		}
		if longest, err = spanNode(span); err != nil || span.IsZero() {
			return nil, fmt.Errorf("it waits for %s minutes", fields.Expiration)
		}
	}
	var which *yaml.Node
	if alternatives[0] != nil {
		which = group("any", alternatives)
	}
	return one("delay_until_event", mapping(entry{"event", str(event)}, entry{"where", which}, entry{"max_wait", longest})), nil
}

func (w *workflow) branchByValue(a *action) ([]step, error) {
	branches := list()
	var values []string
	for _, port := range a.ports {
		if port.entry == nil {
			continue
		}
		value := string(port.entry.BranchValue)
		values = append(values, value)
		branches.Content = append(branches.Content, mapping(entry{"name", str(port.name)}, entry{"is", scalar(value)}))
	}
	if len(values) == 0 {
		return nil, errors.New("it has no value to branch by")
	}
	input, err := w.value(a.InputValue)
	if err != nil {
		return one("branch_value_equals", mapping(entry{"branches", branches})), err
	}
	if a.InputValue.kind() == "OBJECT_PROPERTY" {
		w.space.use(w.object, propertyName(w.object, string(a.InputValue.PropertyName)), shape{values: values})
	}
	return one("branch_value_equals", mapping(entry{"value", str(input.text)}, entry{"branches", branches})), nil
}

func (w *workflow) branchByFilter(a *action) ([]step, error) {
	branches := list()
	var problems []error
	for _, port := range a.ports {
		if port.entry == nil {
			continue
		}
		filter, err := w.branchFilter(port.entry.FilterBranch)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", port.name, err))
		}
		branches.Content = append(branches.Content, mapping(entry{"name", str(port.name)}, entry{"when", filter}))
	}
	return one("branch_and_or", mapping(entry{"branches", branches})), errors.Join(problems...)
}

func (w *workflow) branchFilter(raw json.RawMessage) (*yaml.Node, error) {
	if isNothing(raw) {
		return nil, errEmptyFilter
	}
	return w.filter(raw)
}

// splitAtRandom translates a split; without percentages it is even.
func (w *workflow) splitAtRandom(a *action) ([]step, error) {
	branches := list()
	var problem error
	for _, port := range a.ports {
		share := 100 / len(a.ports)
		if port.entry.Percentage != "" {
			var err error
			if share, err = port.entry.Percentage.whole(); err != nil || share < 0 || share > 100 {
				problem = fmt.Errorf("%s is not a percentage", quote(string(port.entry.Percentage)))
			}
		}
		branches.Content = append(branches.Content, mapping(entry{"name", str(port.name)}, entry{"percent", bare(fmt.Sprint(share))}))
	}
	return one("branch_random_split", mapping(entry{"branches", branches})), problem
}

func (w *workflow) sendEmail(a *action) ([]step, error) {
	var fields struct {
		ContentID text `json:"content_id"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	if fields.ContentID == "" {
		return nil, errors.New("it names no e-mail")
	}
	id := string(fields.ContentID)
	name := "hubspot-" + slug(id, 60)
	w.need("email", id, name)
	w.space.emails[name] = emailStub{contentID: id, subject: a.title()}
	steps := one("send_email", mapping(entry{"email", str(name)}, entry{"to", w.contacts()}))
	if _, filled := w.space.email(name); filled {
		return steps, nil
	}
	return steps, fmt.Errorf("the content of the e-mail %s is not part of a flow: fill in emails/%s.md", id, name)
}

// contacts is the target of a mail: nothing for the enrolled contact.
func (w *workflow) contacts() *yaml.Node {
	if w.object == "contact" {
		return nil
	}
	return mapping(entry{"associated", str("contact")})
}

func (w *workflow) notify(a *action) ([]step, error) {
	var fields struct {
		UserIDs         []text `json:"user_ids"`
		TeamIDs         []text `json:"team_ids"`
		OwnerProperties []text `json:"owner_properties"`
		Subject         text   `json:"subject"`
		Body            text   `json:"body"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	users, teams, err := w.people(fields.UserIDs, fields.TeamIDs)
	if err != nil {
		return nil, err
	}
	var owners []*yaml.Node
	for _, property := range fields.OwnerProperties {
		name, err := w.property(subject{object: w.object}, string(property), shape{})
		if err != nil {
			return nil, err
		}
		owners = append(owners, str(name))
	}
	title, err := w.template(string(fields.Subject))
	if err != nil {
		return nil, err
	}
	body, err := w.template(string(fields.Body))
	if err != nil {
		return nil, err
	}
	return one("send_internal_email_notification", mapping(
		entry{"users", users}, entry{"teams", teams}, entry{"owner_properties", some(owners)},
		entry{"subject", str(title.text)}, entry{"body", str(body.text)})), nil
}

// people are users and teams by id; nil stands for none.
func (w *workflow) people(userIDs, teamIDs []text) (users, teams *yaml.Node, err error) {
	named := func(kind string, ids []text, known map[string]bool) (*yaml.Node, error) {
		var names []*yaml.Node
		for _, id := range ids {
			name, err := w.named(kind, id)
			if err != nil {
				return nil, err
			}
			known[name] = true
			names = append(names, str(name))
		}
		return some(names), nil
	}
	if users, err = named("user", userIDs, w.space.users); err != nil {
		return nil, nil, err
	}
	teams, err = named("team", teamIDs, w.space.teams)
	return users, teams, err
}

func (w *workflow) edit(a *action) ([]step, error) {
	var fields struct {
		Property    text                 `json:"property_name"`
		Value       *valueDocument       `json:"value"`
		Association *associationDocument `json:"association"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	target, err := w.target(fields.Association)
	if err != nil {
		return nil, err
	}
	if fields.Value == nil {
		return nil, errors.New("there is no value")
	}
	change, err := w.change(*fields.Value)
	if err != nil {
		return nil, err
	}
	name, err := w.property(subject{object: target.object}, string(fields.Property), change.told)
	if err != nil {
		return nil, err
	}
	switch {
	case change.mode == "clear":
		return one("edit_record", mapping(entry{"clear", list(str(name))}, entry{"on", target.node})), nil
	case change.mode == "increment" && target.node == nil:
		return one("adjust_number_property", mapping(entry{"property", str(name)}, entry{"by", change.value})), nil
	}
	return one("edit_record", mapping(entry{change.mode, mapping(entry{name, change.value})}, entry{"on", target.node})), nil
}

// change is what happens to a property.
type change struct {
	mode  string // key of edit_record
	value *yaml.Node
	told  shape
}

func (w *workflow) change(v valueDocument) (change, error) {
	switch v.kind() {
	case "INCREMENT":
		amount := text("0")
		if v.IncrementAmount != nil && *v.IncrementAmount != "" {
			amount = *v.IncrementAmount
		}
		by, err := number(amount)
		return change{"increment", by, shape{kind: crm.TypeNumber}}, err
	case "STATIC_APPEND_VALUE":
		value, err := w.template(string(v.StaticAppendValue))
		value.told.multiple = true
		return change{"append", value.node(), value.told}, err
	case "APPEND_OBJECT_PROPERTY":
		value, err := w.field(w.object, string(v.AppendPropertyName))
		return change{"append", value.node(), shape{multiple: true}}, err
	case "OBJECT_PROPERTY":
		name, err := w.property(subject{object: w.object}, string(v.PropertyName), shape{})
		return change{"copy", str(name), shape{}}, err
	}
	value, err := w.value(&v)
	if value.text == "" && err == nil {
		return change{mode: "clear"}, nil
	}
	return change{"set", value.node(), value.told}, err
}

// target is the record that an action changes; its node is nil for the enrolled one.
type target struct {
	object string
	node   *yaml.Node
}

func (w *workflow) target(association *associationDocument) (target, error) {
	if association == nil || association.TypeID == "" {
		return target{object: w.object}, nil
	}
	known, isKnown := associationTypes[string(association.TypeID)]
	if !isKnown || association.Category != "" && association.Category != "HUBSPOT_DEFINED" {
		w.need("association", string(association.Category+" "+association.TypeID), "")
		return target{}, fmt.Errorf("the association type %s of %s is not known", quote(string(association.TypeID)), quote(string(association.Category)))
	}
	return w.associated(known), nil
}

func (w *workflow) associated(to associationType) target {
	node := mapping(entry{"associated", str(to.object)})
	if to.primary {
		node.Content = append(node.Content, str("primary"), boolean(true))
	}
	w.space.declare(to.object)
	return target{to.object, node}
}

func (w *workflow) copyProperty(a *action) ([]step, error) {
	var fields struct {
		From text `json:"source_property"`
		To   text `json:"target_property"`
		On   text `json:"target_object"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	where := target{object: w.object}
	if object := strings.ToLower(string(fields.On)); object != "" && object != w.object {
		if _, known := builtin.Object(object); !known {
			return nil, fmt.Errorf("%s is not a type of record", quote(string(fields.On)))
		}
		where = w.associated(associationType{object: object})
	}
	from, err := w.property(subject{object: w.object}, string(fields.From), shape{})
	if err != nil {
		return nil, err
	}
	to, err := w.property(subject{object: where.object}, string(fields.To), shape{})
	if err != nil {
		return nil, err
	}
	return one("edit_record", mapping(entry{"copy", mapping(entry{to, str(from)})}, entry{"on", where.node})), nil
}

// adjust changes a number. HubSpot documents this action without its fields, so several spellings are read.
func (w *workflow) adjust(a *action) ([]step, error) {
	var fields struct {
		PropertyName text `json:"property_name"`
		Property     text `json:"property"`
		Operation    text `json:"operation"`
		Direction    text `json:"direction"`
		Amount       text `json:"amount"`
		Value        text `json:"value"`
	}
	if err := decode(a.Fields, &fields); err != nil {
		return nil, err
	}
	by, err := number(cmp.Or(fields.Amount, fields.Value))
	if err != nil {
		return nil, err
	}
	switch direction := strings.ToUpper(string(cmp.Or(fields.Operation, fields.Direction))); {
	case strings.HasPrefix(direction, "DECREASE"), strings.HasPrefix(direction, "DECREMENT"):
		by.Value = negative(by.Value)
	case strings.HasPrefix(direction, "INCREASE"), strings.HasPrefix(direction, "INCREMENT"):
	default:
		return nil, errors.New("it says neither increase nor decrease")
	}
	name, err := w.property(subject{object: w.object}, string(cmp.Or(fields.PropertyName, fields.Property)), shape{kind: crm.TypeNumber})
	if err != nil {
		return nil, err
	}
	return one("adjust_number_property", mapping(entry{"property", str(name)}, entry{"by", by})), nil
}

func negative(number string) string {
	if positive, was := strings.CutPrefix(number, "-"); was || number == "0" {
		return positive
	}
	return "-" + number
}

func (w *workflow) webhook(a *action) ([]step, error) {
	if !strings.HasPrefix(string(a.WebhookURL), "https://") {
		return nil, fmt.Errorf("%s is not an address that starts with https://", quote(string(a.WebhookURL)))
	}
	address, err := w.template(string(a.WebhookURL))
	if err != nil {
		return nil, err
	}
	query := mapping()
	seen := map[text]bool{}
	for _, param := range a.QueryParams {
		value, err := w.value(param.Value)
		if err == nil && (seen[param.Name] || param.Name == "") {
			err = errors.New("it has no name of its own")
		}
		if err != nil {
			return nil, fmt.Errorf("query parameter %s: %w", quote(string(param.Name)), err)
		}
		seen[param.Name] = true
		query.Content = append(query.Content, str(string(param.Name)), value.node())
	}
	if len(query.Content) == 0 {
		query = nil
	}
	auth, err := w.auth(a.AuthSettings)
	if err != nil {
		return nil, err
	}
	return one("send_webhook", mapping(entry{"url", str(address.text)}, entry{"method", str(string(a.Method))}, entry{"query", query}, entry{"auth", auth})), nil
}

// required are the modules that code asks for.
var required = regexp.MustCompile(`\brequire\(\s*["'` + "`" + `]([^"'` + "`" + `]+)`)

// customCode translates code in JavaScript that needs no library.
func (w *workflow) customCode(a *action) ([]step, error) {
	var fields struct {
		Runtime      text         `json:"runtime"`
		SecretNames  []text       `json:"secretNames"`
		InputFields  []queryParam `json:"inputFields"`
		OutputFields []struct {
			Name text `json:"name"`
			Type text `json:"type"`
		} `json:"outputFields"`
	}
	if err := decode(a.raw, &fields); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(string(fields.Runtime), "NODE") {
		return nil, fmt.Errorf("code for %s does not run here: only JavaScript", quote(string(fields.Runtime)))
	}
	var inputs, secrets, outputs *yaml.Node
	for _, input := range fields.InputFields {
		value, err := w.value(input.Value)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", quote(string(input.Name)), err)
		}
		if inputs == nil {
			inputs = mapping()
		}
		inputs.Content = append(inputs.Content, str(string(input.Name)), value.node())
	}
	for _, name := range fields.SecretNames {
		if !validName.MatchString(string(name)) {
			return nil, fmt.Errorf("%s cannot be the name of a secret", quote(string(name)))
		}
		if secrets == nil {
			secrets = list()
		}
		secrets.Content = append(secrets.Content, str(w.secret(string(name))))
	}
	for _, output := range fields.OutputFields {
		if outputs == nil {
			outputs = mapping()
		}
		outputs.Content = append(outputs.Content, str(string(output.Name)), str(strings.ToLower(string(output.Type))))
	}
	steps := one("run_custom_code", mapping(entry{"source", str(string(a.SourceCode))}, entry{"inputs", inputs}, entry{"secrets", secrets}, entry{"outputs", outputs}))
	if module := required.FindStringSubmatch(string(a.SourceCode)); module != nil {
		return steps, fmt.Errorf("the code asks for the module %s, which is not there: use fetch", quote(module[1]))
	}
	return steps, nil
}

// places of a webhook's key.
var places = map[text]string{"HEADER": "header", "QUERY_PARAM": "query"}

func (w *workflow) auth(settings *authDocument) (*yaml.Node, error) {
	switch {
	case settings == nil || settings.Type == "":
		return nil, nil
	case settings.Type == "SIGNATURE":
		return mapping(entry{"signature", str(w.secret("hubspot-app-" + slug(string(settings.AppID), 60)))}), nil
	case settings.Type != "AUTH_KEY" || places[settings.Location] == "" || settings.Name == "" || !validName.MatchString(string(settings.SecretName)):
		return nil, errors.New("its authentication has no spelling")
	}
	return mapping(entry{"key", mapping(
		entry{"name", str(string(settings.Name))}, entry{"in", str(places[settings.Location])}, entry{"secret", str(w.secret(string(settings.SecretName)))})}), nil
}

func (w *workflow) secret(name string) string {
	w.need("secret", name, "secret://"+name)
	return "secret://" + name
}
