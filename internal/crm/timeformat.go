package crm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// strftime writes a time by a pattern such as %Y-%m-%d (Liquid's filter `date`). A minus after the
// percent sign leaves out leading zeros.
func strftime(pattern string, t time.Time) (string, error) {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' || i+1 == len(pattern) {
			out.WriteByte(pattern[i])
			continue
		}
		i++
		bare := pattern[i] == '-' && i+1 < len(pattern)
		if bare {
			i++
		}
		text, known := directive(pattern[i], t)
		if !known {
			return "", invalidf("%%%c is not known in a date pattern", pattern[i])
		}
		if bare {
			text = strings.TrimLeft(text[:len(text)-1], "0 ") + text[len(text)-1:]
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// layouts are the directives of strftime that Go's own layouts express.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'B': "January", 'b': "Jan", 'h': "Jan", 'd': "02", 'e': "_2", 'j': "002",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'P': "pm", 'A': "Monday", 'a': "Mon",
	'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'X': "15:04:05", 'R': "15:04", 'r': "03:04:05 PM",
	'D': "01/02/06", 'x': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006",
}

func directive(letter byte, t time.Time) (string, bool) {
	switch letter {
	case '%':
		return "%", true
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1), true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'L':
		return fmt.Sprintf("%03d", t.Nanosecond()/1e6), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1), true
	case 'w':
		return strconv.Itoa(int(t.Weekday())), true
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), true
	case 'V':
		_, week := t.ISOWeek()
		return fmt.Sprintf("%02d", week), true
	case 'G':
		year, _ := t.ISOWeek()
		return fmt.Sprintf("%04d", year), true
	}
	layout, known := layouts[letter]
	return t.Format(layout), known
}

// namedPatterns of format_datetime, in English.
var namedPatterns = map[string]string{
	"short": "M/d/yy, h:mm a", "medium": "MMM d, yyyy, h:mm:ss a",
	"long": "MMMM d, yyyy 'at' h:mm:ss a z", "full": "EEEE, MMMM d, yyyy 'at' h:mm:ss a z",
}

// formatPattern writes a time by a Unicode pattern such as yyyy-MM-dd (HubSpot's format_datetime), or
// by one of the names short, medium, long and full. Text stands in single quotes.
func formatPattern(pattern string, t time.Time) (string, error) {
	if named, known := namedPatterns[pattern]; known {
		pattern = named
	}
	var out strings.Builder
	for rest := pattern; rest != ""; {
		if rest[0] == '\'' {
			text, after, closed := quotedText(rest[1:])
			if !closed {
				return "", invalidf("the pattern %q has no closing quote", clip(pattern))
			}
			out.WriteString(text)
			rest = after
			continue
		}
		letter := rest[0]
		length := len(rest) - len(strings.TrimLeft(rest, string(rune(letter))))
		if letter >= 'A' && letter <= 'Z' || letter >= 'a' && letter <= 'z' {
			text, known := patternField(letter, length, t)
			if !known {
				return "", invalidf("%q is not known in a date pattern", clip(rest[:length]))
			}
			out.WriteString(text)
		} else {
			length = max(length, 1)
			out.WriteString(rest[:length])
		}
		rest = rest[length:]
	}
	return out.String(), nil
}

// quotedText reads text up to its closing quote; two quotes in a row stand for one, also on their own.
func quotedText(source string) (text, rest string, closed bool) {
	text, rest, closed = strings.Cut(source, "'")
	if text == "" {
		return "'", rest, closed
	}
	for strings.HasPrefix(rest, "'") {
		var more string
		more, rest, closed = strings.Cut(rest[1:], "'")
		text += "'" + more
	}
	return text, rest, closed
}

// patternField writes the field that a letter stands for, repeated as often as the pattern repeats it.
func patternField(letter byte, length int, t time.Time) (string, bool) {
	if length > 5 {
		return "", false
	}
	number := func(n int) (string, bool) { return fmt.Sprintf("%0*d", length, n), true }
	choose := func(short, long string) (string, bool) {
		if length > 3 {
			return t.Format(long), true
		}
		return t.Format(short), true
	}
	switch letter {
	case 'y', 'u':
		if length == 2 {
			return t.Format("06"), true
		}
		return number(t.Year())
	case 'M', 'L':
		if length > 2 {
			return choose("Jan", "January")
		}
		return number(int(t.Month()))
	case 'E':
		return choose("Mon", "Monday")
	case 'd':
		return number(t.Day())
	case 'D':
		return number(t.YearDay())
	case 'H':
		return number(t.Hour())
	case 'h':
		return number((t.Hour()+11)%12 + 1)
	case 'm':
		return number(t.Minute())
	case 's':
		return number(t.Second())
	case 'S':
		return fmt.Sprintf("%09d", t.Nanosecond())[:length], true
	case 'a':
		return t.Format("PM"), true
	case 'z':
		return t.Format("MST"), true
	case 'Z':
		return t.Format("-0700"), true
	case 'X':
		return t.Format("Z07:00"), true
	case 'Q', 'q':
		return number((int(t.Month())-1)/3 + 1)
	}
	return "", false
}
