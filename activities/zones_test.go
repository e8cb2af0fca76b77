package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// TestDelaysInZones is semantics §4.7 for every delay that reads a wall clock: a time that a change of the clocks skips
// is the first instant after the gap, one that comes twice is the first, days and months keep the wall clock, and a date
// is a calendar day in whatever zone. Instants are written as the zone's clocks show them.
func TestDelaysInZones(t *testing.T) {
	t.Parallel()
	tests := []struct{ zone, arrived, action, want string }{
		// Rome: 2027-03-28 02:00 becomes 03:00, 2027-10-31 03:00 becomes 02:00.
		{"Europe/Rome", "2027-03-27 02:30 +0100", `delay_set_amount: {for: 1d}`, "2027-03-28 03:00 +0200"},
		{"Europe/Rome", "2027-03-27 12:00 +0100", `delay_set_amount: {for: 24h}`, "2027-03-28 13:00 +0200"},
		{"Europe/Rome", "2027-03-27 02:30 +0100", `delay_set_amount: {for: 1d1h}`, "2027-03-28 04:00 +0200"},
		{"Europe/Rome", "2027-10-30 02:30 +0200", `delay_set_amount: {for: 1d}`, "2027-10-31 02:30 +0200"},
		{"Europe/Rome", "2027-10-29 02:30 +0200", `delay_set_amount: {for: 2d, business_days_only: true}`, "2027-11-02 02:30 +0100"},
		{"Europe/Rome", "2027-03-01 12:00 +0100", `delay_until_calendar_date: {date: 2027-03-28, time: "02:30"}`, "2027-03-28 03:00 +0200"},
		{"Europe/Rome", "2027-03-01 12:00 +0100", `delay_until_calendar_date: {date: 2027-10-31, time: "02:30"}`, "2027-10-31 02:30 +0200"},
		{"Europe/Rome", "2027-03-01 12:00 +0100", `delay_until_date_property: {property: renewal, offset: -33d, time: "02:30"}`, "2027-03-28 03:00 +0200"},
		{"Europe/Rome", "2027-03-28 01:00 +0100", `delay_until_time_of_day: {time: "02:30"}`, "2027-03-28 03:00 +0200"},
		{"Europe/Rome", "2027-03-28 03:00 +0200", `delay_until_time_of_day: {time: "02:30"}`, "2027-03-29 02:30 +0200"},
		{"Europe/Rome", "2027-10-31 02:30 +0100", `delay_until_time_of_day: {time: "02:45"}`, "2027-11-01 02:45 +0100"},
		{"Europe/Rome", "2027-03-27 12:00 +0100", `delay_until_day_of_week: {days: [sun], time: "02:30"}`, "2027-03-28 03:00 +0200"},
		{"Europe/Rome", "2027-03-27 12:00 +0100", `delay_until_day_or_time: {days: [sun], time: "02:30"}`, "2027-03-28 03:00 +0200"},
		{"Europe/Rome", "2027-03-27 02:30 +0100", `delay_until_event: {event: x, max_wait: 1d}`, "2027-03-28 03:00 +0200"},
		// New York: 2027-03-14 02:00 becomes 03:00, 2027-11-07 02:00 becomes 01:00.
		{"America/New_York", "2027-03-13 02:15 -0500", `delay_set_amount: {for: 1d}`, "2027-03-14 03:00 -0400"},
		{"America/New_York", "2027-11-06 01:30 -0400", `delay_set_amount: {for: 1w}`, "2027-11-13 01:30 -0500"},
		{"America/New_York", "2027-03-01 12:00 -0500", `delay_until_calendar_date: {date: 2027-11-07, time: "01:30"}`, "2027-11-07 01:30 -0400"},
		{"America/New_York", "2027-03-01 12:00 -0500", `delay_until_date_property: {property: renewal}`, "2027-04-30 00:00 -0400"},
		{"America/New_York", "2027-03-01 12:00 -0500", `delay_until_date_property: {property: seen, time: "09:00"}`, "2027-04-29 09:00 -0400"},
		{"America/New_York", "2027-03-01 12:00 -0500", `delay_until_date_property: {property: seen}`, "2027-04-29 21:30 -0400"},
		{"America/New_York", "2027-03-13 12:00 -0500", `delay_until_day_or_time: {time: "02:00"}`, "2027-03-14 03:00 -0400"},
		// Lord Howe moves its clocks by half an hour: 2027-04-04 02:00 becomes 01:30, 2027-10-03 02:00 becomes 02:30.
		{"Australia/Lord_Howe", "2027-10-02 02:15 +1030", `delay_set_amount: {for: 1d}`, "2027-10-03 02:30 +1100"},
		{"Australia/Lord_Howe", "2027-04-03 01:45 +1100", `delay_until_time_of_day: {time: "01:30"}`, "2027-04-04 01:30 +1100"},
		{"Australia/Lord_Howe", "2027-03-01 12:00 +1100", `delay_until_date_property: {property: renewal, time: "09:00"}`, "2027-04-30 09:00 +1030"},
		// Cairo has no midnight on 2027-04-30.
		{"Africa/Cairo", "2027-03-01 12:00 +0200", `delay_until_calendar_date: {date: 2027-04-30}`, "2027-04-30 01:00 +0300"},
		{"Africa/Cairo", "2027-03-01 12:00 +0200", `delay_until_date_property: {property: renewal}`, "2027-04-30 01:00 +0300"},
		{"Africa/Cairo", "2027-03-01 12:00 +0200", `delay_until_date_property: {property: renewal, offset: 1d}`, "2027-05-01 00:00 +0300"},
		{"Africa/Cairo", "2027-04-29 12:00 +0200", `delay_until_day_of_week: {days: [fri]}`, "2027-04-30 01:00 +0300"},
		// Kathmandu is 5:45 ahead and never changes; months and years end.
		{"Asia/Kathmandu", "2028-01-31 12:00 +0545", `delay_set_amount: {for: 29d}`, "2028-02-29 12:00 +0545"},
		{"Asia/Kathmandu", "2027-12-31 23:59 +0545", `delay_set_amount: {for: 1d}`, "2028-01-01 23:59 +0545"},
		{"Asia/Kathmandu", "2027-01-01 00:00 +0545", `delay_until_date_property: {property: renewal, offset: -62d}`, "2027-02-27 00:00 +0545"},
		{"Asia/Kathmandu", "2027-01-01 00:00 +0545", `delay_until_date_property: {property: renewal, offset: 1d, time: "00:15"}`, "2027-05-01 00:15 +0545"},
	}
	for _, test := range tests {
		t.Run(test.zone+" "+strings.ReplaceAll(test.action, "/", "-"), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.action)
			b.publish(store.Publication{Account: account(t, func(settings *crm.Account) { settings.TimeZone = test.zone })})
			b.set(map[string]string{"renewal": "2027-04-30", "seen": "2027-04-30T01:30:00Z"})
			at, err := time.Parse("2006-01-02 15:04 -0700", test.arrived)
			require.NoError(t, err)
			zone, err := crm.LoadZone(test.zone)
			require.NoError(t, err)
			require.Equal(t, test.want, b.ok(arrived(at)).Until.In(zone).Format("2006-01-02 15:04 -0700"))
		})
	}
}

// TestZoneOfTheWorkflow is whose clock counts: the workflow's, the record's, the account's.
func TestZoneOfTheWorkflow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ zone, contact, want string }{
		"the account's":             {"", "", "until 2027-05-10 09:00 Europe/Rome"},
		"the workflow's":            {"Asia/Kathmandu", "", "until 2027-05-10 09:00 Asia/Kathmandu"},
		"the record's":              {"{{ contact.time_zone }}", "America/New_York", "until 2027-05-10 09:00 America/New_York"},
		"the record has none":       {"{{ contact.time_zone }}", "", "until 2027-05-10 09:00 Europe/Rome"},
		"the record's is not known": {"{{ contact.time_zone }}", "Mars/Olympus", "until 2027-05-10 09:00 Europe/Rome"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "delay_set_amount: {for: 1d}")
			compiled := b.plan(`delay_until_calendar_date: {date: 2027-05-10, time: "09:00"}`)
			compiled.Rules = &plan.Rules{TimeZone: test.zone}
			b.publish(store.Publication{Definitions: []plan.Revision{{Plan: compiled, On: true}}})
			b.set(map[string]string{"time_zone": test.contact})
			b.ok()
			require.Equal(t, []string{test.want}, b.journal(plan.JournalDelayStarted))
			require.Equal(t, test.contact == "Mars/Olympus", len(b.journal(plan.JournalWarning)) == 1)
		})
	}
}
