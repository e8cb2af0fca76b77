package crm

import "slices"

// builtinObjects are the record types that every workspace has (language §1), with properties in the
// spelling of the language; importers map HubSpot's own. Enumerations whose options differ from
// account to account declare none and take any value. A contact's identity is its address, which is unique as in
// HubSpot (semantics §1.2); a workspace that declares email without `unique: true` lifts that.
func builtinObjects() []Object {
	return []Object{
		indexed(builtin("contact", "Contact", "Contacts",
			identifying(of(TypeString, "email")),
			of(TypeString, "first_name", "last_name", "company", "job_title", "website", "address", "city", "state", "zip",
				"country", "language", "time_zone", "industry", "date_of_birth", "source", "message"),
			of(TypePhoneNumber, "phone", "mobile_phone"),
			of(TypeNumber, "score"),
			of(TypeEnumeration, "lead_status"),
			choice("lifecycle_stage", lifecycleStages...),
			choice("marketing_status", "marketing", "non_marketing"),
			readOnly(of(TypeNumber, "email_bounces")),
			readOnly(of(TypeDatetime, "became_customer_at", "last_activity_at"))), "email", "lifecycle_stage"),
		indexed(builtin("company", "Company", "Companies",
			of(TypeString, "name", "domain", "industry", "website", "description", "address", "city", "state", "zip", "country", "time_zone"),
			of(TypePhoneNumber, "phone"),
			of(TypeNumber, "employees", "annual_revenue"),
			of(TypeEnumeration, "type"),
			choice("lifecycle_stage", lifecycleStages...),
			readOnly(of(TypeDatetime, "last_activity_at"))), "domain"),
		indexed(builtin("deal", "Deal", "Deals",
			required(of(TypeString, "name")), of(TypeString, "currency", "description", "closed_lost_reason", "closed_won_reason"),
			of(TypeNumber, "amount", "probability"),
			required(of(TypeEnumeration, "stage")), of(TypeEnumeration, "pipeline", "type", "priority"),
			of(TypeDatetime, "close_date"),
			readOnly(of(TypeDatetime, "last_activity_at"))), "stage"),
		indexed(builtin("ticket", "Ticket", "Tickets",
			required(of(TypeString, "subject")), of(TypeString, "content", "resolution"),
			required(of(TypeEnumeration, "status")), of(TypeEnumeration, "pipeline", "priority", "category", "source"),
			of(TypeDatetime, "closed_at"),
			readOnly(of(TypeDatetime, "first_reply_at", "last_activity_at"))), "status"),
		builtin("quote", "Quote", "Quotes",
			of(TypeString, "title", "currency", "terms"), of(TypeNumber, "amount"), of(TypeEnumeration, "status", "payment_status"), of(TypeDate, "expires_on")),
		builtin("lead", "Lead", "Leads",
			of(TypeString, "name"), of(TypeEnumeration, "stage", "pipeline", "type", "label", "source")),
		builtin("conversation", "Conversation", "Conversations",
			readOnly(of(TypeString, "subject", "inbox")), readOnly(of(TypeEnumeration, "status", "channel")), readOnly(of(TypeDatetime, "last_message_at"))),
		builtin("feedback_submission", "Feedback submission", "Feedback submissions",
			of(TypeString, "survey", "content"), of(TypeNumber, "value"), of(TypeEnumeration, "sentiment"), of(TypeDatetime, "submitted_at")),
		builtin("subscription", "Subscription", "Subscriptions",
			of(TypeString, "name", "currency"), of(TypeNumber, "amount"), of(TypeEnumeration, "status", "billing_frequency"),
			of(TypeDate, "start_date", "end_date", "next_payment_date")),
		builtin("payment", "Payment", "Payments",
			of(TypeString, "reference", "currency"), of(TypeNumber, "amount"), of(TypeEnumeration, "status", "method"), of(TypeDatetime, "paid_at")),
		builtin("project", "Project", "Projects",
			of(TypeString, "name", "description"), of(TypeEnumeration, "status", "stage"), of(TypeDate, "start_date", "due_date")),
		builtin("invoice", "Invoice", "Invoices",
			of(TypeString, "number", "currency"), of(TypeNumber, "amount", "amount_due"), of(TypeEnumeration, "status"), of(TypeDate, "issued_on", "due_date"),
			of(TypeDatetime, "paid_at")),
		builtin("goal", "Goal", "Goals",
			of(TypeString, "name"), of(TypeNumber, "target", "progress"), of(TypeEnumeration, "status"), of(TypeDate, "start_date", "end_date")),
		builtin("user", "User", "Users",
			of(TypeString, "name", "first_name", "last_name", "email", "job_title", "team", "time_zone", "language"), of(TypePhoneNumber, "phone"), of(TypeBool, "active")),
		builtin(ObjectTask, "Task", "Tasks",
			of(TypeString, "title", "notes", "queue"), of(TypeEnumeration, "type", "priority", "status"), of(TypeDatetime, "due_at", "reminder_at", "completed_at")),
		builtin(ObjectNote, "Note", "Notes",
			of(TypeString, "body"), of(TypeBool, "pinned")),
		builtin("call", "Call", "Calls",
			of(TypeString, "title", "notes"), of(TypeEnumeration, "direction", "status", "outcome"), of(TypeNumber, "duration"), of(TypeDatetime, "started_at"),
			of(TypePhoneNumber, "from_number", "to_number")),
	}
}

// lifecycleStages are HubSpot's internal values, which imported records carry.
var lifecycleStages = []string{"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist", "other"}

// builtin declares an object with properties and those that all objects share: owner, and the instants
// of creation and of the last change.
func builtin(name, label, plural string, properties ...[]Property) Object {
	shared := [][]Property{of(TypeString, OwnerProperty, "owner"), readOnly(of(TypeDatetime, "created_at", "updated_at"))}
	return Object{Name: name, Label: label, Plural: plural, Properties: slices.Concat(append(properties, shared...)...)}
}

func of(kind PropertyType, names ...string) []Property {
	properties := make([]Property, len(names))
	for i, name := range names {
		properties[i] = Property{Name: name, Type: kind}
	}
	return properties
}

func choice(name string, values ...string) []Property {
	property := Property{Name: name, Type: TypeEnumeration}
	for _, value := range values {
		property.Options = append(property.Options, Option{Value: value})
	}
	return []Property{property}
}

func required(properties []Property) []Property {
	for i := range properties {
		properties[i].Required = true
	}
	return properties
}

func identifying(properties []Property) []Property {
	for i := range properties {
		properties[i].Unique = true
	}
	return properties
}

// indexed marks properties that lists and triggers ask for again and again.
func indexed(object Object, names ...string) Object {
	for i, property := range object.Properties {
		if slices.Contains(names, property.Name) {
			object.Properties[i].Indexed = true
		}
	}
	return object
}

func readOnly(properties []Property) []Property {
	for i := range properties {
		properties[i].ReadOnly = true
	}
	return properties
}
