package ingest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

var byHand = store.Deed{At: noon, Actor: "ann", Via: "cli", Action: store.DeedSendAgain}

func TestWhatWasRejectedIsSentAgainOnceItsCauseIsGone(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	now := noon
	d.now = func() time.Time { return now }
	binary := map[string]string{
		"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "7", "ce-source": "/shop", "ce-type": "order.paid", "ce-subject": "contact/51",
		"ce-time": "2027-05-11T09:00:00Z",
	}
	require.NoError(t, d.take(t.Context(), []streamed{
		{"nats/E/1", Message{Body: []byte(`[{"record":"contact/51","type":"a"},{"record":"contact/51","type":"b","at":"2027-05-11T09:00:00Z"}]`)}},
		{"nats/E/2", messageOf(binary, []byte(`{"amount":7}`))},
		{"nats/E/3", Message{Body: []byte(`{"record":`)}},
		{"nats/E/4", Message{ContentType: TypeCloudEvents, Body: []byte(`[{"record":"contact/51","type":"c"}]`)}},
	}))
	kept, err := d.store.RejectedEvents(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, kept, 4)
	send := func(origin string) (Result, error) {
		for _, one := range kept {
			if one.Origin == origin {
				results, err := d.SendAgain(t.Context(), one.Seq, byHand)
				if err != nil {
					return Result{}, err
				}
				require.Len(t, results, 1)
				return results[0], nil
			}
		}
		require.FailNow(t, "nothing came from "+origin)
		return Result{}, nil
	}
	for _, origin := range []string{"nats/E/1/1", "nats/E/2"} {
		result, err := send(origin)
		require.NoError(t, err)
		require.Equal(t, "in-future", result.Problem.Code, "its cause is still there")
	}
	require.Equal(t, []string{`nats/E/1/0 a null`}, stored(t, d))

	now = noon.Add(48 * time.Hour)
	for _, origin := range []string{"nats/E/1/1", "nats/E/2"} {
		result, err := send(origin)
		require.NoError(t, err)
		require.Equal(t, Stored, result.Status)
		_, err = send(origin)
		require.ErrorIs(t, err, ErrTaken)
	}
	require.Equal(t, []string{`nats/E/1/0 a null`, `nats/E/1/1 b null`, `/shop#7 order.paid {"amount":7}`}, stored(t, d))
	for origin, code := range map[string]string{"nats/E/3": "malformed", "nats/E/4/0": "wrong-version"} {
		result, err := send(origin)
		require.NoError(t, err)
		require.Equal(t, code, result.Problem.Code)
	}
	_, err = d.SendAgain(t.Context(), 1000, byHand)
	require.ErrorIs(t, err, crm.ErrNotFound)
	deeds, err := d.store.Deeds(t.Context(), store.DeedFilter{Action: store.DeedSendAgain})
	require.NoError(t, err)
	require.Len(t, deeds, 2, "what was taken, and nothing else")
	require.Equal(t, "nats/E/2", deeds[0].Subject)
	require.JSONEq(t, `{"events":["contact/51 /shop#7"]}`, string(deeds[0].After))
}

func TestWhatIsSentAgainByManyIsStoredOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.NoError(t, d.store.Tx(t.Context(), func(tx *store.Tx) error { // as an earlier release would have rejected it
		return tx.AddRejected(t.Context(), store.RejectedEvent{
			At: noon.Add(-time.Hour), Origin: "kafka/events/0/17", Reason: "malformed", Content: []byte(`{"record":"contact/51","type":"a"}`),
		})
	}))
	var group sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		group.Go(func() {
			_, err := d.SendAgain(t.Context(), 1, byHand)
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	taken := 0
	for err := range errs {
		if err == nil {
			taken++
			continue
		}
		require.ErrorIs(t, err, ErrTaken)
	}
	require.Equal(t, 1, taken)
	events, err := d.store.EventsOf(t.Context(), ann, 0)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, noon.Add(-time.Hour), events[0].At, "it happened when it came")
	require.Equal(t, "kafka/events/0/17", events[0].By)
}
