package provider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Ads is an account of an advertising network, with the audiences that were made from here.
type Ads interface {
	// Account names the account for ever, as meta/123.
	Account() string
	// Audience returns the id of the audience of a name that was made from here, and makes it when there is none. It
	// must not be called twice at once for one name.
	Audience(ctx context.Context, key, name string) (id string, err error)
	// Change adds somebody to an audience or takes them out. Done twice it has no other effect than once.
	//
	// Errors of both: a *Refused, `disconnected` when the account does not let us in. After every other error it may
	// have happened.
	Change(ctx context.Context, change AudienceChange) error
}

// AudienceChange is a change of who is in an audience.
type AudienceChange struct {
	Key      string    // idempotency key
	At       time.Time // business time
	Audience string    // its id
	Name     string    // its name
	Person   Person
	Remove   bool
}

// Person is whom a network is to recognize. Neither leaves the house but as a hash.
type Person struct{ Email, Phone string }

// hashed is the SHA-256 of a normalized text, in hexadecimal digits; nothing of nothing.
func hashed(normalized string) string {
	if normalized == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(normalized))
	return hex.EncodeToString(sum[:])
}

// plainAddress is an e-mail address without spaces, in lower case.
func plainAddress(address string) string {
	return strings.ToLower(strings.Join(strings.Fields(address), ""))
}

// international is a number with its country as digits alone; nothing of one that does not tell its country.
func international(number string) string {
	number = strings.TrimSpace(number)
	digits := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, number)
	switch {
	case strings.HasPrefix(number, "+"):
		return digits
	case strings.HasPrefix(digits, "00"):
		return digits[2:]
	}
	return ""
}

// Recognizable tells whether a network can be told who somebody is.
func (p Person) Recognizable() bool {
	return plainAddress(p.Email) != "" || international(p.Phone) != ""
}

// exchange is one call with JSON, whose answer is read into answer when it is 2xx. Other answers go to refuse, and
// those that say nothing about the request itself (429, 5xx) may be tried again.
type exchange struct {
	http   HTTP
	key    string
	method string
	url    string
	header http.Header
	body   any
	refuse func(response Response) *Refused // nil: by the status alone
}

func (e exchange) do(ctx context.Context, answer any) error {
	request := Request{Key: e.key, Method: e.method, URL: e.url, Header: http.Header{"Accept": {"application/json"}}}
	for name, values := range e.header {
		request.Header[name] = values
	}
	switch body := e.body.(type) {
	case nil:
	case string: // a form
		request.Body = []byte(body)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		request.Body = text
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := e.http.Do(ctx, request)
	if err != nil {
		return err
	}
	if response.Status < 200 || response.Status > 299 {
		refused := refusedBy(response)
		if e.refuse != nil {
			if known := e.refuse(response); known != nil {
				refused = known
			}
		}
		refused.After = retryAfter(response.Header)
		return refused
	}
	decoder := json.NewDecoder(bytes.NewReader(response.Body))
	if err := decoder.Decode(answer); err != nil {
		return errors.New("the network's answer cannot be read")
	}
	return nil
}

// refusedBy reads a refusal out of a status. What the network says in words is not kept: it may quote.
func refusedBy(response Response) *Refused {
	status := response.Status
	err := fmt.Errorf("the network answered %d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &Refused{Reason: "disconnected", Err: err}
	case status == http.StatusTooManyRequests || status >= 500:
		return &Refused{Reason: "later", Temporary: true, Err: err}
	}
	return &Refused{Reason: "http-" + strconv.Itoa(status), Err: err}
}

// retryAfter is what the header of that name says in seconds; 0 = nothing.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// OutboxAds records what an account of an advertising network would have been told: no more than that somebody joins an
// audience or leaves it.
type OutboxAds struct {
	Outbox
	Name string // of the account
}

// Account names the account.
func (o OutboxAds) Account() string { return "outbox/" + o.Name }

// Audience says that an audience has its name for an id.
func (o OutboxAds) Audience(_ context.Context, _, name string) (string, error) { return name, nil }

// Change records a change.
func (o OutboxAds) Change(ctx context.Context, change AudienceChange) error {
	act := "add"
	if change.Remove {
		act = "remove"
	}
	return o.record(ctx, Sent{Key: change.Key, At: change.At, Channel: "ads", To: o.Name + ": " + change.Name, Subject: act})
}
