package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/millrace/millrace/internal/crm"
)

const (
	natsIdle    = 5 * time.Second  // longest wait for a message before asking again
	natsAckWait = 10 * time.Second // after which the server sends anew what was not acknowledged
)

// ConsumeNATS takes the events of a JetStream stream until ctx ends. A message is acknowledged when its events are
// committed; one that comes again is known by its CloudEvents id, its own id, or its place in the stream. Errors: the
// settings are wrong.
func (d *Door) ConsumeNATS(ctx context.Context, settings crm.NATS, secret func(reference string) (string, error)) error {
	options := []nats.Option{nats.Name("millrace"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true)}
	if settings.Token != "" {
		token, err := secret(settings.Token)
		if err != nil {
			return fmt.Errorf("signing in to NATS: %w", err)
		}
		options = append(options, nats.Token(token))
	}
	if settings.Credentials != "" {
		options = append(options, nats.UserCredentials(settings.Credentials))
	}
	connection, err := nats.Connect(settings.URL, options...)
	if err != nil {
		return fmt.Errorf("connecting to NATS at %s: %w", settings.URL, err)
	}
	defer connection.Close()
	server, err := jetstream.New(connection)
	if err != nil {
		return fmt.Errorf("speaking to JetStream: %w", err)
	}
	stream := "nats/" + settings.Stream
	var consumer jetstream.Consumer
	d.persist(ctx, stream, func(ctx context.Context) (err error) {
		if consumer == nil {
			if consumer, err = natsConsumer(ctx, server, settings); err != nil {
				return err
			}
		}
		if err := d.takeNATS(ctx, stream, consumer); err != nil {
			consumer = nil // it may be gone
			return err
		}
		return nil
	})
	return nil
}

func natsConsumer(ctx context.Context, server jetstream.JetStream, settings crm.NATS) (jetstream.Consumer, error) {
	consumer, err := server.CreateOrUpdateConsumer(ctx, settings.Stream, jetstream.ConsumerConfig{
		Durable: settings.Consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: natsAckWait, MaxAckPending: 4 * fetchedAtOnce,
		FilterSubjects: settings.Subjects,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("there is no stream %s: make it with `nats stream add`", settings.Stream)
	}
	return consumer, err
}

// takeNATS takes what is there, after waiting for the first message for a while.
func (d *Door) takeNATS(ctx context.Context, stream string, consumer jetstream.Consumer) error {
	first, err := consumer.Fetch(1, jetstream.FetchMaxWait(natsIdle))
	if err != nil {
		return err
	}
	messages := collectNATS(first)
	if err := first.Error(); err != nil || len(messages) == 0 {
		return err
	}
	more, err := consumer.FetchNoWait(fetchedAtOnce - 1)
	if err != nil {
		return err
	}
	messages = append(messages, collectNATS(more)...)
	var taken []streamed
	for _, message := range messages {
		meta, err := message.Metadata()
		if err != nil {
			return err
		}
		header := message.Headers()
		taken = append(taken, streamed{fmt.Sprintf("%s/%d", stream, meta.Sequence.Stream), Message{
			ContentType: natsHeader(header, "content-type"),
			Attribute:   func(name string) string { return natsHeader(header, "ce-"+name) },
			Body:        message.Data(),
		}})
	}
	if err := d.take(ctx, taken); err != nil {
		return err // the server sends them again
	}
	for _, message := range messages {
		if err := message.Ack(); err != nil {
			return fmt.Errorf("acknowledging: %w", err)
		}
	}
	return nil
}

func collectNATS(batch jetstream.MessageBatch) (messages []jetstream.Msg) {
	for message := range batch.Messages() {
		messages = append(messages, message)
	}
	return messages
}

// natsHeader reads a header, whose names NATS keeps as they were sent.
func natsHeader(header nats.Header, name string) string {
	for key, values := range header {
		if len(values) > 0 && strings.EqualFold(key, name) {
			return values[0]
		}
	}
	return ""
}
