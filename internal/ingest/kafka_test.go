package ingest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/crm"
)

// newKafka starts a Kafka of one broker with a topic `events` of one partition.
func newKafka(t *testing.T) (settings crm.Kafka, produce func(records ...*kgo.Record)) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("events"))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return crm.Kafka{Brokers: cluster.ListenAddrs(), Topics: []string{"events"}, Group: "millrace"}, func(records ...*kgo.Record) {
		t.Helper()
		require.NoError(t, client.ProduceSync(t.Context(), records...).FirstErr())
	}
}

func TestEventsOfKafkaAreStoredAndPoisonBlocksNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	settings, produce := newKafka(t)
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	produce(
		&kgo.Record{Value: []byte(`{"record":"contact/51","type":"a"}`)},
		&kgo.Record{Value: []byte("\x00poison")},
		&kgo.Record{Value: nil},
		&kgo.Record{Value: []byte(`{"n":1}`), Headers: []kgo.RecordHeader{
			header("ce_specversion", "1.0"), header("ce_id", "7"), header("ce_source", "/shop"), header("ce_type", "c"), header("ce_subject", "contact/51"), header("content-type", "application/json"),
		}},
	)
	consume := func(ctx context.Context) error { return d.ConsumeKafka(ctx, settings, nil) }
	stop := consuming(t, consume)
	require.Eventually(t, func() bool { return len(stored(t, d)) == 2 }, patience, 10*time.Millisecond)
	require.Equal(t, []string{"kafka/events/0/0 a null", `/shop#7 c {"n":1}`}, stored(t, d))
	require.Equal(t, []string{"kafka/events/0/1 malformed \x00poison", "kafka/events/0/2 malformed "}, rejectedOf(t, d))

	stop()
	produce(&kgo.Record{Value: []byte(`{"record":"contact/51","type":"d","id":"while nobody listened"}`)})
	consuming(t, consume)
	require.Eventually(t, func() bool { return len(stored(t, d)) == 3 }, patience, 10*time.Millisecond)
	require.Len(t, rejectedOf(t, d), 2)
}

func TestTwoConsumersOfKafkaShareTheWorkAndLoseNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	settings, produce := newKafka(t)
	consume := func(ctx context.Context) error { return d.ConsumeKafka(ctx, settings, nil) }
	first := consuming(t, consume)
	for i := range 200 {
		produce(&kgo.Record{Value: fmt.Appendf(nil, `{"record":"contact/51","type":"a","id":"%d"}`, i)})
		if i == 100 {
			consuming(t, consume)
			first()
		}
	}
	require.Eventually(t, func() bool { return len(stored(t, d)) == 200 }, patience, 10*time.Millisecond)
}
