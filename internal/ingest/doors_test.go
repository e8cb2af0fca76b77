package ingest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/crm"
)

// odd are events of which each has something wrong or unusual, with the answer of the door: stored, known, or why not.
var odd = []struct{ name, body, answer string }{
	{"in health", `{"record":"contact/51","type":"a","id":"1","at":"2027-05-10T11:59:00Z"}`, "stored"},
	{"malformed", `{"record":"contact/51"`, "malformed"},
	{"duplicated", `{"record":"contact/51","type":"a","id":"1","at":"2027-05-10T11:59:00Z"}`, "duplicate"},
	{"late", `{"record":"contact/51","type":"late","id":"2","at":"2027-05-01T00:00:00Z"}`, "stored late"},
	{"out of order", `{"record":"contact/51","type":"b","id":"3","at":"2027-05-10T11:58:00Z"}`, "stored"},
	{"oversized", `{"record":"contact/51","type":"a","id":"4","properties":{"x":"` + strings.Repeat("x", MaxEvent) + `"}}`, "too-large"},
	{"of an unknown record", `{"record":"contact/52","type":"a","id":"5","at":"2027-05-10T11:59:00Z"}`, "stored unknown-record"},
	{"from the future", `{"record":"contact/51","type":"a","id":"6","at":"2027-05-11T00:00:00Z"}`, "in-future"},
}

// TestEveryDoorAnswersTheSame sends odd events to the door itself, through NATS and through Kafka. Each stores the same; the
// door says why it refused the others, and streams, which can tell nobody, keep them with the reason.
func TestEveryDoorAnswersTheSame(t *testing.T) {
	t.Parallel()
	kept, why := []string{"2 late null", "3 b null", "1 a null"}, []string{"malformed", "too-large", "in-future"}
	for name, send := range map[string]func(t *testing.T, d *Door){
		"asked": func(t *testing.T, d *Door) {
			for _, one := range odd {
				results, rejected := sent(t, d, Message{ContentType: "application/json", Body: []byte(one.body)})
				require.Nil(t, rejected, one.name)
				answer := strings.Join(append([]string{results[0].Status}, results[0].Notes...), " ")
				if results[0].Problem != nil {
					answer = results[0].Problem.Code
				}
				require.Equal(t, one.answer, answer, one.name)
			}
		},
		"nats": func(t *testing.T, d *Door) {
			settings, js := newNATS(t)
			for _, one := range odd {
				_, err := js.Publish(t.Context(), "events.shop", []byte(one.body))
				require.NoError(t, err, one.name)
			}
			consuming(t, func(ctx context.Context) error { return d.ConsumeNATS(ctx, settings, nil) })
		},
		"kafka": func(t *testing.T, d *Door) {
			settings, produce := newKafka(t)
			for _, one := range odd {
				produce(&kgo.Record{Value: []byte(one.body)})
			}
			consuming(t, func(ctx context.Context) error { return d.ConsumeKafka(ctx, settings, nil) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			send(t, d)
			if name != "asked" {
				require.Eventually(t, func() bool { return len(rejectedOf(t, d)) == len(why) }, patience, 10*time.Millisecond)
				reasons := []string{}
				for _, line := range rejectedOf(t, d) {
					reasons = append(reasons, strings.Fields(line)[1])
				}
				require.ElementsMatch(t, why, reasons)
			}
			require.Eventually(t, func() bool { return slices.Equal(kept, stored(t, d)) }, patience, 10*time.Millisecond, "in the order in which it happened")
			events, err := d.store.EventsOf(t.Context(), crm.Ref{Object: "contact", ID: "52"}, 0)
			require.NoError(t, err)
			require.Len(t, events, 1, "what is known of somebody who comes later is not lost")
		})
	}
}
