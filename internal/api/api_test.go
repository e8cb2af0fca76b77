package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// TestEveryOperationNeedsItsRole walks the document: what it says an operation needs is what opens it.
func TestEveryOperationNeedsItsRole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	document, err := Document()
	require.NoError(t, err)
	var read struct {
		Paths map[string]map[string]struct{ Security []map[string][]string }
	}
	require.NoError(t, json.Unmarshal(document, &read))
	keys := map[string]string{}
	for _, role := range crm.Roles {
		keys[string(role)] = s.newKey("only "+string(role), "", role)
	}
	seen := 0
	for path, methods := range read.Paths {
		for method, operation := range methods {
			if path == "/healthz" {
				require.Empty(t, operation.Security)
				continue
			}
			seen++
			needed := operation.Security[0][keyScheme][0]
			address := strings.NewReplacer("{workflow}", "welcome", "{object}", "contact", "{id}", "51", "{callbackId}", "x", "{number}", "1").Replace(path)
			for role, key := range keys {
				answer := s.as(key).send(strings.ToUpper(method), address, "{}")
				if role == needed || role == string(crm.RoleAdmin) {
					require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, answer.StatusCode, "%s %s as %s", method, path, role)
					continue
				}
				require.Equal(t, fmt.Sprintf("this is not allowed: it needs the role %s, and key only %s has %s", needed, role, role), answer.fails(http.StatusForbidden).Detail)
			}
		}
	}
	require.Greater(t, seen, 15)
}

func TestWithoutAKeyNothingIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	revoked := s.newKey("revoked", "", crm.RoleAdmin)
	require.NoError(t, s.Books.Tx(t.Context(), func(tx *store.Tx) error { _, err := tx.RevokeKey(t.Context(), "revoked", noon); return err }))
	for _, key := range []string{"", "mrk_x_y", revoked, s.newKey("of somebody who left", "gone", crm.RoleAdmin), s.newKey("of nobody", "nobody", crm.RoleAdmin)} {
		answer := s.as(key).send("GET", "/v1/workflows", "")
		answer.fails(http.StatusUnauthorized)
		require.Equal(t, "Bearer", answer.Header.Get("WWW-Authenticate"))
	}
	s.as("").send("GET", "/v1/workflows", "", "Authorization", "Basic YTpi").fails(http.StatusUnauthorized)
}

func TestAKeySendsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Rate = 1 }) // a thousand at once all the same
	other := s.newKey("other", "", crm.RoleEnroll)
	full := "[" + strings.Repeat(`{"record":"contact/51","type":"a"},`, 998) + `{"record":"contact/51","type":"a"}]`
	s.send("POST", "/v1/events", full).answers(200, nil)
	s.send("GET", "/v1/workflows", "").answers(200, nil)
	answer := s.send("POST", "/v1/events", full)
	answer.fails(http.StatusTooManyRequests)
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	s.as(other).send("POST", "/v1/events", `{"record":"contact/51","type":"a"}`).answers(200, nil)
}

func TestRecordsAreMadeAndChangedEachForItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var answer recordsAnswer
	body := `{"records":[
		{"record":"contact/51","properties":{"email":null,"score":7.50,"topics":["a","b"]}},
		{"record":"contact/52","properties":{"email":"bob@example.com"}},
		{"record":"contact/53","properties":{"score":"many"}},
		{"record":"contact/54","properties":{"emial":"x"}},
		{"record":"54","properties":{}},
		{"record":"vessel/1","properties":{}}]}`
	s.send("POST", "/v1/records", body).answers(207, &answer)
	var lines []string
	for _, one := range answer.Results {
		line := one.Record + " " + one.Status
		if one.Problem != nil {
			line += " " + one.Problem.Code + " " + one.Problem.Location
		}
		lines = append(lines, line)
	}
	require.Equal(t, []string{
		"contact/51 changed", "contact/52 created", "contact/53 rejected wrong-value body.records[2]", "contact/54 rejected wrong-value body.records[3]",
		"54 rejected wrong-value body.records[4]", "vessel/1 rejected wrong-value body.records[5]",
	}, lines)
	var record shownRecord
	s.send("GET", "/v1/records/contact/51", "").answers(200, &record)
	require.Equal(t, map[string]any{"score": 7.5, "topics": []any{"a", "b"}, "salary": "1000"}, record.Properties)
	s.send("POST", "/v1/records", `{"records":[{"record":"contact/51","properties":{"score":7.5}}]}`).answers(200, &answer)
	require.Equal(t, "unchanged", answer.Results[0].Status)
	require.Equal(t, []string{
		`key all record.set contact/51 {"email":"ann@example.com","score":"","topics":""} {"email":"","score":"7.5","topics":"a;b"}`,
		`key all record.set contact/52 {"email":""} {"email":"bob@example.com"}`,
	}, s.auditOf())
	history, err := s.Books.History(t.Context(), ann, "score")
	require.NoError(t, err)
	require.Equal(t, "api key all", history[0].Source)

	s.send("GET", "/v1/records/contact/53", "").fails(404)
	require.NoError(t, s.Books.Delete(t.Context(), ann, noon))
	s.send("GET", "/v1/records/contact/51", "").fails(http.StatusGone)
	require.Contains(t, s.send("POST", "/v1/records", `{"records":[{"record":"contact/51","properties":{}}]}`).fails(422).Errors[0].Message, "deleted-record: ")
	require.Equal(t, "body.records", s.send("POST", "/v1/records", `{"records":[]}`).fails(422).Errors[0].Location)

	var listed struct {
		Records []shownRecord
		Next    string
	}
	s.send("GET", "/v1/records?object=contact&limit=1", "").answers(200, &listed)
	require.Equal(t, "52", listed.Next)
	s.send("GET", "/v1/records?object=vessel", "").fails(404)
}

func TestAKeyOfAUserIsBoundByAccessToProperties(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	zoe, max := s.as(s.newKey("zoe's", "zoe", crm.RoleView, crm.RoleEdit)), s.as(s.newKey("max's", "max", crm.RoleView, crm.RoleEdit))
	var record shownRecord
	zoe.send("GET", "/v1/records/contact/51", "").answers(200, &record)
	require.Equal(t, "1000", record.Properties["salary"])
	record = shownRecord{}
	max.send("GET", "/v1/records/contact/51", "").answers(200, &record)
	require.NotContains(t, record.Properties, "salary")
	change := `{"records":[{"record":"contact/51","properties":{"email":"new@example.com","salary":"1"}}]}`
	told := zoe.send("POST", "/v1/records", change).fails(http.StatusForbidden)
	require.Equal(t, "this is not allowed: it needs the access edit to salary of contact, and key zoe's has view", told.Detail)
	require.Empty(t, s.auditOf())
	kept, err := s.Books.Get(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, "ann@example.com", kept.Properties["email"], "all of a record or nothing")
}

func TestEnrollTellsWhoCannotBe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	told := s.send("POST", "/v1/enrollments", `{"workflow":"welcome","records":["51","company/1","contact/52"]}`).fails(422)
	require.Equal(t, []string{"body.records[0]", "body.records[1]", "body.records[2]"}, []string{told.Errors[0].Location, told.Errors[1].Location, told.Errors[2].Location})
	require.Contains(t, told.Errors[1].Message, "wrong-object: the workflow welcome is about a contact")
	require.Contains(t, told.Errors[2].Message, "unknown-record")
	s.send("POST", "/v1/enrollments", `{"workflow":"nothing","records":["contact/51"]}`).fails(404)
	require.NoError(t, s.Books.SetSwitch(t.Context(), "welcome", plan.SwitchOff, noon))
	s.send("POST", "/v1/enrollments", `{"workflow":"welcome","records":["contact/51"]}`).fails(http.StatusConflict)
	s.send("POST", "/v1/enrollments/welcome/contact/51/move", `{"to":"nowhere"}`).fails(422)
	s.send("POST", "/v1/enrollments/nothing/contact/51/pause", "").fails(404)
	s.send("GET", "/v1/enrollments/welcome/contact/51", "").answers(200, nil)
	s.send("GET", "/v1/enrollments/welcome/contact/51/history", "").answers(200, nil)
	require.Empty(t, s.auditOf())
}

func TestSwitchingIsAudited(t *testing.T) {
	t.Parallel()
	incomplete := false
	s := newSite(t, func(o *Options) {
		o.Complete = func(plan.Revision) error {
			if incomplete {
				return errPlaceholders
			}
			return nil
		}
		o.MayOpen = mayOpenNone
	})
	s.send("PUT", "/v1/workflows/welcome/switch", `{"switch":"off"}`).answers(http.StatusNoContent, nil)
	incomplete = true
	require.Equal(t, "it has placeholders", s.send("PUT", "/v1/workflows/welcome/switch", `{"switch":"on"}`).fails(http.StatusConflict).Detail)
	s.send("PUT", "/v1/workflows/nothing/switch", `{"switch":"on"}`).fails(404)
	s.send("PUT", "/v1/workflows/welcome/switch", `{"switch":"half"}`).fails(422)
	s.send("PUT", "/v1/workflows/welcome/switch", `{"switch":"drain","at":"2027-01-01T00:00:00Z"}`).fails(422)
	require.Equal(t, []string{`key all switch welcome {"mode":"on"} {"mode":"off"}`}, s.auditOf())
	var log struct{ Deeds []store.Deed }
	s.send("GET", "/v1/audit?subject=welcome", "").answers(200, &log)
	require.Len(t, log.Deeds, 1)

	var listed struct{ Workflows []ListedWorkflow }
	s.send("GET", "/v1/workflows", "").answers(200, &listed)
	require.Equal(t, []ListedWorkflow{{"welcome", "off", 1, noon, 0}}, listed.Workflows)
	var shown map[string]any
	s.send("GET", "/v1/workflows/welcome", "").answers(200, &shown)
	require.Equal(t, "workflow: welcome", shown["source"])
	s.as(s.newKey("max's", "max", crm.RoleView)).send("GET", "/v1/workflows/welcome", "").fails(http.StatusForbidden)
}

func TestTheServerFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		w.WriteHeader(http.StatusNoContent)
	})
	ctx, stop := context.WithCancel(t.Context())
	served, answered := make(chan error, 1), make(chan int, 1)
	go func() { served <- Serve(ctx, listener, slow, slog.New(slog.DiscardHandler)) }()
	go func() {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			answered <- 0
			return
		}
		_ = answer.Body.Close()
		answered <- answer.StatusCode
	}()
	<-begun
	stop()
	require.Eventually(t, func() bool {
		_, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", listener.Addr().String())
		return err != nil
	}, 10*time.Second, time.Millisecond, "it takes nothing new")
	close(finish)
	require.Equal(t, http.StatusNoContent, <-answered)
	require.NoError(t, <-served)
}
