package importer

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// objects are our names of HubSpot's object types.
var objects = map[string]string{
	"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-14": "quote", "0-27": "task", "0-48": "call",
	"0-53": "invoice", "0-136": "lead", "0-7": "product", "0-8": "line_item", "0-46": "note", "0-47": "meeting",
	"0-49": "email", "0-123": "order", "0-420": "listing",
}

// objectName returns our name of an object type. A type without one, such as a custom object, keeps its
// id and needs a mapping.
func objectName(typeID text) (name string, known bool) {
	if name, known = objects[string(typeID)]; known {
		return name, true
	}
	return "object_" + underscored(string(typeID)), false
}

// properties are our names of HubSpot's properties, by object; those under "" are for all objects. Other
// properties keep their name.
var properties = map[string]map[string]string{
	"": {
		"hs_createdate": "created_at", "createdate": "created_at", "hs_lastmodifieddate": "updated_at", "hs_object_id": "id",
		"hs_last_activity_date": "last_activity_at",
	},
	"contact": {
		"firstname": "first_name", "lastname": "last_name", "mobilephone": "mobile_phone", "lifecyclestage": "lifecycle_stage",
		"hs_lead_status": "lead_status", "jobtitle": "job_title", "hs_language": "language", "lastmodifieddate": "updated_at",
	},
	"company": {"numberofemployees": "employees", "annualrevenue": "annual_revenue", "lifecyclestage": "lifecycle_stage", "timezone": "time_zone"},
	"deal": {
		"dealname": "name", "dealstage": "stage", "closedate": "close_date", "deal_currency_code": "currency", "dealtype": "type",
		"hs_priority": "priority", "hs_deal_stage_probability": "probability",
	},
	"ticket": {
		"hs_pipeline_stage": "status", "hs_pipeline": "pipeline", "hs_ticket_priority": "priority", "hs_ticket_category": "category",
		"source_type": "source", "hs_resolution": "resolution", "closed_date": "closed_at", "first_agent_reply_date": "first_reply_at",
	},
	"quote": {"hs_title": "title", "hs_quote_amount": "amount", "hs_currency": "currency", "hs_status": "status", "hs_terms": "terms", "hs_payment_status": "payment_status"},
	"lead": {
		"hs_lead_name": "name", "hs_pipeline": "pipeline", "hs_pipeline_stage": "stage", "hs_lead_type": "type", "hs_lead_label": "label",
		"hs_lead_source": "source",
	},
	"task": {
		"hs_task_subject": "title", "hs_task_body": "notes", "hs_task_type": "type", "hs_task_priority": "priority", "hs_task_status": "status",
		"hs_timestamp": "due_at", "hs_task_completion_date": "completed_at",
	},
	"call": {
		"hs_call_title": "title", "hs_call_body": "notes", "hs_call_direction": "direction", "hs_call_status": "status",
		"hs_call_disposition": "outcome", "hs_call_duration": "duration", "hs_timestamp": "started_at",
		"hs_call_from_number": "from_number", "hs_call_to_number": "to_number",
	},
}

// propertyName returns our name of a property.
func propertyName(object, name string) string {
	if ours, known := properties[object][name]; known {
		return ours
	}
	if ours, known := properties[""][name]; known {
		return ours
	}
	return name
}

// An associationType is one of HubSpot's own association types.
type associationType struct {
	object  string
	primary bool
}

// associationTypes are HubSpot's own association types by id. From the side of a company `primary` says
// that it is the other record's primary company, which our associations do not tell from any other.
var associationTypes = map[string]associationType{
	"1": {"company", true}, "279": {"company", false}, "280": {"contact", false}, "2": {"contact", false},
	"3": {"contact", false}, "4": {"deal", false}, "5": {"company", true}, "341": {"company", false}, "6": {"deal", false}, "342": {"deal", false},
	"15": {"ticket", false}, "16": {"contact", false}, "25": {"ticket", false}, "26": {"company", true}, "339": {"company", false}, "340": {"ticket", false},
	"27": {"ticket", false}, "28": {"deal", false}, "63": {"quote", false}, "64": {"deal", false},
}

// events are our names of HubSpot's event types. Others, custom ones among them, keep their id.
var events = map[string]string{
	"4-1639801": "form_submitted", "4-1639797": "form_viewed", "4-1639799": "form_interaction", "4-96000": "page_viewed",
	"4-666440": "email_opened", "4-666288": "email_clicked", "4-665538": "email_replied", "4-665536": "email_delivered",
	"4-667638": "email_sent", "4-5470331": "email_bounced", "4-666289": "subscription_changed",
	"4-1553675": "ad_interaction", "4-68559": "event_registered", "4-69072": "event_cancelled", "4-1733817": "call_started", "4-1741072": "call_ended",
	"4-1719453": "sms_sent", "4-1721168": "sms_delivered", "4-1722276": "sms_clicked", "4-1555804": "cta_viewed", "4-1555805": "cta_clicked",
	"4-675783": "media_played", "4-1720599": "meeting_booked", "4-1724222": "meeting_outcome_changed",
	"4-1466013": "workflow_enrolled", "4-1466014": "workflow_unenrolled", "4-1753168": "workflow_goal_met", "4-1814177": "playbook_used",
}

// Events about the record itself, which our language asks of the record.
const (
	eventPropertyChanged = "4-655002"
	eventObjectCreated   = "4-1463224"
)

// eventProperties are our names of properties of events.
var eventProperties = map[string]string{"hs_form_id": "form_id"}

// slug turns text into lower-case letters, digits and hyphens, at most length of them.
func slug(text string, length int) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(text)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			out.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		case out.Len() > 0 && !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
		if out.Len() >= length {
			break
		}
	}
	return strings.Trim(out.String(), "-")
}

// underscored turns an id into letters, digits and underscores.
func underscored(id string) string { return strings.ReplaceAll(slug(id, 60), "-", "_") }

var (
	validProperty = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)
	validName     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}$`)
)
