package crm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/schema"
)

// maxDays bounds a duration: a hundred years.
const maxDays = 36_525

// Duration is a span as authors write it: `90s 20m 3h 2d 1w` and combinations such as `1d12h`. Weeks
// and days are calendar days that keep the wall clock, the rest is elapsed time (semantics §4.1).
type Duration struct {
	Days  int           // calendar days
	Clock time.Duration // elapsed time on top of them
}

// Offset is a Duration that may be negative, such as `-3d`.
type Offset struct{ Duration }

var durationUnits = []struct {
	letter byte
	days   int
	clock  time.Duration
}{
	{'w', 7, 0}, {'d', 1, 0}, {'h', 0, time.Hour}, {'m', 0, time.Minute}, {'s', 0, time.Second},
}

// ParseDuration reads a duration; a leading minus makes all of it negative. The units stand from
// weeks to seconds, each at most once. Errors wrap ErrInvalid.
func ParseDuration(text string) (Duration, error) {
	invalid := invalidf("%q is not a duration: write 90s, 20m, 3h, 2d, 1w or a combination such as 1d12h", clip(text))
	rest, negative := strings.CutPrefix(text, "-")
	if rest == "" {
		return Duration{}, invalid
	}
	var d Duration
	for _, unit := range durationUnits {
		number, after, found := strings.Cut(rest, string(unit.letter))
		if !found || !isDigits(number) {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > maxDays*24*60*60 || n*int64(unit.days) > maxDays || n*int64(unit.clock/time.Second) > maxDays*24*60*60 {
			return Duration{}, invalidf("%q is longer than a hundred years", clip(text))
		}
		d.Days += int(n) * unit.days
		d.Clock += time.Duration(n) * unit.clock
		rest = after
	}
	if rest != "" {
		return Duration{}, invalid
	}
	if negative {
		d = d.Neg()
	}
	return d, nil
}

// Neg returns the duration with the opposite sign.
func (d Duration) Neg() Duration { return Duration{-d.Days, -d.Clock} }

// Negative tells whether the duration points into the past.
func (d Duration) Negative() bool { return d.Days < 0 || d.Clock < 0 }

// IsZero tells whether the duration is empty.
func (d Duration) IsZero() bool { return d == Duration{} }

// Elapsed returns the duration with days of 24 hours, for limits that no calendar matters to.
func (d Duration) Elapsed() time.Duration { return time.Duration(d.Days)*24*time.Hour + d.Clock }

// After returns the instant that lies the duration after from, or before it when it is negative:
// first the days, keeping zone's wall clock, then the elapsed time. With businessDays time on
// Saturdays and Sundays does not count: who starts on a weekend starts on Monday at 00:00, and the
// result never falls on a weekend (semantics §4.1). Business days only count forward; a negative
// duration ignores them.
func (d Duration) After(from time.Time, zone *time.Location, businessDays bool) time.Time {
	local := from.In(zone)
	if businessDays && !d.Negative() {
		return d.afterBusiness(local, zone)
	}
	if d.Days != 0 {
		local = wallClock(DateOf(local, zone).AddDays(d.Days), clockOf(local), zone)
	}
	return local.Add(d.Clock)
}

func (d Duration) afterBusiness(local time.Time, zone *time.Location) time.Time {
	local = pastWeekend(local, zone)
	if d.Days > 0 {
		local = pastWeekend(wallClock(addBusinessDays(DateOf(local, zone), d.Days), clockOf(local), zone), zone)
	}
	left := d.Clock
	for {
		date := DateOf(local, zone)
		saturday := date.AddDays(int(time.Saturday - date.Weekday())).In(zone)
		open := saturday.Sub(local)
		if left < open {
			return local.Add(left)
		}
		left -= open
		local = pastWeekend(saturday, zone)
	}
}

// pastWeekend returns t, or the start of the Monday after it when it lies on a weekend.
func pastWeekend(t time.Time, zone *time.Location) time.Time {
	date := DateOf(t, zone)
	if !isWeekend(date.Weekday()) {
		return t
	}
	for isWeekend(date.Weekday()) {
		date = date.AddDays(1)
	}
	return date.In(zone)
}

// addBusinessDays counts n days from Monday to Friday, starting on such a day.
func addBusinessDays(date Date, n int) Date {
	date = date.AddDays(n / 5 * 7)
	for n %= 5; n > 0; {
		if date = date.AddDays(1); !isWeekend(date.Weekday()) {
			n--
		}
	}
	return date
}

// String writes the duration as ParseDuration reads it, in days, hours, minutes and seconds.
func (d Duration) String() string {
	if d.IsZero() {
		return "0s"
	}
	var out strings.Builder
	if d.Negative() {
		out.WriteByte('-')
		d = d.Neg()
	}
	left := d.Clock
	if d.Days > 0 {
		fmt.Fprintf(&out, "%dd", d.Days)
	}
	for _, unit := range durationUnits {
		if unit.clock > 0 && left >= unit.clock {
			fmt.Fprintf(&out, "%d%c", left/unit.clock, unit.letter)
			left %= unit.clock
		}
	}
	return out.String()
}

// MarshalText writes the form that ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// UnmarshalNode reads a duration that is not negative.
func (d *Duration) UnmarshalNode(node *schema.Node, diagnostics *schema.Diagnostics) {
	scalar(d, node, diagnostics, ParseDuration)
	if d.Negative() {
		diagnostics.Errorf(node.Pos, codeWrongValue, "a duration cannot be negative here")
		*d = Duration{}
	}
}

// UnmarshalNode reads a duration with or without a sign.
func (o *Offset) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	scalar(&o.Duration, node, d, ParseDuration)
}

// Describe tells readers about the source form.
func (Duration) Describe() schema.Description {
	return schema.Description{
		Name: "duration", Doc: "A span: 90s, 20m, 3h, 2d, 1w or a combination such as 1d12h.",
		Schema: asText(`^(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$`),
	}
}

// Describe tells readers about the source form.
func (Offset) Describe() schema.Description {
	return schema.Description{
		Name: "offset", Doc: "A span after, or with a minus before: 2h, -3d.",
		Schema: asText(`^-?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?$`),
	}
}
