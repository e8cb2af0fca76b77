package crm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNonMarketingFromTheFirstOrTheRenewal(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		renewal     CalendarDay
		today, from string
	}{
		{today: "2027-01-04", from: "2027-02-01"},
		{today: "2027-01-01", from: "2027-02-01"},
		{today: "2027-12-31", from: "2028-01-01"},
		{CalendarDay{Month: time.January, Day: 15}, "2027-01-04", "2027-01-15"},
		{CalendarDay{Month: time.January, Day: 15}, "2027-01-15", "2027-02-01"}, // today's is over
		{CalendarDay{Month: time.January, Day: 2}, "2027-01-04", "2027-02-01"},
		{CalendarDay{Month: time.March, Day: 15}, "2027-01-04", "2027-02-01"},
		{CalendarDay{2028, time.January, 15}, "2027-01-04", "2027-02-01"},
		{CalendarDay{Month: time.February, Day: 29}, "2027-02-20", "2027-03-01"}, // no leap year
		{CalendarDay{Month: time.February, Day: 29}, "2028-02-20", "2028-02-29"},
	} {
		today, err := ParseDate(one.today)
		require.NoError(t, err)
		require.Equal(t, one.from, Account{Renewal: one.renewal}.NonMarketingFrom(today).String(), "%+v", one)
	}
}
