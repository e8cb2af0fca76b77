package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxPages bounds the lists of audiences that are looked through.
const maxPages = 500

// GoogleAds is an account of Google Ads. Its audiences are lists of Customer Match, kept by the Data Manager API (v1).
type GoogleAds struct {
	HTTP         HTTP
	Customer     string // number of the account
	Manager      string // number of the manager account through which it is reached; "" = directly
	ClientID     string
	ClientSecret func() (string, error)
	RefreshToken func() (string, error)
	Consent      string // CONSENT_GRANTED, CONSENT_DENIED or "" = nothing is told
	URL          string // "" = Google's
	TokenURL     string // "" = Google's

	mu      sync.Mutex
	token   string
	expires time.Time
}

// Account names the account.
func (g *GoogleAds) Account() string { return "google/" + withoutHyphens(g.Customer) }

// madeHere marks a list as made from here.
func madeHere(name string) string { return "millrace-" + hashed(name)[:32] }

type googleList struct {
	ID              string `json:"id,omitempty"`
	Name            string `json:"displayName"`
	Description     string `json:"description,omitempty"`
	IntegrationCode string `json:"integrationCode"`
	Info            any    `json:"ingestedUserListInfo,omitempty"`
}

// Audience finds the list by our mark, or makes it.
func (g *GoogleAds) Audience(ctx context.Context, key, name string) (string, error) {
	lists := "/v1/accountTypes/GOOGLE_ADS/accounts/" + url.PathEscape(withoutHyphens(g.Customer)) + "/userLists"
	after := ""
	for range maxPages {
		var page struct {
			Lists []googleList `json:"userLists"`
			Next  string       `json:"nextPageToken"`
		}
		// Pages are small, since of an answer only so much is read.
		query := url.Values{"pageSize": {"40"}}
		if after != "" {
			query.Set("pageToken", after)
		}
		if err := g.call(ctx, key, http.MethodGet, lists+"?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		for _, list := range page.Lists {
			if list.IntegrationCode == madeHere(name) {
				return list.ID, nil
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	var made googleList
	err := g.call(ctx, key, http.MethodPost, lists, googleList{
		Name: name, Description: "Made by Millrace.", IntegrationCode: madeHere(name),
		Info: map[string]any{"uploadKeyTypes": []string{"CONTACT_ID"}, "contactIdInfo": map[string]string{"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"}},
	}, &made)
	if err == nil && made.ID == "" {
		err = errors.New("google made a list without an id")
	}
	return made.ID, err
}

// Change sends a member with the hashes of address and number.
func (g *GoogleAds) Change(ctx context.Context, change AudienceChange) error {
	var identifiers []map[string]string
	if hash := hashed(googleAddress(change.Person.Email)); hash != "" {
		identifiers = append(identifiers, map[string]string{"emailAddress": hash})
	}
	if digits := international(change.Person.Phone); digits != "" {
		identifiers = append(identifiers, map[string]string{"phoneNumber": hashed("+" + digits)})
	}
	destination := map[string]any{"operatingAccount": googleAccount(g.Customer), "productDestinationId": change.Audience}
	if g.Manager != "" {
		destination["loginAccount"] = googleAccount(g.Manager)
	}
	body := map[string]any{
		"destinations":    []any{destination},
		"audienceMembers": []any{map[string]any{"userData": map[string]any{"userIdentifiers": identifiers}}},
		"encoding":        "HEX",
	}
	way := "remove"
	if !change.Remove {
		way = "ingest"
		body["termsOfService"] = map[string]string{"customerMatchTermsOfServiceStatus": "ACCEPTED"}
		if g.Consent != "" {
			body["consent"] = map[string]string{"adUserData": g.Consent, "adPersonalization": g.Consent}
		}
	}
	var answer struct{}
	return g.call(ctx, change.Key, http.MethodPost, "/v1/audienceMembers:"+way, body, &answer)
}

func googleAccount(number string) map[string]string {
	return map[string]string{"accountType": "GOOGLE_ADS", "accountId": withoutHyphens(number)}
}

// withoutHyphens is the number of an account as 1234567890.
func withoutHyphens(number string) string { return strings.ReplaceAll(number, "-", "") }

// googleAddress is an address as Google hashes it: dots before gmail.com do not count.
func googleAddress(address string) string {
	address = plainAddress(address)
	name, host, _ := strings.Cut(address, "@")
	if host == "gmail.com" || host == "googlemail.com" {
		return strings.ReplaceAll(name, ".", "") + "@" + host
	}
	return address
}

// call makes a call as the account.
func (g *GoogleAds) call(ctx context.Context, key, method, path string, body, answer any) error {
	token, err := g.access(ctx, key)
	if err != nil {
		return err
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	if g.Manager != "" {
		header.Set("login-account", "accountTypes/GOOGLE_ADS/accounts/"+withoutHyphens(g.Manager))
	}
	err = exchange{
		http: g.HTTP, key: key, method: method, header: header, body: body,
		url: strings.TrimSuffix(cmp.Or(g.URL, "https://datamanager.googleapis.com"), "/") + path,
	}.do(ctx, answer)
	if refused, ok := AsRefused(err); ok && refused.Reason == "disconnected" {
		g.forget(token)
	}
	return err
}

// access is an access token, which a refresh token is exchanged for when there is none that holds.
func (g *GoogleAds) access(ctx context.Context, key string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token != "" && time.Now().Before(g.expires) {
		return g.token, nil
	}
	refresh, err := g.RefreshToken()
	if err != nil {
		return "", err
	}
	secret, err := g.ClientSecret()
	if err != nil {
		return "", err
	}
	var answer struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	err = exchange{
		http: g.HTTP, key: key, method: http.MethodPost, url: cmp.Or(g.TokenURL, "https://oauth2.googleapis.com/token"),
		body: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {g.ClientID}, "client_secret": {secret}}.Encode(),
		refuse: func(response Response) *Refused {
			if response.Status == http.StatusBadRequest { // invalid_grant, invalid_client: RFC 6749 §5.2
				return &Refused{Reason: "disconnected", Err: errors.New("google does not exchange the refresh token")}
			}
			return nil
		},
	}.do(ctx, &answer)
	if err != nil {
		return "", err
	}
	g.token, g.expires = answer.Token, time.Now().Add(time.Duration(answer.Seconds)*time.Second-time.Minute)
	return g.token, nil
}

// forget has a token that was refused exchanged anew next time.
func (g *GoogleAds) forget(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == token {
		g.token = ""
	}
}
