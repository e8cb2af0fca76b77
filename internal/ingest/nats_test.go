package ingest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

// newNATS starts a NATS server with a stream EVENTS of the subjects events.*.
func newNATS(t *testing.T) (settings crm.NATS, js jetstream.JetStream) {
	t.Helper()
	embedded, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true})
	require.NoError(t, err)
	embedded.Start()
	t.Cleanup(func() { embedded.Shutdown(); embedded.WaitForShutdown() })
	require.True(t, embedded.ReadyForConnections(patience))
	connection, err := nats.Connect(embedded.ClientURL())
	require.NoError(t, err)
	t.Cleanup(connection.Close)
	js, err = jetstream.New(connection)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.*"}})
	require.NoError(t, err)
	return crm.NATS{URL: embedded.ClientURL(), Stream: "EVENTS", Consumer: "millrace"}, js
}

// consuming runs a consumer until stop is called or the test ends.
func consuming(t *testing.T, consume func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- consume(ctx) }()
	var stopped bool
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestEventsOfJetStreamAreStoredAndPoisonBlocksNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	settings, js := newNATS(t)
	publish := func(body string, header nats.Header) {
		t.Helper()
		_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "events.shop", Header: header, Data: []byte(body)})
		require.NoError(t, err)
	}
	publish(`{"record":"contact/51","type":"a"}`, nil)
	publish(`{"record":`, nil)
	publish(`[{"record":"contact/51","type":"b"},{"record":"contact/51"}]`, nil)
	publish(`{"n":1}`, nats.Header{"Ce-Specversion": {"1.0"}, "ce-id": {"7"}, "ce-source": {"/shop"}, "ce-type": {"c"}, "ce-subject": {"contact/51"}, "content-type": {"application/json"}})
	publish(cloud+`"data":{"n":2}}`, nats.Header{"content-type": {TypeCloudEvent}})

	consume := func(ctx context.Context) error { return d.ConsumeNATS(ctx, settings, nil) }
	stop := consuming(t, consume)
	want := []string{"/shop#7 com.example.paid {\"n\":2}", "nats/EVENTS/1 a null", "nats/EVENTS/3/0 b null"}
	require.Eventually(t, func() bool { return len(stored(t, d)) == 3 && len(rejectedOf(t, d)) == 2 }, patience, 10*time.Millisecond)
	require.ElementsMatch(t, append(want[1:], `/shop#7 c {"n":1}`), stored(t, d), "of two events with the same source and id the first is kept")
	require.Equal(t, []string{
		`nats/EVENTS/2 malformed {"record":`,
		`nats/EVENTS/3/1 missing-type {"record":"contact/51"}`,
	}, rejectedOf(t, d))
	consumer, err := js.Consumer(t.Context(), "EVENTS", "millrace")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.NumPending == 0 && info.NumAckPending == 0
	}, patience, 10*time.Millisecond, "all of them are acknowledged")

	stop()
	publish(`{"record":"contact/51","type":"d","id":"while nobody listened"}`, nil)
	consuming(t, consume)
	require.Eventually(t, func() bool { return len(stored(t, d)) == 4 }, patience, 10*time.Millisecond)
}

func TestJetStreamSendsAgainWhatWasNotCommitted(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	settings, js := newNATS(t)
	consumer, err := js.CreateConsumer(t.Context(), "EVENTS", jetstream.ConsumerConfig{Durable: "millrace", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "events.shop", []byte(`{"record":"contact/51","type":"a"}`))
	require.NoError(t, err)
	gone, leave := context.WithCancel(t.Context())
	leave()
	require.Error(t, d.takeNATS(gone, "nats/EVENTS", consumer), "it is killed between the delivery and the commit")
	info, err := consumer.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, info.NumAckPending)
	require.NoError(t, js.DeleteConsumer(t.Context(), "EVENTS", "millrace")) // its wait for an answer takes 30 s
	consuming(t, func(ctx context.Context) error { return d.ConsumeNATS(ctx, settings, nil) })
	require.Eventually(t, func() bool { return len(stored(t, d)) == 1 }, patience, 10*time.Millisecond)
}
