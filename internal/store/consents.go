package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// consenting is the type of records whose addresses have consents.
const consenting = "contact"

// Subscription returns a record's state for a subscription type: opted_in, opted_out or "" (not specified). It is that
// of its addresses; an opt-out of one of them holds.
func (r reader) Subscription(ctx context.Context, ref crm.Ref, subscription string) (state string, err error) {
	defer wrap(&err, "reading subscription %s of %s", subscription, ref)
	err = r.row(ctx, `SELECT state FROM subscriptions WHERE record = $1 AND subscription = $2`, ref.String(), subscription).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return state, err
}

// Consent returns what an address wants to get of a subscription type. Without a word of it the state is "".
func (r reader) Consent(ctx context.Context, channel, address, subscription string) (consent crm.Consent, err error) {
	defer wrap(&err, "reading the consent to %s", subscription)
	consent = crm.Consent{Channel: channel, Address: address, Subscription: subscription}
	err = r.row(ctx, `SELECT state, legal_basis, explanation FROM consents WHERE address = $1 AND channel = $2 AND subscription = $3`,
		crm.ComparableAddress(channel, address), channel, subscription).Scan(&consent.State, &consent.LegalBasis, &consent.Explanation)
	if errors.Is(err, sql.ErrNoRows) {
		return consent, nil
	}
	return consent, err
}

// SetConsent writes down what an address wants to get. Of the records that have it those that spell it like that have
// the subscription from now on, the others when they change. Errors: crm.ErrInvalid without an address, for an unknown
// channel or state.
func (tx *Tx) SetConsent(ctx context.Context, consent crm.Consent, at time.Time) (err error) {
	defer wrap(&err, "setting the consent to %s", consent.Subscription)
	switch {
	case crm.ComparableAddress(consent.Channel, consent.Address) == "":
		return fmt.Errorf("%w: there is no address", crm.ErrInvalid)
	case !slices.Contains(crm.Channels, consent.Channel):
		return fmt.Errorf("%w: %q is no channel", crm.ErrInvalid, consent.Channel)
	case !slices.Contains([]string{crm.OptedIn, crm.OptedOut, ""}, consent.State):
		return fmt.Errorf("%w: %q is not opted_in or opted_out", crm.ErrInvalid, consent.State)
	}
	if err := checkNames(consent.Subscription, consent.Address); err != nil {
		return err
	}
	records, err := tx.addressed(ctx, consent.Channel, consent.Address)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO consents (address, channel, subscription, state, legal_basis, explanation, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (address, channel, subscription) DO UPDATE
		SET state = excluded.state, legal_basis = excluded.legal_basis, explanation = excluded.explanation, at = excluded.at`,
		crm.ComparableAddress(consent.Channel, consent.Address), consent.Channel, consent.Subscription, consent.State, consent.LegalBasis, legible(consent.Explanation), instant{at})
	if err != nil {
		return err
	}
	for _, record := range records {
		tx.note(ctx, plan.Change{Record: record.Ref.String(), What: plan.ChangeSubscription, Name: consent.Subscription, At: at})
	}
	return tx.subscribe(ctx, records)
}

// addressed are the records that a channel reaches at an address; the transaction holds them.
func (tx *Tx) addressed(ctx context.Context, channel, address string) (records []crm.Record, err error) {
	seen := map[crm.Ref]bool{}
	for _, name := range crm.AddressProperties(channel) {
		refs, err := tx.Having(ctx, consenting, name, address, 0)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			record, err := tx.get(ctx, ref)
			if err != nil {
				return nil, err
			}
			if !seen[ref] && comparableAddress(record, channel) == crm.ComparableAddress(channel, address) {
				records = append(records, record)
			}
			seen[ref] = true
		}
	}
	return records, nil
}

// SetSubscription sets what the e-mail address of a record wants to get; of a record without one it is written for the
// record alone. Errors: crm.ErrNotFound, crm.ErrDeleted, crm.ErrInvalid for another state.
func (tx *Tx) SetSubscription(ctx context.Context, ref crm.Ref, subscription, state string, at time.Time) (err error) {
	defer wrap(&err, "setting subscription %s of %s", subscription, ref)
	record, err := tx.get(ctx, ref)
	if err != nil {
		return err
	}
	if address := crm.AddressOf(record, crm.ChannelEmail); address != "" && ref.Object == consenting {
		return tx.SetConsent(ctx, crm.Consent{Channel: crm.ChannelEmail, Address: address, Subscription: subscription, State: state}, at)
	}
	if err := checkNames(subscription); err != nil {
		return err
	}
	if !slices.Contains([]string{crm.OptedIn, crm.OptedOut, ""}, state) {
		return fmt.Errorf("%w: %q is not opted_in or opted_out", crm.ErrInvalid, state)
	}
	tx.note(ctx, plan.Change{Record: ref.String(), What: plan.ChangeSubscription, Name: subscription, At: at})
	return tx.addSubscriptions(ctx, [][]any{{ref.String(), subscription, state, instant{at}}})
}

// comparableAddress is the address of a record in the form in which addresses are compared.
func comparableAddress(record crm.Record, channel string) string {
	return crm.ComparableAddress(channel, crm.AddressOf(record, channel))
}

func (tx *Tx) addSubscriptions(ctx context.Context, rows [][]any) error {
	_, err := tx.insert(ctx, `INSERT INTO subscriptions (record, subscription, state, at)`,
		`ON CONFLICT (record, subscription) DO UPDATE SET state = excluded.state, at = excluded.at`, rows)
	return err
}

// subscribe gives records the subscriptions of their addresses.
func (tx *Tx) subscribe(ctx context.Context, records []crm.Record) error {
	reached := map[string][]crm.Record{} // by channel and address
	for _, record := range records {
		if record.Object != consenting {
			continue
		}
		for _, channel := range crm.Channels {
			if address := comparableAddress(record, channel); address != "" {
				reached[channel+" "+address] = append(reached[channel+" "+address], record)
			}
		}
	}
	if len(reached) == 0 {
		return nil
	}
	consents, err := tx.consents(ctx, reached)
	if err != nil {
		return err
	}
	type subscription struct{ record, name string }
	states := map[subscription]consented{}
	var order []subscription
	for _, one := range consents {
		for _, record := range reached[one.Channel+" "+one.Address] {
			key := subscription{record.Ref.String(), one.Subscription}
			known, found := states[key]
			if !found {
				order = append(order, key)
			}
			if !found || known.State != crm.OptedOut && one.State != "" {
				states[key] = one
			}
		}
	}
	var rows [][]any
	for _, key := range order {
		rows = append(rows, []any{key.record, key.name, states[key].State, states[key].at})
	}
	return tx.addSubscriptions(ctx, rows)
}

// consented is a consent and its instant.
type consented struct {
	crm.Consent
	at instant
}

// consents are those of addresses, which are the keys of reached.
func (tx *Tx) consents(ctx context.Context, reached map[string][]crm.Record) (found []consented, err error) {
	var addresses []any
	for key := range reached {
		_, address, _ := strings.Cut(key, " ")
		addresses = append(addresses, address)
	}
	for part := range slices.Chunk(addresses, together) {
		some, err := collect(ctx, tx.source, func(row scanner) (one consented, err error) {
			return one, row.Scan(&one.Address, &one.Channel, &one.Subscription, &one.State, &one.at)
		}, `SELECT address, channel, subscription, state, at FROM consents WHERE address IN `+tuples(1, len(part))+` ORDER BY address, channel, subscription`, part...)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

// resubscribe gives a record whose addresses changed the subscriptions of the new ones in the place of the old ones'.
func (tx *Tx) resubscribe(ctx context.Context, before, now crm.Record) error {
	moved := false
	for _, channel := range crm.Channels {
		old := comparableAddress(before, channel)
		if now.Object != consenting || old == comparableAddress(now, channel) {
			continue
		}
		moved = true
		_, err := tx.exec(ctx, `DELETE FROM subscriptions WHERE record = $1
			AND subscription IN (SELECT subscription FROM consents WHERE address = $2 AND channel = $3)`, now.Ref.String(), old, channel)
		if err != nil {
			return err
		}
	}
	if !moved {
		return nil
	}
	return tx.subscribe(ctx, []crm.Record{now})
}

// SetConsent is Tx.SetConsent in a transaction of its own.
func (s *Store) SetConsent(ctx context.Context, consent crm.Consent, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.SetConsent(ctx, consent, at) })
}

// SetSubscription is Tx.SetSubscription in a transaction of its own.
func (s *Store) SetSubscription(ctx context.Context, ref crm.Ref, subscription, state string, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.SetSubscription(ctx, ref, subscription, state, at) })
}
