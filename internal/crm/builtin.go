package crm

// builtinObjects are the record types that every workspace has (language §1). Names follow the
// lower-case-with-underscores spelling of the language; importers map HubSpot's own.
func builtinObjects() []Object {
	return []Object{
		builtin("contact", "Contact", "Contacts",
			text("email"), text("first_name"), text("last_name"), phone("phone"), phone("mobile_phone"),
			choice("lifecycle_stage", lifecycleStages...),
			open("lead_status"),
			text("company"), text("job_title"), text("website"), text("address"), text("city"), text("state"), text("zip"),
			text("country"), text("language"), text("time_zone"), text("industry"), text("date_of_birth"),
			choice("marketing_status", "marketing", "non_marketing"), text("source"), text("message"),
			number("score"), readOnly(number("email_bounces")), readOnly(moment("last_activity_at")), readOnly(moment("became_customer_at"))),
		builtin("company", "Company", "Companies",
			text("name"), text("domain"), text("industry"), phone("phone"), text("website"), text("description"),
			number("employees"), number("annual_revenue"), choice("lifecycle_stage", lifecycleStages...), open("type"),
			text("address"), text("city"), text("state"), text("zip"), text("country"), text("time_zone"), readOnly(moment("last_activity_at"))),
		builtin("deal", "Deal", "Deals",
			text("name"), number("amount"), text("currency"), open("stage"), open("pipeline"), moment("close_date"), open("type"),
			open("priority"), number("probability"), text("description"), text("closed_lost_reason"), text("closed_won_reason"),
			readOnly(moment("last_activity_at"))),
		builtin("ticket", "Ticket", "Tickets",
			text("subject"), text("content"), open("status"), open("pipeline"), open("priority"),
			open("category"), open("source"), text("resolution"), moment("closed_at"), readOnly(moment("first_reply_at")), readOnly(moment("last_activity_at"))),
		builtin("quote", "Quote", "Quotes",
			text("title"), number("amount"), text("currency"), open("status"), date("expires_on"), text("terms"), open("payment_status")),
		builtin("lead", "Lead", "Leads",
			text("name"), open("stage"), open("pipeline"), open("type"), open("label"), open("source")),
		builtin("conversation", "Conversation", "Conversations",
			readOnly(text("subject")), readOnly(open("status")), readOnly(open("channel")), readOnly(text("inbox")), readOnly(moment("last_message_at"))),
		builtin("feedback_submission", "Feedback submission", "Feedback submissions",
			text("survey"), number("value"), open("sentiment"), text("content"), moment("submitted_at")),
		builtin("subscription", "Subscription", "Subscriptions",
			text("name"), open("status"), number("amount"), text("currency"), open("billing_frequency"), date("start_date"), date("end_date"), date("next_payment_date")),
		builtin("payment", "Payment", "Payments",
			text("reference"), number("amount"), text("currency"), open("status"), open("method"), moment("paid_at")),
		builtin("project", "Project", "Projects",
			text("name"), open("status"), open("stage"), date("start_date"), date("due_date"), text("description")),
		builtin("invoice", "Invoice", "Invoices",
			text("number"), number("amount"), number("amount_due"), text("currency"), open("status"), date("issued_on"), date("due_date"), moment("paid_at")),
		builtin("goal", "Goal", "Goals",
			text("name"), number("target"), number("progress"), date("start_date"), date("end_date"), open("status")),
		builtin("user", "User", "Users",
			text("name"), text("first_name"), text("last_name"), text("email"), text("job_title"), text("team"), text("time_zone"), text("language"), phone("phone"),
			truth("active")),
		builtin("task", "Task", "Tasks",
			text("title"), text("notes"), open("type"), open("priority"),
			open("status"), moment("due_at"), moment("completed_at"), text("queue")),
		builtin("call", "Call", "Calls",
			text("title"), text("notes"), open("direction"), open("status"), open("outcome"), number("duration"), moment("started_at"),
			phone("from_number"), phone("to_number")),
	}
}

// lifecycleStages are HubSpot's internal values, which imported records carry.
var lifecycleStages = []string{"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist", "other"}

// builtin declares an object with properties and those that all objects share: owner, and the instants
// of creation and of the last change.
func builtin(name, label, plural string, properties ...Property) Object {
	properties = append(properties, text(OwnerProperty), text("owner"), readOnly(moment("created_at")), readOnly(moment("updated_at")))
	return Object{Name: name, Label: label, Plural: plural, Properties: properties}
}

func text(name string) Property   { return Property{Name: name, Type: TypeString} }
func number(name string) Property { return Property{Name: name, Type: TypeNumber} }
func truth(name string) Property  { return Property{Name: name, Type: TypeBool} }
func date(name string) Property   { return Property{Name: name, Type: TypeDate} }
func moment(name string) Property { return Property{Name: name, Type: TypeDatetime} }
func phone(name string) Property  { return Property{Name: name, Type: TypePhoneNumber} }

// open is an enumeration whose options differ from account to account.
func open(name string) Property { return Property{Name: name, Type: TypeEnumeration} }

func choice(name string, values ...string) Property {
	property := Property{Name: name, Type: TypeEnumeration}
	for _, value := range values {
		property.Options = append(property.Options, Option{Value: value})
	}
	return property
}

func readOnly(property Property) Property {
	property.ReadOnly = true
	return property
}
