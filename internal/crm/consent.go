package crm

import (
	"strings"
	"unicode"
)

// Channels of subscriptions.
const (
	ChannelEmail    = "email"
	ChannelSMS      = "sms"
	ChannelWhatsApp = "whatsapp"
)

// Channels are those by which people are reached, and that they subscribe to.
var Channels = []string{ChannelEmail, ChannelSMS, ChannelWhatsApp}

// States of a subscription; "" is not specified (semantics §3.4, manage_communication_subscription).
const (
	OptedIn  = "opted_in"
	OptedOut = "opted_out"
)

// EverySubscription is the subscription type that stands for all: who opted out of it gets nothing that is marketing.
const EverySubscription = "all"

// Consent is what an address wants to get. It belongs to the address and not to a record: it outlives the record, and
// holds for every record that has the address.
type Consent struct {
	Channel      string
	Address      string // in any spelling
	Subscription string
	State        string // OptedIn, OptedOut or ""
	LegalBasis   string
	Explanation  string
}

// addressProperties are the properties that hold an address of a channel, the first that has a value counts.
var addressProperties = map[string][]string{
	ChannelEmail:    {"email"},
	ChannelSMS:      {"mobile_phone", "phone"},
	ChannelWhatsApp: {"whatsapp_phone", "mobile_phone", "phone"},
}

// AddressProperties are the properties that may hold the address of a channel.
func AddressProperties(channel string) []string { return addressProperties[channel] }

// AddressOf is where a channel reaches a record, as the record spells it; "" = nowhere.
func AddressOf(record Record, channel string) string {
	for _, name := range addressProperties[channel] {
		if text := strings.TrimSpace(record.Property(name)); text != "" {
			return text
		}
	}
	return ""
}

// ComparableAddress is an address without what makes no difference: case in an e-mail's, all but digits and the plus
// in a number.
func ComparableAddress(channel, text string) string {
	if channel == ChannelEmail {
		return strings.ToLower(strings.TrimSpace(text))
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) || r == '+' {
			return r
		}
		return -1
	}, text)
}
