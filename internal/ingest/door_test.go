package ingest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sent sends one message and returns the results, or the rejection of the message as a whole.
func sent(t *testing.T, d *Door, m Message) ([]Result, *Rejection) {
	t.Helper()
	items, _, rejected := Decode(m)
	if rejected != nil {
		return nil, rejected
	}
	results, err := d.Accept(t.Context(), items)
	require.NoError(t, err)
	return results, nil
}

func headers(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

const cloud = `{"specversion":"1.0","id":"7","source":"/shop","type":"com.example.paid","subject":"contact/51","time":"2027-05-10T11:59:00Z",`

func TestFormsOfEvents(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message Message
		want    []string
	}{
		"plain": {
			Message{ContentType: "application/json; charset=utf-8", Body: []byte(`{"record":"contact/51","type":"page_viewed","id":"a","properties":{"n":12.5,"url":"/"}}`)},
			[]string{`a page_viewed {"n":12.5,"url":"/"}`},
		},
		"several plain ones": {
			Message{Body: []byte(` [{"record":"contact/51","type":"a","id":"1"},{"record":"contact/51","type":"b","id":"2"}]`)},
			[]string{"1 a null", "2 b null"},
		},
		"a CloudEvent":                    {Message{ContentType: TypeCloudEvent, Body: []byte(cloud + `"data":{"total":5}}`)}, []string{`/shop#7 com.example.paid {"total":5}`}},
		"a CloudEvent that says JSON":     {Message{ContentType: "application/json", Body: []byte(cloud + `"data":{"total":5}}`)}, []string{`/shop#7 com.example.paid {"total":5}`}},
		"a CloudEvent with encoded data":  {Message{ContentType: TypeCloudEvent, Body: []byte(cloud + `"data_base64":"eyJ0b3RhbCI6NX0="}`)}, []string{`/shop#7 com.example.paid {"total":5}`}},
		"a CloudEvent without data":       {Message{ContentType: TypeCloudEvent, Body: []byte(cloud + `"other":"taken and not kept"}`)}, []string{"/shop#7 com.example.paid null"}},
		"a batch of CloudEvents":          {Message{ContentType: TypeCloudEvents, Body: []byte("[" + cloud + `"data":{}}]`)}, []string{"/shop#7 com.example.paid {}"}},
		"an empty batch of CloudEvents":   {Message{ContentType: TypeCloudEvents, Body: []byte("[]")}, nil},
		"a CloudEvent in its binary mode": {Message{ContentType: "application/json", Attribute: headers("specversion", "1.0", "id", "7", "source", "/sh%C3%B6p", "type", "paid", "subject", "contact/51"), Body: []byte(`{"total":5}`)}, []string{`/shöp#7 paid {"total":5}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			results, rejected := sent(t, d, test.message)
			require.Nil(t, rejected)
			for _, result := range results {
				require.Equal(t, Stored, result.Status, "%+v", result.Problem)
			}
			require.Equal(t, test.want, stored(t, d))
		})
	}
}

func TestWhatCannotBeAnEventIsToldWhy(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, test := range []struct{ body, code, location string }{
		{`{"record":"contact/51"`, "malformed", ""},
		{`{"record":"contact/51","type":"a"} {}`, "malformed", ""},
		{``, "malformed", ""},
		{`{"record":"contact/51","type":"a","tpye":"b"}`, "malformed", ""},
		{`{"record":51,"type":"a"}`, "wrong-type", "record"},
		{`{"type":"a"}`, "missing-record", "record"},
		{`{"record":"51","type":"a"}`, "wrong-record", "record"},
		{`{"record":"contact/51"}`, "missing-type", "type"},
		{`{"record":"contact/51","type":"a b"}`, "wrong-type-name", "type"},
		{`{"record":"contact/51","type":"property_changed:city"}`, "reserved-type", "type"},
		{`{"record":"contact/51","type":"a","at":"yesterday"}`, "wrong-time", "at"},
		{`{"record":"contact/51","type":"a","at":"2027-05-10T12:06:00Z"}`, "in-future", "at"},
		{`{"record":"contact/51","type":"a","id":"` + strings.Repeat("x", 1001) + `"}`, "wrong-id", "id"},
		{`{"record":"contact/51","type":"a","properties":{"x":"` + strings.Repeat("x", MaxEvent) + `"}}`, "too-large", ""},
		{`{"specversion":"0.3","id":"1","source":"/","type":"a","subject":"contact/51"}`, "wrong-version", "specversion"},
		{`{"specversion":"1.0","source":"/","type":"a","subject":"contact/51"}`, "missing-id", "id"},
		{`{"specversion":"1.0","id":"1","source":"/","type":"a"}`, "missing-record", "subject"},
		{cloud + `"data":"text"}`, "wrong-type", "data"},
		{cloud + `"data_base64":"%"}`, "malformed", "data_base64"},
		{cloud + `"datacontenttype":"text/xml","data":"<a/>"}`, "wrong-content-type", "datacontenttype"},
	} {
		results, rejected := sent(t, d, Message{ContentType: "application/json", Body: []byte(test.body)})
		require.Nil(t, rejected)
		require.Equal(t, Rejected, results[0].Status, test.body)
		require.Equal(t, test.code, results[0].Problem.Code, test.body)
		require.Equal(t, test.location, results[0].Problem.Location, test.body)
		require.NotEmpty(t, results[0].Problem.Detail)
	}
	for _, test := range []struct{ kind, body, code string }{
		{"text/xml", "<event/>", "wrong-content-type"},
		{";", "{}", "wrong-content-type"},
		{TypeCloudEvents, "{}", "wrong-type"},
		{"application/json", "[{]", "malformed"},
		{"application/json", "[" + strings.Repeat("{},", MaxEvents) + "{}]", "too-many"},
	} {
		_, rejected := sent(t, d, Message{ContentType: test.kind, Body: []byte(test.body)})
		require.NotNil(t, rejected, test.body)
		require.Equal(t, test.code, rejected.Code, test.kind)
	}
	require.Empty(t, stored(t, d))
}

func TestEachEventOfABatchIsAnsweredForItself(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	body := `[{"record":"contact/51","type":"a","id":"1"},{"record":"contact/51","type":""},{"record":"contact/51","type":"a","id":"1"},
		{"record":"contact/51","type":"b","id":"1"},{"record":"contact/52","type":"a","id":"1"},{"record":"contact/51","type":"late","id":"2","at":"2027-05-01T00:00:00Z"},
		{"record":"contact/51","type":"ahead","id":"3","at":"2027-05-10T12:04:00Z"}]`
	for range 2 { // a sender who repeats himself
		results, rejected := sent(t, d, Message{Body: []byte(body)})
		require.Nil(t, rejected)
		require.Equal(t, "missing-type", results[1].Problem.Code)
		require.Equal(t, []string{NoteDiffers}, results[3].Notes)
		require.Equal(t, []string{NoteUnknownRecord}, results[4].Notes)
		require.Equal(t, []string{NoteLate}, results[5].Notes)
		require.Equal(t, []string{NoteClockAhead}, results[6].Notes)
		require.Equal(t, Duplicate, results[2].Status)
		require.Empty(t, results[2].Notes)
	}
	require.Equal(t, []string{"2 late null", "1 a null", "3 ahead null"}, stored(t, d), "in the order in which they happened, each once")
	require.NoError(t, d.store.Delete(t.Context(), ann, noon))
	results, _ := sent(t, d, Message{Body: []byte(`{"record":"contact/51","type":"after"}`)})
	require.Equal(t, Stored, results[0].Status)
	require.Equal(t, []string{NoteDeletedRecord}, results[0].Notes)
	require.NotEmpty(t, results[0].ID)
}

func TestNothingIsAnsweredWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.NoError(t, d.store.Close())
	items, _, _ := Decode(Message{Body: []byte(`{"record":"contact/51","type":"a"}`)})
	_, err := d.Accept(t.Context(), items)
	require.Error(t, err)
}
