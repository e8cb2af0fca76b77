package worker

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/store"
)

// Account is the workspace's settings.
type Account = crm.Account

// Configured returns the providers that an account names, made anew when its settings change. Without a
// mail server, mail goes to the outbox, where `millrace outbox` shows it.
func Configured(books *store.Store) func(Account) (action.Providers, error) {
	var mu sync.Mutex
	var made *Account
	var ways action.Providers
	return func(account Account) (action.Providers, error) {
		mu.Lock()
		defer mu.Unlock()
		if made != nil && reflect.DeepEqual(*made, account) {
			return ways, nil
		}
		built, err := build(account, books)
		if err != nil {
			return action.Providers{}, err
		}
		made, ways = &account, built
		return ways, nil
	}
}

func build(account Account, books *store.Store) (action.Providers, error) {
	secrets := provider.NewSecrets(os.LookupEnv, os.Getenv("MILLRACE_SECRETS_FILE"))
	http, err := provider.NewHTTP(provider.Egress{Allow: account.Egress.Allow, HTTP: account.Egress.HTTP})
	if err != nil {
		return action.Providers{}, err
	}
	models, err := provider.NewModels(provider.Egress{Allow: account.Egress.Allow, HTTP: account.Egress.HTTP})
	if err != nil {
		return action.Providers{}, err
	}
	ways := action.Providers{Mail: Outbox(books), HTTP: http, AI: models, Secret: secrets.Resolve}
	ways.Ads = adsAccounts(account, http, secrets)
	if service := account.Providers.Enrichment; service != nil {
		ways.Enrichment = provider.HTTPEnrichment{HTTP: http, URL: service.URL, APIKey: func() (string, error) {
			if service.APIKey == "" {
				return "", nil
			}
			return secrets.Resolve(service.APIKey)
		}}
	}
	switch server, named, err := MailServer(account, secrets); {
	case err != nil:
		ways.Mail = noMail{err}
	case named:
		ways.Mail = provider.NewSMTP(server)
	}
	return ways, nil
}

// MailServer is the mail server that an account names, if it names one. The error is about its password.
func MailServer(account Account, secrets provider.Secrets) (server provider.SMTP, named bool, err error) {
	settings := account.Providers.SMTP
	if settings == nil {
		return provider.SMTP{}, false, nil
	}
	server = provider.SMTP{Host: settings.Host, Port: settings.Port, Username: settings.Username, TLS: settings.TLS}
	if settings.Password != "" {
		server.Password, err = secrets.Resolve(settings.Password)
	}
	return server, true, err
}

// adsAccounts returns the accounts of advertising networks that an account names. Their secrets are read when they are
// used.
func adsAccounts(account Account, http provider.HTTP, secrets provider.Secrets) func(name string) (provider.Ads, error) {
	accounts := map[string]provider.Ads{}
	for name, one := range account.Providers.Ads {
		token := func() (string, error) { return secrets.Resolve(one.Token) }
		if one.Network == "meta" {
			accounts[name] = provider.MetaAds{HTTP: http, Ad: one.Account, Token: token, URL: one.URL}
			continue
		}
		google := &provider.GoogleAds{
			HTTP: http, Customer: one.Account, Manager: one.Manager, ClientID: one.ClientID, RefreshToken: token,
			ClientSecret: func() (string, error) { return secrets.Resolve(one.ClientSecret) }, URL: one.URL, TokenURL: one.TokenURL,
		}
		if one.Consent != "" {
			google.Consent = "CONSENT_" + strings.ToUpper(one.Consent)
		}
		accounts[name] = google
	}
	return func(name string) (provider.Ads, error) {
		if ads, found := accounts[name]; found {
			return ads, nil
		}
		return nil, &provider.Refused{Reason: "disconnected", Err: fmt.Errorf("millrace.yaml has no account %q in providers.ads", name)}
	}
}

// noMail keeps mail waiting for its operator; everything else goes on.
type noMail struct{ err error }

func (n noMail) Send(context.Context, provider.Email) error {
	return &provider.Refused{Reason: "no-password", Temporary: true, Err: n.err}
}

// Outbox records in the store what would have been sent.
func Outbox(books *store.Store) provider.Outbox {
	return provider.Outbox{Record: func(ctx context.Context, sent provider.Sent) error {
		return books.AddMessage(ctx, plan.Message{
			Key: sent.Key, At: sent.At, Node: NodeOf(sent.Key), Channel: sent.Channel,
			From: sent.From, To: sent.To, Subject: sent.Subject, Body: sent.Body,
		})
	}}
}

// NodeOf is the action in an idempotency key: welcome/contact/51/3/NODE/1/recipient.
func NodeOf(key string) string {
	parts := strings.Split(key, "/")
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}
