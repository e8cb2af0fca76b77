package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// MetaAds is an ad account of Meta. Its audiences are Custom Audiences of customer files, kept by the Marketing API.
type MetaAds struct {
	HTTP  HTTP
	Ad    string                 // number of the account, without act_
	Token func() (string, error) // of a system user
	URL   string                 // with the version; "" = Meta's
}

// Account names the account.
func (m MetaAds) Account() string { return "meta/" + strings.TrimPrefix(m.Ad, "act_") }

// Audience finds the audience by our mark, which is its description, or makes it.
func (m MetaAds) Audience(ctx context.Context, key, name string) (string, error) {
	audiences := "/act_" + url.PathEscape(strings.TrimPrefix(m.Ad, "act_")) + "/customaudiences"
	mark := "Made by Millrace: " + madeHere(name)
	after := ""
	for range maxPages {
		var page struct {
			Data   []struct{ ID, Description string } `json:"data"`
			Paging struct {
				Cursors struct{ After string }
				Next    string
			} `json:"paging"`
		}
		query := url.Values{"fields": {"id,description"}, "limit": {"100"}}
		if after != "" {
			query.Set("after", after)
		}
		if err := m.call(ctx, key, http.MethodGet, audiences+"?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		for _, one := range page.Data {
			if one.Description == mark {
				return one.ID, nil
			}
		}
		if after = page.Paging.Cursors.After; after == "" || page.Paging.Next == "" {
			break
		}
	}
	var made struct{ ID string }
	err := m.call(ctx, key, http.MethodPost, audiences, map[string]string{
		"name": name, "description": mark, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY",
	}, &made)
	if err == nil && made.ID == "" {
		err = errors.New("meta made an audience without an id")
	}
	return made.ID, err
}

// Change sends the hashes of address and number.
func (m MetaAds) Change(ctx context.Context, change AudienceChange) error {
	method := http.MethodPost
	if change.Remove {
		method = http.MethodDelete
	}
	var answer struct {
		Invalid int `json:"num_invalid_entries"`
	}
	err := m.call(ctx, change.Key, method, "/"+url.PathEscape(change.Audience)+"/users", map[string]any{"payload": map[string]any{
		"schema": []string{"EMAIL", "PHONE"},
		"data":   [][]string{{hashed(plainAddress(change.Person.Email)), hashed(strings.TrimLeft(international(change.Person.Phone), "0"))}},
	}}, &answer)
	if err == nil && answer.Invalid > 0 {
		return &Refused{Reason: "invalid-member", Err: errors.New("meta does not take the hashes")}
	}
	return err
}

// call makes a call as the account.
func (m MetaAds) call(ctx context.Context, key, method, path string, body, answer any) error {
	token, err := m.Token()
	if err != nil {
		return err
	}
	return exchange{
		http: m.HTTP, key: key, method: method, body: body, header: http.Header{"Authorization": {"Bearer " + token}},
		url: strings.TrimSuffix(cmp.Or(m.URL, "https://graph.facebook.com/v25.0"), "/") + path, refuse: refusedByMeta,
	}.do(ctx, answer)
}

// refusedByMeta reads Meta's own codes, which tell more than its statuses: a limit comes as 400 too.
func refusedByMeta(response Response) *Refused {
	var answer struct {
		Error struct {
			Code      int  `json:"code"`
			Subcode   int  `json:"error_subcode"`
			Transient bool `json:"is_transient"`
		} `json:"error"`
	}
	if json.Unmarshal(response.Body, &answer) != nil || answer.Error.Code == 0 {
		return nil
	}
	code := answer.Error.Code
	err := fmt.Errorf("meta answered with code %d, subcode %d", code, answer.Error.Subcode)
	switch {
	case answer.Error.Transient, code == 1, code == 2, code == 4, code == 17, code == 32, code == 341, code == 613, code >= 80000 && code < 80100:
		return &Refused{Reason: "later", Temporary: true, Err: err}
	case code == 10, code == 102, code == 190, code >= 200 && code < 300:
		return &Refused{Reason: "disconnected", Err: err}
	}
	return &Refused{Reason: fmt.Sprintf("meta-%d", code), Err: err}
}
