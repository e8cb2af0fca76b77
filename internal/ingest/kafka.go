package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/internal/crm"
)

const (
	kafkaFarewell = 5 * time.Second  // for committing what was taken when the consumer stops
	kafkaSession  = 10 * time.Second // after which others get the partitions of a consumer that was killed
)

// ConsumeKafka takes the events of Kafka topics until ctx ends. An offset is committed when the events before it are; a
// record that comes again is known by its CloudEvents id, its own id, or its place in the partition. Errors: the settings
// are wrong.
func (d *Door) ConsumeKafka(ctx context.Context, settings crm.Kafka, secret func(reference string) (string, error)) error {
	options := []kgo.Opt{
		kgo.SeedBrokers(settings.Brokers...), kgo.ConsumerGroup(settings.Group), kgo.ConsumeTopics(settings.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.ClientID("millrace"),
		kgo.SessionTimeout(kafkaSession), kgo.RebalanceTimeout(kafkaSession),
	}
	if settings.TLS {
		options = append(options, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if settings.Username != "" {
		mechanism, err := kafkaLogin(settings, secret)
		if err != nil {
			return fmt.Errorf("signing in to Kafka: %w", err)
		}
		options = append(options, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return fmt.Errorf("connecting to Kafka at %v: %w", settings.Brokers, err)
	}
	defer client.CloseAllowingRebalance()
	var pending []*kgo.Record // taken from Kafka and not yet stored
	d.persist(ctx, "kafka", func(ctx context.Context) error {
		if len(pending) == 0 {
			client.AllowRebalance()
			fetched := client.PollRecords(ctx, fetchedAtOnce)
			pending = fetched.Records()
			if err := kafkaTrouble(fetched); err != nil && len(pending) == 0 {
				return err
			}
		}
		if err := d.takeKafka(ctx, pending); err != nil {
			return err
		}
		stored := pending
		pending = nil
		farewell, cancel := context.WithTimeout(context.WithoutCancel(ctx), kafkaFarewell)
		defer cancel()
		return client.CommitRecords(farewell, stored...)
	})
	return nil
}

func kafkaLogin(settings crm.Kafka, secret func(string) (string, error)) (sasl.Mechanism, error) {
	password, err := secret(settings.Password)
	if err != nil {
		return nil, err
	}
	login := scram.Auth{User: settings.Username, Pass: password}
	switch settings.Mechanism {
	case "plain":
		return plain.Auth{User: settings.Username, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return login.AsSha256Mechanism(), nil
	}
	return login.AsSha512Mechanism(), nil
}

// kafkaTrouble joins what went wrong with partitions; the end of a context is nothing wrong.
func kafkaTrouble(fetched kgo.Fetches) (err error) {
	fetched.EachError(func(topic string, partition int32, failed error) {
		if !errors.Is(failed, context.Canceled) && !errors.Is(failed, context.DeadlineExceeded) {
			err = errors.Join(err, fmt.Errorf("partition %d of %s: %w", partition, topic, failed))
		}
	})
	return err
}

func (d *Door) takeKafka(ctx context.Context, records []*kgo.Record) error {
	taken := make([]streamed, len(records))
	for i, record := range records {
		taken[i] = streamed{fmt.Sprintf("kafka/%s/%d/%d", record.Topic, record.Partition, record.Offset), Message{
			ContentType: kafkaHeader(record, "content-type"),
			Attribute:   func(name string) string { return kafkaHeader(record, "ce_"+name) },
			Body:        record.Value,
		}}
	}
	return d.take(ctx, taken)
}

func kafkaHeader(record *kgo.Record, name string) string {
	for _, header := range record.Headers {
		if header.Key == name {
			return string(header.Value)
		}
	}
	return ""
}
