package crm

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// KeyLimit is the length, in bytes, up to which a key holds all of a text. Keys of longer texts are longer than that:
// the beginning of the text and a digest of the whole.
const KeyLimit = 300

// Numbers, days, instants and everything else that stands in a property of such a type have keys of their own regions.
// `~` comes after the others.
const (
	numberRegion  = "n"
	dayRegion     = "d"
	instantRegion = "t"
	otherRegion   = "~"
)

// Keys are what an index keeps of a property's text: one key, one for each selected option of an enumeration, or none
// when it is empty. Equal values have the same key, and keys are ordered, byte by byte, as values are: texts without
// regard to case, numbers by size, days and instants by time.
func (p Property) Keys(text string) []string {
	if text == "" {
		return nil
	}
	switch p.Type {
	case TypeEnumeration:
		options := SplitOptions(text)
		if len(options) == 0 {
			return []string{""}
		}
		keys := make([]string, len(options))
		for i, option := range options {
			keys[i] = bounded(option)
		}
		return keys
	case TypeNumber:
		if number, err := ParseNumber(strings.TrimSpace(text)); err == nil {
			return []string{number.key()}
		}
		return []string{otherRegion + textKey(text)}
	case TypeDate, TypeDatetime:
		at, known := readMoment(text, time.UTC)
		switch {
		case !known:
			return []string{otherRegion + textKey(text)}
		case at.isDay:
			return []string{dayKey(at.day)}
		}
		return []string{instantKey(at.at)}
	}
	return []string{textKey(text)}
}

// CanIndex tells whether values of the property have keys that say all that filters ask for.
func (p Property) CanIndex() bool { return p.Type != TypeJSON }

func textKey(text string) string { return bounded(fold(text)) }

// bounded shortens a text to the length of a key, so that different texts keep different keys.
func bounded(text string) string {
	if len(text) <= KeyLimit {
		return text
	}
	end := KeyLimit
	for !utf8.RuneStart(text[end]) {
		end--
	}
	digest := sha256.Sum256([]byte(text))
	return text[:end] + "…" + base64.RawURLEncoding.EncodeToString(digest[:])
}

// fold writes a text so that texts which are equal without regard to case become the same.
func fold(text string) string { return strings.Map(foldRune, text) }

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if least < utf8.RuneSelf { // the Kelvin sign is a k, the long s an s
		return foldRune(least)
	}
	return least
}

// key orders numbers: sign, place of the point, digits; in negative ones all of these are reversed.
func (n Number) key() string {
	if n.Sign() == 0 {
		return numberRegion + "1"
	}
	digits := n.unscaled.Text(10)
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	point := 500 + len(digits) - n.scale
	digits = strings.TrimRight(digits, "0")
	if !negative {
		return fmt.Sprintf("%s2%03d%s", numberRegion, point, digits)
	}
	reversed := []byte(digits)
	for i := range reversed {
		reversed[i] = '0' + '9' - reversed[i]
	}
	return fmt.Sprintf("%s0%03d%s~", numberRegion, 999-point, reversed)
}

func dayKey(day Date) string {
	return fmt.Sprintf("%s%05d-%02d-%02d", dayRegion, day.Year, int(day.Month), day.Day)
}

// instantKey orders instants of the years that dates have, to the nanosecond.
func instantKey(at time.Time) string {
	return fmt.Sprintf("%s%012d.%09d", instantRegion, at.Unix()+100_000_000_000, at.Nanosecond())
}

// KeyRange are the keys from From on that come before Until, where "" is after all.
type KeyRange struct{ From, Until string }

// ranges are keys, in order and apart from each other.
type ranges []KeyRange

// wholeRegion are all keys of a region.
func wholeRegion(region string) ranges { return ranges{{region, string(region[0] + 1)}} }

// sharedBy are the keys that are in both.
func (r ranges) sharedBy(other ranges) (shared ranges) {
	for _, a := range r {
		for _, b := range other {
			if from, until := max(a.From, b.From), min(a.Until, b.Until); from < until {
				shared = append(shared, KeyRange{from, until})
			}
		}
	}
	return shared
}

// without are the keys that are not in the other.
func (r ranges) without(other ranges) ranges {
	for _, gap := range other {
		var rest ranges
		for _, a := range r {
			if from, until := a.From, min(a.Until, gap.From); from < until {
				rest = append(rest, KeyRange{from, until})
			}
			if from, until := max(a.From, gap.Until), a.Until; from < until {
				rest = append(rest, KeyRange{from, until})
			}
		}
		r = rest
	}
	return r
}

// numbersUpTo are the numbers below limit, and limit itself when it is included.
func numbersUpTo(limit Number, included bool) ranges {
	until := limit.key()
	if included {
		until += " " // before every sign of a key
	}
	return ranges{{numberRegion, until}}
}

// momentsUpTo are the days and instants below limit, and those equal to it when they are included; days compare with
// instants by the day in the zone.
func momentsUpTo(limit moment, included bool, zone *time.Location) ranges {
	day, at := limit.day, limit.at
	if included {
		day, at = limit.lastDay().AddDays(1), at.Add(1)
	}
	days := KeyRange{dayRegion, dayKey(day)}
	if limit.isDay {
		return append(ranges{days}, instantsBefore(day, zone)...)
	}
	return ranges{days, {instantRegion, instantKey(at)}}
}

// instantsBefore are the instants at which the zone's calendar shows an earlier day. Around a change of the clocks over
// midnight they are not all in one piece.
func instantsBefore(day Date, zone *time.Location) (before ranges) {
	midnight := day.In(time.UTC)
	at, end := midnight.Add(-2*clockChange).In(zone), midnight.Add(2*clockChange)
	from := instantRegion
	for at.Before(end) {
		_, offset := at.Zone()
		until := midnight.Add(-time.Duration(offset) * time.Second)
		_, change := at.ZoneBounds()
		if change.IsZero() || change.After(end) {
			change = end
		}
		if change.Before(until) {
			until = change
		}
		if until.After(at) {
			if last := len(before) - 1; last >= 0 && before[last].Until == from {
				before[last].Until = instantKey(until)
			} else {
				before = append(before, KeyRange{from, instantKey(until)})
			}
		}
		at = change
		from = instantKey(at)
	}
	return before
}

// textsWith are the keys of texts that begin with a folded text. It is false when that is too long to tell.
func textsWith(prefix string) (KeyRange, bool) {
	if len(prefix) > KeyLimit-utf8.UTFMax {
		return KeyRange{}, false
	}
	runes := []rune(prefix)
	for len(runes) > 0 {
		last := len(runes) - 1
		if runes[last] < utf8.MaxRune {
			runes[last]++
			if runes[last] == 0xD800 { // surrogates are no text
				runes[last] = 0xE000
			}
			break
		}
		runes = runes[:last]
	}
	return KeyRange{prefix, string(runes)}, true // nothing comes after the greatest runes
}
