package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/crm"
)

// instant is a time in a column: microseconds since 1970 UTC. NULL is the zero time.
type instant struct{ time.Time }

func (i instant) Value() (driver.Value, error) {
	if i.IsZero() {
		return nil, nil
	}
	return i.UnixMicro(), nil
}

func (i *instant) Scan(column any) error {
	switch column := column.(type) {
	case nil:
		i.Time = time.Time{}
	case int64:
		i.Time = time.UnixMicro(column).UTC()
	default:
		return fmt.Errorf("a time is stored as %T", column)
	}
	return nil
}

// stored is a time as it is read back.
func stored(at time.Time) time.Time { return time.UnixMicro(at.UnixMicro()).UTC() }

// reference is a record in a column, as in contact/51.
type reference struct{ ref *crm.Ref }

func (r reference) Scan(column any) error {
	text, _ := column.(string)
	return r.ref.UnmarshalText([]byte(text))
}

// document is a value in a text column as JSON. ” is the zero value.
type document[T any] struct{ value *T }

func (d document[T]) Scan(column any) error {
	text, ok := column.(string)
	if !ok {
		return fmt.Errorf("a JSON text is stored as %T", column)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), d.value)
}

func encode(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("%w: %w", crm.ErrInvalid, err)
	}
	return string(text), nil
}

// maxName is how long a key may be, in bytes: two of them have to fit into one entry of an index.
const maxName = 1000

// checkNames refuses texts that not every database can keep: keys are compared, so they are never mended.
func checkNames(texts ...string) error {
	for _, text := range texts {
		if len(text) > maxName {
			return fmt.Errorf("%w: %.20q… is longer than %d bytes", crm.ErrInvalid, text, maxName)
		}
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("%w: %q is not valid UTF-8 or contains a NUL byte", crm.ErrInvalid, text)
		}
	}
	return nil
}

// atMost is the limit of a query; 0 is none.
func atMost(limit int) int {
	if limit <= 0 {
		return math.MaxInt32
	}
	return limit
}

// legible mends texts that are only read by people.
func legible(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
