package provider

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// network is an advertising network that answers by method and path, and keeps what it was told.
type network struct {
	t       *testing.T
	mu      sync.Mutex
	asked   []string // METHOD PATH?QUERY
	bodies  []string
	headers []http.Header
	answers map[string][]answer // by METHOD PATH, the last one again and again
}

type answer struct {
	status int
	body   string
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n.asked, n.bodies, n.headers = append(n.asked, r.Method+" "+r.URL.RequestURI()), append(n.bodies, string(body)), append(n.headers, r.Header)
	key := r.Method + " " + r.URL.Path
	answers := n.answers[key]
	if len(answers) == 0 {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	if len(answers) > 1 {
		n.answers[key] = answers[1:]
	}
	w.Header().Set("Retry-After", "7")
	w.WriteHeader(answers[0].status)
	_, _ = io.WriteString(w, answers[0].body) // who hung up misses it
}

// plain demands that nothing of a person was told but hashes.
func (n *network) plain() {
	for _, body := range n.bodies {
		for _, part := range []string{"ada", "Ada", "example", "gmail", "555"} {
			require.NotContains(n.t, strings.ReplaceAll(body, "adUserData", ""), part)
		}
	}
}

func newNetwork(t *testing.T, answers map[string][]answer) (*network, string, HTTP) {
	n := &network{t: t, answers: answers}
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	web, err := NewHTTP(Egress{Allow: []string{netip.MustParsePrefix("127.0.0.0/8").String()}, HTTP: true})
	require.NoError(t, err)
	return n, server.URL, web
}

func secretly(text string) func() (string, error) {
	return func() (string, error) { return text, nil }
}

func newGoogle(t *testing.T, answers map[string][]answer) (*network, *GoogleAds) {
	if answers["POST /token"] == nil {
		answers["POST /token"] = []answer{{200, `{"access_token":"access","expires_in":3600}`}}
	}
	n, url, web := newNetwork(t, answers)
	return n, &GoogleAds{
		HTTP: web, Customer: "123-456-7890", Manager: "111-222-3333", ClientID: "client", ClientSecret: secretly("hush"),
		RefreshToken: secretly("refresh"), Consent: "CONSENT_GRANTED", URL: url, TokenURL: url + "/token",
	}
}

func newMeta(t *testing.T, answers map[string][]answer) (*network, MetaAds) {
	n, url, web := newNetwork(t, answers)
	return n, MetaAds{HTTP: web, Ad: "act_99", Token: secretly("token"), URL: url + "/v25.0"}
}

var ada = Person{Email: " Ada.L@Gmail.com ", Phone: "+39 06-555"}

func TestGoogleAdsIsToldHashesAlone(t *testing.T) {
	t.Parallel()
	n, google := newGoogle(t, map[string][]answer{
		"POST /v1/audienceMembers:ingest": {{200, `{"requestId":"r"}`}}, "POST /v1/audienceMembers:remove": {{200, `{"requestId":"r"}`}},
	})
	require.Equal(t, "google/1234567890", google.Account())
	require.NoError(t, google.Change(t.Context(), AudienceChange{Key: "k", Audience: "77", Person: ada}))
	require.NoError(t, google.Change(t.Context(), AudienceChange{Key: "k", Audience: "77", Person: Person{Phone: "0039 06555", Email: "a@b.c"}, Remove: true}))
	require.Equal(t, []string{"POST /token", "POST /v1/audienceMembers:ingest", "POST /v1/audienceMembers:remove"}, n.asked, "a token holds")
	require.Equal(t, "client_id=client&client_secret=hush&grant_type=refresh_token&refresh_token=refresh", n.bodies[0])
	require.JSONEq(t, `{
		"destinations": [{
			"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}, "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "1112223333"},
			"productDestinationId": "77"
		}],
		"audienceMembers": [{"userData": {"userIdentifiers": [{"emailAddress": "`+hashed("adal@gmail.com")+`"}, {"phoneNumber": "`+hashed("+3906555")+`"}]}}],
		"encoding": "HEX", "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
		"consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
	}`, n.bodies[1])
	require.Contains(t, n.bodies[2], hashed("a@b.c"))
	require.Contains(t, n.bodies[2], hashed("+3906555"))
	require.NotContains(t, n.bodies[2], "consent")
	require.Equal(t, "Bearer access", n.headers[1].Get("Authorization"))
	require.Equal(t, "accountTypes/GOOGLE_ADS/accounts/1112223333", n.headers[1].Get("login-account"))
	require.Equal(t, "k", n.headers[1].Get("Idempotency-Key"))
	n.plain()
}

func TestGoogleAdsMakesAListOnceAndFindsItAgain(t *testing.T) {
	t.Parallel()
	const lists = "/v1/accountTypes/GOOGLE_ADS/accounts/1234567890/userLists"
	n, google := newGoogle(t, map[string][]answer{
		"GET " + lists: {
			{200, `{"userLists":[{"id":"1","displayName":"vip","integrationCode":"theirs"}],"nextPageToken":"p2"}`}, {200, `{}`},
			{200, `{"userLists":[{"id":"5","integrationCode":"` + madeHere("vip") + `"}]}`},
		},
		"POST " + lists: {{200, `{"id":"5"}`}},
	})
	for range 2 {
		id, err := google.Audience(t.Context(), "k", "vip")
		require.NoError(t, err)
		require.Equal(t, "5", id)
	}
	require.Equal(t, []string{
		"POST /token", "GET " + lists + "?pageSize=40", "GET " + lists + "?pageSize=40&pageToken=p2", "POST " + lists, "GET " + lists + "?pageSize=40",
	}, n.asked)
	var made map[string]any
	require.NoError(t, json.Unmarshal([]byte(n.bodies[3]), &made))
	require.Equal(t, "vip", made["displayName"])
	require.Equal(t, madeHere("vip"), made["integrationCode"])
	require.Equal(t, map[string]any{"uploadKeyTypes": []any{"CONTACT_ID"}, "contactIdInfo": map[string]any{"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"}}, made["ingestedUserListInfo"])
}

func TestMetaAdsIsToldHashesAlone(t *testing.T) {
	t.Parallel()
	n, meta := newMeta(t, map[string][]answer{
		"POST /v25.0/77/users": {{200, `{"num_received":1,"num_invalid_entries":0}`}}, "DELETE /v25.0/77/users": {{200, `{"num_received":1,"num_invalid_entries":1}`}},
	})
	require.Equal(t, "meta/99", meta.Account())
	require.NoError(t, meta.Change(t.Context(), AudienceChange{Key: "k", Audience: "77", Person: ada}))
	refused, ok := AsRefused(meta.Change(t.Context(), AudienceChange{Key: "k", Audience: "77", Person: Person{Email: "A@b.c", Phone: "06 555"}, Remove: true}))
	require.True(t, ok)
	require.Equal(t, "invalid-member", refused.Reason)
	require.JSONEq(t, `{"payload":{"schema":["EMAIL","PHONE"],"data":[["`+hashed("ada.l@gmail.com")+`","`+hashed("3906555")+`"]]}}`, n.bodies[0])
	require.JSONEq(t, `{"payload":{"schema":["EMAIL","PHONE"],"data":[["`+hashed("a@b.c")+`",""]]}}`, n.bodies[1], "a number without its country says nothing")
	require.Equal(t, "Bearer token", n.headers[0].Get("Authorization"))
	n.plain()
}

func TestMetaAdsMakesAnAudienceOnceAndFindsItAgain(t *testing.T) {
	t.Parallel()
	const audiences = "/v25.0/act_99/customaudiences"
	n, meta := newMeta(t, map[string][]answer{
		"GET " + audiences: {
			{200, `{"data":[{"id":"1","description":"vip"}],"paging":{"cursors":{"after":"c"},"next":"https://example.com"}}`}, {200, `{"data":[]}`},
			{200, `{"data":[{"id":"5","description":"Made by Millrace: ` + madeHere("vip") + `"}]}`},
		},
		"POST " + audiences: {{200, `{"id":"5"}`}},
	})
	for range 2 {
		id, err := meta.Audience(t.Context(), "k", "vip")
		require.NoError(t, err)
		require.Equal(t, "5", id)
	}
	require.Len(t, n.asked, 4)
	require.Equal(t, "GET "+audiences+"?after=c&fields=id%2Cdescription&limit=100", n.asked[1])
	require.JSONEq(t, `{"name":"vip","description":"Made by Millrace: `+madeHere("vip")+`","subtype":"CUSTOM","customer_file_source":"USER_PROVIDED_ONLY"}`, n.bodies[2])
}

func TestAdsRefusals(t *testing.T) {
	t.Parallel()
	const secret = "the network quotes ada@example.com"
	for name, one := range map[string]struct {
		answer    answer
		reason    string
		temporary bool
	}{
		"not let in":       {answer{401, secret}, "disconnected", false},
		"forbidden":        {answer{403, secret}, "disconnected", false},
		"not there":        {answer{404, secret}, "http-404", false},
		"too many":         {answer{429, secret}, "later", true},
		"broken":           {answer{503, secret}, "later", true},
		"meta: token over": {answer{400, `{"error":{"code":190,"message":"` + secret + `"}}`}, "disconnected", false},
		"meta: not ours":   {answer{400, `{"error":{"code":200}}`}, "disconnected", false},
		"meta: limit":      {answer{400, `{"error":{"code":80003}}`}, "later", true},
		"meta: transient":  {answer{400, `{"error":{"code":368,"is_transient":true}}`}, "later", true},
		"meta: parameter":  {answer{400, `{"error":{"code":100,"error_subcode":1713230}}`}, "meta-100", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, meta := newMeta(t, map[string][]answer{"POST /v25.0/77/users": {one.answer}})
			_, google := newGoogle(t, map[string][]answer{"POST /v1/audienceMembers:ingest": {one.answer}})
			accounts := []Ads{meta, google}
			if strings.HasPrefix(name, "meta") {
				accounts = accounts[:1]
			}
			for _, account := range accounts {
				err := account.Change(t.Context(), AudienceChange{Key: "k", Audience: "77", Person: ada})
				refused, ok := AsRefused(err)
				require.True(t, ok, "%v", err)
				require.Equal(t, one.reason, refused.Reason)
				require.Equal(t, one.temporary, refused.Temporary)
				require.Equal(t, 7*time.Second, refused.After)
				require.NotContains(t, err.Error(), "ada")
			}
		})
	}
}

func TestGoogleAdsWithoutAnAccessToken(t *testing.T) {
	t.Parallel()
	_, google := newGoogle(t, map[string][]answer{"POST /token": {{400, `{"error":"invalid_grant"}`}}})
	refused, ok := AsRefused(google.Change(t.Context(), AudienceChange{Audience: "77", Person: ada}))
	require.True(t, ok)
	require.Equal(t, "disconnected", refused.Reason)
	google.RefreshToken = func() (string, error) { return "", errors.New("secret://google has no value") }
	err := google.Change(t.Context(), AudienceChange{Audience: "77", Person: ada})
	_, ok = AsRefused(err)
	require.False(t, ok, "it is tried again")
	require.ErrorContains(t, err, "has no value")
}

func TestGoogleAdsExchangesATokenThatWasRefused(t *testing.T) {
	t.Parallel()
	n, google := newGoogle(t, map[string][]answer{"POST /v1/audienceMembers:ingest": {{401, ""}, {200, `{}`}}})
	require.Error(t, google.Change(t.Context(), AudienceChange{Audience: "77", Person: ada}))
	require.NoError(t, google.Change(t.Context(), AudienceChange{Audience: "77", Person: ada}))
	require.Len(t, n.asked, 4)
}

func TestOutboxAdsRecordsNobody(t *testing.T) {
	t.Parallel()
	var sent []Sent
	ads := OutboxAds{Outbox{Record: func(_ context.Context, one Sent) error { sent = append(sent, one); return nil }}, "meta"}
	id, err := ads.Audience(t.Context(), "k", "vip")
	require.NoError(t, err)
	for _, remove := range []bool{false, true} {
		require.NoError(t, ads.Change(t.Context(), AudienceChange{Key: "k", Audience: id, Name: "vip", Person: ada, Remove: remove}))
	}
	require.Equal(t, []Sent{{Key: "k", Channel: "ads", To: "meta: vip", Subject: "add"}, {Key: "k", Channel: "ads", To: "meta: vip", Subject: "remove"}}, sent)
}
